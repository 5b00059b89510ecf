#include "cluster/controllers/replica_set_controller.h"

#include "cluster/controllers/controller_fixture.h"

namespace enclave::cluster {
namespace {

using testing::Contains;
using testing::SizeIs;
using testing::StartsWith;

class ReplicaSetControllerTest : public ControllerFixture {
 protected:
  ObjectPtr MakeSet(int replicas) {
    return Create(kube::kReplicaSet, {{"metadata", {{"name", "rs"}, {"namespace", "t"}}},
                                      {"spec",
                                       {{"replicas", replicas},
                                        {"selector", {{"matchLabels", {{"app", "web"}}}}},
                                        {"template", PodTemplate("web", "web:1")}}}});
  }
  ObjectPtr Set() { return Get(kube::kReplicaSet, "rs"); }

  ReplicaSetController controller_{*informers_};
};

TEST_F(ReplicaSetControllerTest, CreatesOwnedPodsAndReportsThem) {
  MakeSet(3);
  Settle();
  const auto pods = List(kube::kPod);
  ASSERT_THAT(pods, SizeIs(3));
  for (const ObjectPtr& pod : pods) {
    EXPECT_THAT(pod->name(), StartsWith("rs-"));
    EXPECT_EQ(ControllerUid(pod->json()), Set()->uid());
  }
  EXPECT_EQ(Int(Set(), "status.replicas"), 3);
  EXPECT_EQ(Int(Set(), "status.fullyLabeledReplicas"), 3);
  RunToRest();
  EXPECT_EQ(Int(Set(), "status.availableReplicas"), 3);
  EXPECT_EQ(Int(Set(), "status.observedGeneration"), Int(Set(), "metadata.generation"));
  EXPECT_THAT(EventMessages("SuccessfulCreate"), Contains("Created pod: " + pods[0]->name()));
}

TEST_F(ReplicaSetControllerTest, DeletesTheLeastValuableFirst) {
  MakeSet(4);
  Settle();
  auto pods = List(kube::kPod);
  SetPod(pods[0]->name(), "Running", true);
  SetPod(pods[1]->name(), "Running", false);
  SetPod(pods[3]->name(), "Running", true);
  Settle();
  Merge(kube::kReplicaSet, "rs", {{"spec", {{"replicas", 2}}}});
  Settle();
  for (const ObjectPtr& pod : List(kube::kPod)) {
    if (pod->deleting()) continue;
    EXPECT_TRUE(PodReady(pod->json())) << pod->name();
  }
  EXPECT_EQ(Int(Set(), "status.replicas"), 2);
  EXPECT_THAT(EventMessages("SuccessfulDelete"), SizeIs(2));
}

TEST_F(ReplicaSetControllerTest, ReplacesWhatIsDeletedOrEnded) {
  MakeSet(2);
  RunToRest();
  const auto pods = List(kube::kPod);
  SetPod(pods[0]->name(), "Failed", false);
  Delete(kube::kPod, pods[1]->name());
  Settle();
  int active = 0;
  for (const ObjectPtr& pod : List(kube::kPod)) active += PodActive(*pod);
  EXPECT_EQ(active, 2);
  EXPECT_NE(Get(kube::kPod, pods[0]->name()), nullptr) << "an ended pod is kept for its logs";
}

TEST_F(ReplicaSetControllerTest, AdoptsMatchingOrphansAndReleasesStrangers) {
  Create(kube::kPod, PodJson("orphan", "web"));
  MakeSet(2);
  Settle();
  EXPECT_THAT(List(kube::kPod), SizeIs(2));
  EXPECT_EQ(ControllerUid(Get(kube::kPod, "orphan")->json()), Set()->uid());

  Merge(kube::kPod, "orphan", {{"metadata", {{"labels", {{"app", "debug"}}}}}});
  Settle();
  EXPECT_EQ(ControllerUid(Get(kube::kPod, "orphan")->json()), "");
  EXPECT_THAT(List(kube::kPod), SizeIs(3));
  EXPECT_EQ(Int(Set(), "status.replicas"), 2);
}

TEST_F(ReplicaSetControllerTest, ARefusedPodIsACondition) {
  Merge(kube::kServiceAccount, "default", {{"metadata", {{"labels", {{"a", "b"}}}}}});
  Json bad = {{"metadata", {{"name", "rs"}, {"namespace", "t"}}},
              {"spec",
               {{"replicas", 1},
                {"selector", {{"matchLabels", {{"app", "web"}}}}},
                {"template", PodTemplate("web", "web:1")}}}};
  bad["spec"]["template"]["spec"]["serviceAccountName"] = "nobody";
  Create(kube::kReplicaSet, bad);
  Settle();
  if (List(kube::kPod).empty()) {  // an API with service-account admission refuses
    EXPECT_EQ(Condition(Set(), "ReplicaFailure"), "True FailedCreate");
    EXPECT_FALSE(EventMessages("FailedCreate").empty());
    Create(kube::kServiceAccount, {{"metadata", {{"name", "nobody"}, {"namespace", "t"}}}});
    Settle(std::chrono::seconds(120));
  }
  EXPECT_THAT(List(kube::kPod), SizeIs(1));
  EXPECT_EQ(Condition(Set(), "ReplicaFailure"), "");
}

TEST_F(ReplicaSetControllerTest, AHundredPodsAreOneTurn) {
  MakeSet(100);
  Settle();
  EXPECT_THAT(List(kube::kPod), SizeIs(100));
  EXPECT_EQ(Int(Set(), "status.replicas"), 100);
}

}  // namespace
}  // namespace enclave::cluster
