#include "cluster/kubelet/exec_run.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstring>
#include <memory>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>

#include "cluster/kubelet/container_files.h"

namespace enclave::cluster {
namespace {

namespace asio = boost::asio;
using base::ErrorKind;

constexpr std::size_t kMaxOutputBytes = 10 << 10;
constexpr std::size_t kMaxReportBytes = 64 << 10;
// The shim ends the command in time; this is for a shim that hangs itself.
constexpr std::chrono::milliseconds kShimPatience{5'000};

// Lives until both pipes have ended or the patience is over.
class ExecRun : public std::enable_shared_from_this<ExecRun> {
 public:
  ExecRun(net::EventLoop& loop, std::function<void(base::Result<ExecOutput>)> done,
          std::string what)
      : loop_(loop),
        strand_(asio::make_strand(loop.context())),
        done_(std::move(done)),
        what_(std::move(what)),
        report_(strand_),
        output_(strand_),
        timer_(strand_) {}

  void Start(int report_fd, int output_fd, const net::ProcessId& shim,
             std::chrono::milliseconds patience) {
    shim_ = shim;
    report_.assign(report_fd);
    output_.assign(output_fd);
    asio::post(strand_, [self = shared_from_this(), patience] {
      self->timer_.expires_after(patience);
      self->timer_.async_wait([self](boost::system::error_code error) {
        if (!error) self->GiveUp();
      });
      self->Read(self->report_, self->report_buffer_, &self->report_text_, kMaxReportBytes);
      self->Read(self->output_, self->output_buffer_, &self->output_text_, kMaxOutputBytes);
    });
  }

  void Finish(base::Result<ExecOutput> result) {
    if (!done_) return;
    loop_.Post([done = std::exchange(done_, nullptr), result = std::move(result)]() mutable {
      done(std::move(result));
    });
  }

 private:
  using Buffer = std::array<char, 4096>;

  void Read(asio::posix::stream_descriptor& from, Buffer& buffer, std::string* into,
            std::size_t max_bytes) {
    from.async_read_some(asio::buffer(buffer),
                         [self = shared_from_this(), &from, &buffer, into, max_bytes](
                             boost::system::error_code error, std::size_t n) {
                           // What is beyond the bound is read and dropped, so that the command
                           // never blocks on it.
                           into->append(buffer.data(), std::min(n, max_bytes - into->size()));
                           if (!error) return self->Read(from, buffer, into, max_bytes);
                           if (++self->ended_ == 2) self->Complete();
                         });
  }

  void GiveUp() {
    if (net::IsAlive(shim_)) kill(shim_.pid, SIGKILL);
    boost::system::error_code ignored;
    report_.close(ignored);
    output_.close(ignored);
    Finish(base::Fail(ErrorKind::kDeadlineExceeded, fmt::format("command {} does not end", what_)));
  }

  void Complete() {
    timer_.cancel();
    if (report_text_.starts_with("exit ")) {
      ExecOutput output;
      std::from_chars(report_text_.data() + 5, report_text_.data() + report_text_.size(),
                      output.exit_code);
      output.output = std::move(output_text_);
      return Finish(std::move(output));
    }
    if (report_text_.starts_with("timeout")) {
      return Finish(
          base::Fail(ErrorKind::kDeadlineExceeded, fmt::format("command {} timed out", what_)));
    }
    std::string message = "the command's shim ended without an answer";
    ErrorKind kind = ErrorKind::kUnavailable;
    if (report_text_.starts_with("error ")) {
      int error = 0;
      const char* end = report_text_.data() + report_text_.size();
      auto parsed = std::from_chars(report_text_.data() + 6, end, error);
      message.assign(parsed.ptr, end);
      while (!message.empty() && message.back() == '\n') message.pop_back();
      if (!message.empty()) message.erase(0, 1);
      if (error == ENOENT || error == ESRCH) kind = ErrorKind::kNotFound;
      if (error == EACCES) kind = ErrorKind::kPermissionDenied;
    }
    Finish(base::Fail(kind, message));
  }

  net::EventLoop& loop_;
  asio::strand<asio::io_context::executor_type> strand_;
  std::function<void(base::Result<ExecOutput>)> done_;
  const std::string what_;
  asio::posix::stream_descriptor report_;
  asio::posix::stream_descriptor output_;
  asio::steady_timer timer_;
  Buffer report_buffer_;
  Buffer output_buffer_;
  std::string report_text_;
  std::string output_text_;
  int ended_ = 0;
  net::ProcessId shim_;
};

}  // namespace

void RunInContainer(net::EventLoop& loop, const ExecTarget& target, std::vector<std::string> argv,
                    std::chrono::milliseconds timeout,
                    std::function<void(base::Result<ExecOutput>)> done) {
  auto run =
      std::make_shared<ExecRun>(loop, std::move(done), fmt::format("\"{}\"", fmt::join(argv, " ")));
  if (argv.empty()) {
    return run->Finish(base::Fail(ErrorKind::kInvalidArgument, "an empty command"));
  }
  int report[2];
  int output[2];
  if (pipe2(report, O_CLOEXEC) != 0) {
    return run->Finish(
        base::Fail(ErrorKind::kResourceExhausted, fmt::format("pipe: {}", std::strerror(errno))));
  }
  if (pipe2(output, O_CLOEXEC) != 0) {
    close(report[0]);
    close(report[1]);
    return run->Finish(
        base::Fail(ErrorKind::kResourceExhausted, fmt::format("pipe: {}", std::strerror(errno))));
  }
  net::SpawnOptions spawn;
  spawn.argv = {target.shim,
                "exec",
                target.directory,
                std::to_string(target.program.pid),
                std::to_string(target.program.start_ticks),
                std::to_string(timeout.count()),
                "--"};
  spawn.argv.insert(spawn.argv.end(), argv.begin(), argv.end());
  spawn.environment = {std::string(kContainerIdVariable) + "=" + target.marker};
  spawn.working_directory = "/";
  spawn.stdout_fd = output[1];
  spawn.stderr_fd = output[1];
  spawn.inherited_fds = {{report[1], 3}};
  spawn.new_session = true;
  auto pid = net::Spawn(spawn);
  close(report[1]);
  close(output[1]);
  auto shim = pid ? net::IdentifyProcess(*pid) : std::unexpected(pid.error());
  auto watched = shim ? net::WatchExit(loop, *shim, [](int) {}) : std::unexpected(shim.error());
  if (!watched) {
    close(report[0]);
    close(output[0]);
    return run->Finish(std::unexpected(watched.error()));
  }
  run->Start(report[0], output[0], *shim, timeout + kShimPatience);
}

}  // namespace enclave::cluster
