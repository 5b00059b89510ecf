// A look at the machine's processes through /proc: who descends from whom, what they use, and which
// carry a container's marker in their environment.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace enclave::cluster {

struct ProcessInfo {
  pid_t pid = 0;
  pid_t parent = 0;
  char state = '?';
  std::uint64_t start_ticks = 0;
  std::chrono::nanoseconds cpu_time{};         // its own
  std::chrono::nanoseconds reaped_cpu_time{};  // of its ended and reaped children
};

class ProcessTable {
 public:
  static ProcessTable Read();
  // Parses one /proc/PID/stat; false when it is not one.
  static bool ParseStat(std::string_view text, ProcessInfo* info);

  const ProcessInfo* Find(pid_t pid) const;
  // Children, their children and so on, without `root` itself.
  std::vector<ProcessInfo> Descendants(pid_t root) const;

 private:
  std::unordered_map<pid_t, ProcessInfo> processes_;
  std::unordered_multimap<pid_t, pid_t> children_;
};

struct TreeUsage {
  std::chrono::nanoseconds cpu_time{};
  // Private resident memory of all, plus the shared pages of the largest: pages shared between
  // parent and children are not counted for each.
  std::int64_t memory_bytes = 0;
};
// Of the descendants of `root` (a shim), ended ones included in the time.
TreeUsage UsageOfTree(const ProcessTable& table, pid_t root);

// Processes whose environment holds kContainerIdVariable with a value that is `id` or starts with
// `id` and a slash.
std::vector<pid_t> FindMarkedProcesses(std::string_view id);

}  // namespace enclave::cluster
