#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "cli/cluster_access.h"
#include "cli/commands.h"
#include "cli/state.h"
#include "kube/time.h"
#include "net/event_loop.h"

namespace enclave::cli {
namespace {

using base::Result;

struct Snapshot {
  ClusterProcess process;
  long long resident_bytes = 0;
  long long uptime_s = 0;
  bool node_ready = false;
  std::map<std::string, std::size_t> pods_by_phase;
  std::size_t pods_ready = 0;
  std::size_t pods = 0;
  std::vector<std::string> service_problems;  // "shop/web: cannot listen on ..."
};

// Resident memory and age from /proc (proc(5): statm in pages, stat's starttime in clock ticks).
void ReadProcess(const net::ProcessId& process, Snapshot* snapshot) {
  std::ifstream statm(fmt::format("/proc/{}/statm", process.pid));
  long long pages = 0;
  statm >> pages >> pages;
  snapshot->resident_bytes = pages * ::sysconf(_SC_PAGESIZE);
  double machine_uptime_s = 0;
  std::ifstream("/proc/uptime") >> machine_uptime_s;
  snapshot->uptime_s = static_cast<long long>(machine_uptime_s) -
                       static_cast<long long>(process.start_ticks) / ::sysconf(_SC_CLK_TCK);
}

bool HasCondition(const kube::Object& object, const std::string& type) {
  for (const kube::Json& condition : kube::At(object.json(), "status.conditions"))
    if (kube::StringAt(condition, "type") == type)
      return kube::StringAt(condition, "status") == "True";
  return false;
}

// Services whose address is not listened on, by what the service proxy (cluster/kubelet) tells of
// them in events. It tries again every 30 s at the least, so an older event is about what was.
std::vector<std::string> ServiceProblems(const kube::ObjectList& events, base::WallTime now) {
  constexpr std::chrono::seconds kCurrent{60};
  struct Told {
    base::WallTime at;
    std::string problem;  // empty: it is listened on
  };
  std::map<std::string, Told> last;  // by the Service's uid
  for (const auto& event : events.items) {
    const kube::Json& json = event->json();
    const std::string reason = kube::StringAt(json, "reason");
    const auto at = kube::TimeAt(json, "lastTimestamp");
    if ((reason != "FailedToListen" && reason != "Listening") || !at || *at < now - kCurrent)
      continue;
    Told& told = last[kube::StringAt(json, "involvedObject.uid")];
    if (*at < told.at) continue;
    told = {.at = *at, .problem = ""};
    if (reason == "FailedToListen")
      told.problem =
          fmt::format("{}/{}: {}", event->ns(), kube::StringAt(json, "involvedObject.name"),
                      kube::StringAt(json, "message"));
  }
  std::vector<std::string> problems;
  for (auto& [uid, told] : last)
    if (!told.problem.empty()) problems.push_back(std::move(told.problem));
  std::ranges::sort(problems);
  return problems;
}

Result<Snapshot> Observe(const StatePaths& paths, const ClusterProcess& process) {
  Snapshot snapshot{.process = process};
  ReadProcess(process.process, &snapshot);
  net::EventLoop loop("status");
  ASSIGN_OR_RETURN(const auto api, OpenApi(paths, loop));
  ASSIGN_OR_RETURN(const auto nodes, api->List(kube::kNode, {}));
  for (const auto& node : nodes.items) snapshot.node_ready |= HasCondition(*node, "Ready");
  ASSIGN_OR_RETURN(const auto pods, api->List(kube::kPod, {}));
  snapshot.pods = pods.items.size();
  for (const auto& pod : pods.items) {
    ++snapshot.pods_by_phase[kube::StringAt(pod->json(), "status.phase")];
    snapshot.pods_ready += HasCondition(*pod, "Ready") ? 1 : 0;
  }
  ASSIGN_OR_RETURN(const auto events, api->List(kube::kEvent, {}));
  snapshot.service_problems = ServiceProblems(events, base::SystemClock().WallNow());
  return snapshot;
}

nlohmann::json ToJson(const StatePaths& paths, const Snapshot& snapshot) {
  return {{"state", paths.root.string()},
          {"running", true},
          {"server", snapshot.process.server},
          {"kubeconfig", paths.kubeconfig().string()},
          {"pid", snapshot.process.process.pid},
          {"supervisorPid", snapshot.process.supervisor.pid},
          {"nodeReady", snapshot.node_ready},
          {"uptimeSeconds", snapshot.uptime_s},
          {"residentBytes", snapshot.resident_bytes},
          {"pods", snapshot.pods},
          {"podsReady", snapshot.pods_ready},
          {"podsByPhase", snapshot.pods_by_phase},
          {"serviceProblems", snapshot.service_problems}};
}

std::string ToText(const StatePaths& paths, const Snapshot& snapshot) {
  std::string phases;
  for (const auto& [phase, count] : snapshot.pods_by_phase)
    phases += fmt::format("{}{} {}", phases.empty() ? "" : ", ", count, phase);
  std::vector<std::vector<std::string>> rows{
      {"node", snapshot.node_ready ? Green("● Ready") : Red("● not Ready")},
      {"pods", fmt::format("{} of {} Ready{}", snapshot.pods_ready, snapshot.pods,
                           phases.empty() ? "" : Dim(" (" + phases + ")"))},
      {"server", snapshot.process.server},
      {"process", fmt::format("pid {}, {} resident, up {}", snapshot.process.process.pid,
                              FormatBytes(snapshot.resident_bytes), FormatAge(snapshot.uptime_s))},
      {"state", paths.root.string()},
      {"kubeconfig", paths.kubeconfig().string()},
  };
  for (const std::string& problem : snapshot.service_problems)
    rows.push_back({"service", Red("● ") + problem});
  return FormatTable(rows);
}

}  // namespace

int Status(const StatusOptions& options) {
  const auto paths = ResolveState(options.state);
  if (!paths) return Complain(paths.error(), options.output);
  const auto process = FindClusterProcess(*paths);
  if (!process) {
    if (options.output == OutputFormat::kJson) {
      PrintJson({{"state", paths->root.string()}, {"running", false}});
    } else {
      fmt::print("{} no enclave runs in {}; start it with `enclave up`\n", Dim("○"),
                 paths->root.string());
    }
    return 1;
  }
  if (process->process.pid == 0)
    return Complain(base::Error(base::ErrorKind::kUnavailable,
                                fmt::format("the enclave in {} is being started; its log is {}",
                                            paths->root.string(), paths->log().string())),
                    options.output);
  const auto snapshot = Observe(*paths, *process);
  if (!snapshot)
    return Complain(snapshot.error().While("asking " + process->server), options.output);
  if (options.output == OutputFormat::kJson)
    PrintJson(ToJson(*paths, *snapshot));
  else
    fmt::print("{}", ToText(*paths, *snapshot));
  return snapshot->node_ready ? 0 : 1;
}

}  // namespace enclave::cli
