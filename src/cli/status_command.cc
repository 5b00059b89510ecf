#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/cluster_access.h"
#include "cli/commands.h"
#include "cli/state.h"
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
          {"podsByPhase", snapshot.pods_by_phase}};
}

std::string ToText(const StatePaths& paths, const Snapshot& snapshot) {
  std::string phases;
  for (const auto& [phase, count] : snapshot.pods_by_phase)
    phases += fmt::format("{}{} {}", phases.empty() ? "" : ", ", count, phase);
  return FormatTable({
      {"node", snapshot.node_ready ? Green("● Ready") : Red("● not Ready")},
      {"pods", fmt::format("{} of {} Ready{}", snapshot.pods_ready, snapshot.pods,
                           phases.empty() ? "" : Dim(" (" + phases + ")"))},
      {"server", snapshot.process.server},
      {"process", fmt::format("pid {}, {} resident, up {}", snapshot.process.process.pid,
                              FormatBytes(snapshot.resident_bytes), FormatAge(snapshot.uptime_s))},
      {"state", paths.root.string()},
      {"kubeconfig", paths.kubeconfig().string()},
  });
}

}  // namespace

int Status(const StatusOptions& options) {
  const auto paths = ResolveState(options.state);
  if (!paths) return Complain(paths.error(), 2);
  const auto process = FindClusterProcess(*paths);
  if (!process) {
    if (options.output == OutputFormat::kJson) {
      const nlohmann::json value = {{"state", paths->root.string()}, {"running", false}};
      fmt::print("{}\n", value.dump(2));
    } else {
      fmt::print("{} no enclave runs in {}; start it with `enclave up`\n", Dim("○"),
                 paths->root.string());
    }
    return 1;
  }
  const auto snapshot = Observe(*paths, *process);
  if (!snapshot) return Complain(snapshot.error().While("asking " + process->server));
  if (options.output == OutputFormat::kJson)
    fmt::print("{}\n", ToJson(*paths, *snapshot).dump(2));
  else
    fmt::print("{}", ToText(*paths, *snapshot));
  return snapshot->node_ready ? 0 : 1;
}

}  // namespace enclave::cli
