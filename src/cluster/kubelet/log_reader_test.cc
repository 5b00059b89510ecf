#include "cluster/kubelet/log_reader.h"

#include <fcntl.h>

#include <atomic>
#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/kubelet/container_files.h"
#include "cluster/kubelet/cri_log.h"
#include "cluster/kubelet/machine_fixture.h"
#include "cluster/kubelet/shim_log_writer.h"

namespace enclave::cluster {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kStart = 1'767'323'045 * kSecond;  // 2026-01-02T03:04:05Z
using Stream = ShimLogWriter::Stream;

class LogTest : public testing::Test {
 protected:
  LogTest()
      : directory_fd_(open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
        loop_("test") {}
  ~LogTest() override { close(directory_fd_); }

  std::unique_ptr<kube::LogStream> Open(const kube::LogOptions& options = {}) {
    return OpenLogFile(loop_, {directory_.path(), 0, [this] { return running_.load(); }}, options);
  }
  static std::future<std::string> Next(kube::LogStream& stream) {
    auto promise = std::make_shared<std::promise<std::string>>();
    stream.Next([promise](base::Result<std::string> piece) {
      promise->set_value(piece ? *piece : "error: " + piece.error().message());
    });
    return promise->get_future();
  }
  // Everything up to the end of the stream.
  static std::string Drain(kube::LogStream& stream) {
    std::string all;
    while (true) {
      std::string piece = Next(stream).get();
      if (piece.empty()) return all;
      all += piece;
    }
  }
  std::string Read(const kube::LogOptions& options = {}) { return Drain(*Open(options)); }
  std::string Path(const std::string& name) const { return directory_ / name; }

  TemporaryDirectory directory_;
  int directory_fd_;
  net::EventLoop loop_;
  std::atomic<bool> running_ = false;
};

TEST_F(LogTest, LinesAreWrittenAndReadBack) {
  ShimLogWriter writer(directory_fd_, "0.log", 1 << 20, 3);
  writer.Append(Stream::kStdout, "one\ntw", kStart);
  writer.Append(Stream::kStderr, "err\n\n", kStart + 1);
  writer.Append(Stream::kStdout, "o\nrest", kStart + 2);
  writer.Finish(Stream::kStdout, kStart + 3);
  ASSERT_TRUE(writer.Flush(kStart));
  EXPECT_EQ(ReadAll(Path("0.log")),
            "2026-01-02T03:04:05.000000000Z stdout F one\n"
            "2026-01-02T03:04:05.000000001Z stderr F err\n"
            "2026-01-02T03:04:05.000000001Z stderr F \n"
            "2026-01-02T03:04:05.000000002Z stdout F two\n"
            "2026-01-02T03:04:05.000000003Z stdout F rest\n");
  EXPECT_EQ(Read(), "one\nerr\n\ntwo\nrest\n");
  kube::LogOptions options;
  options.timestamps = true;
  options.tail_lines = 2;
  EXPECT_EQ(Read(options),
            "2026-01-02T03:04:05.000000002Z two\n2026-01-02T03:04:05.000000003Z rest\n");
}

TEST_F(LogTest, LongLinesComeInPartsAndGoOutWhole) {
  ShimLogWriter writer(directory_fd_, "0.log", 1 << 20, 3);
  std::string line(40'000, 'x');
  writer.Append(Stream::kStdout, line + "\nshort\n", kStart);
  ASSERT_TRUE(writer.Flush(kStart));
  EXPECT_THAT(ReadAll(Path("0.log")), HasSubstr(" stdout P xxx"));
  kube::LogOptions options;
  options.timestamps = true;
  EXPECT_EQ(Read(options),
            "2026-01-02T03:04:05.000000000Z " + line + "\n2026-01-02T03:04:05.000000000Z short\n");
}

TEST_F(LogTest, TailSinceAndLimitOverRotatedFiles) {
  ShimLogWriter writer(directory_fd_, "0.log", 1024, 4);
  std::string all;
  for (int i = 0; i < 60; ++i) {
    std::string line = "line " + std::to_string(i) + "\n";
    writer.Append(Stream::kStdout, line, kStart + i * kSecond);
    ASSERT_TRUE(writer.Flush(kStart));
    if (i >= 57) all += line;
  }
  int files = 0;
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator(directory_.path())) {
    ++files;
  }
  EXPECT_GE(files, 3);
  EXPECT_LE(files, 4) << "old files are deleted";
  kube::LogOptions options;
  options.tail_lines = 3;
  EXPECT_EQ(Read(options), all);
  options.tail_lines = 0;
  EXPECT_EQ(Read(options), "");
  options.tail_lines = 30;
  EXPECT_THAT(Read(options), testing::StartsWith("line 30\n")) << "beyond one file";
  options.tail_lines = 1000;
  EXPECT_EQ(Read(options), Read());
  options.tail_lines.reset();
  options.since_time = base::WallTime(std::chrono::nanoseconds(kStart + 57 * kSecond));
  EXPECT_EQ(Read(options), all);
  options.limit_bytes = 10;
  EXPECT_EQ(Read(options), all.substr(0, 10));
}

TEST_F(LogTest, FollowSeesEveryLineOverRotationsAndEndsWithTheRun) {
  running_ = true;
  kube::LogOptions options;
  options.follow = true;
  auto stream = Open(options);
  auto writer = std::make_unique<ShimLogWriter>(directory_fd_, "0.log", 1024, 3);
  std::string expected;
  std::string seen;
  for (int i = 0; i < 200; ++i) {
    std::string line = "line " + std::to_string(i) + "\n";
    expected += line;
    writer->Append(Stream::kStdout, line, kStart + i);
    ASSERT_TRUE(writer->Flush(kStart));
    // Every few lines the reader catches up, at different places of the files.
    if (i % 7 == 0) {
      while (seen.size() < expected.size()) seen += Next(*stream).get();
    }
  }
  auto next = Next(*stream);
  running_ = false;
  writer.reset();
  for (std::string piece = next.get(); !piece.empty(); piece = Next(*stream).get()) seen += piece;
  EXPECT_EQ(seen, expected);
}

TEST_F(LogTest, AWaitingStreamCanBeDropped) {
  running_ = true;
  kube::LogOptions options;
  options.follow = true;
  auto stream = Open(options);
  auto next = Next(*stream);
  stream.reset();
  EXPECT_THROW(next.get(), std::future_error) << "the callback is destroyed, never called";
}

TEST_F(LogTest, AbsentAndDamagedLogs) {
  EXPECT_EQ(Read(), "");
  WriteAll(Path("0.log"),
           "garbage\n2026-01-02T03:04:05.000000000Z stdout F good\n2026-01-02T03:04:05Z stdout F "
           "cut");
  EXPECT_EQ(Read(), "good\n");
}

TEST_F(LogTest, AFullDiskHoldsBackThenDropsThenSaysSo) {
  std::filesystem::create_symlink("/dev/full", Path("0.log"));
  ShimLogWriter writer(directory_fd_, "0.log", 1 << 20, 3);
  writer.Append(Stream::kStdout, "lost 1\nlost 2\n", kStart);
  EXPECT_FALSE(writer.Flush(kStart));
  EXPECT_FALSE(writer.Flush(kStart + ShimLogWriter::kPatienceNs - 1));
  EXPECT_TRUE(writer.Flush(kStart + ShimLogWriter::kPatienceNs)) << "the program goes on";
  EXPECT_EQ(writer.dropped_lines(), 2);
  writer.Append(Stream::kStdout, "lost 3\n", kStart);
  EXPECT_TRUE(writer.Flush(kStart)) << "no second wait while the disk stays full";
  std::filesystem::remove(Path("0.log"));
  writer.Append(Stream::kStdout, "kept\n", kStart);
  EXPECT_TRUE(writer.Flush(kStart));
  EXPECT_EQ(LogText(Path("0.log")),
            "[enclave] 3 log lines are missing here: the disk did not take them\nkept\n");
}

TEST(CriLogTest, ParsesLines) {
  auto line = ParseCriLine("2026-01-02T03:04:05.5Z stderr P some text ");
  ASSERT_TRUE(line);
  EXPECT_EQ(line->time_ns, kStart + kSecond / 2);
  EXPECT_TRUE(line->is_stderr);
  EXPECT_TRUE(line->partial);
  EXPECT_EQ(line->text, "some text ");
  EXPECT_EQ(ParseCriLine("2026-01-02T03:04:05Z stdout F ")->text, "");
  EXPECT_TRUE(ParseCriLine("2026-01-02T03:04:05Z stdout F:x a"));
  for (const char* wrong :
       {"", "x", "2026-01-02T03:04:05Z stdout F", "2026-01-02T03:04:05Z stdin F a",
        "2026-13-02T03:04:05Z stdout F a", "2026-01-02T03:04:05 stdout F a",
        "2026-01-02T03:04:05.Z stdout F a", "2026-01-02T03:04:05Z stdout X a",
        "2026-01-02T03:04:05.0000000000Z stdout F a"}) {
    EXPECT_FALSE(ParseCriLine(wrong)) << wrong;
  }
  EXPECT_EQ(CriTimestamp(kStart + 7), "2026-01-02T03:04:05.000000007Z");
}

}  // namespace
}  // namespace enclave::cluster
