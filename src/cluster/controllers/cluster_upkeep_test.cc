// Namespaces, expiry of events, garbage pods and the life of nodes.
#include "cluster/controllers/controller_fixture.h"
#include "cluster/controllers/event_expiry.h"
#include "cluster/controllers/namespace_controller.h"
#include "cluster/controllers/node_lifecycle.h"
#include "cluster/controllers/pod_garbage.h"

namespace enclave::cluster {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::SizeIs;

class ClusterUpkeepTest : public ControllerFixture {
 protected:
  void MakeEvent(const std::string& name) {
    const std::string now = kube::FormatTime(executor_.WallNow());
    Create(kube::kEvent, {{"metadata", {{"name", name}, {"namespace", "t"}}},
                          {"involvedObject", {{"kind", "Pod"}, {"namespace", "t"}, {"name", "p"}}},
                          {"reason", "Test"},
                          {"message", "m"},
                          {"type", "Normal"},
                          {"firstTimestamp", now},
                          {"lastTimestamp", now}});
  }
  void MakeNode(const std::string& name) {
    Create(kube::kNode, {{"metadata", {{"name", name}}}});
    Merge(kube::kNode, name,
          {{"status", {{"conditions", Json::array({{{"type", "Ready"}, {"status", "True"}}})}}}},
          "status");
  }
  void Renew(const std::string& name) {
    const Json spec{{"holderIdentity", name},
                    {"renewTime", kube::FormatMicroTime(executor_.WallNow())}};
    if (Get(kube::kLease, name, "kube-node-lease") == nullptr) {
      Create(kube::kLease,
             {{"metadata", {{"name", name}, {"namespace", "kube-node-lease"}}}, {"spec", spec}});
      return;
    }
    auto renewed = api_->Patch(kube::kLease, "kube-node-lease", name, kube::PatchType::kMerge,
                               {{"spec", spec}});
    ASSERT_TRUE(renewed);
  }
  void MakeBoundPod(const std::string& name, const std::string& node) {
    Json pod = PodJson(name, "web");
    pod["spec"]["nodeName"] = node;
    Create(kube::kPod, pod);
    SetPod(name, "Running", true);
  }
};

TEST_F(ClusterUpkeepTest, EveryNamespaceHasItsDefaults) {
  NamespaceController controller(
      *informers_, {.namespaced_kinds = {kube::kPod, kube::kConfigMap, kube::kServiceAccount},
                    .root_ca_pem = "PEM"});
  Settle();
  for (const char* ns : {"default", "kube-system", "kube-public", "kube-node-lease", "t"}) {
    EXPECT_NE(Get(kube::kNamespace, ns), nullptr) << ns;
    EXPECT_NE(Get(kube::kServiceAccount, "default", ns), nullptr) << ns;
    EXPECT_EQ(kube::At(Get(kube::kConfigMap, "kube-root-ca.crt", ns)->json(), "data")["ca.crt"],
              "PEM")
        << ns;
  }
  Delete(kube::kConfigMap, "kube-root-ca.crt");
  Settle();
  EXPECT_NE(Get(kube::kConfigMap, "kube-root-ca.crt"), nullptr);
}

TEST_F(ClusterUpkeepTest, ANamespaceGoesWhenItIsEmpty) {
  NamespaceController controller(
      *informers_, {.namespaced_kinds = {kube::kPod, kube::kConfigMap, kube::kServiceAccount}});
  MakeNode("n1");
  MakeBoundPod("p", "n1");
  Create(kube::kConfigMap,
         {{"metadata",
           {{"name", "held"}, {"namespace", "t"}, {"finalizers", Json::array({"test/hold"})}}}});
  Settle();
  Delete(kube::kNamespace, "t");
  Settle();
  ASSERT_NE(Get(kube::kNamespace, "t"), nullptr);
  EXPECT_EQ(Text(Get(kube::kNamespace, "t"), "status.phase"), "Terminating");
  EXPECT_TRUE(Get(kube::kPod, "p")->deleting());
  const ObjectPtr waiting = Get(kube::kNamespace, "t");
  const auto condition = [&](const char* type) {
    const Json* found = ConditionOf(waiting->json(), type);
    return found == nullptr
               ? "absent"
               : kube::StringAt(*found, "status") + " " + kube::StringAt(*found, "reason") + ": " +
                     kube::StringAt(*found, "message");
  };
  EXPECT_EQ(condition("NamespaceDeletionDiscoveryFailure"),
            "False ResourcesDiscovered: All resources successfully discovered");
  EXPECT_EQ(condition("NamespaceDeletionGroupVersionParsingFailure"),
            "False ParsedGroupVersions: All legacy kube types successfully parsed");
  EXPECT_EQ(condition("NamespaceDeletionContentFailure"),
            "False ContentDeleted: All content successfully deleted, may be waiting on "
            "finalization");
  EXPECT_EQ(condition("NamespaceContentRemaining"),
            "True SomeResourcesRemain: Some resources are remaining: configmaps. has 1 resource "
            "instances, pods. has 1 resource instances");
  EXPECT_EQ(condition("NamespaceFinalizersRemaining"),
            "True SomeFinalizersRemain: Some content in the namespace has finalizers remaining: "
            "test/hold in 1 resource instances");
  EXPECT_FALSE(api_->Create(kube::kConfigMap, "t",
                            {{"apiVersion", "v1"},
                             {"kind", "ConfigMap"},
                             {"metadata", {{"name", "late"}, {"namespace", "t"}}}}));
  RunPods();
  Settle(seconds(3));
  EXPECT_NE(Get(kube::kNamespace, "t"), nullptr);
  Merge(kube::kConfigMap, "held", {{"metadata", {{"finalizers", nullptr}}}});
  Settle(seconds(3));
  EXPECT_EQ(Get(kube::kNamespace, "t"), nullptr);
  EXPECT_EQ(Get(kube::kConfigMap, "kube-root-ca.crt"), nullptr);
}

TEST_F(ClusterUpkeepTest, EventsLastAnHour) {
  EventExpiry expiry(*informers_, {});
  MakeEvent("old");
  Settle(minutes(40));
  MakeEvent("new");
  Settle(minutes(25));
  EXPECT_EQ(Get(kube::kEvent, "old"), nullptr);
  EXPECT_NE(Get(kube::kEvent, "new"), nullptr);
  Settle(hours(1));
  EXPECT_EQ(Get(kube::kEvent, "new"), nullptr);
}

TEST_F(ClusterUpkeepTest, TooManyEventsLoseTheOldest) {
  EventExpiry expiry(*informers_, {.max_per_namespace = 3});
  for (int i = 0; i < 5; ++i) {
    MakeEvent("e" + std::to_string(i));
    Settle(seconds(1));
  }
  Settle(seconds(20));
  EXPECT_THAT(List(kube::kEvent), SizeIs(3));
  EXPECT_EQ(Get(kube::kEvent, "e1"), nullptr);
  EXPECT_NE(Get(kube::kEvent, "e4"), nullptr);
}

TEST_F(ClusterUpkeepTest, PodsOfAVanishedNodeAreForgotten) {
  PodGarbage garbage(*informers_, {});
  MakeNode("n1");
  MakeBoundPod("p", "n1");
  MakeBoundPod("lost", "n2");
  Settle(seconds(30));
  EXPECT_NE(Get(kube::kPod, "lost"), nullptr);
  Settle(seconds(15));
  EXPECT_EQ(Get(kube::kPod, "lost"), nullptr);
  EXPECT_NE(Get(kube::kPod, "p"), nullptr);
}

TEST_F(ClusterUpkeepTest, EndedPodsAreBounded) {
  PodGarbage garbage(*informers_, {.max_terminated = 2});
  MakeNode("n1");
  for (int i = 0; i < 4; ++i) {
    MakeBoundPod("p" + std::to_string(i), "n1");
    Settle(seconds(1));
    SetPod("p" + std::to_string(i), "Succeeded", false);
  }
  Settle();
  EXPECT_EQ(Get(kube::kPod, "p0"), nullptr);
  EXPECT_NE(Get(kube::kPod, "p3"), nullptr);
}

TEST_F(ClusterUpkeepTest, ASilentNodeIsUnknownAndComesBack) {
  NodeLifecycle lifecycle(*informers_, {});
  Create(kube::kNamespace, {{"metadata", {{"name", "kube-node-lease"}}}});
  MakeNode("n1");
  MakeBoundPod("p", "n1");
  for (int i = 0; i < 10; ++i) {
    Renew("n1");
    Settle(seconds(10));
  }
  EXPECT_EQ(Condition(Get(kube::kNode, "n1"), "Ready"), "True ");
  Settle(seconds(45));
  EXPECT_EQ(Condition(Get(kube::kNode, "n1"), "Ready"), "Unknown NodeStatusUnknown");
  EXPECT_THAT(ItemsAt(Get(kube::kNode, "n1")->json(), "spec.taints"), SizeIs(2));
  EXPECT_FALSE(PodReady(Get(kube::kPod, "p")->json()));
  Settle(minutes(20));
  EXPECT_FALSE(Get(kube::kPod, "p")->deleting()) << "no other node: nothing is won by evicting";

  Renew("n1");
  Merge(kube::kNode, "n1",
        {{"status", {{"conditions", Json::array({{{"type", "Ready"}, {"status", "True"}}})}}}},
        "status");
  Settle();
  EXPECT_TRUE(ItemsAt(Get(kube::kNode, "n1")->json(), "spec.taints").empty());
}

TEST_F(ClusterUpkeepTest, PodsMoveWhenAnotherNodeIsHealthy) {
  NodeLifecycle lifecycle(*informers_, {});
  Create(kube::kNamespace, {{"metadata", {{"name", "kube-node-lease"}}}});
  MakeNode("n1");
  MakeNode("n2");
  MakeBoundPod("p", "n1");
  Renew("n1");
  for (int i = 0; i < 36; ++i) {
    Renew("n2");
    Settle(seconds(10));
  }
  EXPECT_EQ(Condition(Get(kube::kNode, "n2"), "Ready"), "True ");
  EXPECT_TRUE(Get(kube::kPod, "p")->deleting());
}

TEST_F(ClusterUpkeepTest, CordonIsATaintToo) {
  NodeLifecycle lifecycle(*informers_, {});
  MakeNode("n1");
  Merge(kube::kNode, "n1", {{"spec", {{"unschedulable", true}}}});
  Settle();
  EXPECT_EQ(ItemsAt(Get(kube::kNode, "n1")->json(), "spec.taints")[0]["key"],
            "node.kubernetes.io/unschedulable");
  Merge(kube::kNode, "n1", {{"spec", {{"unschedulable", nullptr}}}});
  Settle();
  EXPECT_TRUE(ItemsAt(Get(kube::kNode, "n1")->json(), "spec.taints").empty());
}

}  // namespace
}  // namespace enclave::cluster
