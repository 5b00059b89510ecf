#include "incident/kubernetes.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "kube/time.h"

namespace enclave::incident {
namespace {

using kube::Json;
using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

constexpr std::int64_t kStartSecond = 1'700'000'000;
constexpr std::int64_t kSecondInNs = 1'000'000'000;
constexpr Window kTenMinutes{kStartSecond * kSecondInNs, (kStartSecond + 600) * kSecondInNs};
const char* const kTraceHex = "4bf92f3577b34da6a3ce929d0e0e4736";

std::string TimeText(std::int64_t second) {
  return kube::FormatTime(base::WallTime(std::chrono::seconds(kStartSecond + second)));
}
kube::ObjectPtr Shared(Json json) {
  return std::make_shared<kube::Object>(std::move(json));
}

Json DeploymentObject(int replicas = 1) {
  return {{"kind", "Deployment"},
          {"metadata",
           {{"name", "cart"},
            {"namespace", "shop"},
            {"labels", {{"app", "cartservice"}}},
            {"creationTimestamp", TimeText(-9000)}}},
          {"spec", {{"replicas", replicas}}}};
}

Json SetObject(const std::string& hash, int revision, std::int64_t made, Json container) {
  return {{"kind", "ReplicaSet"},
          {"metadata",
           {{"name", "cart-" + hash},
            {"namespace", "shop"},
            {"labels", {{"app", "cartservice"}, {"pod-template-hash", hash}}},
            {"annotations", {{"deployment.kubernetes.io/revision", std::to_string(revision)}}},
            {"ownerReferences", {{{"kind", "Deployment"}, {"name", "cart"}, {"controller", true}}}},
            {"creationTimestamp", TimeText(made)}}},
          {"spec", {{"template", {{"spec", {{"containers", {std::move(container)}}}}}}}}};
}

Json ContainerPart(const std::string& image, Json env = Json::array()) {
  return {{"name", "server"}, {"image", image}, {"env", std::move(env)}};
}

Json PodObject(Json status, std::int64_t made = -9000) {
  return {{"kind", "Pod"},
          {"metadata",
           {{"name", "cart-1-x"},
            {"namespace", "shop"},
            {"labels", {{"app", "cartservice"}, {"pod-template-hash", "1"}}},
            {"creationTimestamp", TimeText(made)}}},
          {"status", std::move(status)}};
}

Json EventObject(const std::string& kind, const std::string& name, const std::string& reason,
                 const std::string& message, std::int64_t second, const char* type = "Normal") {
  return {{"kind", "Event"},
          {"metadata", {{"name", name + reason + std::to_string(second)}, {"namespace", "shop"}}},
          {"involvedObject", {{"kind", kind}, {"namespace", "shop"}, {"name", name}}},
          {"type", type},
          {"reason", reason},
          {"message", message},
          {"count", 3},
          {"firstTimestamp", TimeText(second)},
          {"lastTimestamp", TimeText(second)}};
}

TEST(KubernetesChanges, ARolloutSaysWhatItPutInPlaceOfWhatAndByWhom) {
  Json deployment = DeploymentObject();
  deployment["metadata"]["managedFields"] = {
      {{"manager", "kube-controller-manager"}, {"operation", "Update"}, {"time", TimeText(302)}},
      {{"manager", "kubectl-set"}, {"operation", "Update"}, {"time", TimeText(299)}}};
  Json after = SetObject("2", 2, 300, ContainerPart("cart:v2"));
  after["metadata"]["annotations"]["enclave.dev/trace-id"] = kTraceHex;
  KubernetesObjects objects;
  objects.deployments = {Shared(deployment)};
  objects.replica_sets = {Shared(after),
                          Shared(SetObject("1", 1, -9000, ContainerPart("cart:v1")))};
  // What a rollout scales is no change of its own.
  objects.events = {
      Shared(EventObject("Deployment", "cart", "ScalingReplicaSet",
                         "Scaled up replica set cart-2 from 0 to 1", 300)),
      Shared(EventObject("Deployment", "cart", "ScalingReplicaSet",
                         "Scaled down replica set cart-1 from 1 to 0", 305)),
      Shared(EventObject("Pod", "cart-1-x", "Killing", "Stopping container server", 305))};
  const KubernetesFindings found = FindKubernetes(objects, kTenMinutes);
  ASSERT_EQ(found.changes.size(), 1U);
  const Change& change = found.changes[0];
  EXPECT_EQ(change.kind, ChangeKind::kRollout);
  EXPECT_EQ(change.service, "cartservice");
  EXPECT_EQ(change.object, "Deployment shop/cart");
  EXPECT_EQ(change.from, "image cart:v1");
  EXPECT_EQ(change.to, "image cart:v2");
  EXPECT_EQ(change.who, "kubectl-set");
  EXPECT_EQ(change.time_ns, (kStartSecond + 300) * kSecondInNs);
  EXPECT_EQ(change.trace_id, trace::TraceId::Parse(kTraceHex));
  EXPECT_THAT(found.facts, IsEmpty());
}

TEST(KubernetesChanges, AnotherEnvironmentIsConfigurationAndItsSecretsStayHidden) {
  KubernetesObjects objects;
  objects.deployments = {Shared(DeploymentObject())};
  objects.replica_sets = {
      Shared(SetObject("1", 1, -9000,
                       ContainerPart("cart:v1", {{{"name", "REDIS"}, {"value", "redis:6379"}},
                                                 {{"name", "PASSWORD"}, {"value", "hunter1"}}}))),
      Shared(SetObject("2", 2, 300,
                       ContainerPart("cart:v1", {{{"name", "REDIS"}, {"value", "redis:1"}},
                                                 {{"name", "PASSWORD"}, {"value", "hunter2"}}})))};
  const KubernetesFindings found = FindKubernetes(objects, kTenMinutes);
  ASSERT_EQ(found.changes.size(), 1U);
  EXPECT_EQ(found.changes[0].kind, ChangeKind::kConfiguration);
  EXPECT_EQ(found.changes[0].from, "env PASSWORD (hidden), env REDIS redis:6379");
  EXPECT_EQ(found.changes[0].to, "env PASSWORD (hidden), env REDIS redis:1");
}

TEST(KubernetesChanges, ARollbackUsesASetThatIsThereAlready) {
  for (const char* up :
       {"Scaled up replica set cart-1 from 0 to 1", "Scaled up replica set cart-1 to 1 from 0",
        "Scaled up replica set cart-1 to 1"}) {
    KubernetesObjects objects;
    objects.deployments = {Shared(DeploymentObject())};
    objects.replica_sets = {Shared(SetObject("1", 3, -9000, ContainerPart("cart:v1"))),
                            Shared(SetObject("2", 2, -900, ContainerPart("cart:v2")))};
    objects.events = {Shared(EventObject("Deployment", "cart", "ScalingReplicaSet", up, 100)),
                      Shared(EventObject("Deployment", "cart", "ScalingReplicaSet",
                                         "Scaled down replica set cart-2 to 0 from 1", 104))};
    const KubernetesFindings found = FindKubernetes(objects, kTenMinutes);
    ASSERT_EQ(found.changes.size(), 1U) << up;
    EXPECT_EQ(found.changes[0].kind, ChangeKind::kRollout);
    EXPECT_EQ(found.changes[0].from, "image cart:v2");
    EXPECT_EQ(found.changes[0].to, "image cart:v1");
    EXPECT_EQ(found.changes[0].time_ns, (kStartSecond + 100) * kSecondInNs);
  }
}

TEST(KubernetesChanges, ScalingToNothingIsAChangeAndAFact) {
  KubernetesObjects objects;
  objects.deployments = {Shared(DeploymentObject(0))};
  objects.replica_sets = {Shared(SetObject("1", 1, -9000, ContainerPart("cart:v1")))};
  objects.services = {Shared({{"kind", "Service"},
                              {"metadata", {{"name", "cartservice"}, {"namespace", "shop"}}},
                              {"spec", {{"selector", {{"app", "cartservice"}}}}}})};
  objects.events = {
      Shared(EventObject("Deployment", "cart", "ScalingReplicaSet",
                         "Scaled down replica set cart-1 from 2 to 0", 100)),
      Shared(EventObject("Pod", "cart-1-x", "Killing", "Stopping container server", 100))};
  const KubernetesFindings found = FindKubernetes(objects, kTenMinutes);
  ASSERT_EQ(found.changes.size(), 1U);
  EXPECT_EQ(found.changes[0].kind, ChangeKind::kScale);
  EXPECT_EQ(found.changes[0].from, "2 replicas");
  EXPECT_EQ(found.changes[0].to, "0 replicas");
  EXPECT_THAT(found.facts, ElementsAre(Field(&KubernetesFact::reason, "ScaledToZero"),
                                       Field(&KubernetesFact::reason, "NoEndpoints")));
}

TEST(KubernetesChanges, ScalingToNothingSoonAfterARolloutIsNoPartOfIt) {
  Json pod{{"kind", "Pod"},
           {"metadata",
            {{"name", "cart-2-x"},
             {"namespace", "shop"},
             {"labels", {{"app", "cartservice"}}},
             {"deletionTimestamp", TimeText(365)},
             {"deletionGracePeriodSeconds", 30}}},
           {"status", {{"conditions", {{{"type", "Ready"}, {"status", "True"}}}}}}};
  KubernetesObjects objects;
  objects.pods = {Shared(pod)};
  objects.deployments = {Shared(DeploymentObject(0))};
  objects.replica_sets = {Shared(SetObject("1", 1, -9000, ContainerPart("cart:v1"))),
                          Shared(SetObject("2", 2, 100, ContainerPart("cart:v2")))};
  objects.services = {Shared({{"kind", "Service"},
                              {"metadata", {{"name", "cartservice"}, {"namespace", "shop"}}},
                              {"spec", {{"selector", {{"app", "cartservice"}}}}}})};
  const auto scaling = [](const char* message, int second) {
    return Shared(EventObject("Deployment", "cart", "ScalingReplicaSet", message, second));
  };
  objects.events = {scaling("Scaled up replica set cart-2 from 0 to 1", 100),
                    scaling("Scaled down replica set cart-1 from 1 to 0", 105),
                    scaling("Scaled down replica set cart-2 from 1 to 0", 330)};
  const KubernetesFindings found = FindKubernetes(objects, kTenMinutes);
  ASSERT_EQ(found.changes.size(), 2U);
  EXPECT_EQ(found.changes[0].kind, ChangeKind::kRollout);
  EXPECT_EQ(found.changes[1].kind, ChangeKind::kScale);
  EXPECT_EQ(found.changes[1].time_ns, (kStartSecond + 330) * kSecondInNs);
  EXPECT_THAT(found.facts, UnorderedElementsAre(Field(&KubernetesFact::reason, "ScaledToZero"),
                                                Field(&KubernetesFact::reason, "NoEndpoints")))
      << "a pod that goes answers nobody";
  EXPECT_EQ(found.facts.back().reason, "NoEndpoints");
  EXPECT_EQ(found.facts.back().time_ns, (kStartSecond + 335) * kSecondInNs) << "told to go";
}

TEST(KubernetesChanges, APodThatIsGoneWithoutAReasonWasDeleted) {
  KubernetesObjects objects;
  objects.deployments = {Shared(DeploymentObject())};
  objects.replica_sets = {Shared(SetObject("1", 1, -9000, ContainerPart("cart:v1")))};
  objects.events = {
      Shared(EventObject("Pod", "cart-1-gone", "Killing", "Stopping container server", 200))};
  const KubernetesFindings found = FindKubernetes(objects, kTenMinutes);
  ASSERT_EQ(found.changes.size(), 1U);
  EXPECT_EQ(found.changes[0].kind, ChangeKind::kDeletion);
  EXPECT_EQ(found.changes[0].service, "cartservice");
  EXPECT_EQ(found.changes[0].object, "Pod shop/cart-1-gone");
}

TEST(KubernetesChanges, AConfigMapIsOfWhoeverReadsIt) {
  Json reader = DeploymentObject();
  reader["spec"]["template"]["spec"]["containers"] = {
      {{"name", "server"}, {"envFrom", {{{"configMapRef", {{"name", "settings"}}}}}}}};
  const auto map = [](std::int64_t written) {
    return Shared({{"kind", "ConfigMap"},
                   {"metadata",
                    {{"name", "settings"},
                     {"namespace", "shop"},
                     {"creationTimestamp", TimeText(-9000)},
                     {"managedFields",
                      {{{"manager", "kubectl-edit"},
                        {"operation", "Update"},
                        {"time", TimeText(written)}}}}}},
                   {"data", {{"LIMIT", "7"}}}});
  };
  KubernetesObjects objects;
  objects.deployments = {Shared(reader)};
  objects.config_maps = {map(250)};
  const KubernetesFindings found = FindKubernetes(objects, kTenMinutes);
  ASSERT_EQ(found.changes.size(), 1U);
  EXPECT_EQ(found.changes[0].kind, ChangeKind::kConfiguration);
  EXPECT_EQ(found.changes[0].service, "cartservice");
  EXPECT_EQ(found.changes[0].object, "ConfigMap shop/settings");
  EXPECT_EQ(found.changes[0].to, "edited with LIMIT");
  EXPECT_EQ(found.changes[0].who, "kubectl-edit");
  objects.config_maps = {map(-100)};
  EXPECT_THAT(FindKubernetes(objects, kTenMinutes).changes, IsEmpty());
}

// All that was made when the namespace began is no change of a service in it; what came alone is.
TEST(KubernetesChanges, ABeginningIsNoChange) {
  const auto brought_up = [](std::int64_t cart_made, std::int64_t others_made) {
    KubernetesObjects objects;
    Json cart = DeploymentObject();
    cart["metadata"]["creationTimestamp"] = TimeText(cart_made);
    objects.deployments = {Shared(cart)};
    for (const char* name : {"mail", "pay", "web"}) {
      Json other = DeploymentObject();
      other["metadata"]["name"] = name;
      other["metadata"]["labels"]["app"] = name;
      other["metadata"]["creationTimestamp"] = TimeText(others_made);
      objects.deployments.push_back(Shared(other));
    }
    objects.replica_sets = {Shared(SetObject("1", 1, cart_made, ContainerPart("cart:v1")))};
    objects.services = {Shared(
        {{"kind", "Service"},
         {"metadata",
          {{"name", "cart"}, {"namespace", "shop"}, {"creationTimestamp", TimeText(cart_made)}}}})};
    return FindKubernetes(objects, kTenMinutes).changes;
  };
  EXPECT_THAT(brought_up(100, 102), IsEmpty());
  const auto alone = brought_up(100, -9000);
  ASSERT_EQ(alone.size(), 2U);
  for (const Change& change : alone) EXPECT_EQ(change.from, "nothing") << change.object;
}

// The earlier template was not kept: that there is another one is all that is known.
TEST(KubernetesChanges, ARolloutOverATemplateThatIsNotKeptIsStillOne) {
  KubernetesObjects objects;
  objects.deployments = {Shared(DeploymentObject())};
  objects.replica_sets = {Shared(SetObject("2", 2, 300, ContainerPart("cart:v2")))};
  const KubernetesFindings found = FindKubernetes(objects, kTenMinutes);
  ASSERT_EQ(found.changes.size(), 1U);
  EXPECT_EQ(found.changes[0].kind, ChangeKind::kRollout);
  EXPECT_EQ(found.changes[0].from, "a template that is not kept");
}

TEST(KubernetesChanges, ASecretTellsNothingOfWhatIsInIt) {
  KubernetesObjects objects;
  objects.secrets = {Shared(
      {{"kind", "Secret"},
       {"metadata", {{"name", "card"}, {"namespace", "shop"}, {"creationTimestamp", TimeText(10)}}},
       {"data", {{"pin", "aHVudGVy"}}}})};
  const KubernetesFindings found = FindKubernetes(objects, kTenMinutes);
  ASSERT_EQ(found.changes.size(), 1U);
  EXPECT_THAT(found.changes[0].to, AllOf(Not(HasSubstr("pin")), Not(HasSubstr("aHVudGVy"))));
}

TEST(KubernetesFacts, ContainersTellHowTheyEndedAndWhatTheyWaitFor) {
  KubernetesObjects objects;
  objects.pods = {Shared(PodObject(
      {{"containerStatuses",
        {{{"name", "server"},
          {"restartCount", 4},
          {"state", {{"waiting", {{"reason", "CrashLoopBackOff"}, {"message", "back-off 40s"}}}}},
          {"lastState",
           {{"terminated",
             {{"reason", "OOMKilled"}, {"exitCode", 137}, {"finishedAt", TimeText(400)}}}}}}}}}))};
  const KubernetesFindings found = FindKubernetes(objects, kTenMinutes);
  ASSERT_EQ(found.facts.size(), 2U);
  EXPECT_EQ(found.facts[0].reason, "CrashLoopBackOff");
  EXPECT_EQ(found.facts[0].count, 4U);
  EXPECT_EQ(found.facts[1].reason, "OOMKilled");
  EXPECT_THAT(found.facts[1].message, HasSubstr("exit code 137, 4 restarts"));
  for (const KubernetesFact& fact : found.facts) {
    EXPECT_EQ(fact.service, "cartservice");
    EXPECT_EQ(fact.object, "shop/cart-1-x");
    EXPECT_EQ(fact.time_ns, (kStartSecond + 400) * kSecondInNs);
    EXPECT_TRUE(fact.warning);
  }
  // An end of long ago, and of a program that was done, say nothing.
  objects.pods = {Shared(PodObject(
      {{"containerStatuses",
        {{{"name", "server"},
          {"state",
           {{"terminated",
             {{"reason", "Completed"}, {"exitCode", 0}, {"finishedAt", TimeText(5)}}}}},
          {"lastState",
           {{"terminated",
             {{"reason", "Error"}, {"exitCode", 1}, {"finishedAt", TimeText(-4000)}}}}}}}}}))};
  EXPECT_THAT(FindKubernetes(objects, kTenMinutes).facts, IsEmpty());
}

TEST(KubernetesFacts, ProbesFailWithoutHarmWhilePodsStartAndEnd) {
  const Json ready = {{"conditions", {{{"type", "Ready"}, {"status", "True"}}}}};
  const Json unready = {{"conditions", {{{"type", "Ready"}, {"status", "False"}}}}};
  const auto facts = [](Json status, std::int64_t made) {
    KubernetesObjects objects;
    objects.pods = {Shared(PodObject(std::move(status), made))};
    objects.events = {Shared(
        EventObject("Pod", "cart-1-x", "Unhealthy", "Readiness probe failed", 300, "Warning"))};
    return FindKubernetes(objects, kTenMinutes).facts;
  };
  EXPECT_THAT(facts(ready, 290), IsEmpty());
  EXPECT_THAT(facts(unready, 290), ElementsAre(Field(&KubernetesFact::reason, "Unhealthy")));
  EXPECT_THAT(facts(ready, -9000), ElementsAre(AllOf(Field(&KubernetesFact::service, "cartservice"),
                                                     Field(&KubernetesFact::count, 3U))));
}

TEST(KubernetesFacts, NodesTellWhatAilsThem) {
  KubernetesObjects objects;
  objects.nodes = {Shared(
      {{"kind", "Node"},
       {"metadata", {{"name", "n1"}}},
       {"status",
        {{"conditions",
          {{{"type", "Ready"}, {"status", "Unknown"}, {"lastTransitionTime", TimeText(50)}},
           {{"type", "DiskPressure"}, {"status", "True"}, {"lastTransitionTime", TimeText(40)}},
           {{"type", "MemoryPressure"},
            {"status", "False"},
            {"lastTransitionTime", TimeText(40)}}}}}}})};
  EXPECT_THAT(FindKubernetes(objects, kTenMinutes).facts,
              ElementsAre(AllOf(Field(&KubernetesFact::reason, "DiskPressure"),
                                Field(&KubernetesFact::object, "n1")),
                          Field(&KubernetesFact::reason, "NodeNotReady")));
}

TEST(KubernetesFacts, EventsOfTheNewerApiSayTheSame) {
  KubernetesObjects objects;
  objects.events = {Shared({{"kind", "Event"},
                            {"metadata", {{"name", "e"}, {"namespace", "shop"}}},
                            {"regarding", {{"kind", "Pod"}, {"namespace", "shop"}, {"name", "p"}}},
                            {"type", "Warning"},
                            {"reason", "FailedMount"},
                            {"note", "no such volume"},
                            {"eventTime", TimeText(20)},
                            {"series", {{"count", 9}, {"lastObservedTime", TimeText(80)}}}})};
  const auto facts = FindKubernetes(objects, kTenMinutes).facts;
  ASSERT_EQ(facts.size(), 1U);
  EXPECT_EQ(facts[0].count, 9U);
  EXPECT_EQ(facts[0].message, "no such volume");
  EXPECT_EQ(facts[0].time_ns, (kStartSecond + 80) * kSecondInNs);
}

TEST(KubernetesFacts, OddObjectsSayNothing) {
  for (const Json& odd :
       {Json{{"metadata", {{"name", "x"}, {"namespace", "y"}}}, {"status", 7}, {"spec", "no"}},
        Json{{"metadata",
              {{"name", "x"},
               {"labels", {1, 2}},
               {"ownerReferences", "a"},
               {"managedFields", {1, nullptr}},
               {"creationTimestamp", 3}}},
             {"involvedObject", nullptr},
             {"spec", {{"selector", {1}}, {"template", {}}}}},
        Json{{"metadata", nullptr}}}) {
    KubernetesObjects objects;
    for (auto* list : {&objects.pods, &objects.deployments, &objects.replica_sets, &objects.events,
                       &objects.services, &objects.config_maps, &objects.secrets, &objects.nodes})
      *list = {Shared(odd)};
    const KubernetesFindings found = FindKubernetes(objects, kTenMinutes);
    EXPECT_THAT(found.facts, IsEmpty()) << odd.dump();
    EXPECT_THAT(found.changes, IsEmpty()) << odd.dump();
  }
}

}  // namespace
}  // namespace enclave::incident
