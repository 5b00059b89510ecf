#include "cluster/scheduler/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "base/random.h"
#include "base/simulated_executor.h"

namespace enclave::sim {
// Linked, not included: the scheduler knows the API by its port only.
std::unique_ptr<kube::Api> NewMemoryApi(base::Executor& executor, base::Random& random);
}  // namespace enclave::sim

namespace enclave::cluster {
namespace {

using kube::Json;
using kube::ObjectPtr;
using testing::Contains;

class SchedulerTest : public testing::Test {
 protected:
  SchedulerTest()
      : api_(sim::NewMemoryApi(executor_, random_)), informers_(*api_, executor_, random_) {
    Create(kube::kNamespace, {{"metadata", {{"name", "t"}}}});
    Create(kube::kServiceAccount, {{"metadata", {{"name", "default"}, {"namespace", "t"}}}});
  }
  void Settle(base::Duration span = std::chrono::milliseconds(200)) { executor_.RunFor(span); }
  void Create(const kube::Kind& kind, Json object) {
    object["apiVersion"] = kind.ApiVersion();
    object["kind"] = kind.kind;
    auto created = api_->Create(kind, kube::StringAt(object, "metadata.namespace"), object);
    ASSERT_TRUE(created) << created.error().ToString();
  }
  void Merge(const kube::Kind& kind, const std::string& name, const Json& patch,
             const std::string& subresource = "") {
    auto done = api_->Patch(kind, kind.namespaced ? "t" : "", name, kube::PatchType::kMerge, patch,
                            subresource);
    ASSERT_TRUE(done) << done.error().ToString();
  }
  void MakeNode(const std::string& name, const Json& allocatable, bool ready = true,
                Json spec = Json::object()) {
    Create(kube::kNode, {{"metadata", {{"name", name}, {"labels", {{"name", name}}}}},
                         {"spec", std::move(spec)}});
    Merge(kube::kNode, name,
          {{"status",
            {{"capacity", allocatable},
             {"allocatable", allocatable},
             {"conditions",
              Json::array({{{"type", "Ready"}, {"status", ready ? "True" : "False"}}})}}}},
          "status");
  }
  void MakePod(const std::string& name, const std::string& cpu, Json spec = Json::object()) {
    spec["containers"] = Json::array(
        {{{"name", "c"}, {"image", "web:1"}, {"resources", {{"requests", {{"cpu", cpu}}}}}}});
    Create(kube::kPod, {{"metadata", {{"name", name}, {"namespace", "t"}}}, {"spec", spec}});
  }
  ObjectPtr Pod(const std::string& name) {
    auto pod = api_->Get(kube::kPod, "t", name);
    return pod ? *pod : nullptr;
  }
  std::string NodeOf(const std::string& name) {
    return kube::StringAt(Pod(name)->json(), "spec.nodeName");
  }
  std::vector<std::string> Refusals() {
    std::vector<std::string> messages;
    for (const ObjectPtr& event : api_->List(kube::kEvent, {.ns = "t"})->items) {
      if (kube::StringAt(event->json(), "reason") == "FailedScheduling") {
        messages.push_back(kube::StringAt(event->json(), "message"));
      }
    }
    return messages;
  }

  base::SimulatedExecutor executor_;
  base::SeededRandom random_{3};
  std::unique_ptr<kube::Api> api_;
  kube::SharedInformers informers_;
  Scheduler scheduler_{informers_};
};

const Json kSmall = {{"cpu", "1"}, {"memory", "1Gi"}, {"pods", "3"}};

TEST_F(SchedulerTest, BindsWhereThereIsRoomAndRefusesWhereNot) {
  MakeNode("n1", kSmall);
  MakePod("a", "600m");
  MakePod("b", "600m");
  Settle();
  EXPECT_EQ(NodeOf("a") + NodeOf("b"), "n1");
  EXPECT_THAT(Refusals(), Contains("0/1 nodes are available: 1 Insufficient cpu."));
  const std::string bound = NodeOf("a").empty() ? "b" : "a";
  const std::string waiting = bound == "a" ? "b" : "a";
  EXPECT_EQ(Pod(waiting)->json()["status"]["conditions"][0]["reason"], "Unschedulable");

  kube::DeleteOptions now;
  now.grace_period_seconds = 0;
  ASSERT_TRUE(api_->Delete(kube::kPod, "t", bound, now));
  Settle();
  EXPECT_EQ(NodeOf(waiting), "n1");
}

TEST_F(SchedulerTest, ANewNodeWakesThoseThatWait) {
  MakePod("a", "100m");
  Settle();
  EXPECT_THAT(Refusals(), Contains("no nodes available to schedule pods"));
  MakeNode("n1", kSmall);
  Settle();
  EXPECT_EQ(NodeOf("a"), "n1");
}

TEST_F(SchedulerTest, SaysEveryReasonOnce) {
  MakeNode("n1", kSmall, false);
  MakeNode("n2", kSmall, true, {{"unschedulable", true}});
  MakeNode(
      "n3", kSmall, true,
      {{"taints", Json::array({{{"key", "gpu"}, {"value", "yes"}, {"effect", "NoSchedule"}}})}});
  MakeNode("n4", {{"cpu", "10m"}, {"memory", "1Gi"}, {"pods", "3"}});
  MakePod("a", "100m");
  Settle();
  EXPECT_THAT(Refusals(),
              Contains("0/4 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated "
                       "taint {gpu: yes}, 1 node(s) were not ready, 1 node(s) were "
                       "unschedulable."));
}

TEST_F(SchedulerTest, SelectorsTolerationsAndAffinityDecide) {
  MakeNode("n1", kSmall);
  MakeNode("n2", kSmall, true,
           {{"taints", Json::array({{{"key", "gpu"}, {"effect", "NoSchedule"}}})}});
  MakePod("tolerant", "10m",
          {{"nodeSelector", {{"name", "n2"}}},
           {"tolerations", Json::array({{{"key", "gpu"}, {"operator", "Exists"}}})}});
  MakePod("strict", "10m", {{"nodeSelector", {{"name", "n2"}}}});
  const Json term{
      {"matchExpressions",
       Json::array({{{"key", "name"}, {"operator", "NotIn"}, {"values", Json::array({"n2"})}}})}};
  MakePod("affine", "10m",
          {{"affinity",
            {{"nodeAffinity",
              {{"requiredDuringSchedulingIgnoredDuringExecution",
                {{"nodeSelectorTerms", Json::array({term})}}}}}}}});
  Settle();
  EXPECT_EQ(NodeOf("tolerant"), "n2");
  EXPECT_EQ(NodeOf("strict"), "");
  EXPECT_EQ(NodeOf("affine"), "n1");
}

TEST_F(SchedulerTest, SpreadsOverEmptyNodesAndCountsPods) {
  MakeNode("n1", kSmall);
  MakeNode("n2", kSmall);
  for (int i = 0; i < 7; ++i) MakePod("p" + std::to_string(i), "10m");
  Settle();
  std::map<std::string, int> per_node;
  for (int i = 0; i < 7; ++i) ++per_node[NodeOf("p" + std::to_string(i))];
  EXPECT_EQ(per_node["n1"], 3);
  EXPECT_EQ(per_node["n2"], 3);
  EXPECT_EQ(per_node[""], 1);
  EXPECT_THAT(Refusals(), Contains("0/2 nodes are available: 2 Too many pods."));
}

TEST_F(SchedulerTest, AHundredPodsFitAtOnce) {
  MakeNode("n1", {{"cpu", "10"}, {"memory", "1Gi"}, {"pods", "250"}});
  for (int i = 0; i < 100; ++i) MakePod("p" + std::to_string(i), "100m");
  Settle();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(NodeOf("p" + std::to_string(i)), "n1");
  MakePod("more", "100m");
  Settle();
  EXPECT_EQ(NodeOf("more"), "");
}

TEST(PodRequirementsTest, InitContainersAndSidecars) {
  const auto container = [](const char* cpu, bool sidecar) {
    Json json{{"name", "c"}, {"resources", {{"requests", {{"cpu", cpu}, {"memory", "10Mi"}}}}}};
    if (sidecar) json["restartPolicy"] = "Always";
    return json;
  };
  const Json pod{
      {"spec",
       {{"containers", Json::array({container("100m", false), container("200m", false)})},
        {"initContainers", Json::array({container("50m", true), container("900m", false)})}}}};
  EXPECT_EQ(RequestOf(pod).cpu_millis, 950);  // the large init container beside the sidecar
  EXPECT_EQ(RequestOf(pod).memory_bytes, 30 << 20);
  EXPECT_EQ(RequestOf(Json::object()).cpu_millis, 0);
}

}  // namespace
}  // namespace enclave::cluster
