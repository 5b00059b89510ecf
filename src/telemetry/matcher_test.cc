#include "telemetry/matcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace enclave::telemetry {
namespace {

Matcher Regex(std::string value) {
  return *Matcher::Create(MatchOp::kRegex, "x", value);
}

TEST(MatcherTest, RegularExpressionsAreAnchored) {
  EXPECT_TRUE(Regex("a.*c").Matches("abc"));
  EXPECT_FALSE(Regex("b").Matches("abc"));
  EXPECT_TRUE(Regex(".*").Matches("two\nlines"));
}

TEST(MatcherTest, AlternationsOfLiteralsAreKnown) {
  EXPECT_THAT(Regex("a|bc").literals(), testing::ElementsAre("a", "bc"));
  EXPECT_THAT(Regex("a|b.").literals(), testing::IsEmpty());
  EXPECT_TRUE(Regex("a|bc").Matches("bc"));
  EXPECT_FALSE(Regex("a|bc").Matches("b"));
  EXPECT_TRUE(Regex("|a").MatchesEmpty());
}

TEST(MatcherTest, ABadExpressionIsRefusedWithItsText) {
  const auto matcher = Matcher::Create(MatchOp::kNotRegex, "job", "a(b");
  ASSERT_FALSE(matcher.has_value());
  EXPECT_EQ(matcher.error().kind(), base::ErrorKind::kInvalidArgument);
  EXPECT_THAT(matcher.error().message(), testing::HasSubstr("a(b"));
}

TEST(MatcherTest, ALabelThatIsNotThereIsEmpty) {
  const Labels labels{{"job", "web"}};
  EXPECT_TRUE(Matches({*Matcher::Create(MatchOp::kNotEqual, "pod", "x")}, labels));
  EXPECT_FALSE(Matches({Matcher::Equal("pod", "x")}, labels));
}

}  // namespace
}  // namespace enclave::telemetry
