#include "trace/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace enclave::trace {
namespace {

using testing::UnorderedElementsAre;

const std::string kHandedTrace = "0af7651916cd43dd8448eb211c80319c";
const std::string kHandedSpan = "b7ad6b7169203331";

EnvironmentValue EnvironmentOf(std::vector<std::string> environment) {
  return [environment =
              std::move(environment)](const std::string& name) -> std::optional<std::string> {
    for (const std::string& entry : environment) {
      if (entry.starts_with(name + "=")) return entry.substr(name.size() + 1);
    }
    return std::nullopt;
  };
}

TraceContext Handed(Sampling sampling, std::string state = "") {
  return {*TraceId::Parse(kHandedTrace), SpanId::Parse(kHandedSpan), sampling, std::move(state)};
}

TEST(TraceEnvironmentTest, IsHandedOnInEveryForm) {
  const auto environment = InjectIntoEnvironment(
      Handed(Sampling::kYes, "a=1"),
      {"PATH=/bin", "TRACEPARENT=old", "X_B3_FLAGS=1", "B3=0", "TRACEPARENTS=mine"});
  EXPECT_THAT(environment,
              UnorderedElementsAre(
                  "PATH=/bin", "TRACEPARENTS=mine",
                  "TRACEPARENT=00-" + kHandedTrace + "-" + kHandedSpan + "-01", "TRACESTATE=a=1",
                  "B3=" + kHandedTrace + "-" + kHandedSpan + "-1", "X_B3_TRACEID=" + kHandedTrace,
                  "X_B3_SPANID=" + kHandedSpan, "X_B3_SAMPLED=1"));
}

TEST(TraceEnvironmentTest, WhatWasHandedOnIsReadAgain) {
  for (const Sampling sampling : {Sampling::kNo, Sampling::kYes}) {
    EXPECT_EQ(
        ExtractFromEnvironment(EnvironmentOf(InjectIntoEnvironment(Handed(sampling, "a=1"), {}))),
        Handed(sampling, "a=1"));
  }
}

TEST(TraceEnvironmentTest, EachFormAloneIsEnough) {
  EXPECT_EQ(ExtractFromEnvironment(
                EnvironmentOf({"TRACEPARENT=00-" + kHandedTrace + "-" + kHandedSpan + "-01"})),
            Handed(Sampling::kYes));
  EXPECT_EQ(
      ExtractFromEnvironment(EnvironmentOf({"B3=" + kHandedTrace + "-" + kHandedSpan + "-d"})),
      Handed(Sampling::kDebug));
  EXPECT_EQ(ExtractFromEnvironment(EnvironmentOf(
                {"X_B3_TRACEID=" + kHandedTrace, "X_B3_SPANID=" + kHandedSpan, "X_B3_SAMPLED=0"})),
            Handed(Sampling::kNo));
  EXPECT_FALSE(ExtractFromEnvironment(EnvironmentOf({"TRACEPARENT=", "B3=nonsense"})));
}

TEST(TraceEnvironmentTest, AnUndecidedTraceStaysUndecided) {
  const auto environment = InjectIntoEnvironment(Handed(Sampling::kUndecided), {});
  EXPECT_THAT(environment, testing::Contains("B3=" + kHandedTrace + "-" + kHandedSpan));
  EXPECT_THAT(environment, testing::Not(testing::Contains(testing::StartsWith("X_B3_SAMPLED"))));
}

}  // namespace
}  // namespace enclave::trace
