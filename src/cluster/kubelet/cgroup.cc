#include "cluster/kubelet/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <thread>

#include <fmt/format.h>

#include "cluster/kubelet/cgroup_files.h"
#include "cluster/kubelet/container_files.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    std::size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

bool HasWord(std::string_view text, std::string_view word) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  std::vector<std::string_view> words = Split(text, ' ');
  return std::find(words.begin(), words.end(), word) != words.end();
}

// mountinfo writes space, tab, newline and backslash as octal.
std::string Unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      int value = 0;
      auto [end, error] = std::from_chars(text.data() + i + 1, text.data() + i + 4, value, 8);
      if (error == std::errc() && end == text.data() + i + 4 && value < 256) {
        out.push_back(static_cast<char>(value));
        i += 3;
        continue;
      }
    }
    out.push_back(text[i]);
  }
  return out;
}

// Our group's directory under a mount whose root is `root`; "" when the mount does not show it.
std::string UnderMount(const std::string& mount_point, const std::string& root,
                       const std::string& path) {
  if (!path.starts_with("/") || path.find("..") != std::string::npos) return "";
  if (root == "/") return path == "/" ? mount_point : mount_point + path;
  if (path == root) return mount_point;
  if (path.starts_with(root + "/")) return mount_point + path.substr(root.size());
  return "";
}

bool MakeDirectory(const std::string& path) {
  return mkdir(path.c_str(), 0755) == 0 || errno == EEXIST;
}

// Whether a child of ours may move itself into `directory`. The parent's right to make a group does
// not include that with v2.
bool CanJoin(const std::string& directory) {
  std::string file = directory + "/cgroup.procs";
  pid_t pid = fork();
  if (pid < 0) return false;
  if (pid == 0) {
    // Only async-signal-safe calls: other threads of the parent may hold any lock.
    int fd = open(file.c_str(), O_WRONLY | O_CLOEXEC);
    _exit(fd >= 0 && write(fd, "0", 1) == 1 ? 0 : 1);
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

std::int64_t ReadNumber(const std::string& path, bool* found) {
  auto text = ReadSmallFile(path, 4096);
  std::int64_t value = 0;
  *found =
      text && std::from_chars(text->data(), text->data() + text->size(), value).ec == std::errc();
  return value;
}

std::int64_t ReadKey(const std::string& path, std::string_view key, bool* found) {
  *found = false;
  auto text = ReadSmallFile(path, 64 << 10);
  if (!text) return 0;
  for (std::string_view line : Split(*text, '\n')) {
    if (!line.starts_with(key) || line.size() <= key.size() || line[key.size()] != ' ') continue;
    line.remove_prefix(key.size() + 1);
    std::int64_t value = 0;
    *found = std::from_chars(line.data(), line.data() + line.size(), value).ec == std::errc();
    return value;
  }
  return 0;
}

bool Exists(const std::string& path) {
  return access(path.c_str(), F_OK) == 0;
}

// Kubernetes' conversion: 1024 shares are one CPU, 2 the least; v2 weights map [2, 262144] to
// [1, 10000].
void SetCpuShares(const std::string& directory, std::int64_t millis) {
  const std::int64_t shares = std::clamp<std::int64_t>(millis * 1024 / 1000, 2, 262144);
  if (Exists(directory + "/cpu.weight"))
    WriteSmallFile(directory + "/cpu.weight", std::to_string(1 + (shares - 2) * 9999 / 262142));
  else if (Exists(directory + "/cpu.shares"))
    WriteSmallFile(directory + "/cpu.shares", std::to_string(shares));
}

// Of all pods together: the processors of the machine, as the kubelet gives to its `kubepods`.
void SetCpuSharesOfAll(const std::string& parent) {
  SetCpuShares(parent, 1000 * static_cast<std::int64_t>(std::thread::hardware_concurrency()));
}

}  // namespace

CgroupLayout ParseCgroupLayout(std::string_view mountinfo, std::string_view self_cgroup) {
  std::string unified_group;
  std::map<std::string, std::string, std::less<>> legacy_groups;
  for (std::string_view line : Split(self_cgroup, '\n')) {
    std::size_t first = line.find(':');
    std::size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    std::string_view controllers = line.substr(first + 1, second - first - 1);
    std::string path(line.substr(second + 1));
    if (controllers.empty()) {
      unified_group = path;
    } else {
      for (std::string_view name : Split(controllers, ',')) {
        legacy_groups.emplace(std::string(name), path);
      }
    }
  }
  CgroupLayout layout;
  for (std::string_view line : Split(mountinfo, '\n')) {
    // ID PARENT MAJ:MIN ROOT MOUNT-POINT OPTIONS [TAGS...] - TYPE SOURCE SUPER-OPTIONS
    std::size_t dash = line.find(" - ");
    if (dash == std::string_view::npos) continue;
    std::vector<std::string_view> before = Split(line.substr(0, dash), ' ');
    std::vector<std::string_view> after = Split(line.substr(dash + 3), ' ');
    if (before.size() < 6 || after.size() < 3) continue;
    std::string root = Unescape(before[3]);
    std::string mount_point = Unescape(before[4]);
    if (after[0] == "cgroup2" && layout.unified_path.empty()) {
      layout.unified_path = UnderMount(mount_point, root, unified_group);
      layout.unified_mount = layout.unified_path.empty() ? "" : mount_point;
    } else if (after[0] == "cgroup") {
      for (std::string_view option : Split(after[2], ',')) {
        auto group = legacy_groups.find(option);
        if (group == legacy_groups.end()) continue;
        std::string path = UnderMount(mount_point, root, group->second);
        if (!path.empty()) layout.legacy.emplace(std::string(option), path);
      }
    }
  }
  return layout;
}

CgroupManager CgroupManager::Detect(const std::string& group) {
  CgroupManager manager;
  auto mountinfo = ReadSmallFile("/proc/self/mountinfo", 16 << 20);
  auto self = ReadSmallFile("/proc/self/cgroup");
  if (!mountinfo || !self) return manager;
  CgroupLayout layout = ParseCgroupLayout(*mountinfo, *self);
  manager.DetectLegacy(layout, group);
  manager.DetectUnified(layout, group);
  return manager;
}

void CgroupManager::DetectLegacy(const CgroupLayout& layout, const std::string& group) {
  // One hierarchy may carry several controllers ("cpu,cpuacct"): its group is listed once.
  for (const char* controller : {"memory", "cpu", "cpuacct", "pids"}) {
    auto found = layout.legacy.find(controller);
    if (found == layout.legacy.end()) continue;
    std::string parent = found->second + "/" + group;
    if (!MakeDirectory(parent) || !CanJoin(parent)) continue;
    if (std::string_view(controller) == "memory") limits_memory_ = true;
    if (std::string_view(controller) == "cpu") {
      limits_cpu_ = true;
      SetCpuSharesOfAll(parent);
    }
    if (std::find(parents_.begin(), parents_.end(), parent) == parents_.end()) {
      parents_.push_back(parent);
    }
  }
}

void CgroupManager::DetectUnified(const CgroupLayout& layout, const std::string& group) {
  if (layout.unified_path.empty()) return;
  std::string fallback;
  for (std::string directory = layout.unified_path;;) {
    std::string parent = directory + "/" + group;
    auto controllers = ReadSmallFile(directory + "/cgroup.controllers");
    if (controllers && MakeDirectory(parent)) {
      for (const char* name : {"memory", "cpu", "pids"}) {
        if (!HasWord(*controllers, name)) continue;
        WriteSmallFile(directory + "/cgroup.subtree_control", std::string("+") + name);
        WriteSmallFile(parent + "/cgroup.subtree_control", std::string("+") + name);
      }
      auto enabled = ReadSmallFile(parent + "/cgroup.subtree_control");
      // A child joins a leaf, as containers do.
      std::string probe = parent + "/probe";
      bool joins = MakeDirectory(probe) && CanJoin(probe);
      rmdir(probe.c_str());
      if (joins && enabled && HasWord(*enabled, "memory")) {
        if (!fallback.empty()) rmdir(fallback.c_str());
        limits_memory_ = true;
        limits_cpu_ = limits_cpu_ || HasWord(*enabled, "cpu");
        SetCpuSharesOfAll(parent);
        parents_.push_back(parent);
        return;
      }
      if (joins && fallback.empty()) {
        fallback = parent;
      } else {
        rmdir(parent.c_str());
      }
    }
    // With v1 controllers the v2 hierarchy serves for killing only: no need to search further.
    if (limits_memory_ || directory == layout.unified_mount) break;
    directory = directory.substr(0, directory.rfind('/'));
    if (directory.size() < layout.unified_mount.size()) break;
  }
  if (!fallback.empty()) parents_.push_back(fallback);
}

base::Result<std::vector<std::string>> CgroupManager::Create(const std::string& name,
                                                             const CgroupLimits& limits) const {
  std::vector<std::string> directories;
  auto refuse = [&](const std::string& path) {
    std::string reason = std::strerror(errno);
    RemoveCgroups(directories);
    return base::Fail(ErrorKind::kUnavailable, fmt::format("cgroup {}: {}", path, reason));
  };
  for (const std::string& parent : parents_) {
    std::string directory = parent + "/" + name;
    if (mkdir(directory.c_str(), 0755) != 0) {
      if (errno != EEXIST) return refuse(directory);
      KillCgroups({directory});
    }
    directories.push_back(directory);
    auto set = [&](const char* file, const std::string& value) {
      return WriteSmallFile(directory + "/" + file, value);
    };
    auto has = [&](const char* file) { return Exists(directory + "/" + file); };
    if (limits.memory_bytes > 0) {
      std::string bytes = std::to_string(limits.memory_bytes);
      if (has("memory.max")) {
        if (!set("memory.max", bytes)) return refuse(directory + "/memory.max");
        // Swap would only delay the end; absent without swap accounting.
        if (has("memory.swap.max")) set("memory.swap.max", "0");
        if (has("memory.oom.group")) set("memory.oom.group", "1");
      } else if (has("memory.limit_in_bytes")) {
        if (!set("memory.limit_in_bytes", bytes)) {
          return refuse(directory + "/memory.limit_in_bytes");
        }
        if (has("memory.memsw.limit_in_bytes")) set("memory.memsw.limit_in_bytes", bytes);
      }
    }
    SetCpuShares(directory, limits.cpu_request_millis);
    if (limits.cpu_millis > 0) {
      std::int64_t quota_us = std::max<std::int64_t>(limits.cpu_millis * 100, 1000);
      if (has("cpu.max")) {
        set("cpu.max", std::to_string(quota_us) + " 100000");
      } else if (has("cpu.cfs_quota_us")) {
        set("cpu.cfs_period_us", "100000");
        set("cpu.cfs_quota_us", std::to_string(quota_us));
      }
    }
    if (limits.pids > 0 && has("pids.max")) set("pids.max", std::to_string(limits.pids));
  }
  return directories;
}

void CgroupManager::DestroyAll() const {
  for (const std::string& parent : parents_) {
    for (int round = 0; round < 100; ++round) {
      bool empty = true;
      std::error_code error;
      for (const auto& entry : std::filesystem::directory_iterator(parent, error)) {
        if (!entry.is_directory(error)) continue;
        std::vector<std::string> directories{entry.path().string()};
        KillCgroups(directories);
        if (!RemoveCgroups(directories)) empty = false;
      }
      if (empty) break;
      // The kernel takes a moment to empty a group; there is no event for v1.
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    rmdir(parent.c_str());
  }
}

CgroupUsage CgroupManager::Usage(const std::vector<std::string>& directories) {
  CgroupUsage usage;
  for (const std::string& directory : directories) {
    bool found = false;
    std::int64_t value = ReadNumber(directory + "/memory.current", &found);
    bool current = found;
    if (!found) value = ReadNumber(directory + "/memory.usage_in_bytes", &found);
    if (found) {
      bool has_cache = false;
      std::int64_t cache = ReadKey(directory + "/memory.stat",
                                   current ? "inactive_file" : "total_inactive_file", &has_cache);
      usage.memory_bytes = std::max<std::int64_t>(0, value - cache);
      usage.has_memory = true;
    }
    value = ReadNumber(directory + "/cpuacct.usage", &found);
    if (found) {
      usage.cpu_time = std::chrono::nanoseconds(value);
      usage.has_cpu = true;
    } else if (!usage.has_cpu) {
      value = ReadKey(directory + "/cpu.stat", "usage_usec", &found);
      if (found) {
        usage.cpu_time = std::chrono::microseconds(value);
        usage.has_cpu = true;
      }
    }
  }
  return usage;
}

}  // namespace enclave::cluster
