// What the tests of this folder share: a policy, a Deployment with its history, fakes of the ports.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "agent/actuator.h"
#include "agent/policy.h"
#include "agent/ports.h"
#include "base/simulated_executor.h"
#include "kube/fake_api.h"

namespace enclave::agent {

inline constexpr const char* kTestPolicy = R"(
namespaces: [shop]
actions: [rollback_revision, rollback_config, restart, delete_pod, scale]
guardrail: {max_share_of_pods: 0.5, cooldown: 10s, per_incident: 3, patience: 30s}
verify: {settle: 1s, every: 1s, hold: 3s, window: 20s}
observe: 30s
approval_timeout: 1m
evidence_timeout: 5s
rules:
  - {name: released, when: {changed: [rollout]}, try: [rollback_revision, restart]}
  - {name: rest, try: [restart, escalate]}
)";

inline Policy TestPolicy() {
  auto policy = ParsePolicy(kTestPolicy, "test");
  EXPECT_TRUE(policy) << policy.error().message();
  return *policy;
}

// A Deployment `name` at revision 2 (image :v2), with the ReplicaSet of revision 1 (image :v1), and
// `replicas` ready pods.
inline void MakeDeployment(kube::FakeApi& api, const std::string& name, std::int64_t replicas) {
  const Json labels = {{"app", name}};
  const auto pod_template = [&](const std::string& image) -> Json {
    return {{"metadata", {{"labels", labels}}},
            {"spec", {{"containers", Json::array({{{"name", "server"}, {"image", image}}})}}}};
  };
  const std::string revision = "deployment.kubernetes.io/revision";
  const auto deployment =
      api.Create(kube::kDeployment, "shop",
                 {{"metadata", {{"name", name}, {"annotations", {{revision, "2"}}}}},
                  {"spec",
                   {{"replicas", replicas},
                    {"selector", {{"matchLabels", labels}}},
                    {"template", pod_template(name + ":v2")}}}});
  ASSERT_TRUE(deployment);
  for (const char* number : {"1", "2"}) {
    Json set_template = pod_template(name + ":v" + number);
    set_template["metadata"]["labels"]["pod-template-hash"] = number;
    ASSERT_TRUE(api.Create(kube::kReplicaSet, "shop",
                           {{"metadata",
                             {{"name", name + "-" + number},
                              {"annotations", {{revision, number}}},
                              {"ownerReferences", Json::array({{{"uid", (*deployment)->uid()}}})}}},
                            {"spec", {{"template", set_template}}}}));
  }
  for (std::int64_t i = 0; i < replicas; ++i)
    ASSERT_TRUE(api.Create(
        kube::kPod, "shop",
        {{"metadata", {{"name", name + "-pod-" + std::to_string(i)}, {"labels", labels}}},
         {"status",
          {{"phase", "Running"},
           {"conditions", Json::array({{{"type", "Ready"}, {"status", "True"}}})}}}}));
}

inline std::string ImageOf(kube::FakeApi& api, const std::string& name) {
  const auto deployment = api.Get(kube::kDeployment, "shop", name);
  EXPECT_TRUE(deployment);
  return kube::StringAt(kube::At((*deployment)->json(), "spec.template.spec.containers")[0],
                        "image");
}

class AgreeingDryRun final : public DryRun {
 public:
  base::Result<> Update(const kube::Kind&, const Json&) override { return answer; }
  base::Result<> Delete(const kube::Kind&, const std::string&, const std::string&) override {
    return answer;
  }
  base::Result<> answer{};
};

inline AlertEvent Firing(const std::string& service, std::int64_t time_ns) {
  AlertEvent alert{.time_ns = time_ns,
                   .starts_ns = time_ns,
                   .name = "ErrorBudgetBurns",
                   .service = service,
                   .ns = "shop"};
  alert.labels.Set("service", service);
  return alert;
}

}  // namespace enclave::agent
