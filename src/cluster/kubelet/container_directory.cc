#include "cluster/kubelet/container_directory.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <charconv>
#include <cstring>

#include <fmt/format.h>

#include "cluster/kubelet/container_status.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
namespace fs = std::filesystem;

bool PlainName(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.size() <= 253 &&
         name.find('/') == std::string::npos && name.find('\0') == std::string::npos;
}

base::Result<> WriteAtomically(const std::string& path, const std::string& text) {
  std::string temporary = path + ".tmp";
  int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  bool done = fd >= 0 && write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  std::string reason = std::strerror(errno);
  if (fd >= 0) close(fd);
  if (done && rename(temporary.c_str(), path.c_str()) == 0) return {};
  return base::Fail(ErrorKind::kUnavailable, fmt::format("write {}: {}", path, reason));
}

}  // namespace

std::string EnclaveId(const std::string& state_directory) {
  std::error_code error;
  fs::path path = fs::weakly_canonical(state_directory, error);
  std::string text = error ? state_directory : path.string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  // FNV-1a, 64 bits: enough to tell the enclaves of one machine apart.
  std::uint64_t hash = 14695981039346656037ULL;
  for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return fmt::format("{:012x}", hash & 0xffffffffffffULL);
}

fs::path ContainersDirectory(const std::string& state_directory) {
  return fs::path(state_directory) / "containers";
}

base::Result<ContainerDirectory> ContainerDirectory::Of(const std::string& state_directory,
                                                        const ContainerId& id) {
  if (!PlainName(id.pod_uid) || !PlainName(id.container) || id.attempt < 0) {
    return base::Fail(ErrorKind::kInvalidArgument,
                      fmt::format("container id {}/{}/{} is not made of plain names", id.pod_uid,
                                  id.container, id.attempt));
  }
  std::error_code error;
  fs::path root = fs::absolute(ContainersDirectory(state_directory), error);
  return ContainerDirectory(
      EnclaveId(state_directory), id,
      (root / id.pod_uid / id.container / std::to_string(id.attempt)).string());
}

std::vector<ContainerDirectory> ContainerDirectory::All(const std::string& state_directory) {
  std::vector<ContainerDirectory> found;
  std::error_code error;
  for (const auto& pod : fs::directory_iterator(ContainersDirectory(state_directory), error)) {
    std::error_code pod_error;
    for (const auto& container : fs::directory_iterator(pod.path(), pod_error)) {
      std::error_code container_error;
      for (const auto& attempt : fs::directory_iterator(container.path(), container_error)) {
        std::string text = attempt.path().filename().string();
        ContainerId id{pod.path().filename().string(), container.path().filename().string(), 0};
        auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), id.attempt);
        if (bad != std::errc() || end != text.data() + text.size()) continue;
        if (auto directory = Of(state_directory, id)) found.push_back(std::move(*directory));
      }
    }
  }
  return found;
}

std::string ContainerDirectory::marker() const {
  return fmt::format("{}/{}/{}/{}", enclave_, id_.pod_uid, id_.container, id_.attempt);
}

base::Result<int> ContainerDirectory::CreateAndLock() const {
  std::error_code error;
  fs::create_directories(path_, error);
  fs::permissions(path_, fs::perms::owner_all, error);
  std::string lock = path_ + "/lock";
  int fd = open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    return base::Fail(ErrorKind::kUnavailable,
                      fmt::format("open {}: {}", lock, std::strerror(errno)));
  }
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    close(fd);
    return base::Fail(ErrorKind::kAlreadyExists,
                      fmt::format("container {} is already running", marker()));
  }
  return fd;
}

bool ContainerDirectory::ShimAlive() const {
  int fd = open((path_ + "/lock").c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  bool alive = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  close(fd);
  return alive;
}

base::Result<> ContainerDirectory::WriteSpec(const ShimSpec& spec) const {
  return WriteAtomically(path_ + "/spec", EncodeShimSpec(spec));
}

std::optional<ShimSpec> ContainerDirectory::ReadSpec() const {
  auto text = ReadSmallFile(path_ + "/spec", 16 << 20);
  return text ? DecodeShimSpec(*text) : std::nullopt;
}

std::optional<ShimStatus> ContainerDirectory::ReadStatus() const {
  auto text = ReadSmallFile(path_ + "/status.json");
  if (!text) return std::nullopt;
  auto status = ParseShimStatus(*text);
  // A status of another container (a copied directory) speaks of processes that are not ours.
  if (!status || status->container_id != marker()) return std::nullopt;
  return *status;
}

std::optional<ShimStatus> ContainerDirectory::AwaitStatus(std::chrono::milliseconds timeout) const {
  int inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  inotify_add_watch(inotify, path_.c_str(), IN_MOVED_TO);
  auto deadline = std::chrono::steady_clock::now() + timeout;
  std::optional<ShimStatus> status;
  while (true) {
    status = ReadStatus();
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    if (status || left.count() <= 0 || !ShimAlive()) break;
    // The shim may also end without a status, which nobody tells here: hence the short steps.
    struct pollfd wait{inotify, POLLIN, 0};
    poll(&wait, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 50)));
  }
  close(inotify);
  return status ? status : ReadStatus();
}

base::Result<> ContainerDirectory::WriteStatus(const ShimStatus& status) const {
  return WriteAtomically(path_ + "/status.json", EncodeShimStatus(status));
}

void ContainerDirectory::MarkOutOfMemory() const {
  int fd = open((path_ + "/oom").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd >= 0) close(fd);
}

void ContainerDirectory::Remove() const {
  std::error_code error;
  fs::path path(path_);
  fs::remove_all(path, error);
  fs::remove(path.parent_path(), error);
  fs::remove(path.parent_path().parent_path(), error);
}

const std::string& BootId() {
  static const std::string id = [] {
    auto text = ReadSmallFile("/proc/sys/kernel/random/boot_id", 256).value_or("");
    return text.substr(0, text.find('\n'));
  }();
  return id;
}

}  // namespace enclave::cluster
