#include "cluster/kubelet/log_reader.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <limits>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>

#include "cluster/kubelet/cri_log.h"

namespace enclave::cluster {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using boost::system::error_code;

constexpr std::size_t kChunkBytes = 32 << 10;
// A line of the file is at most the shim's 16 KiB with its head; longer ones are not the shim's.
constexpr std::size_t kMaxLineBytes = 64 << 10;
// The end of a run shows as an event when its shim closes the file. This is for a writer that was
// gone before the watch began, or a file that never came.
constexpr std::chrono::milliseconds kRunningCheck{1'000};

struct Rotated {
  std::int64_t number;  // the current file has the highest
  std::string path;
};

constexpr std::int64_t kCurrent = std::numeric_limits<std::int64_t>::max();

// The files of one run, oldest first.
std::vector<Rotated> FilesOf(const std::string& directory, const std::string& name) {
  std::vector<Rotated> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    std::string file = entry.path().filename().string();
    if (file == name) {
      files.push_back({kCurrent, entry.path().string()});
    } else if (file.starts_with(name + ".")) {
      std::int64_t number = 0;
      const char* end = file.data() + file.size();
      auto parsed = std::from_chars(file.data() + name.size() + 1, end, number);
      if (parsed.ec == std::errc() && parsed.ptr == end) {
        files.push_back({number, entry.path().string()});
      }
    }
  }
  std::sort(files.begin(), files.end(),
            [](const Rotated& a, const Rotated& b) { return a.number < b.number; });
  return files;
}

// An open file of the log and its identity, which survives its renaming.
struct OpenFile {
  int fd = -1;
  ino_t inode = 0;
  dev_t device = 0;

  OpenFile() = default;
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() { Close(); }
  void Close() {
    if (fd >= 0) close(fd);
    fd = -1;
  }
  bool Open(const std::string& path) {
    Close();
    fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0) return false;
    inode = info.st_ino;
    device = info.st_dev;
    return true;
  }
  bool Is(const std::string& path) const {
    struct stat info;
    return stat(path.c_str(), &info) == 0 && info.st_ino == inode && info.st_dev == device;
  }
};

// Looks from the end of the newest file back to where `lines` lines begin. Returns how many are
// still missing; `file` and `offset` are where to start.
std::int64_t FindTail(const std::vector<Rotated>& files, std::int64_t lines, std::size_t* file,
                      off_t* offset) {
  *file = files.empty() ? 0 : files.size() - 1;
  *offset = 0;
  std::vector<char> block(64 << 10);
  for (std::size_t i = files.size(); i-- > 0;) {
    int fd = open(files[i].path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    struct stat info;
    off_t end = fstat(fd, &info) == 0 ? info.st_size : 0;
    *file = i;
    if (lines == 0) {
      *offset = end;
      close(fd);
      return 0;
    }
    // The newline that ends the last line is not the one before it.
    bool last = true;
    while (end > 0) {
      off_t start = std::max<off_t>(0, end - static_cast<off_t>(block.size()));
      ssize_t n = pread(fd, block.data(), static_cast<std::size_t>(end - start), start);
      if (n <= 0) break;
      for (ssize_t at = n; at-- > 0;) {
        if (block[static_cast<std::size_t>(at)] != '\n') {
          last = false;
          continue;
        }
        if (std::exchange(last, false)) continue;
        if (--lines == 0) {
          *offset = start + at + 1;
          close(fd);
          return 0;
        }
      }
      end = start;
    }
    // The line at the very start of the file.
    if (info.st_size > 0 && --lines == 0) {
      *offset = 0;
      close(fd);
      return 0;
    }
    *offset = 0;
    close(fd);
  }
  return lines;
}

class Reader : public std::enable_shared_from_this<Reader> {
 public:
  Reader(net::EventLoop& loop, LogFile file, const kube::LogOptions& options)
      : strand_(asio::make_strand(loop.context())),
        inotify_(strand_),
        timer_(strand_),
        file_(std::move(file)),
        name_(fmt::format("{}.log", file_.attempt)),
        path_(file_.directory + "/" + name_),
        follow_(options.follow),
        timestamps_(options.timestamps),
        left_bytes_(options.limit_bytes.value_or(std::numeric_limits<std::int64_t>::max())) {
    if (options.since_time) since_ns_ = options.since_time->time_since_epoch().count();
    if (options.since_seconds) {
      since_ns_ = (loop.WallNow() - std::chrono::seconds(*options.since_seconds))
                      .time_since_epoch()
                      .count();
    }
    std::vector<Rotated> files = FilesOf(file_.directory, name_);
    std::size_t first = 0;
    off_t offset = 0;
    if (options.tail_lines) {
      FindTail(files, std::max<std::int64_t>(0, *options.tail_lines), &first, &offset);
    }
    // Files last written before the asked time hold nothing of it.
    struct stat info;
    while (first + 1 < files.size() && since_ns_ > 0 &&
           stat(files[first].path.c_str(), &info) == 0 &&
           static_cast<std::int64_t>(info.st_mtim.tv_sec + 1) * 1'000'000'000 < since_ns_) {
      ++first;
      offset = 0;
    }
    if (first < files.size() && open_.Open(files[first].path)) lseek(open_.fd, offset, SEEK_SET);
  }

  void Next(std::function<void(base::Result<std::string>)> done) {
    asio::post(strand_, [self = shared_from_this(), done = std::move(done)]() mutable {
      if (self->cancelled_) return;
      self->done_ = std::move(done);
      self->Step();
    });
  }

  void Cancel() {
    asio::post(strand_, [self = shared_from_this()] {
      self->cancelled_ = true;
      self->done_ = nullptr;
      error_code ignored;
      self->inotify_.close(ignored);
      self->timer_.cancel();
    });
  }

 private:
  void Finish(std::string chunk) {
    if (auto done = std::exchange(done_, nullptr)) done(std::move(chunk));
  }

  // Answers the waiting Next, or waits for an event.
  void Step() {
    if (!done_) return;
    std::string chunk;
    bool progress = true;
    while (chunk.size() < kChunkBytes && left_bytes_ > 0 && progress) {
      progress = ReadSome(&chunk);
      if (!progress) progress = Advance();
    }
    if (left_bytes_ <= 0 || (!chunk.empty())) return Finish(std::move(chunk));
    if (!follow_) return Finish("");
    // The order matters: what was written before the run ended is read after asking.
    if (ending_) return Finish("");
    if (!file_.running || !file_.running()) {
      ending_ = true;
      return Step();
    }
    Wait();
  }

  // False at the end of the open file.
  bool ReadSome(std::string* chunk) {
    if (open_.fd < 0) return false;
    char buffer[16 << 10];
    ssize_t n = read(open_.fd, buffer, sizeof buffer);
    if (n <= 0) return false;
    std::string_view data(buffer, static_cast<std::size_t>(n));
    while (!data.empty() && left_bytes_ > 0) {
      std::size_t newline = data.find('\n');
      if (newline == std::string_view::npos) {
        if (line_.size() + data.size() <= kMaxLineBytes) line_.append(data);
        break;
      }
      if (line_.empty()) {
        Emit(data.substr(0, newline), chunk);
      } else {
        line_.append(data.substr(0, newline));
        Emit(line_, chunk);
        line_.clear();
      }
      data.remove_prefix(newline + 1);
    }
    return true;
  }

  void Emit(std::string_view raw, std::string* chunk) {
    auto line = ParseCriLine(raw);
    if (!line || line->time_ns < since_ns_) return;
    std::size_t before = chunk->size();
    if (timestamps_ && at_line_start_) {
      chunk->append(line->timestamp);
      chunk->push_back(' ');
    }
    chunk->append(line->text);
    if (!line->partial) chunk->push_back('\n');
    at_line_start_ = !line->partial;
    auto size = static_cast<std::int64_t>(chunk->size() - before);
    if (size > left_bytes_) {
      chunk->resize(before + static_cast<std::size_t>(left_bytes_));
      size = left_bytes_;
    }
    left_bytes_ -= size;
  }

  // Goes to the file after the open one; false when the open one is the current one.
  bool Advance() {
    if (open_.fd >= 0 && open_.Is(path_)) return false;
    if (open_.fd >= 0 && !std::exchange(finishing_, true)) {
      // It was renamed after the last read: what came in between is read first.
      return true;
    }
    finishing_ = false;
    std::vector<Rotated> files = FilesOf(file_.directory, name_);
    std::size_t next = 0;
    if (open_.fd >= 0) {
      for (std::size_t i = 0; i < files.size(); ++i) {
        if (open_.Is(files[i].path)) next = i + 1;
      }
    }
    if (next >= files.size()) return false;
    line_.clear();
    return open_.Open(files[next].path);
  }

  void Wait() {
    if (!inotify_.is_open()) {
      int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
      if (fd >= 0) {
        // All that can happen to the files shows on their directory.
        inotify_add_watch(fd, file_.directory.c_str(),
                          IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE);
        inotify_.assign(fd);
        ReadEvents();
        // Whatever came before the watch was there.
        asio::post(strand_, [self = shared_from_this()] { self->Step(); });
        return;
      }
    }
    timer_.expires_after(kRunningCheck);
    timer_.async_wait([weak = weak_from_this()](error_code error) {
      if (error) return;
      if (auto self = weak.lock()) self->Step();
    });
  }

  void ReadEvents() {
    inotify_.async_read_some(asio::buffer(events_),
                             [weak = weak_from_this()](error_code error, std::size_t) {
                               auto self = weak.lock();
                               if (error || !self) return;
                               self->timer_.cancel();
                               self->Step();
                               self->ReadEvents();
                             });
  }

  asio::strand<asio::io_context::executor_type> strand_;
  asio::posix::stream_descriptor inotify_;
  asio::steady_timer timer_;
  std::array<char, 4096> events_;
  const LogFile file_;
  const std::string name_;
  const std::string path_;
  const bool follow_;
  const bool timestamps_;
  std::int64_t left_bytes_;
  std::int64_t since_ns_ = 0;
  OpenFile open_;
  std::string line_;
  bool at_line_start_ = true;
  bool finishing_ = false;
  bool ending_ = false;
  bool cancelled_ = false;
  std::function<void(base::Result<std::string>)> done_;
};

class Stream final : public kube::LogStream {
 public:
  explicit Stream(std::shared_ptr<Reader> reader) : reader_(std::move(reader)) {}
  ~Stream() override { reader_->Cancel(); }
  void Next(std::function<void(base::Result<std::string>)> done) override {
    reader_->Next(std::move(done));
  }

 private:
  std::shared_ptr<Reader> reader_;
};

}  // namespace

std::unique_ptr<kube::LogStream> OpenLogFile(net::EventLoop& loop, LogFile file,
                                             const kube::LogOptions& options) {
  return std::make_unique<Stream>(std::make_shared<Reader>(loop, std::move(file), options));
}

}  // namespace enclave::cluster
