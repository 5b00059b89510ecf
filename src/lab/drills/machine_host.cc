#include "lab/drills/machine_host.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>

#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "base/quote.h"

namespace enclave::lab::drills {
namespace {

namespace fs = std::filesystem;
using base::ErrorKind;
using base::Fail;
using base::Result;

constexpr std::string_view kMarker = "ENCLAVE_CONTAINER_ID=";
constexpr const char* kCgroupRoot = "/sys/fs/cgroup";
// Busy while the drill lives, and no longer than the kernel's own limit of a processor's seconds.
constexpr const char* kBusy = "ulimit -t 300; while [ -e /proc/$PPID ]; do :; done";

std::string Slurp(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

struct Found {
  pid_t pid = 0;
  std::string container;
};

struct ProcessStat {
  char state = '?';
  pid_t parent = 0;
};

// Fields 3 and 4 of /proc/PID/stat; the name before them may hold anything, but ends with the last
// bracket.
ProcessStat StatOf(pid_t pid) {
  const std::string stat = Slurp(fmt::format("/proc/{}/stat", pid));
  const auto bracket = stat.rfind(')');
  if (bracket == std::string::npos || bracket + 4 >= stat.size()) return {};
  ProcessStat found{.state = stat[bracket + 2]};
  std::from_chars(stat.data() + bracket + 4, stat.data() + stat.size(), found.parent);
  return found;
}

std::vector<Found> ProcessesOf(const std::string& pod_uid) {
  std::map<pid_t, pid_t> parents;
  std::map<pid_t, std::string> containers;
  std::map<pid_t, std::string> shims;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename().string();
    pid_t pid = 0;
    const auto [end, wrong] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (wrong != std::errc() || end != name.data() + name.size()) continue;
    parents[pid] = StatOf(pid).parent;
    const std::string shim = ShimContainerIdOf(Slurp(entry.path() / "cmdline"), pod_uid);
    const std::string marked = ContainerIdOf(Slurp(entry.path() / "environ"), pod_uid);
    if (!shim.empty())
      shims[pid] = shim;
    else if (!marked.empty())
      containers[pid] = marked;
  }
  // Some programs write their title over their environment.
  for (const auto& [pid, parent] : parents) {
    pid_t at = parent;
    for (int steps = 0; steps < 16 && at > 1 && !containers.contains(pid); ++steps) {
      if (const auto shim = shims.find(at); shim != shims.end() && !shims.contains(pid))
        containers[pid] = shim->second;
      const auto next = parents.find(at);
      at = next == parents.end() ? 0 : next->second;
    }
  }
  std::vector<Found> found;
  for (const auto& [pid, container] : containers)
    found.push_back({.pid = pid, .container = container});
  return found;
}

}  // namespace

std::string ContainerIdOf(std::string_view environment, std::string_view pod_uid) {
  const std::string part = fmt::format("/{}/", pod_uid);
  while (!environment.empty()) {
    const std::string_view variable = environment.substr(0, environment.find('\0'));
    environment.remove_prefix(std::min(variable.size() + 1, environment.size()));
    if (!variable.starts_with(kMarker)) continue;
    const std::string_view id = variable.substr(kMarker.size());
    if (!pod_uid.empty() && id.find(part) != std::string_view::npos) return std::string(id);
  }
  return "";
}

std::string ShimContainerIdOf(std::string_view command_line, std::string_view pod_uid) {
  const std::string_view program = command_line.substr(0, command_line.find('\0'));
  if (pod_uid.empty() || !program.ends_with("enclave-shim")) return "";
  const auto at = command_line.find(fmt::format("/{}/", pod_uid));
  if (at == std::string_view::npos) return "";
  const std::string_view id = command_line.substr(at + 1);
  return std::string(id.substr(0, id.find('\0')));
}

std::vector<std::string> CgroupDirectories(std::string_view cgroup_file, const std::string& root) {
  std::vector<std::string> directories;
  std::error_code error;
  while (!cgroup_file.empty()) {
    const std::string_view line = cgroup_file.substr(0, cgroup_file.find('\n'));
    cgroup_file.remove_prefix(std::min(line.size() + 1, cgroup_file.size()));
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) continue;
    const std::string controllers(line.substr(first + 1, second - first - 1));
    std::string_view path = line.substr(second + 1);
    std::vector<fs::path> mounts;
    if (controllers.empty())
      mounts = {fs::path(root), fs::path(root) / "unified"};
    else
      mounts = {fs::path(root) / controllers.substr(controllers.starts_with("name=") ? 5 : 0)};
    for (const fs::path& mount : mounts) {
      for (std::string_view rest = path; rest.size() > 1;) {
        const fs::path directory = mount / rest.substr(1);
        if (fs::exists(directory / "cgroup.procs", error)) {
          directories.push_back(directory.string());
          break;
        }
        const auto slash = rest.find('/', 1);
        rest = slash == std::string_view::npos ? "" : rest.substr(slash);
      }
    }
  }
  return directories;
}

Result<> MachineHost::Signal(const std::string& pod_uid, int signal) {
  bool any = false;
  for (const Found& found : ProcessesOf(pod_uid)) {
    const auto process = net::IdentifyProcess(found.pid);
    if (!process) continue;
    if (::kill(found.pid, signal) != 0) continue;
    any = true;
    if (signal == SIGSTOP) stopped_.push_back(*process);
  }
  if (any) return {};
  return Fail(ErrorKind::kNotFound,
              fmt::format("no process of the pod {} runs on this machine, or it is another user's",
                          base::Quote(pod_uid)));
}

Result<> MachineHost::Burn(const std::string& pod_uid, int processes) {
  const auto found = ProcessesOf(pod_uid);
  if (found.empty())
    return Fail(ErrorKind::kNotFound,
                fmt::format("no process of the pod {} runs on this machine", base::Quote(pod_uid)));
  const auto groups =
      CgroupDirectories(Slurp(fmt::format("/proc/{}/cgroup", found.front().pid)), kCgroupRoot);
  for (int i = 0; i < processes; ++i) {
    ASSIGN_OR_RETURN(const pid_t pid,
                     net::Spawn({.argv = {"/bin/sh", "-c", kBusy},
                                 .environment = {std::string(kMarker) + found.front().container}}));
    // A group that may not be written to gives no limit to keep within.
    for (const std::string& group : groups) std::ofstream(group + "/cgroup.procs") << pid;
    ASSIGN_OR_RETURN(const auto process, net::IdentifyProcess(pid));
    started_.push_back(process);
  }
  return {};
}

Result<> MachineHost::BringVisitors(int users, base::Duration lasts) {
  if (visitors_.empty())
    return Fail(ErrorKind::kNotFound, "there is no program that plays visitors");
  std::vector<std::string> argv = visitors_;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(lasts).count();
  argv.insert(argv.end(), {"--users", std::to_string(users), "--spawn-rate", std::to_string(users),
                           "--duration", fmt::format("{}s", seconds)});
  ASSIGN_OR_RETURN(const pid_t pid, net::Spawn({.argv = argv, .environment = {}}));
  ASSIGN_OR_RETURN(const auto process, net::IdentifyProcess(pid));
  started_.push_back(process);
  return {};
}

void MachineHost::Continue(const std::string& pod_uid) {
  for (const Found& found : ProcessesOf(pod_uid))
    if (StatOf(found.pid).state == 'T') ::kill(found.pid, SIGCONT);
}

void MachineHost::PutBack() {
  for (const net::ProcessId& process : stopped_)
    if (net::IsAlive(process)) ::kill(process.pid, SIGCONT);
  stopped_.clear();
  for (const net::ProcessId& process : started_) {
    if (net::IsAlive(process)) ::kill(process.pid, SIGKILL);
    // Ours, and not waited for by anybody else.
    ::waitpid(process.pid, nullptr, 0);
  }
  started_.clear();
}

}  // namespace enclave::lab::drills
