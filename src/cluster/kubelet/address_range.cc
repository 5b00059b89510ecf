#include "cluster/kubelet/address_range.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include "cluster/kubelet/container_directory.h"
#include "cluster/kubelet/container_files.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
namespace fs = std::filesystem;

constexpr int kFirst = 1;
constexpr int kLast = 254;

std::string ChoiceFile(const std::string& state_directory) {
  return state_directory + "/address-range";
}

// What a state directory has chosen; nullopt when it has not.
std::optional<int> Choice(const std::string& state_directory) {
  auto text = ReadSmallFile(ChoiceFile(state_directory), 64);
  int value = 0;
  if (!text ||
      std::from_chars(text->data(), text->data() + text->size(), value).ec != std::errc()) {
    return std::nullopt;
  }
  if (value < kFirst || value > kLast) return std::nullopt;
  return value;
}

std::string ClaimFile(const std::string& registry, int second_byte) {
  return fmt::format("{}/127.{}", registry, second_byte);
}

// Whether somebody else may still use 127.`second_byte`.
bool TakenByOther(const std::string& registry, int second_byte, const std::string& state) {
  std::string path = ClaimFile(registry, second_byte);
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) return false;
  auto owner = ReadSmallFile(path, 8192);
  if (!owner || owner->empty()) return true;
  if (*owner == state) return false;
  // Another user's state may be hidden from us: then the claim holds.
  if (access(owner->c_str(), F_OK) != 0) return errno != ENOENT && errno != ENOTDIR;
  if (access(ChoiceFile(*owner).c_str(), F_OK) != 0) return errno != ENOENT;
  auto choice = Choice(*owner);
  return !choice || *choice == second_byte;
}

bool WriteNew(const std::string& path, const std::string& text, mode_t mode) {
  unlink(path.c_str());
  int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
  if (fd < 0) return false;
  bool done = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
  return done;
}

}  // namespace

std::string AddressRange::pod_cidr() const {
  return fmt::format("127.{}.0.0/17", second_byte_);
}
std::string AddressRange::service_cidr() const {
  return fmt::format("127.{}.240.0/20", second_byte_);
}
std::string AddressRange::api_address() const {
  return fmt::format("127.{}.240.1", second_byte_);
}

base::Result<AddressRange> ClaimAddressRange(const std::string& state_directory,
                                             const std::string& registry) {
  auto refuse = [](const std::string& path) {
    return base::Fail(ErrorKind::kUnavailable,
                      fmt::format("choose addresses: {}: {}", path, std::strerror(errno)));
  };
  std::error_code error;
  std::string state = fs::canonical(state_directory, error).string();
  if (error) {
    return base::Fail(ErrorKind::kUnavailable,
                      fmt::format("choose addresses: {}: {}", state_directory, error.message()));
  }
  // All users of the machine share the registry, as they share /tmp.
  if (mkdir(registry.c_str(), 0777) == 0) chmod(registry.c_str(), 01777);
  int lock = open(registry.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (lock < 0) return refuse(registry);
  // Held for the moment of choosing only; leaving this function releases it.
  struct Unlock {
    int fd;
    ~Unlock() { close(fd); }
  } unlock{lock};
  while (flock(lock, LOCK_EX) != 0) {
    if (errno != EINTR) return refuse(registry);
  }

  std::optional<int> before = Choice(state);
  // Where the search starts depends on the state directory, so that an enclave whose claim was lost
  // with /tmp most likely meets no other.
  std::string id = EnclaveId(state);
  unsigned hash = 0;
  std::from_chars(id.data() + id.size() - 6, id.data() + id.size(), hash, 16);
  int start = before.value_or(kFirst + static_cast<int>(hash % (kLast - kFirst + 1)));
  for (int i = 0; i <= kLast - kFirst; ++i) {
    int candidate = kFirst + (start - kFirst + i) % (kLast - kFirst + 1);
    if (TakenByOther(registry, candidate, state)) continue;
    auto owner = ReadSmallFile(ClaimFile(registry, candidate), 8192);
    if (owner != state && !WriteNew(ClaimFile(registry, candidate), state, 0644)) {
      continue;  // A void claim of another user, which only that user may remove.
    }
    if (before != candidate && !WriteNew(ChoiceFile(state), fmt::format("{}\n", candidate), 0644)) {
      return refuse(ChoiceFile(state));
    }
    return AddressRange(candidate);
  }
  return base::Fail(ErrorKind::kResourceExhausted,
                    fmt::format("no free address range 127.A.0.0/16: every A is claimed in {}; "
                                "remove state directories that are no longer needed",
                                registry));
}

}  // namespace enclave::cluster
