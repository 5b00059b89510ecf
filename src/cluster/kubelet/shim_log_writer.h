// Writes a container's output as CRI log lines with rotation:
//
//   2026-01-02T03:04:05.123456789Z stdout F a whole line
//   2026-01-02T03:04:05.123456789Z stdout P the first 16 KiB of a longer one
//
// The current file is NAME; a full one is renamed to NAME.1, the next to NAME.2 and so on, always
// upwards, so that a reader who knows one file's number finds the one that follows it.
//
// A disk that takes no more (full, quota, input/output error) is retried without reading further
// from the program, whose writes then wait in its pipe. After kPatience the waiting lines are
// dropped and counted, so that a full disk does not stop the program; the first line written
// afterwards says how many are missing.
//
// Not thread-safe. Standard library only (see container_files.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace enclave::cluster {

class ShimLogWriter {
 public:
  enum class Stream { kStdout, kStderr };
  static constexpr std::size_t kMaxLineBytes = 16 << 10;
  static constexpr std::int64_t kPatienceNs = 10'000'000'000;

  // `directory_fd` stays the caller's. Opens nothing until the first flush.
  ShimLogWriter(int directory_fd, std::string name, std::int64_t max_bytes, std::int64_t max_files);
  ~ShimLogWriter();
  ShimLogWriter(const ShimLogWriter&) = delete;
  ShimLogWriter& operator=(const ShimLogWriter&) = delete;

  // Takes a piece of output read at `now_ns` (since 1970).
  void Append(Stream stream, std::string_view data, std::int64_t now_ns);
  // The stream ended: what is left of an unfinished line becomes a line.
  void Finish(Stream stream, std::int64_t now_ns);
  // Writes what waits. False when the disk does not take it now: call again later, append nothing
  // before.
  bool Flush(std::int64_t now_ns);

  std::int64_t dropped_lines() const { return dropped_lines_; }

 private:
  bool EnsureOpen();
  void Rotate();
  void Emit(Stream stream, char tag, std::string_view line, std::int64_t now_ns);
  void Drop();

  const int directory_fd_;
  const std::string name_;
  const std::int64_t max_bytes_;
  const std::int64_t max_files_;
  int fd_ = -1;
  std::int64_t size_ = 0;
  std::int64_t next_rotation_ = 0;  // 0: the directory was not looked at yet
  bool at_line_start_ = true;       // of the file
  std::string partial_[2];          // by Stream
  std::string out_;
  std::int64_t stalled_since_ns_ = 0;
  bool dropping_ = false;
  std::int64_t dropped_since_ = 0;
  std::int64_t dropped_lines_ = 0;
  std::int64_t stamp_ns_ = -1;  // `stamp_` is the text of this time
  std::string stamp_;
};

}  // namespace enclave::cluster
