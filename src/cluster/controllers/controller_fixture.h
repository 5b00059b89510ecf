// What the tests of controllers share: an API of its own over an empty store in memory, virtual
// time, informers, and the short forms for objects. Pods are run by hand: RunPods() is the kubelet.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "base/simulated_executor.h"
#include "cluster/controllers/objects.h"
#include "kube/informer.h"
#include "kube/time.h"

namespace enclave::sim {
// Linked, not included: the controllers know the API by its port only.
std::unique_ptr<kube::Api> NewMemoryApi(base::Executor& executor, base::Random& random);
}  // namespace enclave::sim

namespace enclave::cluster {

class ControllerFixture : public testing::Test {
 protected:
  using Json = kube::Json;
  using ObjectPtr = kube::ObjectPtr;

  ControllerFixture()
      : api_(sim::NewMemoryApi(executor_, random_)),
        informers_(std::make_unique<kube::SharedInformers>(*api_, executor_, random_)) {
    Create(kube::kNamespace, {{"metadata", {{"name", "t"}}}});
    Create(kube::kServiceAccount, {{"metadata", {{"name", "default"}, {"namespace", "t"}}}});
  }

  void Settle(base::Duration span = std::chrono::milliseconds(500)) { executor_.RunFor(span); }

  ObjectPtr Create(const kube::Kind& kind, Json object) {
    object["apiVersion"] = kind.ApiVersion();
    object["kind"] = kind.kind;
    const std::string ns = kube::StringAt(object, "metadata.namespace");
    auto created = api_->Create(kind, ns, std::move(object));
    EXPECT_TRUE(created) << created.error().ToString();
    return created ? *created : nullptr;
  }
  // Null when absent.
  ObjectPtr Get(const kube::Kind& kind, const std::string& name, const std::string& ns = "t") {
    auto found = api_->Get(kind, kind.namespaced ? ns : "", name);
    return found ? *found : nullptr;
  }
  std::vector<ObjectPtr> List(const kube::Kind& kind, const std::string& ns = "t") {
    auto list = api_->List(kind, {.ns = kind.namespaced ? ns : ""});
    EXPECT_TRUE(list) << list.error().ToString();
    return list ? list->items : std::vector<ObjectPtr>();
  }
  ObjectPtr Merge(const kube::Kind& kind, const std::string& name, const Json& patch,
                  const std::string& subresource = "") {
    auto patched = api_->Patch(kind, kind.namespaced ? "t" : "", name, kube::PatchType::kMerge,
                               patch, subresource);
    EXPECT_TRUE(patched) << patched.error().ToString();
    return patched ? *patched : nullptr;
  }
  void Delete(const kube::Kind& kind, const std::string& name, const std::string& propagation = "",
              std::optional<std::int64_t> grace = std::nullopt) {
    kube::DeleteOptions options;
    options.propagation = propagation;
    options.grace_period_seconds = grace;
    auto deleted = api_->Delete(kind, kind.namespaced ? "t" : "", name, options);
    EXPECT_TRUE(deleted) << deleted.error().ToString();
  }

  static Json PodTemplate(const std::string& app, const std::string& image) {
    return {{"metadata", {{"labels", {{"app", app}}}}},
            {"spec", {{"containers", Json::array({{{"name", "c"}, {"image", image}}})}}}};
  }
  static Json DeploymentJson(const std::string& name, int replicas,
                             const std::string& image = "web:1") {
    return {{"metadata", {{"name", name}, {"namespace", "t"}}},
            {"spec",
             {{"replicas", replicas},
              {"selector", {{"matchLabels", {{"app", name}}}}},
              {"template", PodTemplate(name, image)}}}};
  }
  static Json PodJson(const std::string& name, const std::string& app) {
    Json pod = PodTemplate(app, "web:1");
    pod["metadata"]["name"] = name;
    pod["metadata"]["namespace"] = "t";
    return pod;
  }

  // Runs every pod that is not being deleted and whose image does not begin with "bad"; ends
  // those that are being deleted. True when anything changed.
  bool RunPods(bool ready = true) {
    bool changed = false;
    for (const ObjectPtr& pod : List(kube::kPod)) {
      if (pod->deleting()) {
        Delete(kube::kPod, pod->name(), "", 0);
        changed = true;
        continue;
      }
      const Json& container = ItemsAt(pod->json(), "spec.containers")[0];
      if (kube::StringAt(container, "image").starts_with("bad")) continue;
      if (PodReady(pod->json()) == ready &&
          kube::StringAt(pod->json(), "status.phase") == "Running")
        continue;
      SetPod(pod->name(), "Running", ready);
      changed = true;
    }
    return changed;
  }
  void SetPod(const std::string& name, const std::string& phase, bool ready) {
    Json pod = Get(kube::kPod, name)->json();
    if (kube::StringAt(pod, "spec.nodeName").empty()) {
      pod["spec"]["nodeName"] = "n1";
      auto bound = api_->Update(kube::kPod, std::move(pod), "binding");
      EXPECT_TRUE(bound) << bound.error().ToString();
    }
    if (!addresses_.contains(name)) {
      addresses_[name] = "127.9.0." + std::to_string(addresses_.size() + 1);
    }
    Merge(kube::kPod, name,
          {{"status",
            {{"phase", phase},
             {"podIP", addresses_[name]},
             {"conditions",
              Json::array({{{"type", "Ready"},
                            {"status", ready ? "True" : "False"},
                            {"lastTransitionTime", kube::FormatTime(executor_.WallNow())}}})}}}},
          "status");
  }
  // Lets controllers and pods go on until nothing moves.
  void RunToRest() {
    for (int i = 0; i < 200; ++i) {
      Settle();
      if (!RunPods()) {
        Settle();
        return;
      }
    }
    ADD_FAILURE() << "the controllers do not come to rest";
  }

  static std::int64_t Int(const ObjectPtr& object, std::string_view path) {
    return object == nullptr ? -1 : kube::IntAt(object->json(), path);
  }
  static std::string Text(const ObjectPtr& object, std::string_view path) {
    return object == nullptr ? "(absent)" : kube::StringAt(object->json(), path);
  }
  static std::string Condition(const ObjectPtr& object, std::string_view type) {
    const Json* condition = object == nullptr ? nullptr : ConditionOf(object->json(), type);
    return condition == nullptr
               ? ""
               : kube::StringAt(*condition, "status") + " " + kube::StringAt(*condition, "reason");
  }
  std::vector<std::string> EventMessages(const std::string& reason) {
    std::vector<std::string> messages;
    for (const ObjectPtr& event : List(kube::kEvent)) {
      if (Text(event, "reason") == reason) messages.push_back(Text(event, "message"));
    }
    return messages;
  }

  base::SimulatedExecutor executor_;
  base::SeededRandom random_{7};
  std::unique_ptr<kube::Api> api_;
  std::unique_ptr<kube::SharedInformers> informers_;
  std::map<std::string, std::string> addresses_;
};

}  // namespace enclave::cluster
