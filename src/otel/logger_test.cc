#include "otel/logger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "base/simulated_executor.h"
#include "otel/tracer.h"

namespace enclave::otel {
namespace {

class LoggerTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(pipe(pipe_), 0); }
  void TearDown() override {
    close(pipe_[0]);
    close(pipe_[1]);
  }

  Logger Make(Severity minimum = Severity::kInfo) {
    return Logger(executor_, {.service = "shop", .minimum = minimum, .fd = pipe_[1]},
                  [this](EmittedLog log) { emitted_.push_back(std::move(log)); });
  }
  // What one write left in the pipe.
  std::string Written() {
    char buffer[8192];
    const ssize_t read = ::read(pipe_[0], buffer, sizeof buffer);
    return {buffer, static_cast<std::size_t>(std::max<ssize_t>(read, 0))};
  }

  int pipe_[2] = {-1, -1};
  base::SimulatedExecutor executor_;
  base::SeededRandom random_{1};
  Tracer tracer_{executor_, random_, [](const EndedSpan&) {}};
  std::vector<EmittedLog> emitted_;
};

TEST_F(LoggerTest, ALineIsJsonWithItsTrace) {
  Logger logger = Make();
  ScopedSpan span(tracer_, "work");
  logger.Warn("a \"quoted\"\nmessage", {{"count", std::int64_t{3}}, {"ok", true}, {"r", 0.5}});
  const std::string line = Written();
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const auto json = nlohmann::json::parse(line);
  EXPECT_EQ(json["time"], "2023-11-14T22:13:20.000000Z");
  EXPECT_EQ(json["severity"], "WARN");
  EXPECT_EQ(json["service"], "shop");
  EXPECT_EQ(json["message"], "a \"quoted\"\nmessage");
  EXPECT_EQ(json["trace_id"], span->context()->trace_id.ToString());
  EXPECT_EQ(json["span_id"], span->context()->span_id.ToString());
  EXPECT_EQ(json["count"], 3);
  EXPECT_EQ(json["ok"], true);
  EXPECT_EQ(json["r"], 0.5);
  ASSERT_EQ(emitted_.size(), 1u);
  EXPECT_EQ(emitted_[0].span, *span->context());
}

TEST_F(LoggerTest, WhatCannotBeJsonStaysJson) {
  Logger logger = Make();
  logger.Info("bytes \xff", {{"nan", std::numeric_limits<double>::quiet_NaN()},
                             {"inf", std::numeric_limits<double>::infinity()}});
  const auto json = nlohmann::json::parse(Written());
  EXPECT_EQ(json["nan"], "nan");
  EXPECT_FALSE(json.contains("trace_id"));
}

TEST_F(LoggerTest, WhatIsBelowTheMinimumIsNotWritten) {
  Logger logger = Make(Severity::kWarn);
  logger.Info("no");
  logger.Error("yes");
  ASSERT_EQ(emitted_.size(), 1u);
  EXPECT_EQ(emitted_[0].message, "yes");
  EXPECT_EQ(nlohmann::json::parse(Written())["message"], "yes");
}

TEST_F(LoggerTest, AnExceptionHasItsAttributes) {
  Logger logger = Make();
  logger.Exception("failed",
                   {.type = "T", .message = "m", .stack = "s", .file = "src/x.cc", .line = 3});
  const auto json = nlohmann::json::parse(Written());
  EXPECT_EQ(json["severity"], "ERROR");
  EXPECT_EQ(json["exception.type"], "T");
  EXPECT_EQ(json["code.filepath"], "src/x.cc");
  EXPECT_EQ(json["code.lineno"], 3);
}

}  // namespace
}  // namespace enclave::otel
