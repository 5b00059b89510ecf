// The machinery on a memory store with virtual time, for unit tests.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "base/random.h"
#include "base/simulated_executor.h"
#include "cluster/api/local_api.h"
#include "cluster/api/machinery.h"
#include "cluster/api/registry.h"
#include "cluster/api/service_addresses.h"
#include "cluster/store/memory_store.h"

namespace enclave::cluster {

class MachineryFixture : public testing::Test {
 protected:
  using Json = kube::Json;

  MachineryFixture() : registry(Registry::WithBuiltIns()) {
    Resource services = *registry->Find(kube::kService);
    services.claims = *ServiceAddresses::Make("127.77.240.0/27");
    registry->Add(std::move(services));
    machinery.emplace(store, *registry, clock, random);
    api.emplace(*machinery, "system:test");
    MakeNamespace("shop");
  }

  void MakeNamespace(const std::string& name) {
    const auto made = api->Create(kube::kNamespace, "", {{"metadata", {{"name", name}}}});
    ASSERT_TRUE(made.has_value()) << made.error().message();
  }

  static Json Pod(const std::string& name) {
    return Json::parse(R"({"metadata": {"labels": {"app": "web"}},
                           "spec": {"containers": [{"name": "c", "image": "img:v1"}]}})")
        .patch(Json::array({{{"op", "add"}, {"path", "/metadata/name"}, {"value", name}}}));
  }
  static Json Deployment(const std::string& name) {
    Json object = Json::parse(R"({"spec": {"selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}},
                     "spec": {"containers": [{"name": "c", "image": "img:v1"}]}}}})");
    object["metadata"]["name"] = name;
    return object;
  }
  static Json Service(const std::string& name) {
    Json object = Json::parse(R"({"spec": {"ports": [{"port": 80}]}})");
    object["metadata"]["name"] = name;
    return object;
  }
  static Json ConfigMap(const std::string& name, const std::string& value) {
    return {{"metadata", {{"name", name}}}, {"data", {{"key", value}}}};
  }

  // Creates it in the namespace `shop`, or fails the test.
  kube::ObjectPtr Make(const kube::Kind& kind, Json object) {
    const auto made = api->Create(kind, kind.namespaced ? "shop" : "", std::move(object));
    EXPECT_TRUE(made.has_value()) << made.error().message();
    return made ? *made : nullptr;
  }
  kube::ObjectPtr Find(const kube::Kind& kind, const std::string& name) {
    const auto found = api->Get(kind, kind.namespaced ? "shop" : "", name);
    return found ? *found : nullptr;
  }
  // The message of an error of that kind; anything else fails the test.
  template <typename T>
  static std::string ErrorOf(const base::Result<T>& result, base::ErrorKind kind) {
    if (result) {
      ADD_FAILURE() << "it succeeded";
      return "";
    }
    EXPECT_EQ(result.error().kind(), kind) << result.error().message();
    return result.error().message();
  }
  WriteResult Write(std::function<void(WriteCallback)> start) {
    std::optional<WriteResult> kept;
    start([&](WriteResult result) { kept = std::move(result); });
    EXPECT_TRUE(kept.has_value()) << "the memory store answers at once";
    return std::move(*kept);
  }

  base::SimulatedExecutor clock;
  base::SeededRandom random{11};
  MemoryStore store;
  std::unique_ptr<Registry> registry;
  std::optional<Machinery> machinery;
  std::optional<LocalApi> api;
};

}  // namespace enclave::cluster
