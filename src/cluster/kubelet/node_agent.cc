#include "cluster/kubelet/node_agent.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "cluster/kubelet/pod_fields.h"
#include "kube/quantity.h"
#include "kube/time.h"

namespace enclave::cluster {

using base::ErrorKind;
using kube::Json;

namespace {

constexpr const char* kLeaseNamespace = "kube-node-lease";
constexpr base::Duration kNodeFirstRetry = std::chrono::milliseconds(50);
constexpr base::Duration kNodeMostRetry = std::chrono::seconds(7);

struct NodeCondition {
  const char* type;
  const char* status;
  const char* reason;
  const char* message;
};

constexpr NodeCondition kConditions[] = {
    {"MemoryPressure", "False", "KubeletHasSufficientMemory",
     "kubelet has sufficient memory available"},
    {"DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"},
    {"PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"},
    {"Ready", "True", "KubeletReady", "kubelet is posting ready status"},
};

const Json* FindByType(const Json& conditions, std::string_view type) {
  for (const Json& condition : conditions)
    if (kube::StringAt(condition, "type") == type) return &condition;
  return nullptr;
}

}  // namespace

NodeAgent::NodeAgent(const KubeletContext& context)
    : context_(context),
      nodes_(context.ports.informers.For(kube::kNode)),
      register_timer_(context.executor()),
      status_timer_(context.executor()),
      lease_timer_(context.executor()) {
  register_timer_.Set({}, [this] { Register(); });
  // A Node that somebody deleted is made again: this machine is still here.
  nodes_.OnChange(
      [this, alive = alive_](const kube::ObjectPtr& before, const kube::ObjectPtr& after) {
        if (!*alive || after != nullptr || before->name() != context_.options.node_name) return;
        if (registered_ && !register_timer_.armed())
          register_timer_.Set(kNodeFirstRetry, [this] { Register(); });
      });
}

NodeAgent::~NodeAgent() {
  *alive_ = false;
}

void NodeAgent::Register() {
  const base::Result<> done = EnsureNode();
  if (!done) {
    retry_delay_ = retry_delay_ == base::Duration::zero()
                       ? kNodeFirstRetry
                       : std::min(2 * retry_delay_, kNodeMostRetry);
    base::LogWarning("kubelet", "node not registered",
                     {{"node", context_.options.node_name}, {"error", done.error().ToString()}});
    register_timer_.Set(retry_delay_, [this] { Register(); });
    return;
  }
  retry_delay_ = {};
  registered_ = true;
  RenewLease();
  status_timer_.Set(context_.options.node_status_period, [this] { RenewStatus(); });
}

base::Result<> NodeAgent::EnsureNode() {
  kube::Api& api = context_.ports.informers.api();
  const KubeletOptions& options = context_.options;
  const Json labels = {{"kubernetes.io/hostname", options.node_name},
                       {"kubernetes.io/arch", options.architecture},
                       {"kubernetes.io/os", "linux"},
                       {"beta.kubernetes.io/arch", options.architecture},
                       {"beta.kubernetes.io/os", "linux"}};
  base::Result<kube::ObjectPtr> node = api.Get(kube::kNode, "", options.node_name);
  if (!node && node.error().kind() == ErrorKind::kNotFound) {
    Json object = {{"apiVersion", "v1"},
                   {"kind", "Node"},
                   {"metadata", {{"name", options.node_name}, {"labels", labels}}},
                   {"spec", Json::object()}};
    node = api.Create(kube::kNode, "", std::move(object));
  } else if (node) {
    // Labels that others added stay.
    Json patch = Json::object();
    for (const auto& [key, value] : labels.items())
      if (Json(MetadataValue((*node)->json(), "labels", key)) != value) patch[key] = value;
    if (!patch.empty()) {
      node = api.Patch(kube::kNode, "", options.node_name, kube::PatchType::kMerge,
                       {{"metadata", {{"labels", std::move(patch)}}}});
    }
  }
  if (!node) return base::Fail(node.error());
  return WriteStatus(**node);
}

base::Result<> NodeAgent::WriteStatus(const kube::Object& node) {
  const Json* ready = FindByType(ListAt(node.json(), "status.conditions"), "Ready");
  const bool was_ready = ready != nullptr && kube::StringAt(*ready, "status") == "True";
  const auto written = context_.ports.informers.api().Patch(
      kube::kNode, "", node.name(), kube::PatchType::kMerge, {{"status", Status(node)}}, "status");
  if (!written) return base::Fail(written.error());
  if (!announced_) {
    announced_ = true;
    context_.events.Record(**written, "Normal", "Starting", "Starting kubelet.");
  }
  if (!was_ready) {
    context_.events.Record(**written, "Normal", "NodeReady",
                           fmt::format("Node {} status is now: NodeReady", node.name()));
  }
  return {};
}

Json NodeAgent::Status(const kube::Object& node) const {
  const KubeletOptions& options = context_.options;
  const std::string now = kube::FormatTime(context_.WallNow());
  const Json& before = ListAt(node.json(), "status.conditions");
  Json conditions = Json::array();
  for (const NodeCondition& condition : kConditions) {
    Json rendered = {{"type", condition.type},     {"status", condition.status},
                     {"lastHeartbeatTime", now},   {"lastTransitionTime", now},
                     {"reason", condition.reason}, {"message", condition.message}};
    const Json* known = FindByType(before, condition.type);
    if (known != nullptr && kube::StringAt(*known, "status") == condition.status &&
        !kube::StringAt(*known, "lastTransitionTime").empty())
      rendered["lastTransitionTime"] = kube::StringAt(*known, "lastTransitionTime");
    conditions.push_back(std::move(rendered));
  }
  for (const Json& condition : before)
    if (FindByType(conditions, kube::StringAt(condition, "type")) == nullptr)
      conditions.push_back(condition);
  const Json resources = {
      {"cpu", kube::Quantity::FromMilli(options.capacity.cpu_millis).ToString()},
      {"memory", kube::Quantity::FromBytes(options.capacity.memory_bytes).ToString()},
      {"pods", fmt::format("{}", options.capacity.pods)}};
  return {{"capacity", resources},
          {"allocatable", resources},
          {"conditions", std::move(conditions)},
          {"addresses", Json::array({{{"type", "InternalIP"}, {"address", options.node_ip}},
                                     {{"type", "Hostname"}, {"address", options.node_name}}})},
          {"nodeInfo",
           {{"machineID", options.machine_id},
            {"systemUUID", options.machine_id},
            {"bootID", options.boot_id},
            {"kernelVersion", options.kernel_version},
            {"osImage", options.os_image},
            {"containerRuntimeVersion", "enclave://1.0.0"},
            {"kubeletVersion", options.version},
            {"kubeProxyVersion", options.version},
            {"operatingSystem", "linux"},
            {"architecture", options.architecture}}}};
}

void NodeAgent::RenewStatus() {
  status_timer_.Set(context_.options.node_status_period, [this] { RenewStatus(); });
  const kube::ObjectPtr node = nodes_.Get("", context_.options.node_name);
  if (node == nullptr) return;
  if (const base::Result<> written = WriteStatus(*node); !written) {
    base::LogWarning("kubelet", "node status not written", {{"error", written.error().ToString()}});
    status_timer_.Set(kNodeMostRetry, [this] { RenewStatus(); });
  }
}

void NodeAgent::RenewLease() {
  base::Duration next = context_.options.lease_period;
  if (const base::Result<> written = WriteLease(); !written) {
    next = std::min<base::Duration>(next, std::chrono::seconds(1));
    base::LogWarning("kubelet", "lease not renewed", {{"error", written.error().ToString()}});
  }
  lease_timer_.Set(next, [this] { RenewLease(); });
}

base::Result<> NodeAgent::WriteLease() {
  kube::Api& api = context_.ports.informers.api();
  const std::string& name = context_.options.node_name;
  const Json spec = {{"holderIdentity", name},
                     {"leaseDurationSeconds", 40},
                     {"renewTime", kube::FormatMicroTime(context_.WallNow())}};
  base::Result<kube::ObjectPtr> written =
      api.Patch(kube::kLease, kLeaseNamespace, name, kube::PatchType::kMerge, {{"spec", spec}});
  if (written) return {};
  if (written.error().kind() != ErrorKind::kNotFound) return base::Fail(written.error());
  const Json lease = {{"apiVersion", "coordination.k8s.io/v1"},
                      {"kind", "Lease"},
                      {"metadata", {{"name", name}, {"namespace", kLeaseNamespace}}},
                      {"spec", spec}};
  written = api.Create(kube::kLease, kLeaseNamespace, lease);
  if (written) return {};
  if (written.error().kind() != ErrorKind::kNotFound) return base::Fail(written.error());
  const Json ns = {
      {"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", kLeaseNamespace}}}};
  RETURN_IF_ERROR(api.Create(kube::kNamespace, "", ns));
  RETURN_IF_ERROR(api.Create(kube::kLease, kLeaseNamespace, lease));
  return {};
}

}  // namespace enclave::cluster
