#include "cli/state.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>
#include <vector>

namespace enclave::cli {
namespace {

using base::ErrorKind;
using base::Fail;

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

nlohmann::json ToJson(const net::ProcessId& id) {
  return {{"pid", id.pid}, {"startTicks", id.start_ticks}};
}

net::ProcessId ProcessFromJson(const nlohmann::json& value) {
  if (!value.is_object()) return {};
  return {.pid = value.value("pid", 0), .start_ticks = value.value("startTicks", std::uint64_t{0})};
}

}  // namespace

base::Result<StatePaths> ResolveState(const std::string& given) {
  std::filesystem::path root = given;
  if (root.empty()) root = Environment("ENCLAVE_STATE");
  if (root.empty() && !Environment("XDG_STATE_HOME").empty())
    root = std::filesystem::path(Environment("XDG_STATE_HOME")) / "enclave";
  if (root.empty() && !Environment("HOME").empty())
    root = std::filesystem::path(Environment("HOME")) / ".local/state/enclave";
  if (root.empty())
    return Fail(ErrorKind::kInvalidArgument,
                "no state directory: give --state DIR, or set ENCLAVE_STATE or HOME");
  std::error_code error;
  root = std::filesystem::absolute(root, error).lexically_normal();
  if (!root.has_filename()) root = root.parent_path();
  return StatePaths{root};
}

base::Result<> RequireEnclave(const StatePaths& paths) {
  namespace fs = std::filesystem;
  std::error_code error;
  // The second is what the kubelet puts there (cluster/kubelet/address_range.cc).
  if (fs::exists(paths.command_lock(), error) || fs::exists(paths.root / "address-range", error))
    return {};
  const std::string root = paths.root.string();
  const auto somebody_elses = [&](const std::string& why) {
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("{} is not an enclave's directory: {}; give --state the directory of "
                            "an enclave, or one that is new or empty",
                            root, why));
  };
  const fs::directory_iterator entries(paths.root, error);
  if (error == std::errc::no_such_file_or_directory || (!error && entries == fs::end(entries)))
    return Fail(ErrorKind::kNotFound, fmt::format("no enclave in {}", root));
  if (error == std::errc::not_a_directory) return somebody_elses("it is a file");
  if (error)
    return Fail(ErrorKind::kUnavailable, fmt::format("cannot read {}: {}", root, error.message()));
  return somebody_elses(
      fmt::format("it holds other files, such as {}", entries->path().filename().string()));
}

base::Result<> AdoptStateDirectory(const StatePaths& paths) {
  const auto found = RequireEnclave(paths);
  if (found || found.error().kind() != ErrorKind::kNotFound) return found;
  const auto refuse = [&](const std::string& why) {
    return Fail(ErrorKind::kUnavailable,
                fmt::format("cannot make {} an enclave's directory: {}; give a --state directory "
                            "that you may write to",
                            paths.root.string(), why));
  };
  std::error_code error;
  std::filesystem::create_directories(paths.root.parent_path(), error);
  if (error) return refuse(error.message());
  if (::mkdir(paths.root.c_str(), 0700) != 0 && errno != EEXIST)
    return refuse(std::strerror(errno));
  if (::chmod(paths.root.c_str(), 0700) != 0) return refuse(std::strerror(errno));
  const int fd = ::open(paths.command_lock().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return refuse(std::strerror(errno));
  ::close(fd);
  return {};
}

base::Result<> DeleteState(const StatePaths& paths) {
  namespace fs = std::filesystem;
  std::error_code error;
  std::vector<fs::path> entries;
  for (fs::directory_iterator it(paths.root, error); !error && it != fs::directory_iterator();
       it.increment(error))
    if (it->path() != paths.command_lock()) entries.push_back(it->path());
  for (const fs::path& entry : entries)
    if (!error) fs::remove_all(entry, error);
  // The lock last: until then others wait for it, and a deletion that was cut short can be
  // repeated.
  if (!error) fs::remove(paths.command_lock(), error);
  if (!error) fs::remove(paths.root, error);
  // Not empty: the next `up` has adopted it already.
  if (!error || error == std::errc::directory_not_empty) return {};
  return Fail(ErrorKind::kUnavailable,
              fmt::format("cannot delete {}: {}", paths.root.string(), error.message()));
}

base::Result<> WriteClusterProcess(const StatePaths& paths, const ClusterProcess& process) {
  const nlohmann::json value = {{"process", ToJson(process.process)},
                                {"supervisor", ToJson(process.supervisor)},
                                {"server", process.server},
                                {"ready", process.ready}};
  const std::filesystem::path next = paths.process().string() + ".next";
  std::ofstream file(next, std::ios::trunc);
  file << value.dump(2) << '\n';
  file.close();
  std::error_code error;
  if (file) std::filesystem::rename(next, paths.process(), error);
  if (!file || error)
    return Fail(ErrorKind::kUnavailable,
                fmt::format("cannot write {}: {}", paths.process().string(),
                            error ? error.message() : std::strerror(errno)));
  return {};
}

std::optional<ClusterProcess> LastClusterProcess(const StatePaths& paths) {
  std::ifstream file(paths.process());
  const auto value = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!value.is_object()) return std::nullopt;
  ClusterProcess found;
  try {
    found.process = ProcessFromJson(value.value("process", nlohmann::json()));
    found.supervisor = ProcessFromJson(value.value("supervisor", nlohmann::json()));
    found.server = value.value("server", "");
    found.ready = value.value("ready", false);
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
  return found;
}

std::optional<ClusterProcess> FindClusterProcess(const StatePaths& paths) {
  auto found = LastClusterProcess(paths);
  if (!found) return std::nullopt;
  const bool supervised = found->supervisor.pid != 0 && net::IsAlive(found->supervisor);
  if (!supervised) found->supervisor = {};
  const bool running = found->process.pid != 0 && net::IsAlive(found->process);
  if (!running) {
    found->process = {};
    found->ready = false;
  }
  if (!running && !supervised) return std::nullopt;
  return found;
}

base::Result<StateLock> StateLock::ToRun(const StatePaths& paths) {
  const int fd = ::open(paths.lock().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0)
    return Fail(ErrorKind::kUnavailable,
                fmt::format("cannot open {}: {}; give a --state directory that "
                            "you may write to",
                            paths.lock().string(), std::strerror(errno)));
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    ::close(fd);
    return Fail(ErrorKind::kAlreadyExists,
                fmt::format("another process runs the enclave in {}: see `enclave status`",
                            paths.root.string()));
  }
  return StateLock(fd);
}

base::Result<StateLock> StateLock::ToStartOrEnd(const StatePaths& paths, base::MonoTime deadline) {
  constexpr int kLookAgainMs = 50;
  const std::string path = paths.command_lock().string();
  const auto gone =
      Fail(ErrorKind::kNotFound, fmt::format("no enclave in {}", paths.root.string()));
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 && errno == ENOENT) return gone;
  if (fd < 0)
    return Fail(ErrorKind::kUnavailable,
                fmt::format("cannot open {}: {}", path, std::strerror(errno)));
  StateLock lock(fd);
  for (bool told = false; ::flock(fd, LOCK_EX | LOCK_NB) != 0; told = true) {
    if (errno != EWOULDBLOCK && errno != EINTR)
      return Fail(ErrorKind::kUnavailable,
                  fmt::format("cannot lock {}: {}", path, std::strerror(errno)));
    if (base::SystemClock().Now() >= deadline)
      return Fail(ErrorKind::kDeadlineExceeded,
                  fmt::format("another `enclave up` or `enclave down` is still at work in {}: try "
                              "again when it has ended",
                              paths.root.string()));
    if (!told)
      fmt::print(stderr, "enclave: waiting for another `enclave up` or `enclave down` in {}\n",
                 paths.root.string());
    ::poll(nullptr, 0, kLookAgainMs);
  }
  // Who held it may have deleted the state: then this is the lock of an enclave that was.
  struct stat held{};
  struct stat present{};
  if (::fstat(fd, &held) != 0 || ::stat(path.c_str(), &present) != 0 ||
      held.st_ino != present.st_ino || held.st_dev != present.st_dev)
    return gone;
  return lock;
}

StateLock::~StateLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace enclave::cli
