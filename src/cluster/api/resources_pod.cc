// Pods: their columns and the ends of their lives.
#include <fmt/format.h>

#include <algorithm>

#include "cluster/api/columns.h"
#include "cluster/api/pod_rules.h"
#include "cluster/api/registry.h"
#include "cluster/api/subresources.h"
#include "kube/time.h"

namespace enclave::cluster {
namespace {

using kube::At;
using kube::BoolAt;
using kube::IntAt;
using kube::Json;
using kube::StringAt;

struct Summary {
  std::string status;
  std::int64_t ready = 0;
  std::int64_t total = 0;
  std::int64_t restarts = 0;
  std::optional<base::WallTime> last_restart;
};

bool ConditionTrue(const Json& pod, std::string_view type) {
  for (const Json& condition : At(pod, "status.conditions")) {
    if (StringAt(condition, "type") == type) return StringAt(condition, "status") == "True";
  }
  return false;
}

std::string TerminatedReason(const Json& terminated) {
  if (const std::string& reason = StringAt(terminated, "reason"); !reason.empty()) return reason;
  if (const std::int64_t signal = IntAt(terminated, "signal"); signal != 0) {
    return fmt::format("Signal:{}", signal);
  }
  return fmt::format("ExitCode:{}", IntAt(terminated, "exitCode"));
}

void NoteRestarts(const Json& container, Summary& summary) {
  summary.restarts += IntAt(container, "restartCount");
  const auto finished = kube::TimeAt(container, "lastState.terminated.finishedAt");
  if (finished && (!summary.last_restart || *finished > *summary.last_restart)) {
    summary.last_restart = finished;
  }
}

bool IsSidecar(const Json& pod, const std::string& name) {
  for (const Json& container : At(pod, "spec.initContainers")) {
    if (StringAt(container, "name") == name) {
      return StringAt(container, "restartPolicy") == "Always";
    }
  }
  return false;
}

// True while init containers have yet to end.
bool SummariseInit(const Json& pod, Summary& summary, std::int64_t& sidecar_restarts) {
  std::size_t index = 0;
  for (const Json& container : At(pod, "status.initContainerStatuses")) {
    const std::size_t at = index++;
    NoteRestarts(container, summary);
    const bool sidecar = IsSidecar(pod, StringAt(container, "name"));
    if (sidecar) sidecar_restarts += IntAt(container, "restartCount");
    const Json& terminated = At(container, "state.terminated");
    if (!terminated.is_null() && IntAt(terminated, "exitCode") == 0) continue;
    if (sidecar && BoolAt(container, "started")) {
      if (BoolAt(container, "ready")) ++summary.ready;
      continue;
    }
    const std::string& waiting = StringAt(container, "state.waiting.reason");
    if (!terminated.is_null()) {
      summary.status = "Init:" + TerminatedReason(terminated);
    } else if (!waiting.empty() && waiting != "PodInitializing") {
      summary.status = "Init:" + waiting;
    } else {
      summary.status = fmt::format("Init:{}/{}", at, At(pod, "spec.initContainers").size());
    }
    return true;
  }
  return false;
}

void SummariseContainers(const Json& pod, Summary& summary) {
  bool running = false;
  const Json& statuses = At(pod, "status.containerStatuses");
  if (!statuses.is_array()) return;
  // From the last to the first: the first container's reason wins.
  for (auto it = statuses.rbegin(); it != statuses.rend(); ++it) {
    NoteRestarts(*it, summary);
    const std::string& waiting = StringAt(*it, "state.waiting.reason");
    const Json& terminated = At(*it, "state.terminated");
    if (!waiting.empty()) {
      summary.status = waiting;
    } else if (!terminated.is_null()) {
      summary.status = TerminatedReason(terminated);
    } else if (BoolAt(*it, "ready") && !At(*it, "state.running").is_null()) {
      running = true;
      ++summary.ready;
    }
  }
  if (summary.status == "Completed" && running) {
    summary.status = ConditionTrue(pod, "Ready") ? "Running" : "NotReady";
  }
}

// printPod of k8s.io/kubernetes/pkg/printers/internalversion.
Summary Summarise(const Json& pod) {
  Summary summary;
  summary.total = static_cast<std::int64_t>(At(pod, "spec.containers").size());
  for (const Json& container : At(pod, "spec.initContainers")) {
    if (StringAt(container, "restartPolicy") == "Always") ++summary.total;
  }
  const std::string& phase = StringAt(pod, "status.phase");
  const std::string& reason = StringAt(pod, "status.reason");
  summary.status = reason.empty() ? phase : reason;
  std::int64_t sidecar_restarts = 0;
  const bool initialising = SummariseInit(pod, summary, sidecar_restarts);
  if (!initialising || ConditionTrue(pod, "Initialized")) {
    summary.restarts = sidecar_restarts;
    SummariseContainers(pod, summary);
  }
  if (!At(pod, "metadata.deletionTimestamp").is_null()) {
    if (reason == "NodeLost") {
      summary.status = "Unknown";
    } else if (phase != "Succeeded" && phase != "Failed") {
      summary.status = "Terminating";
    }
  }
  return summary;
}

std::vector<Column> PodColumns() {
  return {
      NameColumn(),
      ComputedColumn("Ready", "string", 0,
                     [](const Json& pod) -> Json {
                       const Summary summary = Summarise(pod);
                       return fmt::format("{}/{}", summary.ready, summary.total);
                     }),
      ComputedColumn("Status", "string", 0,
                     [](const Json& pod) -> Json { return Summarise(pod).status; }),
      {.name = "Restarts",
       .cell = [](const Json& pod, base::WallTime now) -> Json {
         const Summary summary = Summarise(pod);
         if (summary.restarts == 0 || !summary.last_restart) {
           return std::to_string(summary.restarts);
         }
         return fmt::format("{} ({} ago)", summary.restarts,
                            HumanDuration(now - *summary.last_restart));
       }},
      AgeColumn(),
      ComputedColumn("IP", "string", kWide,
                     [](const Json& pod) { return OrNone(StringAt(pod, "status.podIP")); }),
      ComputedColumn("Node", "string", kWide,
                     [](const Json& pod) { return OrNone(StringAt(pod, "spec.nodeName")); }),
      ComputedColumn(
          "Nominated Node", "string", kWide,
          [](const Json& pod) { return OrNone(StringAt(pod, "status.nominatedNodeName")); }),
      ComputedColumn("Readiness Gates", "string", kWide,
                     [](const Json& pod) -> Json {
                       const Json& gates = At(pod, "spec.readinessGates");
                       if (!gates.is_array() || gates.empty()) return "<none>";
                       std::size_t met = 0;
                       for (const Json& gate : gates) {
                         if (ConditionTrue(pod, StringAt(gate, "conditionType"))) ++met;
                       }
                       return fmt::format("{}/{}", met, gates.size());
                     }),
  };
}

// podStrategy.CheckGracefulDelete.
std::int64_t Grace(const Json& pod, std::optional<std::int64_t> asked) {
  std::int64_t seconds = asked.value_or(IntAt(pod, "spec.terminationGracePeriodSeconds", 30));
  if (StringAt(pod, "spec.nodeName").empty()) return 0;
  const std::string& phase = StringAt(pod, "status.phase");
  if (phase == "Failed" || phase == "Succeeded") return 0;
  if (seconds < 0) seconds = 1;
  // For ever, and still a time that can be written down.
  return std::min(seconds, std::int64_t{1} << 30);
}

// The Binding subresource. Takes a Binding (its target) or a pod with its spec.nodeName.
base::Result<Json> Bind(const Json& body, const Json& pod, const WriteContext& context) {
  const std::string& target = StringAt(body, "target.name");
  const std::string& node = target.empty() ? StringAt(body, "spec.nodeName") : target;
  const std::string& name = StringAt(pod, "metadata.name");
  const auto conflict = [&](const std::string& why) {
    return base::Fail(base::ErrorKind::kConflict,
                      fmt::format("Operation cannot be fulfilled on pods/binding \"{}\": pod {} {}",
                                  name, name, why));
  };
  if (node.empty())
    return base::Fail(base::ErrorKind::kInvalidArgument, "target.name: Required value");
  if (!At(pod, "metadata.deletionTimestamp").is_null()) {
    return conflict("is being deleted, cannot be assigned to a host");
  }
  const std::string& bound = StringAt(pod, "spec.nodeName");
  if (!bound.empty()) return conflict(fmt::format("is already assigned to node \"{}\"", bound));
  Json fresh = pod;
  fresh["spec"]["nodeName"] = node;
  Json& status = fresh["status"];
  if (!status.is_object()) status = Json::object();
  Json conditions = Json::array();
  for (const Json& condition : At(pod, "status.conditions")) {
    if (StringAt(condition, "type") != "PodScheduled") conditions.push_back(condition);
  }
  conditions.push_back({{"type", "PodScheduled"},
                        {"status", "True"},
                        {"lastTransitionTime", kube::FormatTime(context.now)}});
  status["conditions"] = std::move(conditions);
  return fresh;
}

Resource Pods() {
  Resource pods;
  pods.kind = kube::kPod;
  pods.singular = "pod";
  pods.short_names = {"po"};
  pods.categories = {"all"};
  pods.schema = "Pod";
  pods.columns = PodColumns();
  pods.selectable_fields = {"spec.nodeName",           "spec.restartPolicy", "spec.schedulerName",
                            "spec.serviceAccountName", "status.phase",       "status.podIP",
                            "status.nominatedNodeName"};
  pods.has_status = true;
  pods.subresources = {
      StatusSubresource(),
      {.name = "binding", .version = "v1", .kind = "Binding", .verbs = {"create"}, .merge = Bind},
      {.name = "log", .verbs = {"get"}, .connect = true}};
  pods.prepare_create = [](Json& pod, const WriteContext&) {
    pod["status"] = {{"phase", "Pending"}, {"qosClass", QosClass(At(pod, "spec"))}};
  };
  pods.set_defaults = SetPodDefaults;
  pods.validate = [](const Json& pod, FieldErrors& errors) {
    ValidatePodSpec(At(pod, "spec"), "spec", {}, errors);
  };
  pods.validate_update = ValidatePodUpdate;
  pods.grace = Grace;
  return pods;
}

}  // namespace

void AddPodResources(Registry& registry) {
  registry.Add(Pods());
}

}  // namespace enclave::cluster
