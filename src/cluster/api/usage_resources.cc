#include "cluster/api/usage_resources.h"

#include <fmt/format.h>

#include "kube/time.h"

namespace enclave::cluster {
namespace {

using kube::Json;

std::string Window(base::Duration window) {
  return fmt::format("{:.3f}s", std::chrono::duration<double>(window).count());
}

Json Amounts(std::int64_t cpu_nanocores, std::int64_t memory_bytes) {
  return {{"cpu", fmt::format("{}n", cpu_nanocores)},
          {"memory", fmt::format("{}Ki", memory_bytes / 1024)}};
}

// Selectors work on the labels of the object that is measured.
Json Metadata(const Store& store, const kube::Kind& kind, const std::string& ns,
              const std::string& name, base::WallTime at) {
  Json metadata = {{"name", name}, {"creationTimestamp", kube::FormatTime(at)}};
  if (!ns.empty()) metadata["namespace"] = ns;
  if (const kube::ObjectPtr object = store.Get({kind.GroupResource(), ns, name})) {
    const Json& labels = kube::At(object->json(), "metadata.labels");
    if (labels.is_object()) metadata["labels"] = labels;
  }
  return metadata;
}

class NodeMetrics final : public VirtualStorage {
 public:
  NodeMetrics(const kube::UsageSource& usage, const Store& store) : usage_(usage), store_(store) {}

  base::Result<std::vector<Json>> List(const std::string&) override {
    std::vector<Json> items;
    for (const kube::NodeUsage& node : usage_.Nodes()) {
      items.push_back({{"kind", "NodeMetrics"},
                       {"apiVersion", "metrics.k8s.io/v1beta1"},
                       {"metadata", Metadata(store_, kube::kNode, "", node.name, node.timestamp)},
                       {"timestamp", kube::FormatTime(node.timestamp)},
                       {"window", Window(node.window)},
                       {"usage", Amounts(node.cpu_nanocores, node.memory_bytes)}});
    }
    return items;
  }

  base::Result<Json> Get(const std::string& ns, const std::string& name) override {
    ASSIGN_OR_RETURN(std::vector<Json> items, List(ns));
    for (Json& item : items) {
      if (kube::StringAt(item, "metadata.name") == name) return std::move(item);
    }
    return base::Fail(base::ErrorKind::kNotFound,
                      fmt::format("nodes.metrics.k8s.io \"{}\" not found", name));
  }

 private:
  const kube::UsageSource& usage_;
  const Store& store_;
};

class PodMetrics final : public VirtualStorage {
 public:
  PodMetrics(const kube::UsageSource& usage, const Store& store) : usage_(usage), store_(store) {}

  base::Result<std::vector<Json>> List(const std::string& ns) override {
    std::vector<Json> items;
    for (const kube::PodUsage& pod : usage_.Pods()) {
      if (!ns.empty() && pod.ns != ns) continue;
      Json containers = Json::array();
      for (const kube::ContainerUsage& container : pod.containers) {
        containers.push_back({{"name", container.name},
                              {"usage", Amounts(container.cpu_nanocores, container.memory_bytes)}});
      }
      items.push_back({{"kind", "PodMetrics"},
                       {"apiVersion", "metrics.k8s.io/v1beta1"},
                       {"metadata", Metadata(store_, kube::kPod, pod.ns, pod.name, pod.timestamp)},
                       {"timestamp", kube::FormatTime(pod.timestamp)},
                       {"window", Window(pod.window)},
                       {"containers", std::move(containers)}});
    }
    return items;
  }

  base::Result<Json> Get(const std::string& ns, const std::string& name) override {
    ASSIGN_OR_RETURN(std::vector<Json> items, List(ns));
    for (Json& item : items) {
      if (kube::StringAt(item, "metadata.name") == name) return std::move(item);
    }
    return base::Fail(base::ErrorKind::kNotFound,
                      fmt::format("pods.metrics.k8s.io \"{}\" not found", name));
  }

 private:
  const kube::UsageSource& usage_;
  const Store& store_;
};

}  // namespace

void AddUsageResources(Registry& registry, const kube::UsageSource& usage, const Store& store) {
  constexpr const char* kGroup = "metrics.k8s.io";
  Resource nodes;
  nodes.kind = {kGroup, "v1beta1", "NodeMetrics", "nodes", false};
  nodes.verbs = {"get", "list"};
  nodes.storage = std::make_shared<NodeMetrics>(usage, store);
  registry.Add(std::move(nodes));
  Resource pods;
  pods.kind = {kGroup, "v1beta1", "PodMetrics", "pods", true};
  pods.verbs = {"get", "list"};
  pods.storage = std::make_shared<PodMetrics>(usage, store);
  registry.Add(std::move(pods));
}

}  // namespace enclave::cluster
