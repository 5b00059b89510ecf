#include "observatory/ingest/remote_write.h"

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "observatory/ingest/ingest_testing.h"
#include "observatory/ingest/remote_testing.h"

namespace enclave::observatory::ingest {
namespace {

using protozero::pbf_writer;
using telemetry::Labels;
using telemetry::MetricType;
using testing::HasSubstr;

class RemoteWriteTest : public testing::Test {
 protected:
  RemoteWrite Decode() {
    auto write = DecodeRemoteWrite(body_, hold_);
    EXPECT_TRUE(write) << write.error().message();
    EXPECT_TRUE(sink_.Write(std::move(write->batch)));
    return std::move(*write);
  }

  ByteBudget budget_{16 << 20};
  ByteBudget::Hold hold_{budget_};
  std::string body_;
  pbf_writer request_{body_};
  RecordingSink sink_;
};

TEST_F(RemoteWriteTest, SeriesComeWithSamplesExemplarsAndMetadata) {
  {
    pbf_writer series(request_, 1);
    AddPairs(series, 1, {{"__name__", "up"}, {"instance", "a:9090"}, {"job", "node"}});
    for (int i = 0; i < 3; ++i) {
      pbf_writer sample(series, 2);
      sample.add_double(1, i);
      sample.add_int64(2, 1000 + i);
    }
    pbf_writer exemplar(series, 3);
    AddPairs(exemplar, 1,
             {{"trace_id", "5b8efff798038103d269b633813fc60c"},
              {"span_id", "eee19b7ec3c1b174"},
              {"user", "u1"}});
    exemplar.add_double(2, 0.5);
    exemplar.add_int64(3, 1001);
  }
  {
    pbf_writer metadata(request_, 3);
    metadata.add_enum(1, 2);
    metadata.add_string(2, "up");
    metadata.add_string(4, "Whether the target answers.");
    metadata.add_string(5, "bool");
  }
  const RemoteWrite write = Decode();
  EXPECT_EQ(write.samples, 3u);
  EXPECT_EQ(write.exemplars, 1u);
  EXPECT_EQ(write.refused.count, 0u);
  const auto* series = sink_.Find(R"(up{instance="a:9090", job="node"})");
  ASSERT_NE(series, nullptr);
  ASSERT_EQ(series->samples.size(), 3u);
  EXPECT_EQ(series->samples[2].time_ms, 1002);
  EXPECT_EQ(series->samples[2].value, 2);
  ASSERT_EQ(series->exemplars.size(), 1u);
  EXPECT_EQ(series->exemplars[0].trace_id->ToString(), "5b8efff798038103d269b633813fc60c");
  EXPECT_EQ(series->exemplars[0].span_id->ToString(), "eee19b7ec3c1b174");
  EXPECT_EQ(series->exemplars[0].labels, (Labels{{"user", "u1"}}));
  EXPECT_EQ(series->exemplars[0].value, 0.5);
  EXPECT_EQ(series->exemplars[0].time_ms, 1001);
  EXPECT_EQ(sink_.metadata.at("up"),
            (telemetry::MetricMetadata{MetricType::kGauge, "Whether the target answers.", "bool"}));
}

TEST_F(RemoteWriteTest, LabelsPointIntoTheBody) {
  AddSeries(request_, {{"__name__", "m"}, {"a", "1"}}, 1, 1);
  const auto write = DecodeRemoteWrite(body_, hold_);
  ASSERT_TRUE(write);
  for (const telemetry::LabelView& label : write->batch.series.at(0).labels) {
    EXPECT_GE(label.value.data(), body_.data());
    EXPECT_LT(label.value.data(), body_.data() + body_.size());
  }
}

TEST_F(RemoteWriteTest, UnsortedLabelsAndEmptyValuesAreTaken) {
  AddSeries(request_, {{"job", "j"}, {"__name__", "m"}, {"gone", ""}, {"a", "1"}}, 1, 1);
  EXPECT_EQ(Decode().refused.count, 0u);
  EXPECT_NE(sink_.Find(R"(m{a="1", job="j"})"), nullptr);
}

TEST_F(RemoteWriteTest, SeriesThatBreakARuleAreRefusedAlone) {
  AddSeries(request_, {{"job", "nameless"}}, 1, 1);
  AddSeries(request_, {{"__name__", "m"}, {"a", "1"}, {"b", "2"}, {"a", "3"}}, 1, 1);
  AddSeries(request_, {{"__name__", "m"}, {"a", "\xff\xfe"}}, 1, 1);
  AddSeries(request_, {{"__name__", "m"}, {"", "1"}}, 1, 1);
  AddSeries(request_, {{"__name__", "good"}, {"a", "größer als acht Zeichen"}}, 1, 1);
  const RemoteWrite write = Decode();
  EXPECT_EQ(write.samples, 5u);
  EXPECT_EQ(write.refused.count, 4u);
  EXPECT_EQ(write.refused.why, R"(series {job="nameless"}: it has no label __name__)");
  ASSERT_EQ(sink_.series.size(), 1u);
  EXPECT_EQ(sink_.series[0].labels.Get("__name__"), "good");
}

TEST_F(RemoteWriteTest, NativeHistogramsAreRefusedAndCounted) {
  {
    pbf_writer series(request_, 1);
    AddPairs(series, 1, {{"__name__", "latency"}});
    series.add_bytes(4, "\x08\x01");
    series.add_bytes(4, "\x08\x02");
    pbf_writer sample(series, 2);
    sample.add_double(1, 3);
  }
  const RemoteWrite write = Decode();
  EXPECT_EQ(write.histograms, 2u);
  EXPECT_EQ(write.refused.count, 2u);
  EXPECT_THAT(write.refused.why, HasSubstr("latency"));
  EXPECT_THAT(write.refused.why, HasSubstr("native histograms"));
  EXPECT_EQ(sink_.series.size(), 1u);
}

TEST_F(RemoteWriteTest, BrokenBytesSayAfterWhichSeries) {
  AddSeries(request_, {{"__name__", "m"}}, 1, 1);
  AddSeries(request_, {{"__name__", "m"}}, 1, 1);
  const auto cut = DecodeRemoteWrite(std::string_view(body_).substr(0, body_.size() - 3), hold_);
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().kind(), base::ErrorKind::kInvalidArgument);
  EXPECT_THAT(cut.error().message(), HasSubstr("prometheus.WriteRequest"));
  EXPECT_FALSE(DecodeRemoteWrite("\xff\xff\xff", hold_));
}

TEST_F(RemoteWriteTest, ManySmallThingsArePaidFor) {
  std::string body;
  for (int i = 0; i < 1'000'000; ++i) body += std::string_view("\x0a\x00", 2);
  const auto write = DecodeRemoteWrite(body, hold_);
  ASSERT_FALSE(write);
  EXPECT_EQ(write.error().kind(), base::ErrorKind::kTooLarge);
}

// --- 2.0.

class RemoteWriteV2Test : public testing::Test {
 protected:
  // Symbols: "", __name__, up, job, node, trace_id, ID, "It is up."
  void AddSymbols(pbf_writer& request) {
    for (const char* symbol : {"", "__name__", "up", "job", "node", "trace_id",
                               "5b8efff798038103d269b633813fc60c", "It is up."})
      request.add_string(4, symbol);
  }
  void AddUp(pbf_writer& request, std::vector<std::uint32_t> references) {
    pbf_writer series(request, 5);
    series.add_packed_uint32(1, references.begin(), references.end());
    {
      pbf_writer sample(series, 2);
      sample.add_double(1, 1);
      sample.add_int64(2, 1234);
    }
    {
      pbf_writer exemplar(series, 4);
      const std::array<std::uint32_t, 2> pair = {5, 6};
      exemplar.add_packed_uint32(1, pair.begin(), pair.end());
      exemplar.add_double(2, 9);
      exemplar.add_int64(3, 1234);
    }
    pbf_writer metadata(series, 5);
    metadata.add_enum(1, 2);
    metadata.add_uint32(3, 7);
  }

  ByteBudget budget_{16 << 20};
  ByteBudget::Hold hold_{budget_};
  RecordingSink sink_;
};

TEST_F(RemoteWriteV2Test, SymbolsBecomeLabelsWhereverTheyStand) {
  for (const bool symbols_first : {true, false}) {
    std::string body;
    pbf_writer request(body);
    if (symbols_first) AddSymbols(request);
    AddUp(request, {1, 2, 3, 4});
    if (!symbols_first) AddSymbols(request);
    auto write = DecodeRemoteWriteV2(body, hold_);
    ASSERT_TRUE(write) << write.error().message();
    EXPECT_EQ(write->samples, 1u);
    EXPECT_EQ(write->exemplars, 1u);
    ASSERT_TRUE(sink_.Write(std::move(write->batch)));
    const auto& series = sink_.series.back();
    EXPECT_EQ(series.labels.ToString(), R"(up{job="node"})");
    EXPECT_EQ(series.samples.at(0).time_ms, 1234);
    EXPECT_EQ(series.exemplars.at(0).trace_id->ToString(), "5b8efff798038103d269b633813fc60c");
    EXPECT_EQ(sink_.metadata.at("up"),
              (telemetry::MetricMetadata{MetricType::kGauge, "It is up.", ""}));
  }
}

TEST_F(RemoteWriteV2Test, ReferencesAreChecked) {
  for (const auto& references :
       std::vector<std::vector<std::uint32_t>>{{1, 8}, {1, 2, 3}, {4'000'000'000, 1}}) {
    std::string body;
    pbf_writer request(body);
    AddSymbols(request);
    AddUp(request, references);
    const auto write = DecodeRemoteWriteV2(body, hold_);
    ASSERT_FALSE(write);
    EXPECT_EQ(write.error().kind(), base::ErrorKind::kInvalidArgument);
  }
}

}  // namespace
}  // namespace enclave::observatory::ingest
