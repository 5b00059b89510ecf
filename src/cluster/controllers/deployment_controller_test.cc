#include "cluster/controllers/deployment_controller.h"

#include <algorithm>

#include "cluster/controllers/controller_fixture.h"
#include "cluster/controllers/replica_set_controller.h"
#include "cluster/controllers/rollout.h"

namespace enclave::cluster {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::SizeIs;

class DeploymentControllerTest : public ControllerFixture {
 protected:
  ObjectPtr Web() { return Get(kube::kDeployment, "web"); }
  // The ReplicaSet with this image; null when there is none.
  ObjectPtr SetOf(const std::string& image) {
    for (const ObjectPtr& set : List(kube::kReplicaSet)) {
      const Json& container = ItemsAt(set->json(), "spec.template.spec.containers")[0];
      if (kube::StringAt(container, "image") == image) return set;
    }
    return nullptr;
  }
  void SetImage(const std::string& image, const std::string& trace = "") {
    Json json = Web()->json();
    if (!trace.empty()) json["metadata"]["annotations"][kTraceAnnotation] = trace;
    json["spec"]["template"]["spec"]["containers"][0]["image"] = image;
    json["metadata"].erase("resourceVersion");
    ASSERT_TRUE(api_->Update(kube::kDeployment, std::move(json)));
  }
  void Spec(const Json& spec) { Merge(kube::kDeployment, "web", {{"spec", spec}}); }
  std::int64_t ActivePods() {
    return std::ranges::count_if(List(kube::kPod),
                                 [](const ObjectPtr& pod) { return PodActive(*pod); });
  }

  DeploymentController deployments_{*informers_};
  ReplicaSetController sets_{*informers_};
};

TEST_F(DeploymentControllerTest, MakesASetAndItsPods) {
  Create(kube::kDeployment, DeploymentJson("web", 2));
  Settle();
  const ObjectPtr set = SetOf("web:1");
  ASSERT_NE(set, nullptr);
  const std::string hash = LabelOf(set->json(), "pod-template-hash");
  EXPECT_EQ(set->name(), "web-" + hash);
  EXPECT_EQ(kube::StringAt(set->json(), "spec.selector.matchLabels.pod-template-hash"), hash);
  EXPECT_EQ(AnnotationOf(set->json(), kRevisionAnnotation), "1");
  EXPECT_EQ(AnnotationOf(Web()->json(), kRevisionAnnotation), "1");
  EXPECT_THAT(List(kube::kPod), SizeIs(2));
  EXPECT_EQ(Condition(Web(), "Available"), "False MinimumReplicasUnavailable");
  EXPECT_THAT(Condition(Web(), "Progressing"), HasSubstr("True "));

  RunToRest();
  EXPECT_EQ(Int(Web(), "status.readyReplicas"), 2);
  EXPECT_EQ(Int(Web(), "status.availableReplicas"), 2);
  EXPECT_EQ(Int(Web(), "status.updatedReplicas"), 2);
  EXPECT_EQ(Int(Web(), "status.observedGeneration"), Int(Web(), "metadata.generation"));
  EXPECT_EQ(Condition(Web(), "Available"), "True MinimumReplicasAvailable");
  EXPECT_EQ(Condition(Web(), "Progressing"), "True NewReplicaSetAvailable");
  EXPECT_THAT(EventMessages("ScalingReplicaSet"),
              Contains("Scaled up replica set " + set->name() + " from 0 to 2"));
}

TEST_F(DeploymentControllerTest, RollsWithinItsBounds) {
  Json json = DeploymentJson("web", 4);
  json["spec"]["strategy"] = {{"type", "RollingUpdate"},
                              {"rollingUpdate", {{"maxSurge", 1}, {"maxUnavailable", 1}}}};
  Create(kube::kDeployment, json);
  RunToRest();
  SetImage("web:2");
  for (int i = 0; i < 100; ++i) {
    Settle(std::chrono::milliseconds(100));
    std::int64_t available = 0;
    for (const ObjectPtr& pod : List(kube::kPod)) {
      available += PodActive(*pod) && PodReady(pod->json());
    }
    EXPECT_GE(available, 3);
    EXPECT_LE(ActivePods(), 5);
    // One pod a round comes up, those that go are gone at once.
    for (const ObjectPtr& pod : List(kube::kPod)) {
      if (pod->deleting()) {
        Delete(kube::kPod, pod->name(), "", 0);
      } else if (!PodReady(pod->json())) {
        SetPod(pod->name(), "Running", true);
        break;
      }
    }
  }
  EXPECT_EQ(Int(SetOf("web:1"), "spec.replicas"), 0);
  EXPECT_EQ(Int(SetOf("web:2"), "spec.replicas"), 4);
  EXPECT_EQ(AnnotationOf(Web()->json(), kRevisionAnnotation), "2");
  EXPECT_EQ(Condition(Web(), "Progressing"), "True NewReplicaSetAvailable");
}

TEST_F(DeploymentControllerTest, UndoFindsTheOldSetAndRenumbersIt) {
  Create(kube::kDeployment, DeploymentJson("web", 2));
  RunToRest();
  const Json first_template = kube::At(Web()->json(), "spec.template");
  const std::string first_set = SetOf("web:1")->name();
  SetImage("web:2");
  RunToRest();

  Json undo = SetOf("web:1")->json()["spec"]["template"];
  undo["metadata"]["labels"].erase("pod-template-hash");
  undo["metadata"]["creationTimestamp"] = nullptr;
  undo["spec"]["containers"][0]["resources"] = Json::object();
  Json json = Web()->json();
  json["spec"]["template"] = undo;
  ASSERT_TRUE(api_->Update(kube::kDeployment, json));
  RunToRest();

  EXPECT_THAT(List(kube::kReplicaSet), SizeIs(2));
  EXPECT_EQ(SetOf("web:1")->name(), first_set);
  EXPECT_EQ(Int(SetOf("web:1"), "spec.replicas"), 2);
  EXPECT_EQ(AnnotationOf(SetOf("web:1")->json(), kRevisionAnnotation), "3");
  EXPECT_EQ(AnnotationOf(SetOf("web:2")->json(), kRevisionAnnotation), "2");
  EXPECT_EQ(AnnotationOf(Web()->json(), kRevisionAnnotation), "3");
}

TEST_F(DeploymentControllerTest, ABadImageRunsIntoTheDeadlineWhileOldPodsServe) {
  Json json = DeploymentJson("web", 2);
  json["spec"]["progressDeadlineSeconds"] = 10;
  Create(kube::kDeployment, json);
  RunToRest();
  SetImage("bad:1");
  RunToRest();
  EXPECT_EQ(Condition(Web(), "Progressing"), "True ReplicaSetUpdated");
  Settle(std::chrono::seconds(15));
  EXPECT_EQ(Condition(Web(), "Progressing"), "False ProgressDeadlineExceeded");
  EXPECT_EQ(Condition(Web(), "Available"), "True MinimumReplicasAvailable");
  EXPECT_GE(Int(Web(), "status.availableReplicas"), 2);

  SetImage("web:1");
  RunToRest();
  EXPECT_EQ(Condition(Web(), "Progressing"), "True NewReplicaSetAvailable");
  EXPECT_EQ(Int(SetOf("bad:1"), "spec.replicas"), 0);
}

TEST_F(DeploymentControllerTest, RecreateWaitsUntilTheOldPodsAreReallyGone) {
  Json json = DeploymentJson("web", 2);
  json["spec"]["strategy"] = {{"type", "Recreate"}};
  Create(kube::kDeployment, json);
  RunToRest();
  SetImage("web:2");
  Settle(std::chrono::seconds(20));  // the old pods are terminating and nobody ends them
  EXPECT_EQ(SetOf("web:2"), nullptr);
  EXPECT_EQ(ActivePods(), 0);
  RunToRest();
  EXPECT_EQ(Int(SetOf("web:2"), "status.readyReplicas"), 2);
}

TEST_F(DeploymentControllerTest, PausedMakesNoSetButScales) {
  Create(kube::kDeployment, DeploymentJson("web", 2));
  RunToRest();
  Spec({{"paused", true}});
  Settle();
  SetImage("web:2");
  Settle();
  EXPECT_EQ(SetOf("web:2"), nullptr);
  EXPECT_EQ(Condition(Web(), "Progressing"), "Unknown DeploymentPaused");
  Spec({{"replicas", 5}});
  RunToRest();
  EXPECT_EQ(Int(SetOf("web:1"), "status.readyReplicas"), 5);
  Spec({{"paused", nullptr}});
  RunToRest();
  EXPECT_EQ(Int(SetOf("web:2"), "status.readyReplicas"), 5);
  EXPECT_EQ(Condition(Web(), "Progressing"), "True NewReplicaSetAvailable");
}

TEST_F(DeploymentControllerTest, ScalingDuringARolloutKeepsTheProportion) {
  Json json = DeploymentJson("web", 10);
  json["spec"]["strategy"] = {{"type", "RollingUpdate"},
                              {"rollingUpdate", {{"maxSurge", 3}, {"maxUnavailable", 2}}}};
  Create(kube::kDeployment, json);
  RunToRest();
  SetImage("bad:1");
  RunToRest();
  EXPECT_EQ(Int(SetOf("web:1"), "spec.replicas"), 8);
  EXPECT_EQ(Int(SetOf("bad:1"), "spec.replicas"), 5);
  Spec({{"replicas", 15}});
  RunToRest();
  EXPECT_EQ(Int(SetOf("web:1"), "spec.replicas") + Int(SetOf("bad:1"), "spec.replicas"), 18);
  EXPECT_EQ(Int(SetOf("web:1"), "spec.replicas"), 11);
}

TEST_F(DeploymentControllerTest, HistoryIsBounded) {
  Json json = DeploymentJson("web", 1);
  json["spec"]["revisionHistoryLimit"] = 2;
  Create(kube::kDeployment, json);
  for (int version = 1; version <= 6; ++version) {
    SetImage("web:" + std::to_string(version));
    RunToRest();
  }
  EXPECT_THAT(List(kube::kReplicaSet), SizeIs(3));
  EXPECT_NE(SetOf("web:6"), nullptr);
  EXPECT_NE(SetOf("web:4"), nullptr);
  EXPECT_EQ(SetOf("web:3"), nullptr);
}

TEST_F(DeploymentControllerTest, MinReadySecondsDelayAvailability) {
  Json json = DeploymentJson("web", 1);
  json["spec"]["minReadySeconds"] = 5;
  Create(kube::kDeployment, json);
  Settle();
  RunPods();
  Settle(std::chrono::seconds(2));
  EXPECT_EQ(Int(Web(), "status.readyReplicas"), 1);
  EXPECT_EQ(Condition(Web(), "Available"), "False MinimumReplicasUnavailable");
  Settle(std::chrono::seconds(5));
  EXPECT_EQ(Condition(Web(), "Available"), "True MinimumReplicasAvailable");
}

TEST_F(DeploymentControllerTest, TheTraceFlowsIntoSetsAndPodsMadeFromNowOn) {
  Json json = DeploymentJson("web", 1);
  json["metadata"]["annotations"][kTraceAnnotation] = "4bf92f3577b34da6a3ce929d0e0e4736";
  Create(kube::kDeployment, json);
  RunToRest();
  const std::string hash = LabelOf(SetOf("web:1")->json(), "pod-template-hash");
  EXPECT_EQ(AnnotationOf(List(kube::kPod)[0]->json(), kTraceAnnotation),
            "4bf92f3577b34da6a3ce929d0e0e4736");

  Merge(
      kube::kDeployment, "web",
      {{"metadata", {{"annotations", {{kTraceAnnotation, "0af7651916cd43dd8448eb211c80319c"}}}}}});
  Settle();
  EXPECT_THAT(List(kube::kReplicaSet), SizeIs(1)) << "the trace is no part of the template";
  EXPECT_EQ(LabelOf(SetOf("web:1")->json(), "pod-template-hash"), hash);
  Spec({{"replicas", 2}});
  RunToRest();
  std::vector<std::string> traces;
  for (const ObjectPtr& pod : List(kube::kPod)) {
    traces.push_back(AnnotationOf(pod->json(), kTraceAnnotation));
  }
  EXPECT_THAT(traces, testing::UnorderedElementsAre("4bf92f3577b34da6a3ce929d0e0e4736",
                                                    "0af7651916cd43dd8448eb211c80319c"));
}

TEST_F(DeploymentControllerTest, ATakenNameIsHashedAgain) {
  Create(kube::kDeployment, DeploymentJson("web", 1));
  RunToRest();
  const std::string name = SetOf("web:1")->name();
  // A foreign set sits where the first one would be.
  Json foreign = SetOf("web:1")->json();
  Delete(kube::kDeployment, "web", "Orphan");
  Settle();
  Delete(kube::kReplicaSet, name);
  Settle();
  if (Web() != nullptr) {  // no garbage collector here: end the deletion by hand
    Json json = Web()->json();
    json["metadata"].erase("finalizers");
    ASSERT_TRUE(api_->Update(kube::kDeployment, json));
  }
  foreign = Json{{"metadata", {{"name", name}, {"namespace", "t"}}},
                 {"spec",
                  {{"replicas", 0},
                   {"selector", {{"matchLabels", {{"app", "other"}}}}},
                   {"template", PodTemplate("other", "web:9")}}}};
  Create(kube::kReplicaSet, foreign);
  Create(kube::kDeployment, DeploymentJson("web", 1));
  RunToRest();
  EXPECT_EQ(Int(Web(), "status.collisionCount"), 1);
  ASSERT_NE(SetOf("web:1"), nullptr);
  EXPECT_NE(SetOf("web:1")->name(), name);
  EXPECT_EQ(Int(Web(), "status.readyReplicas"), 1);
}

TEST_F(DeploymentControllerTest, AdoptsAnOrphanedSet) {
  Create(kube::kDeployment, DeploymentJson("web", 2));
  RunToRest();
  Json set = SetOf("web:1")->json();
  set["metadata"].erase("ownerReferences");
  ASSERT_TRUE(api_->Update(kube::kReplicaSet, set));
  Settle();
  EXPECT_EQ(ControllerUid(SetOf("web:1")->json()), Web()->uid());
  EXPECT_THAT(List(kube::kPod), SizeIs(2));
}

TEST_F(DeploymentControllerTest, ARolloutsTraceReachesAllSetsThatItScales) {
  const std::string first = "4bf92f3577b34da6a3ce929d0e0e4736";
  const std::string second = "0af7651916cd43dd8448eb211c80319c";
  Json json = DeploymentJson("web", 2);
  json["metadata"]["annotations"][kTraceAnnotation] = first;
  Create(kube::kDeployment, json);
  RunToRest();
  SetImage("web:2", second);
  RunToRest();
  EXPECT_EQ(AnnotationOf(SetOf("web:2")->json(), kTraceAnnotation), second);
  EXPECT_EQ(AnnotationOf(SetOf("web:1")->json(), kTraceAnnotation), second) << "scaled down by it";
  for (const ObjectPtr& pod : List(kube::kPod))
    if (!pod->deleting()) EXPECT_EQ(AnnotationOf(pod->json(), kTraceAnnotation), second);

  // A change that belongs to no trace.
  Merge(kube::kDeployment, "web",
        {{"metadata", {{"annotations", {{kTraceAnnotation, nullptr}}}}},
         {"spec", {{"replicas", 3}}}});
  RunToRest();
  EXPECT_EQ(AnnotationOf(SetOf("web:2")->json(), kTraceAnnotation), "");
  std::vector<std::string> traces;
  for (const ObjectPtr& pod : List(kube::kPod))
    if (!pod->deleting()) traces.push_back(AnnotationOf(pod->json(), kTraceAnnotation));
  EXPECT_THAT(traces, testing::UnorderedElementsAre(second, second, ""));
}

}  // namespace
}  // namespace enclave::cluster
