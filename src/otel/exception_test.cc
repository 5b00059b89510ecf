#include "otel/exception.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <thread>
#include <vector>

namespace enclave::otel {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// Lines are told by these, so that the test does not count its own.
constexpr int kThrowLine = __LINE__ + 2;
[[gnu::noinline]] void ThrowHere() {
  throw std::logic_error("planted");
}

constexpr int kAtLine = __LINE__ + 2;
[[gnu::noinline]] int LookUp(const std::map<std::string, int>& map, const std::string& key) {
  return map.at(key);
}

ExceptionInfo Catch(const std::function<void()>& run) {
  try {
    run();
  } catch (...) {
    return DescribeCurrentException();
  }
  return {};
}

TEST(ExceptionTest, OwnThrowsNameTheirLine) {
  const ExceptionInfo info = Catch([] { ThrowHere(); });
  EXPECT_EQ(info.type, "std::logic_error");
  EXPECT_EQ(info.message, "planted");
  EXPECT_EQ(info.file, "src/otel/exception_test.cc");
  EXPECT_EQ(info.line, kThrowLine);
  EXPECT_THAT(info.function, HasSubstr("ThrowHere"));
}

TEST(ExceptionTest, ALibrarysThrowNamesTheLineOfOursThatCalledIt) {
  const ExceptionInfo info = Catch([] { LookUp({{"EUR", 2}}, "JPY"); });
  EXPECT_EQ(info.type, "std::out_of_range");
  EXPECT_EQ(info.file, "src/otel/exception_test.cc");
  EXPECT_EQ(info.line, kAtLine);
  EXPECT_THAT(info.function, HasSubstr("LookUp"));
  EXPECT_THAT(info.stack,
              AllOf(StartsWith("std::out_of_range: map::at"), HasSubstr("__throw_out_of_range"),
                    HasSubstr("(src/otel/exception_test.cc:")));
}

TEST(ExceptionTest, ARethrownExceptionKeepsItsFirstPlace) {
  const ExceptionInfo info = Catch([] {
    try {
      ThrowHere();
    } catch (const std::exception&) {
      // Others come and go meanwhile.
      Catch([] { LookUp({}, "x"); });
      throw;
    }
  });
  EXPECT_EQ(info.type, "std::logic_error");
  EXPECT_EQ(info.line, kThrowLine);
}

TEST(ExceptionTest, WhatIsNoStandardExceptionIsDescribedToo) {
  const ExceptionInfo number = Catch([] { throw 42; });
  EXPECT_EQ(number.type, "int");
  EXPECT_EQ(number.file, "src/otel/exception_test.cc");
  EXPECT_EQ(Catch([] { throw "words"; }).message, "words");
}

TEST(ExceptionTest, AnExceptionOfAnotherThreadHasNoForeignPlace) {
  std::exception_ptr foreign;
  std::thread([&] {
    try {
      ThrowHere();
    } catch (...) {
      foreign = std::current_exception();
    }
  }).join();
  const ExceptionInfo info = Catch([&] { std::rethrow_exception(foreign); });
  EXPECT_EQ(info.type, "std::logic_error");
  EXPECT_EQ(info.line, 0);
  EXPECT_EQ(info.file, "");
}

TEST(ExceptionTest, OutsideOfAHandlerThereIsNothing) {
  EXPECT_EQ(DescribeCurrentException().type, "");
}

TEST(ExceptionTest, PathsOfOursAreRelativeToTheTree) {
  EXPECT_EQ(OwnSourcePath("/home/x/enclave/src/lab/boutique/money.cc"),
            "src/lab/boutique/money.cc");
  EXPECT_EQ(OwnSourcePath("../../src/otel/span.cc"), "src/otel/span.cc");
  EXPECT_EQ(OwnSourcePath("src/net/http.cc"), "src/net/http.cc");
  EXPECT_EQ(OwnSourcePath("/home/src/enclave/src/base/x.cc"), "src/base/x.cc");
  EXPECT_EQ(OwnSourcePath("/usr/src/gcc/libstdc++/x.cc"), "");
  EXPECT_EQ(OwnSourcePath("/usr/include/c++/12/bits/stl_map.h"), "");
  EXPECT_EQ(OwnSourcePath("mysrc/base/x.cc"), "");
  EXPECT_EQ(OwnSourcePath(""), "");
}

}  // namespace
}  // namespace enclave::otel
