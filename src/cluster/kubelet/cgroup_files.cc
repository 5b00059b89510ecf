#include "cluster/kubelet/cgroup_files.h"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <optional>
#include <string_view>

#include "cluster/kubelet/container_files.h"

namespace enclave::cluster {
namespace {

// The value of the line "KEY value"; 0 when there is none.
std::int64_t FlatKey(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == ' ') {
      std::int64_t value = 0;
      std::from_chars(line.data() + key.size() + 1, line.data() + line.size(), value);
      return value;
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return 0;
}

std::vector<pid_t> Members(const std::string& directory) {
  std::vector<pid_t> pids;
  auto text = ReadSmallFile(directory + "/cgroup.procs");
  if (!text) return pids;
  const char* at = text->data();
  const char* end = at + text->size();
  while (at < end) {
    pid_t pid = 0;
    auto [next, error] = std::from_chars(at, end, pid);
    if (error != std::errc()) break;
    if (pid > 0) pids.push_back(pid);
    at = next + 1;
  }
  return pids;
}

}  // namespace

std::string JoinCgroups(const std::vector<std::string>& directories) {
  for (const std::string& directory : directories) {
    if (!WriteSmallFile(directory + "/cgroup.procs", "0")) return directory;
  }
  return "";
}

std::int64_t CgroupOomKills(const std::vector<std::string>& directories) {
  std::int64_t kills = 0;
  for (const std::string& directory : directories) {
    if (auto events = ReadSmallFile(directory + "/memory.events")) {
      kills += FlatKey(*events, "oom_kill");
    } else if (auto control = ReadSmallFile(directory + "/memory.oom_control")) {
      kills += FlatKey(*control, "oom_kill");
    }
  }
  return kills;
}

bool KillCgroups(const std::vector<std::string>& directories) {
  bool any = false;
  pid_t self = getpid();
  for (const std::string& directory : directories) {
    std::vector<pid_t> members = Members(directory);
    std::erase(members, self);
    if (members.empty()) continue;
    any = true;
    if (WriteSmallFile(directory + "/cgroup.kill", "1")) continue;
    for (pid_t pid : members) kill(pid, SIGKILL);
  }
  return any;
}

bool RemoveCgroups(const std::vector<std::string>& directories) {
  bool all = true;
  for (const std::string& directory : directories) {
    if (rmdir(directory.c_str()) != 0 && errno != ENOENT) all = false;
  }
  return all;
}

}  // namespace enclave::cluster
