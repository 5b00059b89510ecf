#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>

#include "base/random.h"
#include "observatory/store/log_keys.h"
#include "observatory/store/log_test_database.h"
#include "observatory/store/span_codec.h"
#include "observatory/store/span_section.h"

namespace enclave::observatory::store {
namespace {

using telemetry::Span;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::int64_t kSpanNowMs = 1'700'000'000'000;
constexpr std::int64_t kSpanNowNs = kSpanNowMs * 1'000'000;
const telemetry::TimeRangeNs kEver{0, INT64_MAX};

using SpansUnderTest = SectionUnderTest<TraceSection>;

telemetry::Attributes RandomAttributes(base::Random& random) {
  telemetry::Attributes attributes;
  for (std::uint64_t i = random.Below(4); i > 0; --i) {
    telemetry::Attribute attribute{random.Text("abc.", 3), true};
    switch (random.Below(5)) {
      case 0:
        attribute.value = random.Text("xyz", 3);
        break;
      case 1:
        attribute.value = static_cast<std::int64_t>(random.Next());
        break;
      case 2:
        attribute.value = random.Unit();
        break;
      case 3:
        attribute.value = telemetry::JsonText{"[1,2]"};
        break;
      default:
        break;
    }
    attributes.push_back(std::move(attribute));
  }
  return attributes;
}

Span RandomSpan(base::Random& random) {
  Span span{.trace_id = trace::TraceId::Make(random), .span_id = trace::SpanId::Make(random)};
  if (random.Below(2) == 0) span.parent_id = trace::SpanId::Make(random);
  span.name = "op" + std::to_string(random.Below(4));
  span.kind = static_cast<telemetry::SpanKind>(random.Below(6));
  span.status = static_cast<telemetry::SpanStatus>(random.Below(3));
  span.status_message = random.Text("ab", random.Below(3));
  // Two windows, each start once.
  span.start_ns = kSpanNowNs - static_cast<std::int64_t>(random.Below(kWindowNs));
  span.end_ns = span.start_ns + static_cast<std::int64_t>(random.Below(1'000'000));
  span.scope = random.Text("ab", random.Below(3));
  span.trace_state = random.Text("ab", random.Below(2));
  span.resource = {{"service.name", "svc" + std::to_string(random.Below(3))}};
  if (random.Below(2) == 0) span.resource.push_back({"pod", random.Text("ab", 1)});
  span.attributes = RandomAttributes(random);
  span.attributes.push_back({"code", static_cast<std::int64_t>(random.Below(3))});
  for (std::uint64_t i = random.Below(3); i > 0; --i)
    span.events.push_back({span.start_ns + 5, "exception", RandomAttributes(random)});
  if (random.Below(3) == 0)
    span.links.push_back(
        {trace::TraceId::Make(random), trace::SpanId::Make(random), RandomAttributes(random)});
  return span;
}

TEST(SpanCodecTest, SpansComeBackAsTheyWere) {
  base::SeededRandom random(5);
  for (int i = 0; i < 300; ++i) {
    const Span span = RandomSpan(random);
    const auto whole =
        DecodeSpan(EncodeSpan(span, std::nullopt), span.trace_id, span.span_id, span.start_ns);
    ASSERT_TRUE(whole) << whole.error().message();
    EXPECT_TRUE(whole->span == span);
    EXPECT_FALSE(whole->resource);
    auto apart = DecodeSpan(EncodeSpan(span, 77), span.trace_id, span.span_id, span.start_ns);
    ASSERT_TRUE(apart);
    EXPECT_EQ(apart->resource, 77u);
    apart->span.resource = span.resource;
    EXPECT_TRUE(apart->span == span);
  }
}

TEST(SpanCodecTest, CutBytesAreAnErrorAndDamagedOnesNoCrash) {
  base::SeededRandom random(6);
  const Span span = RandomSpan(random);
  const std::string bytes = EncodeSpan(span, std::nullopt);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    EXPECT_FALSE(DecodeSpan(bytes.substr(0, i), span.trace_id, span.span_id, span.start_ns));
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = bytes;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      (void)DecodeSpan(damaged, span.trace_id, span.span_id, span.start_ns).has_value();
    }
  }
}

bool Wanted(const Span& span, const telemetry::SpanQuery& query) {
  const std::int64_t duration = span.end_ns - span.start_ns;
  const auto tagged = [&](const telemetry::Attribute& tag) {
    for (const telemetry::Attributes* attributes : {&span.attributes, &span.resource})
      if (const auto* value = telemetry::Find(*attributes, tag.key);
          value != nullptr && telemetry::ToText(*value) == telemetry::ToText(tag.value))
        return true;
    return false;
  };
  return span.start_ns >= query.range.from && span.start_ns < query.range.to &&
         (!query.service || telemetry::ServiceName(span.resource) == *query.service) &&
         (!query.operation || span.name == *query.operation) &&
         (!query.status || span.status == *query.status) && duration >= query.min_duration_ns &&
         duration <= query.max_duration_ns && std::ranges::all_of(query.tags, tagged);
}

TEST(SpanSectionTest, SearchesAnswerAsAListWould) {
  base::SeededRandom random(11);
  SpansUnderTest spans(CreateTraceSection);
  std::vector<Span> all;
  for (int round = 0; round < 20; ++round) {
    std::vector<telemetry::Batch> batches(2);
    for (int i = 0; i < 20; ++i) {
      Span span = RandomSpan(random);
      // Some share a trace.
      if (!all.empty() && random.Below(2) == 0)
        span.trace_id = all[random.Below(all.size())].trace_id;
      batches[random.Below(2)].spans.push_back(span);
      all.push_back(span);
    }
    if (random.Below(3) == 0) batches[0].spans.push_back(all[random.Below(all.size())]);  // again
    EXPECT_FALSE(spans.WriteTogether(std::move(batches), kSpanNowMs).any());
    if (round % 5 == 4) spans.Reopen();
  }
  std::ranges::sort(all, std::ranges::greater(), &Span::start_ns);
  for (int i = 0; i < 200; ++i) {
    telemetry::SpanQuery query{.range = kEver};
    if (random.Below(2) == 0) query.service = "svc" + std::to_string(random.Below(4));
    if (random.Below(2) == 0) query.operation = "op" + std::to_string(random.Below(5));
    if (random.Below(2) == 0) query.status = static_cast<telemetry::SpanStatus>(random.Below(3));
    if (random.Below(2) == 0) query.min_duration_ns = 300'000;
    if (random.Below(2) == 0) query.max_duration_ns = 700'000;
    if (random.Below(2) == 0) query.tags = {{"code", "1"}};
    if (random.Below(4) == 0) query.tags.push_back({"pod", "a"});
    if (random.Below(2) == 0)
      query.range = {kSpanNowNs - kWindowNs / 2, kSpanNowNs - kWindowNs / 4};
    query.limit = 1 + random.Below(30);
    std::vector<Span> expected;
    for (const Span& span : all)
      if (expected.size() < query.limit && Wanted(span, query)) expected.push_back(span);
    const auto found = spans->FindSpans(query);
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_TRUE(*found == expected) << found->size() << " " << expected.size();
  }
  for (std::size_t i = 0; i < all.size(); i += 7) {
    std::vector<Span> expected;
    for (const Span& span : all)
      if (span.trace_id == all[i].trace_id) expected.push_back(span);
    std::ranges::reverse(expected);
    const auto trace = spans->Trace(all[i].trace_id);
    ASSERT_TRUE(trace);
    EXPECT_TRUE(*trace == expected) << trace->size() << " " << expected.size();
  }
  EXPECT_THAT(*spans->Services(kEver), ElementsAre("svc0", "svc1", "svc2"));
  EXPECT_THAT(*spans->Operations("svc1", kEver), ElementsAre("op0", "op1", "op2", "op3"));
  EXPECT_THAT(*spans->Operations("svc7", kEver), IsEmpty());
}

TEST(SpanSectionTest, AVisitShowsEverySpanOfItsRangeOnceAndEndsWhenTold) {
  base::SeededRandom random(21);
  SpansUnderTest spans(CreateTraceSection);
  std::vector<Span> all;
  telemetry::Batch batch;
  // More than a visit takes through the index; resources that are shared, and some that are not.
  for (std::size_t i = 0; i < kMostSpansByIndex + 1'000; ++i) {
    Span span = RandomSpan(random);
    if (!all.empty() && random.Below(2) == 0)
      span.trace_id = all[random.Below(all.size())].trace_id;
    batch.spans.push_back(span);
    all.push_back(std::move(span));
  }
  spans.Write(std::move(batch), kSpanNowMs);
  const auto in_order = [](const Span& a, const Span& b) {
    return std::tuple(a.start_ns, a.span_id.value()) < std::tuple(b.start_ns, b.span_id.value());
  };
  std::ranges::sort(all, in_order);
  for (const telemetry::TimeRangeNs range :
       {kEver, telemetry::TimeRangeNs{kSpanNowNs - kWindowNs / 2, kSpanNowNs - kWindowNs / 4},
        telemetry::TimeRangeNs{kSpanNowNs - kWindowNs + 1'000'000, kSpanNowNs + 1},
        telemetry::TimeRangeNs{all[5].start_ns, all[9].start_ns}, telemetry::TimeRangeNs{-5, 5},
        telemetry::TimeRangeNs{9, 4}}) {
    std::vector<Span> expected;
    for (const Span& span : all)
      if (span.start_ns >= range.from && span.start_ns < range.to) expected.push_back(span);
    std::vector<Span> visited;
    const auto done = spans->Visit(range, [&](const Span& span) {
      visited.push_back(span);
      return true;
    });
    ASSERT_TRUE(done) << done.error().message();
    std::ranges::sort(visited, in_order);
    EXPECT_TRUE(visited == expected) << visited.size() << " " << expected.size();
  }
  std::size_t seen = 0;
  EXPECT_TRUE(spans->Visit(kEver, [&](const Span&) { return ++seen < 3; }));
  EXPECT_EQ(seen, 3u);
}

TEST(SpanSectionTest, ASpanSentAgainTakesThePlaceOfTheFirst) {
  base::SeededRandom random(12);
  SpansUnderTest spans(CreateTraceSection);
  Span span = RandomSpan(random);
  for (const std::int64_t duration : {5, 9}) {
    span.end_ns = span.start_ns + duration;
    telemetry::Batch batch;
    batch.spans.push_back(span);
    spans.Write(std::move(batch), kSpanNowMs);
  }
  EXPECT_THAT(*spans->Trace(span.trace_id), ElementsAre(span));
  EXPECT_THAT(*spans->FindSpans({.range = kEver}), ElementsAre(span));
}

TEST(SpanSectionTest, FailedWritesAndDroppedWindowsLeaveNothing) {
  base::SeededRandom random(13);
  StoreOptions options;
  options.retention.age = base::Duration::zero();
  SpansUnderTest spans(CreateTraceSection, options);
  Span span = RandomSpan(random);
  span.start_ns = kWindowNs * 5;
  span.end_ns = span.start_ns + 10;
  std::vector<telemetry::Batch> batches(1);
  batches[0].spans.push_back(span);
  spans.WriteTogether(std::move(batches), kSpanNowMs, true);
  EXPECT_THAT(*spans->Trace(span.trace_id), IsEmpty());
  EXPECT_THAT(*spans->Services(kEver), IsEmpty());
  telemetry::Batch batch;
  batch.spans.push_back(span);
  span.start_ns += kWindowNs;
  span.end_ns += kWindowNs;
  batch.spans.push_back(span);
  spans.Write(std::move(batch), kSpanNowMs);
  EXPECT_EQ(spans->FindSpans({.range = kEver})->size(), 2u);
  EXPECT_EQ(spans->BytesByWindow().size(), 2u);
  spans.DropBefore(6 * kWindowMs);
  for (int round = 0; round < 2; ++round) {
    EXPECT_THAT(*spans->FindSpans({.range = kEver}), ElementsAre(span));
    EXPECT_EQ(spans->BytesByWindow().begin()->first, 6 * kWindowMs);
    telemetry::Batch late;
    late.spans.push_back(span);
    late.spans[0].start_ns = 5;
    const auto refused = spans.Write(std::move(late), kSpanNowMs);
    EXPECT_EQ(refused.spans, 1u);
    EXPECT_THAT(refused.why, HasSubstr("older"));
    spans.Reopen();
  }
}

}  // namespace
}  // namespace enclave::observatory::store
