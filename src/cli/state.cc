#include "cli/state.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>

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

base::Result<> WriteClusterProcess(const StatePaths& paths, const ClusterProcess& process) {
  const nlohmann::json value = {{"process", ToJson(process.process)},
                                {"supervisor", ToJson(process.supervisor)},
                                {"server", process.server}};
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

std::optional<ClusterProcess> FindClusterProcess(const StatePaths& paths) {
  std::ifstream file(paths.process());
  const auto value = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!value.is_object()) return std::nullopt;
  ClusterProcess found;
  try {
    found.process = ProcessFromJson(value.value("process", nlohmann::json()));
    found.supervisor = ProcessFromJson(value.value("supervisor", nlohmann::json()));
    found.server = value.value("server", "");
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
  const bool supervised = found.supervisor.pid != 0 && net::IsAlive(found.supervisor);
  if (!supervised) found.supervisor = {};
  const bool running = found.process.pid != 0 && net::IsAlive(found.process);
  if (!running) found.process = {};
  if (!running && !supervised) return std::nullopt;
  return found;
}

base::Result<StateLock> StateLock::Take(const StatePaths& paths) {
  std::error_code error;
  std::filesystem::create_directories(paths.root, error);
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

StateLock::~StateLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace enclave::cli
