#include "trace/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace enclave::trace {
namespace {

using testing::UnorderedElementsAre;

const std::string kTrace = "0af7651916cd43dd8448eb211c80319c";
const std::string kSpan = "b7ad6b7169203331";

EnvironmentValue Of(std::vector<std::string> environment) {
  return [environment =
              std::move(environment)](const std::string& name) -> std::optional<std::string> {
    for (const std::string& entry : environment) {
      if (entry.starts_with(name + "=")) return entry.substr(name.size() + 1);
    }
    return std::nullopt;
  };
}

TraceContext Context(Sampling sampling, std::string state = "") {
  return {*TraceId::Parse(kTrace), SpanId::Parse(kSpan), sampling, std::move(state)};
}

TEST(TraceEnvironmentTest, IsHandedOnInEveryForm) {
  const auto environment = InjectIntoEnvironment(
      Context(Sampling::kYes, "a=1"),
      {"PATH=/bin", "TRACEPARENT=old", "X_B3_FLAGS=1", "B3=0", "TRACEPARENTS=mine"});
  EXPECT_THAT(environment, UnorderedElementsAre(
                               "PATH=/bin", "TRACEPARENTS=mine",
                               "TRACEPARENT=00-" + kTrace + "-" + kSpan + "-01", "TRACESTATE=a=1",
                               "B3=" + kTrace + "-" + kSpan + "-1", "X_B3_TRACEID=" + kTrace,
                               "X_B3_SPANID=" + kSpan, "X_B3_SAMPLED=1"));
}

TEST(TraceEnvironmentTest, WhatWasHandedOnIsReadAgain) {
  for (const Sampling sampling : {Sampling::kNo, Sampling::kYes}) {
    EXPECT_EQ(ExtractFromEnvironment(Of(InjectIntoEnvironment(Context(sampling, "a=1"), {}))),
              Context(sampling, "a=1"));
  }
}

TEST(TraceEnvironmentTest, EachFormAloneIsEnough) {
  EXPECT_EQ(ExtractFromEnvironment(Of({"TRACEPARENT=00-" + kTrace + "-" + kSpan + "-01"})),
            Context(Sampling::kYes));
  EXPECT_EQ(ExtractFromEnvironment(Of({"B3=" + kTrace + "-" + kSpan + "-d"})),
            Context(Sampling::kDebug));
  EXPECT_EQ(ExtractFromEnvironment(
                Of({"X_B3_TRACEID=" + kTrace, "X_B3_SPANID=" + kSpan, "X_B3_SAMPLED=0"})),
            Context(Sampling::kNo));
  EXPECT_FALSE(ExtractFromEnvironment(Of({"TRACEPARENT=", "B3=nonsense"})));
}

TEST(TraceEnvironmentTest, AnUndecidedTraceStaysUndecided) {
  const auto environment = InjectIntoEnvironment(Context(Sampling::kUndecided), {});
  EXPECT_THAT(environment, testing::Contains("B3=" + kTrace + "-" + kSpan));
  EXPECT_THAT(environment, testing::Not(testing::Contains(testing::StartsWith("X_B3_SAMPLED"))));
}

}  // namespace
}  // namespace enclave::trace
