// Limits for containers by control groups, in the three layouts that Linux has: v2, v1 (one
// hierarchy per controller) and hybrid (v1 controllers beside an empty v2 hierarchy). Everything is
// made below the group that this process is in or, with v2, below its nearest ancestor that may
// have controllers below it (v2 allows no processes beside enabled controllers).
//
// Reference: Linux Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/.
// Thread safety: const methods may be called from any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace enclave::cluster {

// Where this process stands, from /proc/self/mountinfo and /proc/self/cgroup.
struct CgroupLayout {
  // The v2 hierarchy; empty when there is none (or its mount does not show our group).
  std::string unified_mount;
  std::string unified_path;  // our group's directory
  // v1: controller ("memory", "cpu", ...) -> our group's directory.
  std::map<std::string, std::string> legacy;
};
CgroupLayout ParseCgroupLayout(std::string_view mountinfo, std::string_view self_cgroup);

struct CgroupLimits {
  std::int64_t memory_bytes = 0;        // 0: none
  std::int64_t cpu_millis = 0;          // 0: none
  std::int64_t cpu_request_millis = 0;  // weight against others; 0: the least
  std::int64_t pids = 0;                // 0: none
};

struct CgroupUsage {
  std::chrono::nanoseconds cpu_time{};
  std::int64_t memory_bytes = 0;  // without page cache that can be dropped at once
  bool has_cpu = false;
  bool has_memory = false;
};

class CgroupManager {
 public:
  // Uses a parent group `group` ("enclave-1f2e"), made where this process may; a manager that can
  // do nothing when it may nowhere.
  static CgroupManager Detect(const std::string& group);
  static CgroupManager None() { return CgroupManager(); }

  bool available() const { return !parents_.empty(); }
  bool limits_memory() const { return limits_memory_; }
  bool limits_cpu() const { return limits_cpu_; }

  // Makes the group of one container; its directories, one per hierarchy. A leftover of the same
  // name is emptied first.
  base::Result<std::vector<std::string>> Create(const std::string& name,
                                                const CgroupLimits& limits) const;
  // Kills everything below the parent group and removes it. Bounded by about a second.
  void DestroyAll() const;

  static CgroupUsage Usage(const std::vector<std::string>& directories);

 private:
  CgroupManager() = default;
  void DetectUnified(const CgroupLayout& layout, const std::string& group);
  void DetectLegacy(const CgroupLayout& layout, const std::string& group);

  std::vector<std::string> parents_;
  bool limits_memory_ = false;
  bool limits_cpu_ = false;
};

}  // namespace enclave::cluster
