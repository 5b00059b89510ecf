#include "base/log.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace enclave::base {
namespace {

class LogTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / fmt::format("enclave-log-{}", getpid());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    path_ = folder_ / "program.log";
    LogToFile(path_, 4096, 2);
  }
  void TearDown() override {
    SetLogLevel(LogLevel::kInfo);
    std::filesystem::remove_all(folder_);
  }

  std::vector<nlohmann::json> Lines() const {
    std::vector<nlohmann::json> lines;
    std::ifstream file(path_);
    for (std::string line; std::getline(file, line);) {
      lines.push_back(nlohmann::json::parse(line, nullptr, false));
      EXPECT_TRUE(lines.back().is_object()) << line;
    }
    return lines;
  }

  std::filesystem::path folder_;
  std::filesystem::path path_;
};

TEST_F(LogTest, WritesOneObjectALine) {
  LogInfo("kubelet", "container started", {{"pod", "web"}, {"pid", 42}, {"bytes", -7L}});
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].value("level", ""), "info");
  EXPECT_EQ(lines[0].value("component", ""), "kubelet");
  EXPECT_EQ(lines[0].value("message", ""), "container started");
  EXPECT_EQ(lines[0].value("pod", ""), "web");
  EXPECT_EQ(lines[0].value("pid", 0), 42);
  EXPECT_EQ(lines[0].value("bytes", 0), -7);
  EXPECT_THAT(
      lines[0].value("time", ""),
      testing::MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6}Z"));
}

TEST_F(LogTest, HostileTextStaysInsideItsString) {
  const std::string text = "quote \" backslash \\ newline \n nul \x01 {} %n not utf-8 \xff\xfe end";
  LogError("a\"b", text, {{"k\"ey", text}});
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_THAT(lines[0].value("message", ""),
              testing::StartsWith("quote \" backslash \\ newline \n nul \x01 {} %n not utf-8 "));
  EXPECT_THAT(lines[0].value("k\"ey", ""), testing::EndsWith(" end"));
  EXPECT_EQ(lines[0].value("component", ""), "a\"b");
}

TEST_F(LogTest, LevelsBelowTheMinimumAreNotWritten) {
  LogDebug("test", "hidden");
  SetLogLevel(LogLevel::kWarning);
  LogInfo("test", "hidden");
  LogWarning("test", "first");
  SetLogLevel(LogLevel::kDebug);
  LogDebug("test", "second");
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].value("message", ""), "first");
  EXPECT_EQ(lines[1].value("message", ""), "second");
}

TEST_F(LogTest, FilesRotateAndTheirNumberIsBounded) {
  const std::string filler(200, 'x');
  for (int i = 0; i < 200; ++i) LogInfo("test", filler);
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    ++files;
    EXPECT_LE(entry.file_size(), 4096u);
  }
  EXPECT_EQ(files, 3u);
}

TEST_F(LogTest, AFileThatCannotBeOpenedLeavesTheOldOneInUse) {
  LogToFile("/proc/no/such/folder/file.log");
  LogInfo("test", "still here");
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].value("level", ""), "error");
  EXPECT_EQ(lines[1].value("message", ""), "still here");
}

TEST_F(LogTest, LinesOfConcurrentThreadsDoNotMix) {
  LogToFile(path_, 10 << 20, 1);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 250; ++i) LogInfo("test", "line", {{"thread", t}, {"i", i}});
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(Lines().size(), 1000u);
}

}  // namespace
}  // namespace enclave::base
