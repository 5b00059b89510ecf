// Metrics through the whole store: what is written is read, over checkpoints and restarts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <thread>

#include "base/random.h"
#include "observatory/store/test_support.h"

namespace enclave::observatory::store {
namespace {

using telemetry::Labels;
using telemetry::Matcher;
using telemetry::MatchOp;
using telemetry::Sample;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr std::int64_t kStart = 1'700'000'000'000;

const Labels& Up() {
  static const Labels labels = {{"__name__", "up"}, {"job", "web"}};
  return labels;
}
telemetry::Matchers OfUp() {
  return {Matcher::Equal("__name__", "up")};
}

class MetricStoreTest : public ::testing::Test {
 protected:
  void Open() { store_ = OpenStore(options_, clock_); }
  void Reopen() {
    store_.reset();
    Open();
  }

  TemporaryDirectory directory_;
  StoreOptions options_ = TestOptions(directory_);
  SetClock clock_;
  std::unique_ptr<Store> store_;
};

TEST_F(MetricStoreTest, SamplesAreReadAsWrittenAndAfterARestart) {
  Open();
  EXPECT_FALSE(WriteSamples(*store_, Up(), {{kStart, 1}, {kStart + 15'000, 2.5}}).any());
  const Found expected = {{Up(), {{kStart, 1}, {kStart + 15'000, 2.5}}}};
  EXPECT_EQ(ReadSamples(*store_, OfUp()), expected);
  Reopen();
  EXPECT_EQ(ReadSamples(*store_, OfUp()), expected);
  EXPECT_EQ(store_->stats().series, 1U);
}

TEST_F(MetricStoreTest, LabelsAreOneSeriesInWhateverOrder) {
  Open();
  for (const bool turned : {false, true}) {
    telemetry::Batch batch;
    batch.series.push_back({.labels = {{"__name__", "up"}, {"job", "web"}, {"empty", ""}},
                            .samples = {{kStart + (turned ? 1000 : 0), 1}}});
    if (turned) std::swap(batch.series[0].labels[0], batch.series[0].labels[1]);
    ASSERT_TRUE(store_->sink().Write(std::move(batch)));
  }
  EXPECT_EQ(ReadSamples(*store_, OfUp()), (Found{{Up(), {{kStart, 1}, {kStart + 1000, 1}}}}));
}

TEST_F(MetricStoreTest, LateAndRepeatedSamplesFallIntoPlace) {
  Open();
  WriteSamples(*store_, Up(), {{3000, 3}, {1000, 1}});
  WriteSamples(*store_, Up(), {{2000, 2}, {3000, 3}, {1000, 1}});
  const Found expected = {{Up(), {{1000, 1}, {2000, 2}, {3000, 3}}}};
  EXPECT_EQ(ReadSamples(*store_, OfUp()), expected);
  EXPECT_EQ(store_->stats().duplicate_samples, 2U);
  // What was written last for a time holds, wherever the first one lies by now.
  ASSERT_TRUE(store_->Checkpoint());
  WriteSamples(*store_, Up(), {{2000, 22}, {3000, 33}});
  const Found rewritten = {{Up(), {{1000, 1}, {2000, 22}, {3000, 33}}}};
  EXPECT_EQ(ReadSamples(*store_, OfUp()), rewritten);
  Reopen();
  EXPECT_EQ(ReadSamples(*store_, OfUp()), rewritten);
}

TEST_F(MetricStoreTest, ARandomHistoryIsReadLikeAMap) {
  base::SeededRandom random(42);
  Open();
  std::map<std::int64_t, double> twin;
  std::int64_t newest = 0;
  for (int round = 0; round < 200; ++round) {
    std::vector<Sample> samples;
    const std::uint64_t kind = random.Below(4);
    for (std::uint64_t i = 0; i < 1 + random.Below(60); ++i) {
      std::int64_t time = newest + 15'000;
      if (kind == 0) time = static_cast<std::int64_t>(random.Below(20'000'000));
      if (kind == 1) time = newest - static_cast<std::int64_t>(random.Below(100)) * 15'000;
      newest = std::max(newest, time);
      samples.push_back({time, static_cast<double>(random.Below(1000))});
      twin[time] = samples.back().value;
    }
    WriteSamples(*store_, Up(), samples);
    if (random.Below(20) == 0) ASSERT_TRUE(store_->Checkpoint());
    if (random.Below(60) == 0) Reopen();
    if (round % 40 != 39) continue;
    const auto from = static_cast<std::int64_t>(random.Below(20'000'000));
    const auto to = from + static_cast<std::int64_t>(random.Below(20'000'000));
    std::vector<std::pair<std::int64_t, double>> expected(twin.lower_bound(from),
                                                          twin.upper_bound(to));
    ASSERT_EQ(ReadSamples(*store_, OfUp(), {from, to})[Up()], expected) << "round " << round;
    expected.assign(twin.begin(), twin.end());
    ASSERT_EQ(ReadSamples(*store_, OfUp())[Up()], expected) << "round " << round;
  }
}

TEST_F(MetricStoreTest, ASetIsASnapshot) {
  Open();
  WriteSamples(*store_, Up(), {{1000, 1}, {2000, 2}});
  auto set = store_->metrics().Select(OfUp(), kAllTimes);
  ASSERT_TRUE(set);
  // Later writes, sealed chunks, checkpoints: none of it shows.
  for (int i = 3; i < 1000; ++i) WriteSamples(*store_, Up(), {{i * 1000, 1. * i}});
  WriteSamples(*store_, Up(), {{1500, 7}, {2000, 8}});
  ASSERT_TRUE(store_->Checkpoint());
  EXPECT_EQ(ReadAll(**set), (Found{{Up(), {{1000, 1}, {2000, 2}}}}));
  EXPECT_THAT(ReadSamples(*store_, OfUp())[Up()], SizeIs(1000));
}

TEST_F(MetricStoreTest, StalenessMarkersSurvive) {
  Open();
  const double stale = std::bit_cast<double>(telemetry::kStaleBits);
  std::vector<Sample> samples;
  for (int i = 0; i < 500; ++i) samples.push_back({i * 15'000, i % 100 == 99 ? stale : 1. * i});
  WriteSamples(*store_, Up(), samples);
  Reopen();
  int markers = 0;
  const Found found = ReadSamples(*store_, OfUp());
  for (const auto& [time, value] : found.at(Up())) markers += telemetry::IsStale(value) ? 1 : 0;
  EXPECT_EQ(markers, 5);
}

TEST_F(MetricStoreTest, SelectionAgreesWithMatchingEverySeries) {
  Open();
  base::SeededRandom random(9);
  std::vector<Labels> all;
  telemetry::Batch batch;
  for (int i = 0; i < 300; ++i) {
    Labels labels = {{"__name__", "m" + std::to_string(i % 7)}, {"id", std::to_string(i)}};
    if (random.Below(2) == 0) labels.Set("zone", std::string(1, "abc"[random.Below(3)]));
    if (random.Below(3) == 0) labels.Set("job", "job-" + std::to_string(random.Below(5)));
    AddSeries(batch, labels, {{1000, 1}});
    all.push_back(labels);
  }
  ASSERT_TRUE(store_->sink().Write(std::move(batch)));
  const std::vector<std::string> names = {"__name__", "zone", "job", "id", "absent"};
  const std::vector<std::string> values = {
      "", "a", "m1", "m.", "a|b", ".*", ".+", "job-1", "job-.?", "|a|m2", "m1|m2|m3", "1.*", "b|"};
  for (int round = 0; round < 300; ++round) {
    telemetry::Matchers matchers;
    for (std::uint64_t i = 0; i < 1 + random.Below(3); ++i)
      matchers.push_back(Match(static_cast<MatchOp>(random.Below(4)),
                               names[random.Below(names.size())],
                               values[random.Below(values.size())]));
    std::vector<Labels> expected;
    std::string shown;
    for (const Matcher& matcher : matchers) shown += matcher.ToString() + " ";
    for (const Labels& labels : all)
      if (telemetry::Matches(matchers, labels)) expected.push_back(labels);
    auto found = store_->metrics().Series({matchers}, kAllTimes, 1000);
    ASSERT_TRUE(found);
    std::ranges::sort(expected);
    std::ranges::sort(*found);
    ASSERT_EQ(*found, expected) << shown;
  }
}

TEST_F(MetricStoreTest, SeriesWithoutSamplesInTheRangeAreLeftOut) {
  Open();
  const Labels old = {{"__name__", "up"}, {"job", "old"}};
  const std::int64_t day = 24LL * 3600 * 1000;
  WriteSamples(*store_, old, {{1000, 1}});
  WriteSamples(*store_, Up(), {{day, 1}});
  ASSERT_TRUE(store_->Checkpoint());
  EXPECT_THAT(ReadSamples(*store_, OfUp(), {day - 1000, day}), ElementsAre(Pair(Up(), SizeIs(1))));
  EXPECT_THAT(ReadSamples(*store_, OfUp(), {0, 2000}), ElementsAre(Pair(old, SizeIs(1))));
  EXPECT_THAT(*store_->metrics().LabelValues("job", {}, {0, 2000}), ElementsAre("old"));
  EXPECT_THAT(*store_->metrics().LabelValues("job", {OfUp()}, kAllTimes),
              ElementsAre("old", "web"));
  EXPECT_THAT(*store_->metrics().LabelNames({}, kAllTimes), ElementsAre("__name__", "job"));
  EXPECT_THAT(*store_->metrics().LabelNames({{Matcher::Equal("job", "x")}}, kAllTimes), IsEmpty());
}

TEST_F(MetricStoreTest, ExemplarsAreFoundBySeriesAndByTrace) {
  options_.limits.exemplars_per_series = 3;
  Open();
  const auto trace = [](int i) {
    return trace::TraceId::Parse("0000000000000000000000000000000" + std::to_string(i)).value();
  };
  const auto write = [&](int i) {
    telemetry::Batch batch;
    AddSeries(batch, Up(), {{kStart + i, 1}});
    batch.series[0].exemplars.push_back({.labels = {{"k", "v"}},
                                         .value = 0.5 * i,
                                         .time_ms = kStart + i,
                                         .trace_id = trace(i),
                                         .span_id = trace::SpanId::Parse("00000000000000ff")});
    ASSERT_TRUE(store_->sink().Write(std::move(batch)));
  };
  for (int i = 1; i <= 5; ++i) write(i);
  write(5);
  for (const bool again : {false, true}) {
    if (again) Reopen();
    const auto found = store_->metrics().Exemplars({OfUp()}, kAllTimes);
    ASSERT_TRUE(found);
    ASSERT_THAT(*found, SizeIs(1));
    EXPECT_EQ((*found)[0].series, Up());
    ASSERT_THAT((*found)[0].exemplars, SizeIs(3));  // the newest
    EXPECT_EQ((*found)[0].exemplars[0].time_ms, kStart + 3);
    const auto of_trace = store_->metrics().ExemplarsOf(trace(4));
    ASSERT_TRUE(of_trace);
    ASSERT_THAT(*of_trace, SizeIs(1));
    EXPECT_EQ((*of_trace)[0].exemplars[0].value, 2);
    EXPECT_EQ((*of_trace)[0].exemplars[0].labels, (Labels{{"k", "v"}}));
    EXPECT_EQ((*of_trace)[0].exemplars[0].span_id->value(), 255U);
    EXPECT_THAT(*store_->metrics().ExemplarsOf(trace(1)), IsEmpty());
  }
}

TEST_F(MetricStoreTest, MetadataIsKept) {
  Open();
  telemetry::Batch batch;
  batch.metadata["up"] = {telemetry::MetricType::kGauge, "whether it is up", "1"};
  batch.metadata["http"] = {telemetry::MetricType::kCounter, "requests", ""};
  ASSERT_TRUE(store_->sink().Write(std::move(batch)));
  Reopen();
  const auto all = store_->metrics().Metadata("", 10);
  ASSERT_TRUE(all);
  EXPECT_THAT(*all, SizeIs(2));
  EXPECT_EQ(all->at("up")[0].help, "whether it is up");
  EXPECT_THAT(*store_->metrics().Metadata("", 1), SizeIs(1));
  EXPECT_EQ(store_->metrics().Metadata("http", 10)->at("http")[0].type,
            telemetry::MetricType::kCounter);
}

TEST_F(MetricStoreTest, LimitsRefuseItemByItemAndSayWhich) {
  options_.limits.series = 2;
  options_.limits.labels = 3;
  options_.limits.label_value_bytes = 10;
  options_.limits.out_of_order_ms = 60'000;
  options_.retention.age = std::chrono::hours(1);
  Open();
  const auto why = [&](const Labels& labels, Sample sample) {
    const telemetry::Refused refused = WriteSamples(*store_, labels, {sample});
    EXPECT_EQ(refused.samples, refused.why.empty() ? 0U : 1U);
    return refused.why;
  };
  EXPECT_EQ(why(Up(), {kStart, 1}), "");
  EXPECT_THAT(why({{"job", "x"}}, {kStart, 1}), HasSubstr("__name__"));
  EXPECT_THAT(why({{"__name__", "a"}, {"b", "c"}, {"d", "e"}, {"f", "g"}}, {kStart, 1}),
              HasSubstr("4 labels"));
  EXPECT_THAT(why({{"__name__", "longer than ten"}}, {kStart, 1}), HasSubstr("15 bytes"));
  EXPECT_THAT(why({{"__name__", "a"}, {"b", "\xff"}}, {kStart, 1}), HasSubstr("UTF-8"));
  EXPECT_THAT(why(Up(), {kStart - 3'700'000, 1}), HasSubstr("s old"));
  EXPECT_THAT(why(Up(), {kStart + 48LL * 3'600'000, 1}), HasSubstr("future"));
  EXPECT_THAT(why(Up(), {kStart - 61'000, 1}), HasSubstr("before the newest"));
  EXPECT_EQ(why({{"__name__", "second"}}, {kStart, 1}), "");
  EXPECT_THAT(why({{"__name__", "third"}}, {kStart, 1}), HasSubstr("2 series are known"));
  // A batch that is refused in part is taken for the rest.
  telemetry::Batch batch;
  AddSeries(batch, {{"__name__", "fourth"}}, {{kStart + 1, 1}, {kStart + 2, 1}});
  AddSeries(batch, Up(), {{kStart + 1, 5}});
  const auto refused = store_->sink().Write(std::move(batch));
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->samples, 2U);
  EXPECT_THAT(ReadSamples(*store_, OfUp())[Up()], SizeIs(2));
}

TEST_F(MetricStoreTest, OldWindowsGoAndSeriesWithoutDataAreForgotten) {
  options_.retention.age = std::chrono::hours(10);
  Open();
  const Labels old = {{"__name__", "up"}, {"job", "old"}};
  for (int i = 0; i < 600; ++i)
    WriteSamples(*store_, old, {{kStart - 4 * kWindowMs + i * 15'000, 1. * i}});
  WriteSamples(*store_, Up(), {{kStart - 1000, 1}});
  clock_.Advance(std::chrono::hours(9));
  WriteSamples(*store_, Up(), {{clock_.ms(), 2}});
  ASSERT_TRUE(store_->Maintain());
  for (const bool again : {false, true}) {
    if (again) Reopen();
    EXPECT_THAT(ReadSamples(*store_, OfUp()), ElementsAre(Pair(Up(), SizeIs(2))));
    EXPECT_EQ(store_->stats().series, 1U);
  }
  // The freed number serves a new series.
  WriteSamples(*store_, {{"__name__", "fresh"}}, {{clock_.ms(), 3}});
  Reopen();
  EXPECT_THAT(ReadSamples(*store_, {Matcher::Equal("__name__", "fresh")}), SizeIs(1));
  EXPECT_THAT(ReadSamples(*store_, OfUp()), SizeIs(1));
}

TEST_F(MetricStoreTest, RetentionBySizeDropsTheOldestWindows) {
  options_.retention.bytes = 3000;
  Open();
  base::SeededRandom random(3);
  for (int window = 0; window < 6; ++window) {
    std::vector<Sample> samples;
    for (int i = 0; i < 240; ++i)
      samples.push_back(
          {kStart - kStart % kWindowMs + window * kWindowMs + i * 30'000, random.Unit()});
    WriteSamples(*store_, Up(), samples);
  }
  ASSERT_TRUE(store_->Maintain());
  const Found found = ReadSamples(*store_, OfUp());
  const auto& left = found.at(Up());
  EXPECT_LT(left.size(), 700U);
  EXPECT_GE(left.size(), 240U);
  EXPECT_GT(store_->stats().dropped_windows, 2U);
  EXPECT_EQ(left.back().first, kStart - kStart % kWindowMs + 5 * kWindowMs + 239 * 30'000);
}

TEST_F(MetricStoreTest, ManyWritersShareCommitsAndNothingIsLost) {
  Open();
  constexpr int kWriters = 8;
  constexpr int kWrites = 40;
  std::vector<std::thread> writers;
  for (int writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back([&, writer] {
      for (int i = 0; i < kWrites; ++i)
        WriteSamples(*store_, {{"__name__", "w"}, {"n", std::to_string(writer)}},
                     {{i * 1000, 1. * i}});
    });
  }
  std::thread reader([&] {
    for (int i = 0; i < 50; ++i) ReadSamples(*store_, {Matcher::Equal("__name__", "w")});
  });
  for (std::thread& writer : writers) writer.join();
  reader.join();
  const Found found = ReadSamples(*store_, {Matcher::Equal("__name__", "w")});
  ASSERT_THAT(found, SizeIs(kWriters));
  for (const auto& [labels, samples] : found) EXPECT_THAT(samples, SizeIs(kWrites));
  const Stats stats = store_->stats();
  EXPECT_EQ(stats.batches, 1U * kWriters * kWrites);
  EXPECT_LE(stats.commits, stats.batches);
}

}  // namespace
}  // namespace enclave::observatory::store
