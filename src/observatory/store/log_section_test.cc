#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/random.h"
#include "observatory/store/log_block.h"
#include "observatory/store/log_keys.h"
#include "observatory/store/log_test_database.h"

namespace enclave::observatory::store {
namespace {

using telemetry::Labels;
using telemetry::LogRecord;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::int64_t kNowMs = 1'700'000'000'000;
constexpr std::int64_t kNowNs = kNowMs * 1'000'000;
const telemetry::TimeRangeNs kAllTime{0, INT64_MAX};

using LogsUnderTest = SectionUnderTest<LogSection>;

telemetry::Batch BatchOf(Labels labels, std::vector<LogRecord> records) {
  telemetry::Batch batch;
  batch.streams.push_back({std::move(labels), std::move(records)});
  return batch;
}

struct Got {
  Labels stream;
  LogRecord record;
  auto operator==(const Got& other) const {
    return stream == other.stream && record == other.record;
  }
};
std::vector<Got> Ask(LogSection& logs, const telemetry::LogQuery& query, std::size_t limit = 1e9) {
  std::vector<Got> got;
  const auto result = logs.Query(query, [&](const Labels& stream, const LogRecord& record) {
    got.push_back({stream, record});
    return got.size() < limit;
  });
  EXPECT_TRUE(result) << result.error().message();
  return got;
}

std::vector<std::string> Lines(LogSection& logs, telemetry::LogQuery query,
                               std::size_t limit = 1e9) {
  std::vector<std::string> lines;
  for (const Got& got : Ask(logs, query, limit)) lines.push_back(got.record.line);
  return lines;
}

TEST(LogSectionTest, RecordsComeInOrderOfTimeFromAllStreams) {
  LogsUnderTest logs(CreateLogSection);
  telemetry::Batch batch;
  batch.streams.push_back({{{"app", "web"}}, {{kNowNs + 1, "one"}, {kNowNs + 3, "three"}}});
  batch.streams.push_back({{{"app", "cart"}}, {{kNowNs + 2, "two"}, {kNowNs + 4, "four"}}});
  EXPECT_FALSE(logs.Write(std::move(batch), kNowMs).any());
  EXPECT_THAT(Lines(*logs, {.matchers = {}, .range = kAllTime}),
              ElementsAre("one", "two", "three", "four"));
  EXPECT_THAT(Lines(*logs, {{}, kAllTime, telemetry::Direction::kBackward}, 2),
              ElementsAre("four", "three"));
  EXPECT_THAT(Lines(*logs, {{telemetry::Matcher::Equal("app", "cart")}, kAllTime}),
              ElementsAre("two", "four"));
  EXPECT_THAT(Lines(*logs, {{}, {kNowNs + 2, kNowNs + 4}}), ElementsAre("two", "three"));
  EXPECT_THAT(Lines(*logs, {{}, kAllTime, telemetry::Direction::kForward, {"o", "w"}}),
              ElementsAre("two"));
}

TEST(LogSectionTest, WhatIsRefusedSaysWhy) {
  StoreOptions options;
  options.limits.line_bytes = 10;
  options.limits.streams = 1;
  LogsUnderTest logs(CreateLogSection, options);
  EXPECT_THAT(logs.Write(BatchOf({{"app", "a"}}, {{kNowNs, "longer than ten"}}), kNowMs).why,
              HasSubstr("15 bytes, at most 10"));
  EXPECT_THAT(logs.Write(BatchOf({{"app", "a"}}, {{1, "x"}}), kNowMs).why, HasSubstr("older"));
  EXPECT_THAT(logs.Write(BatchOf({{"app", "a"}}, {{INT64_MAX, "x"}}), kNowMs).why,
              HasSubstr("future"));
  EXPECT_THAT(logs.Write(BatchOf({}, {{kNowNs, "x"}}), kNowMs).why, HasSubstr("one label"));
  EXPECT_THAT(logs.Write(BatchOf({{"app", "b"}}, {{kNowNs, "x"}}), kNowMs).why,
              HasSubstr("which is the limit"));
  const auto mixed =
      logs.Write(BatchOf({{"app", "a"}}, {{kNowNs, "x"}, {1, "y"}, {kNowNs, "z"}}), kNowMs);
  EXPECT_EQ(mixed.records, 1u);
  EXPECT_THAT(Lines(*logs, {{}, kAllTime}), ElementsAre("x", "z"));
}

TEST(LogSectionTest, AWriteThatFailedLeavesNothing) {
  LogsUnderTest logs(CreateLogSection);
  std::vector<telemetry::Batch> batches;
  batches.push_back(BatchOf({{"app", "a"}}, {{kNowNs, std::string(kLogBlockBytes, 'x')}}));
  logs.WriteTogether(std::move(batches), kNowMs, true);
  EXPECT_TRUE(Lines(*logs, {{}, kAllTime}).empty());
  EXPECT_TRUE(logs->Streams({}, kAllTime, 10)->empty());
  EXPECT_EQ(logs->PendingBytes(), 0u);
  logs.Write(BatchOf({{"app", "a"}}, {{kNowNs, "y"}}), kNowMs);
  EXPECT_THAT(Lines(*logs, {{}, kAllTime}), ElementsAre("y"));
}

TEST(LogSectionTest, RecordsOfATraceAreFoundInHeadsAndBlocks) {
  base::SeededRandom random(3);
  LogsUnderTest logs(CreateLogSection);
  const trace::TraceId wanted = trace::TraceId::Make(random);
  std::vector<LogRecord> records;
  for (int i = 0; i < 3000; ++i) {
    LogRecord record{kNowNs + i, random.Text("abcdef", 200)};
    record.trace_id = i % 1000 == 7 ? wanted : trace::TraceId::Make(random);
    records.push_back(record);
  }
  logs.Write(BatchOf({{"app", "web"}}, std::move(records)), kNowMs);
  LogRecord last{kNowNs + 5000, "in the head"};
  last.trace_id = wanted;
  logs.Write(BatchOf({{"app", "cart"}}, {last}), kNowMs);
  EXPECT_GT(logs->BytesByWindow().begin()->second, 1000u) << "something was sealed";
  for (int round = 0; round < 2; ++round) {
    std::vector<std::int64_t> times;
    ASSERT_TRUE(logs->OfTrace(wanted, [&](const Labels&, const LogRecord& record) {
      EXPECT_EQ(record.trace_id, wanted);
      times.push_back(record.time_ns - kNowNs);
      return true;
    }));
    EXPECT_THAT(times, ElementsAre(7, 1007, 2007, 5000));
    logs.Reopen();
  }
}

TEST(LogSectionTest, DroppedWindowsAreGoneAndSoAreStreamsWithoutData) {
  StoreOptions options;
  options.retention.age = base::Duration::zero();
  LogsUnderTest logs(CreateLogSection, options);
  const std::int64_t first = kWindowMs * 10;
  logs.Write(BatchOf({{"app", "old"}}, {{first * 1'000'000, std::string(kLogBlockBytes, 'a')}}),
             kNowMs);
  logs.Write(BatchOf({{"app", "both"}}, {{first * 1'000'000, "gone"}}), kNowMs);
  logs.Write(BatchOf({{"app", "both"}}, {{(first + kWindowMs) * 1'000'000, "stays"}}), kNowMs);
  EXPECT_EQ(logs->BytesByWindow().begin()->first, first);
  logs.DropBefore(first + kWindowMs);
  for (int round = 0; round < 2; ++round) {
    EXPECT_THAT(Lines(*logs, {{}, kAllTime}), ElementsAre("stays"));
    EXPECT_THAT(*logs->Streams({}, kAllTime, 10), ElementsAre(Labels{{"app", "both"}}));
    EXPECT_THAT(*logs->StreamLabelValues("app", kAllTime), ElementsAre("both"));
    EXPECT_EQ(logs.Write(BatchOf({{"app", "old"}}, {{first * 1'000'000, "x"}}), kNowMs).records,
              1u);
    logs.Reopen();
  }
}

TEST(LogSectionTest, NamesAndValuesOfStreamsAreThoseOfTheRange) {
  LogsUnderTest logs(CreateLogSection);
  logs.Write(BatchOf({{"app", "a"}, {"pod", "p"}}, {{kNowNs, "x"}}), kNowMs);
  logs.Write(BatchOf({{"app", "b"}, {"zone", "z"}}, {{kNowNs + 100, "x"}}), kNowMs);
  EXPECT_THAT(*logs->StreamLabelNames(kAllTime), ElementsAre("app", "pod", "zone"));
  EXPECT_THAT(*logs->StreamLabelNames({kNowNs, kNowNs + 100}), ElementsAre("app", "pod"));
  EXPECT_THAT(*logs->StreamLabelValues("app", {kNowNs + 1, kNowNs + 101}), ElementsAre("b"));
  const auto regex = telemetry::Matcher::Create(telemetry::MatchOp::kRegex, "app", "a.*");
  EXPECT_THAT(*logs->Streams({{*regex}, {telemetry::Matcher::Equal("pod", "p")}}, kAllTime, 10),
              ElementsAre(Labels{{"app", "a"}, {"pod", "p"}}));
}

// Against a twin that keeps everything in a list.
class LogTwinTest : public ::testing::TestWithParam<int> {
 protected:
  struct Kept {
    Got got;
    int write;
    std::size_t stream;  // in order of creation
    std::size_t position;
  };

  void Write(LogsUnderTest& logs) {
    std::vector<telemetry::Batch> batches;
    const std::size_t count = 1 + random_.Below(3);
    const bool fail = random_.Below(8) == 0;
    std::vector<Kept> added;
    std::vector<Labels> created = streams_;
    for (std::size_t i = 0; i < count; ++i) {
      telemetry::Batch batch;
      ++writes_;
      for (std::size_t j = 1 + random_.Below(3); j > 0; --j) {
        const Labels labels{{"app", std::to_string(random_.Below(3))},
                            {"pod", std::to_string(random_.Below(2))}};
        if (std::ranges::find(created, labels) == created.end()) created.push_back(labels);
        telemetry::StreamWrite stream{labels, {}};
        for (std::size_t k = 1 + random_.Below(40); k > 0; --k) {
          LogRecord record = RandomRecord();
          stream.records.push_back(record);
          added.push_back(
              {{labels, record},
               writes_,
               static_cast<std::size_t>(std::ranges::find(created, labels) - created.begin()),
               added.size()});
        }
        batch.streams.push_back(std::move(stream));
      }
      batches.push_back(std::move(batch));
    }
    EXPECT_FALSE(logs.WriteTogether(std::move(batches), kNowMs, fail).any());
    if (fail) return;
    streams_ = created;
    for (Kept& kept : added) {
      // Sent again: the first stays.
      if (std::ranges::none_of(kept_, [&](const Kept& old) { return old.got == kept.got; }))
        kept_.push_back(kept);
    }
    std::ranges::sort(kept_, {}, [](const Kept& kept) {
      return std::tuple(kept.got.record.time_ns, kept.write, kept.stream, kept.position);
    });
  }

  LogRecord RandomRecord() {
    if (!kept_.empty() && random_.Below(10) == 0) {
      LogRecord again = kept_[random_.Below(kept_.size())].got.record;
      return again;
    }
    LogRecord record;
    // Two windows, in no order, with many equal times.
    record.time_ns = kNowNs + static_cast<std::int64_t>(random_.Below(300)) * (kWindowNs / 200);
    record.line = random_.Text("ab", random_.Below(6)) +
                  (random_.Below(20) == 0 ? random_.Text("xyz \n", 20'000) : "");
    if (random_.Below(2) == 0) record.metadata.Set("level", random_.Text("ie", 1));
    if (random_.Below(3) == 0) record.trace_id = traces_[random_.Below(traces_.size())];
    if (random_.Below(3) == 0) record.span_id = trace::SpanId::Make(random_);
    return record;
  }

  void Compare(LogsUnderTest& logs) {
    telemetry::LogQuery query{.matchers = {}, .range = kAllTime};
    if (random_.Below(2) == 0) {
      query.range.from = kNowNs + static_cast<std::int64_t>(random_.Below(300)) * kWindowNs / 200;
      query.range.to = query.range.from + static_cast<std::int64_t>(random_.Below(kWindowNs));
    }
    if (random_.Below(2) == 0) query.matchers.push_back(telemetry::Matcher::Equal("app", "1"));
    if (random_.Below(3) == 0)
      query.matchers.push_back(
          *telemetry::Matcher::Create(telemetry::MatchOp::kNotRegex, "pod", "0|7"));
    if (random_.Below(2) == 0) query.contains.push_back(random_.Text("abxz", 1 + random_.Below(4)));
    const bool backward = random_.Below(2) == 0;
    if (backward) query.direction = telemetry::Direction::kBackward;
    std::vector<Got> expected;
    for (const Kept& kept : kept_) {
      const LogRecord& record = kept.got.record;
      if (record.time_ns < query.range.from || record.time_ns >= query.range.to) continue;
      if (!telemetry::Matches(query.matchers, kept.got.stream)) continue;
      if (!std::ranges::all_of(query.contains,
                               [&](const std::string& text) { return record.line.contains(text); }))
        continue;
      expected.push_back(kept.got);
    }
    std::vector<Got> got = Ask(*logs, query);
    if (backward) {
      // Of equal times the order is not compared: a record sent twice stands where the last came.
      const auto key = [](const Got& g) {
        return std::tuple(g.record.time_ns, g.record.line, g.stream, g.record.metadata,
                          g.record.trace_id, g.record.span_id);
      };
      EXPECT_TRUE(std::ranges::is_sorted(got, std::ranges::greater(),
                                         [](const Got& g) { return g.record.time_ns; }));
      std::ranges::sort(got, {}, key);
      std::ranges::sort(expected, {}, key);
    }
    ASSERT_EQ(got.size(), expected.size());
    EXPECT_TRUE(got == expected);
  }

  void CompareTraces(LogsUnderTest& logs) {
    for (const trace::TraceId trace : traces_) {
      std::vector<Got> expected;
      for (const Kept& kept : kept_)
        if (kept.got.record.trace_id == trace) expected.push_back(kept.got);
      std::vector<Got> got;
      ASSERT_TRUE(logs->OfTrace(trace, [&](const Labels& stream, const LogRecord& record) {
        got.push_back({stream, record});
        return true;
      }));
      EXPECT_TRUE(got == expected) << got.size() << " " << expected.size();
    }
  }

  void DropOldest(LogsUnderTest& logs) {
    const std::int64_t window = (WindowNumber(kNowNs) + std::int64_t{1}) * kWindowMs;
    logs.DropBefore(window);
    std::erase_if(kept_,
                  [&](const Kept& kept) { return kept.got.record.time_ns < window * 1'000'000; });
  }

  base::SeededRandom random_{static_cast<std::uint64_t>(GetParam())};
  std::vector<trace::TraceId> traces_{trace::TraceId::Make(random_), trace::TraceId::Make(random_)};
  std::vector<Labels> streams_;
  std::vector<Kept> kept_;
  int writes_ = 0;
};

TEST_P(LogTwinTest, TheSectionAndTheListAnswerTheSame) {
  StoreOptions options;
  options.limits.future_ms = INT64_MAX;
  LogsUnderTest logs(CreateLogSection, options);
  for (int step = 0; step < 60; ++step) {
    Write(logs);
    if (random_.Below(6) == 0) logs.Checkpoint();
    if (random_.Below(6) == 0) logs.Reopen();
    Compare(logs);
    if (HasFatalFailure()) return;
  }
  CompareTraces(logs);
  DropOldest(logs);
  Compare(logs);
  logs.Reopen();
  Compare(logs);
  CompareTraces(logs);
}

INSTANTIATE_TEST_SUITE_P(Seeds, LogTwinTest, ::testing::Range(1, 3));

}  // namespace
}  // namespace enclave::observatory::store
