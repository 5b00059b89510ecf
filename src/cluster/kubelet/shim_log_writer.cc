#include "cluster/kubelet/shim_log_writer.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "cluster/kubelet/container_files.h"

namespace enclave::cluster {

ShimLogWriter::ShimLogWriter(int directory_fd, std::string name, std::int64_t max_bytes,
                             std::int64_t max_files)
    : directory_fd_(directory_fd),
      name_(std::move(name)),
      max_bytes_(std::max<std::int64_t>(max_bytes, 1024)),
      max_files_(std::max<std::int64_t>(max_files, 1)) {}

ShimLogWriter::~ShimLogWriter() {
  if (fd_ >= 0) close(fd_);
}

void ShimLogWriter::Append(Stream stream, std::string_view data, std::int64_t now_ns) {
  std::string& partial = partial_[static_cast<int>(stream)];
  while (!data.empty()) {
    std::size_t newline = data.find('\n');
    std::size_t length = newline == std::string_view::npos ? data.size() : newline;
    std::size_t room = kMaxLineBytes - partial.size();
    if (length > room) {
      partial.append(data.substr(0, room));
      data.remove_prefix(room);
      Emit(stream, 'P', partial, now_ns);
      partial.clear();
      continue;
    }
    if (newline == std::string_view::npos) {
      partial.append(data);
      return;
    }
    if (partial.empty()) {
      Emit(stream, 'F', data.substr(0, length), now_ns);
    } else {
      partial.append(data.substr(0, length));
      Emit(stream, 'F', partial, now_ns);
      partial.clear();
    }
    data.remove_prefix(newline + 1);
  }
}

void ShimLogWriter::Finish(Stream stream, std::int64_t now_ns) {
  std::string& partial = partial_[static_cast<int>(stream)];
  if (partial.empty()) return;
  Emit(stream, 'F', partial, now_ns);
  partial.clear();
}

void ShimLogWriter::Emit(Stream stream, char tag, std::string_view line, std::int64_t now_ns) {
  if (now_ns != stamp_ns_) {
    stamp_ns_ = now_ns;
    stamp_ = CriTimestamp(now_ns);
  }
  out_ += stamp_;
  out_ += stream == Stream::kStdout ? " stdout " : " stderr ";
  out_ += tag;
  out_ += ' ';
  out_ += line;
  out_ += '\n';
}

bool ShimLogWriter::EnsureOpen() {
  if (fd_ >= 0) return true;
  fd_ = openat(directory_fd_, name_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd_ < 0) return false;
  struct stat info;
  size_ = fstat(fd_, &info) == 0 ? info.st_size : 0;
  return true;
}

bool ShimLogWriter::Flush(std::int64_t now_ns) {
  if (out_.empty()) return true;
  if (EnsureOpen()) {
    bool failed = false;
    if (dropped_since_ > 0) {
      // Counted as written only once it is: the disk may still be full.
      std::string head = at_line_start_ ? "" : "\n";
      head += CriTimestamp(now_ns) + " stderr F [enclave] " + std::to_string(dropped_since_) +
              " log lines are missing here: the disk did not take them\n";
      ssize_t n = write(fd_, head.data(), head.size());
      if (n > 0) {
        size_ += n;
        at_line_start_ = head[static_cast<std::size_t>(n) - 1] == '\n';
      }
      failed = n != static_cast<ssize_t>(head.size());
      if (!failed) dropped_since_ = 0;
    }
    std::size_t done = 0;
    while (!failed && done < out_.size()) {
      ssize_t n = write(fd_, out_.data() + done, out_.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) {
        failed = true;
        break;
      }
      done += static_cast<std::size_t>(n);
    }
    if (done > 0) {
      size_ += static_cast<std::int64_t>(done);
      at_line_start_ = out_[done - 1] == '\n';
      out_.erase(0, done);
    }
    if (!failed) {
      // One burst of short lines must not hold its memory for ever.
      if (out_.capacity() > (64 << 10)) std::string().swap(out_);
      stalled_since_ns_ = 0;
      dropping_ = false;
      if (size_ >= max_bytes_) Rotate();
      return true;
    }
  }
  if (dropping_) {
    Drop();
    return true;
  }
  if (stalled_since_ns_ == 0) stalled_since_ns_ = now_ns;
  if (now_ns - stalled_since_ns_ < kPatienceNs) return false;
  dropping_ = true;
  Drop();
  return true;
}

void ShimLogWriter::Drop() {
  auto lines = std::count(out_.begin(), out_.end(), '\n');
  dropped_since_ += lines;
  dropped_lines_ += lines;
  std::string().swap(out_);
  // The next attempt opens the file anew: it may have been removed to make room.
  close(fd_);
  fd_ = -1;
}

void ShimLogWriter::Rotate() {
  if (next_rotation_ == 0) {
    // A writer that finds rotated files of an earlier one goes on counting after them.
    next_rotation_ = 1;
    int fd = openat(directory_fd_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (DIR* directory = fd >= 0 ? fdopendir(fd) : nullptr) {
      while (dirent* entry = readdir(directory)) {
        std::string_view file = entry->d_name;
        if (!file.starts_with(name_ + ".")) continue;
        file.remove_prefix(name_.size() + 1);
        std::int64_t number = 0;
        auto [end, error] = std::from_chars(file.data(), file.data() + file.size(), number);
        if (error == std::errc() && end == file.data() + file.size()) {
          next_rotation_ = std::max(next_rotation_, number + 1);
        }
      }
      closedir(directory);
    }
  }
  std::string rotated = name_ + "." + std::to_string(next_rotation_);
  if (renameat(directory_fd_, name_.c_str(), directory_fd_, rotated.c_str()) != 0) return;
  close(fd_);
  fd_ = -1;
  size_ = 0;
  // The old number leaves; numbers below it left in earlier rotations.
  std::int64_t oldest = next_rotation_ - (max_files_ - 1);
  if (oldest >= 1) {
    unlinkat(directory_fd_, (name_ + "." + std::to_string(oldest)).c_str(), 0);
  }
  ++next_rotation_;
  // The reader waits for the new file's appearance, so it is made at once.
  EnsureOpen();
}

}  // namespace enclave::cluster
