#include "base/result.h"

#include <memory>
#include <set>

#include <gtest/gtest.h>

#include "base/check.h"

namespace enclave::base {
namespace {

Result<int> Half(int value) {
  if (value % 2 != 0) return Fail(ErrorKind::kInvalidArgument, "the number is odd");
  return value / 2;
}

Result<int> Quarter(int value) {
  ASSIGN_OR_RETURN(const int half, Half(value));
  ASSIGN_OR_RETURN(int quarter, Half(half));
  return quarter;
}

Result<> CheckEven(int value, int* evaluations) {
  RETURN_IF_ERROR((++*evaluations, Half(value)));
  return {};
}

Result<std::unique_ptr<int>> Boxed(int value) {
  ASSIGN_OR_RETURN(auto half, Half(value));
  return std::make_unique<int>(half);
}

Result<int> Unboxed(int value) {
  ASSIGN_OR_RETURN(std::unique_ptr<int> box, Boxed(value));
  return *box;
}

TEST(ResultTest, AssignOrReturnTakesTheValueOrLeavesWithTheError) {
  EXPECT_EQ(Quarter(12).value(), 3);
  const Result<int> failed = Quarter(6);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().kind(), ErrorKind::kInvalidArgument);
  EXPECT_EQ(failed.error().message(), "the number is odd");
}

TEST(ResultTest, MacrosEvaluateOnceAndMoveValuesThatCannotBeCopied) {
  int evaluations = 0;
  EXPECT_TRUE(CheckEven(2, &evaluations));
  EXPECT_FALSE(CheckEven(3, &evaluations));
  EXPECT_EQ(evaluations, 2);
  EXPECT_EQ(Unboxed(8).value(), 4);
  EXPECT_FALSE(Unboxed(7));
}

TEST(ResultTest, ErrorsTellKindAndStory) {
  const Error error = Error(ErrorKind::kNotFound, "pods \"web\" not found").While("deleting");
  EXPECT_EQ(error.kind(), ErrorKind::kNotFound);
  EXPECT_EQ(error.ToString(), "NotFound: deleting: pods \"web\" not found");
}

TEST(ResultTest, EveryKindHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (int kind = 0; kind <= static_cast<int>(ErrorKind::kInternal); ++kind) {
    names.insert(ToString(static_cast<ErrorKind>(kind)));
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(ErrorKind::kInternal) + 1);
  EXPECT_FALSE(names.contains("Unknown"));
}

TEST(CheckDeathTest, AbortsWithConditionAndSentence) {
  EXPECT_DEATH(CHECK(1 + 1 == 3, "arithmetic holds"), "1 \\+ 1 == 3: arithmetic holds");
}

}  // namespace
}  // namespace enclave::base
