// A kubelet on virtual time over simulated containers and an API in memory: what its tests share.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/simulated_executor.h"
#include "cluster/kubelet/kubelet.h"
#include "cluster/kubelet/simulated_runtime.h"
#include "cluster/kubelet/simulated_volume_store.h"
#include "kube/fake_api.h"
#include "kube/informer.h"

namespace enclave::cluster {

class KubeletFixture : public testing::Test {
 protected:
  static constexpr const char* kNodeName = "node-1";

  KubeletFixture() {
    images.Add("web");
    images.Add("init");
    options.node_name = kNodeName;
  }

  // The kubelet's process dies and comes back; containers, files and API stay.
  void StartKubelet() {
    StopKubelet();
    node = std::make_unique<Node>(*this);
    Run(std::chrono::milliseconds(1));
  }
  void StopKubelet() { node.reset(); }

  void Run(base::Duration span) { executor.RunFor(span); }

  // A pod bound to the node: one container "c1" of image "web", with `spec` merged over it.
  kube::ObjectPtr CreatePod(const std::string& name,
                            const kube::Json& spec = kube::Json::object()) {
    kube::Json pod = {{"apiVersion", "v1"},
                      {"kind", "Pod"},
                      {"metadata", {{"name", name}, {"namespace", "default"}}},
                      {"spec",
                       {{"nodeName", kNodeName},
                        {"containers", kube::Json::array({{{"name", "c1"}, {"image", "web"}}})}}},
                      {"status", {{"phase", "Pending"}}}};
    pod["spec"].merge_patch(spec);
    const auto created = api.Create(kube::kPod, "default", pod);
    EXPECT_TRUE(created.has_value()) << created.error().ToString();
    return *created;
  }
  // A container with `fields` merged over {"name": name, "image": "web"}.
  static kube::Json Container(const std::string& name,
                              const kube::Json& fields = kube::Json::object()) {
    kube::Json container = {{"name", name}, {"image", "web"}};
    container.merge_patch(fields);
    return container;
  }
  static kube::Json OneContainer(const kube::Json& fields) {
    return {{"containers", kube::Json::array({Container("c1", fields)})}};
  }

  // Null when it is gone.
  kube::ObjectPtr FindPod(const std::string& name) {
    const auto found = api.Get(kube::kPod, "default", name);
    return found ? *found : nullptr;
  }
  kube::Json Status(const std::string& name) {
    const kube::ObjectPtr pod = FindPod(name);
    return pod == nullptr ? kube::Json() : kube::At(pod->json(), "status");
  }
  std::string Phase(const std::string& name) { return kube::StringAt(Status(name), "phase"); }
  kube::Json ContainerStatus(const std::string& pod, const std::string& container = "c1") {
    const kube::Json status = Status(pod);
    for (const char* list : {"containerStatuses", "initContainerStatuses"}) {
      const kube::Json& entries = kube::At(status, list);
      if (!entries.is_array()) continue;
      for (const kube::Json& entry : entries)
        if (kube::StringAt(entry, "name") == container) return entry;
    }
    return nullptr;
  }
  std::string WaitingReason(const std::string& pod, const std::string& container = "c1") {
    return kube::StringAt(ContainerStatus(pod, container), "state.waiting.reason");
  }
  std::int64_t Restarts(const std::string& pod, const std::string& container = "c1") {
    return kube::IntAt(ContainerStatus(pod, container), "restartCount", -1);
  }
  kube::Json Condition(const std::string& pod, const std::string& type) {
    const kube::Json status = Status(pod);
    for (const kube::Json& condition : kube::At(status, "conditions"))
      if (kube::StringAt(condition, "type") == type) return condition;
    return nullptr;
  }
  bool Ready(const std::string& pod) {
    return kube::StringAt(Condition(pod, "Ready"), "status") == "True";
  }

  // Messages of the events with this reason, in order of their names.
  std::vector<std::string> Events(const std::string& reason) {
    std::vector<std::string> messages;
    const auto listed = api.List(kube::kEvent, {});
    if (!listed) return messages;
    for (const kube::ObjectPtr& event : listed->items)
      if (kube::StringAt(event->json(), "reason") == reason)
        messages.push_back(kube::StringAt(event->json(), "message"));
    return messages;
  }

  ContainerId IdOf(const kube::ObjectPtr& pod, std::int64_t attempt = 0,
                   const std::string& container = "c1") {
    return ContainerId{pod->uid(), container, attempt};
  }
  bool Running(const ContainerId& id) {
    for (const ContainerId& running : runtime.Running())
      if (running == id) return true;
    return false;
  }
  void DeletePod(const std::string& name, std::optional<std::int64_t> grace = std::nullopt) {
    kube::DeleteOptions delete_options;
    delete_options.grace_period_seconds = grace;
    const auto deleted = api.Delete(kube::kPod, "default", name, delete_options);
    EXPECT_TRUE(deleted.has_value());
  }
  void PutConfigMap(const std::string& name, const kube::Json& data) {
    const kube::Json object = {{"apiVersion", "v1"},
                               {"kind", "ConfigMap"},
                               {"metadata", {{"name", name}, {"namespace", "default"}}},
                               {"data", data}};
    if (!api.Create(kube::kConfigMap, "default", object))
      EXPECT_TRUE(api.Update(kube::kConfigMap, object).has_value());
  }

  struct Node {
    explicit Node(KubeletFixture& world)
        : informers(world.api, world.executor, world.chance),
          addresses(*AddressPool::Make("127.7.0.0/24")),
          kubelet(world.options, {.informers = informers,
                                  .runtime = world.runtime,
                                  .prober = world.prober,
                                  .images = world.images,
                                  .volumes = world.volumes,
                                  .addresses = addresses,
                                  .token = world.token,
                                  .pod_mounts = {},
                                  .pod_removed = {}}) {}
    kube::SharedInformers informers;
    AddressPool addresses;
    Kubelet kubelet;
  };

  base::SimulatedExecutor executor;
  base::SeededRandom chance{7};
  kube::FakeApi api{executor, chance};
  SimulatedRuntime runtime{executor};
  SimulatedProber prober{executor, runtime};
  SimulatedImages images;
  SimulatedVolumeStore volumes;
  KubeletOptions options;
  std::function<base::Result<std::string>(const TokenRequest&)> token;
  std::unique_ptr<Node> node;
};

}  // namespace enclave::cluster
