#include "cluster/kubelet/process_tree.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <string>

#include "cluster/kubelet/container_files.h"

namespace enclave::cluster {
namespace {

constexpr std::size_t kMaxEnvironmentBytes = 4 << 20;

template <typename Function>
void ForEachPid(Function function) {
  DIR* proc = opendir("/proc");
  if (proc == nullptr) return;
  while (dirent* entry = readdir(proc)) {
    std::string_view name = entry->d_name;
    pid_t pid = 0;
    auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error == std::errc() && end == name.data() + name.size() && pid > 0) function(pid);
  }
  closedir(proc);
}

std::chrono::nanoseconds Ticks(std::uint64_t ticks) {
  static const auto per_second = static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK));
  return std::chrono::nanoseconds(ticks * (1'000'000'000 / per_second));
}

}  // namespace

bool ProcessTable::ParseStat(std::string_view text, ProcessInfo* info) {
  std::size_t close = text.rfind(')');
  if (close == std::string_view::npos || close + 3 >= text.size()) return false;
  if (std::from_chars(text.data(), text.data() + close, info->pid).ec != std::errc()) return false;
  info->state = text[close + 2];
  // Fields 4 (parent) to 22 (start time), after the state.
  std::int64_t fields[23] = {};
  const char* at = text.data() + close + 3;
  const char* end = text.data() + text.size();
  for (int field = 4; field <= 22; ++field) {
    while (at < end && *at == ' ') ++at;
    auto [next, error] = std::from_chars(at, end, fields[field]);
    if (error != std::errc()) return false;
    at = next;
  }
  auto count = [&](int field) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(0, fields[field]));
  };
  info->parent = static_cast<pid_t>(fields[4]);
  info->cpu_time = Ticks(count(14) + count(15));
  info->reaped_cpu_time = Ticks(count(16) + count(17));
  info->start_ticks = count(22);
  return true;
}

ProcessTable ProcessTable::Read() {
  ProcessTable table;
  ForEachPid([&](pid_t pid) {
    auto text = ReadSmallFile("/proc/" + std::to_string(pid) + "/stat", 4096);
    ProcessInfo info;
    if (!text || !ParseStat(*text, &info)) return;
    table.processes_.emplace(pid, info);
    table.children_.emplace(info.parent, pid);
  });
  return table;
}

const ProcessInfo* ProcessTable::Find(pid_t pid) const {
  auto found = processes_.find(pid);
  return found == processes_.end() ? nullptr : &found->second;
}

std::vector<ProcessInfo> ProcessTable::Descendants(pid_t root) const {
  std::vector<ProcessInfo> found;
  std::vector<pid_t> open{root};
  while (!open.empty() && found.size() <= processes_.size()) {
    pid_t parent = open.back();
    open.pop_back();
    auto [begin, end] = children_.equal_range(parent);
    for (auto child = begin; child != end; ++child) {
      found.push_back(processes_.at(child->second));
      open.push_back(child->second);
    }
  }
  return found;
}

TreeUsage UsageOfTree(const ProcessTable& table, pid_t root) {
  static const std::int64_t page_bytes = sysconf(_SC_PAGESIZE);
  TreeUsage usage;
  std::int64_t largest_shared = 0;
  if (const ProcessInfo* shim = table.Find(root)) usage.cpu_time += shim->reaped_cpu_time;
  for (const ProcessInfo& process : table.Descendants(root)) {
    usage.cpu_time += process.cpu_time + process.reaped_cpu_time;
    auto text = ReadSmallFile("/proc/" + std::to_string(process.pid) + "/statm", 4096);
    if (!text) continue;
    std::int64_t fields[3] = {};  // size, resident, shared; in pages
    const char* at = text->data();
    const char* end = at + text->size();
    for (std::int64_t& field : fields) {
      while (at < end && *at == ' ') ++at;
      at = std::from_chars(at, end, field).ptr;
    }
    usage.memory_bytes += (fields[1] - fields[2]) * page_bytes;
    largest_shared = std::max(largest_shared, fields[2] * page_bytes);
  }
  usage.memory_bytes += largest_shared;
  return usage;
}

std::vector<pid_t> FindMarkedProcesses(std::string_view id) {
  std::string marker = std::string(kContainerIdVariable) + "=" + std::string(id);
  std::vector<pid_t> found;
  pid_t self = getpid();
  ForEachPid([&](pid_t pid) {
    if (pid == self) return;
    auto text = ReadSmallFile("/proc/" + std::to_string(pid) + "/environ", kMaxEnvironmentBytes);
    if (!text) return;
    for (std::size_t at = text->find(marker); at != std::string::npos;
         at = text->find(marker, at + 1)) {
      std::size_t end = at + marker.size();
      bool starts = at == 0 || (*text)[at - 1] == '\0';
      bool ends = end == text->size() || (*text)[end] == '\0' || (*text)[end] == '/';
      if (starts && ends) {
        found.push_back(pid);
        return;
      }
    }
  });
  return found;
}

}  // namespace enclave::cluster
