// The files through which the kubelet and a container's shim speak: `spec`, written by the kubelet
// before the shim starts, and `status.json`, written by the shim (docs/formats/container-state.md).
//
// The shim is a program of its own that must stay small, so this header and its source use the
// standard library only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace enclave::cluster {

struct ShimMount {
  std::string source;
  std::string target;
  bool read_only = false;
  bool optional = false;  // when it cannot be made, that is a warning
  bool operator==(const ShimMount&) const = default;
};

struct ShimSpec {
  std::string container_id;  // "ENCLAVE/POD_UID/CONTAINER/ATTEMPT", also the environment marker
  std::vector<std::string> argv;
  std::vector<std::string> environment;  // "KEY=value"
  std::string working_directory;
  std::vector<ShimMount> mounts;
  std::vector<std::string> cgroups;  // directories of the container's groups
  std::string log_directory;
  std::string log_name;  // "0.log"
  std::int64_t log_max_bytes = 10 << 20;
  std::int64_t log_max_files = 5;  // the current one included
  std::int64_t memory_bytes = 0;   // limit, for a kubelet that adopts the container
  bool operator==(const ShimSpec&) const = default;
};

// The variable that marks every process of a container, so that leftovers are found.
inline constexpr std::string_view kContainerIdVariable = "ENCLAVE_CONTAINER_ID";

std::string EncodeShimSpec(const ShimSpec& spec);
// nullopt when `text` is not a whole spec of this version.
std::optional<ShimSpec> DecodeShimSpec(std::string_view text);

struct ShimStatus {
  std::string container_id;
  std::string boot_id;  // /proc/sys/kernel/random/boot_id
  std::int64_t shim_pid = 0;
  std::uint64_t shim_start_ticks = 0;  // field 22 of /proc/PID/stat
  std::int64_t pid = 0;
  std::uint64_t start_ticks = 0;
  std::int64_t started_at_ns = 0;  // since 1970
  bool isolated = false;           // has a mount namespace of its own
  std::vector<std::string> warnings;
  bool exited = false;
  int exit_code = 0;
  int signal = 0;
  bool oom_killed = false;
  std::int64_t finished_at_ns = 0;
  bool operator==(const ShimStatus&) const = default;
};

// JSON on one line.
std::string EncodeShimStatus(const ShimStatus& status);

// Start time of a process in clock ticks since boot; nullopt when it is gone.
std::optional<std::uint64_t> ProcessStartTicks(std::int64_t pid);
// The whole of a small file; nullopt when it cannot be read or has more than `max_bytes`.
std::optional<std::string> ReadSmallFile(const std::string& path, std::size_t max_bytes = 1 << 20);
// Writes `text` to an existing file (cgroup and proc files); false when refused.
bool WriteSmallFile(const std::string& path, std::string_view text);
// "2026-01-02T03:04:05.123456789Z"
std::string CriTimestamp(std::int64_t unix_ns);

}  // namespace enclave::cluster
