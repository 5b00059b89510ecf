#include "trace/trace_context.h"

#include <gtest/gtest.h>

namespace enclave::trace {
namespace {

const std::string kTrace = "0af7651916cd43dd8448eb211c80319c";
const std::string kSpan = "b7ad6b7169203331";

TraceContext Context(Sampling sampling, std::string state = "") {
  return {*TraceId::Parse(kTrace), SpanId::Parse(kSpan), sampling, std::move(state)};
}

TEST(TraceIdTest, HexBothWaysAndNeverZero) {
  EXPECT_EQ(TraceId::Parse(kTrace)->ToString(), kTrace);
  EXPECT_EQ(TraceId::Parse("0AF7651916CD43DD8448EB211C80319C")->ToString(), kTrace);
  EXPECT_EQ(TraceId::Parse("8448eb211c80319c")->ToString(), "00000000000000008448eb211c80319c");
  for (const std::string wrong : {"", "8448eb211c80319", "00000000000000000000000000000000",
                                  "0000000000000000", "0af7651916cd43dd8448eb211c80319g",
                                  "-af7651916cd43dd8448eb211c80319c", "0x8448eb211c8031"}) {
    EXPECT_FALSE(TraceId::Parse(wrong)) << wrong;
  }
  EXPECT_EQ(SpanId::Parse(kSpan)->ToString(), kSpan);
  EXPECT_FALSE(SpanId::Parse("0000000000000000"));
  EXPECT_FALSE(SpanId::Parse(kTrace));
}

TEST(TraceIdTest, AreDrawnFromChance) {
  base::SeededRandom one(7);
  base::SeededRandom other(7);
  const TraceId first = TraceId::Make(one);
  EXPECT_EQ(first, TraceId::Make(other));
  EXPECT_NE(first, TraceId::Make(one));
  EXPECT_EQ(TraceId::Parse(first.ToString()), first);
  const SpanId span = SpanId::Make(one);
  EXPECT_EQ(SpanId::Parse(span.ToString()), span);
}

TEST(TraceContextTest, ReadsTraceParent) {
  const std::string head = "00-" + kTrace + "-" + kSpan;
  EXPECT_EQ(Extract({{"traceparent", head + "-01"}}), Context(Sampling::kYes));
  EXPECT_EQ(Extract({{"traceparent", head + "-00"}}), Context(Sampling::kNo));
  EXPECT_EQ(Extract({{"Traceparent", head + "-03"}, {"TraceState", "a=1,b=2"}}),
            Context(Sampling::kYes, "a=1,b=2"));
  EXPECT_EQ(Extract({{"traceparent", "cc" + head.substr(2) + "-01-what-comes"}}),
            Context(Sampling::kYes))
      << "a later version may say more";
}

TEST(TraceContextTest, RefusesWhatIsNoTraceParent) {
  const std::string head = "00-" + kTrace + "-" + kSpan;
  std::string upper = head + "-01";
  upper[4] = 'A';
  for (const std::string& wrong :
       {std::string("00-zz"), head, head + "-1", head + "-0g", head + "-01-more", head + "-01.",
        "ff" + head.substr(2) + "-01", "cc" + head.substr(2) + "-01.x", upper,
        "00-" + std::string(32, '0') + "-" + kSpan + "-01",
        "00-" + kTrace + "-" + std::string(16, '0') + "-01"}) {
    EXPECT_FALSE(Extract({{"traceparent", wrong}})) << wrong;
  }
}

TEST(TraceContextTest, ReadsB3) {
  EXPECT_EQ(Extract({{"b3", kTrace + "-" + kSpan}}), Context(Sampling::kUndecided));
  EXPECT_EQ(Extract({{"b3", kTrace + "-" + kSpan + "-1"}}), Context(Sampling::kYes));
  EXPECT_EQ(Extract({{"b3", kTrace + "-" + kSpan + "-0-05e3ac9a4f6e3b90"}}),
            Context(Sampling::kNo));
  EXPECT_EQ(Extract({{"b3", kTrace + "-" + kSpan + "-d"}}), Context(Sampling::kDebug));
  EXPECT_EQ(Extract({{"X-B3-TraceId", kTrace}, {"x-b3-spanid", kSpan}, {"X-B3-Sampled", "1"}}),
            Context(Sampling::kYes));
  EXPECT_EQ(Extract({{"X-B3-TraceId", kTrace}, {"X-B3-SpanId", kSpan}, {"X-B3-Flags", "1"}}),
            Context(Sampling::kDebug));
  const auto alone = Extract({{"X-B3-TraceId", "8448eb211c80319c"}});
  ASSERT_TRUE(alone);
  EXPECT_EQ(alone->trace_id.ToString(), "00000000000000008448eb211c80319c");
  EXPECT_FALSE(alone->parent);
  for (const std::string& wrong :
       {std::string("0"), std::string("1"), kTrace, kTrace + "-", kTrace + "-" + kSpan + "-x",
        kTrace + "-" + kSpan + "-1-05e3ac9a4f6e3b90-9"}) {
    EXPECT_FALSE(Extract({{"b3", wrong}})) << wrong;
  }
}

TEST(TraceContextTest, TheFirstValidFormCounts) {
  const std::string other(32, '1');
  EXPECT_EQ(Extract({{"traceparent", "00-" + kTrace + "-" + kSpan + "-01"},
                     {"b3", other + "-" + kSpan + "-0"},
                     {"X-B3-TraceId", other}}),
            Context(Sampling::kYes));
  EXPECT_EQ(Extract({{"traceparent", "broken"}, {"b3", kTrace + "-" + kSpan + "-1"}}),
            Context(Sampling::kYes));
  EXPECT_FALSE(Extract({}));
}

TEST(TraceContextTest, IsHandedOnInBothForms) {
  net::Headers headers{{"b3", "0"}, {"X-B3-ParentSpanId", kSpan}, {"Host", "cart"}};
  Inject(Context(Sampling::kYes, "a=1"), headers);
  EXPECT_EQ(headers, (net::Headers{{"Host", "cart"},
                                   {"traceparent", "00-" + kTrace + "-" + kSpan + "-01"},
                                   {"tracestate", "a=1"},
                                   {"X-B3-TraceId", kTrace},
                                   {"X-B3-SpanId", kSpan},
                                   {"X-B3-Sampled", "1"}}));
  Inject({*TraceId::Parse(kTrace), std::nullopt}, headers);
  EXPECT_EQ(headers, (net::Headers{{"Host", "cart"}, {"X-B3-TraceId", kTrace}}));
}

TEST(TraceContextTest, ATraceStateThatIsTooLongIsDropped) {
  const std::string parent = "00-" + kTrace + "-" + kSpan + "-01";
  const std::string longest = "a=" + std::string(kMaxTraceStateBytes - 2, 'x');
  EXPECT_EQ(Extract({{"traceparent", parent}, {"tracestate", longest}}),
            Context(Sampling::kYes, longest));
  EXPECT_EQ(Extract({{"traceparent", parent}, {"tracestate", longest + "x"}}),
            Context(Sampling::kYes));
}

}  // namespace
}  // namespace enclave::trace
