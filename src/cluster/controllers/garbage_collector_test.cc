#include "cluster/controllers/garbage_collector.h"

#include "cluster/controllers/controller_fixture.h"

namespace enclave::cluster {
namespace {

class GarbageCollectorTest : public ControllerFixture {
 protected:
  ObjectPtr MakeSet(const std::string& name) {
    return Create(kube::kReplicaSet, {{"metadata", {{"name", name}, {"namespace", "t"}}},
                                      {"spec",
                                       {{"replicas", 0},
                                        {"selector", {{"matchLabels", {{"app", name}}}}},
                                        {"template", PodTemplate(name, "web:1")}}}});
  }
  static Json Reference(const ObjectPtr& owner, bool block = false) {
    Json reference{{"apiVersion", "apps/v1"},
                   {"kind", "ReplicaSet"},
                   {"name", owner->name()},
                   {"uid", owner->uid()}};
    if (block) reference["blockOwnerDeletion"] = true;
    return reference;
  }
  // A ConfigMap is gone as soon as it is deleted; nothing else touches it.
  void MakeOwned(const std::string& name, Json references) {
    Create(kube::kConfigMap,
           {{"metadata",
             {{"name", name}, {"namespace", "t"}, {"ownerReferences", std::move(references)}}}});
  }
  ObjectPtr Map(const std::string& name) { return Get(kube::kConfigMap, name); }

  GarbageCollector collector_{*informers_,
                              {kube::kPod, kube::kReplicaSet, kube::kDeployment, kube::kConfigMap}};
};

TEST_F(GarbageCollectorTest, BackgroundTakesDependentsAfterTheOwner) {
  const ObjectPtr owner = MakeSet("o");
  MakeOwned("a", Json::array({Reference(owner)}));
  MakeOwned("b", Json::array({Reference(owner)}));
  Settle();
  EXPECT_NE(Map("a"), nullptr);
  Delete(kube::kReplicaSet, "o", "Background");
  Settle();
  EXPECT_EQ(Map("a"), nullptr);
  EXPECT_EQ(Map("b"), nullptr);
}

TEST_F(GarbageCollectorTest, OrphanLeavesDependentsWithoutReference) {
  const ObjectPtr owner = MakeSet("o");
  MakeOwned("a", Json::array({Reference(owner)}));
  Settle();
  Delete(kube::kReplicaSet, "o", "Orphan");
  Settle();
  EXPECT_EQ(Get(kube::kReplicaSet, "o"), nullptr);
  ASSERT_NE(Map("a"), nullptr);
  EXPECT_TRUE(ItemsAt(Map("a")->json(), "metadata.ownerReferences").empty());
}

TEST_F(GarbageCollectorTest, ForegroundOwnerWaitsForThoseThatBlock) {
  const ObjectPtr owner = MakeSet("o");
  MakeOwned("a", Json::array({Reference(owner, true)}));
  Merge(kube::kConfigMap, "a", {{"metadata", {{"finalizers", Json::array({"test/hold"})}}}});
  MakeOwned("b", Json::array({Reference(owner, true)}));
  Settle();
  Delete(kube::kReplicaSet, "o", "Foreground");
  Settle();
  EXPECT_EQ(Map("b"), nullptr);
  ASSERT_NE(Map("a"), nullptr);
  EXPECT_TRUE(Map("a")->deleting());
  EXPECT_NE(Get(kube::kReplicaSet, "o"), nullptr);
  Merge(kube::kConfigMap, "a", {{"metadata", {{"finalizers", nullptr}}}});
  Settle();
  EXPECT_EQ(Map("a"), nullptr);
  EXPECT_EQ(Get(kube::kReplicaSet, "o"), nullptr);
}

TEST_F(GarbageCollectorTest, ANewObjectOfTheSameNameIsNoOwner) {
  const ObjectPtr owner = MakeSet("o");
  MakeOwned("a", Json::array({Reference(owner)}));
  Delete(kube::kReplicaSet, "o");
  MakeSet("o");
  Settle();
  EXPECT_EQ(Map("a"), nullptr);
}

TEST_F(GarbageCollectorTest, OneLivingOwnerIsEnough) {
  const ObjectPtr first = MakeSet("first");
  const ObjectPtr second = MakeSet("second");
  MakeOwned("a", Json::array({Reference(first), Reference(second)}));
  Settle();
  Delete(kube::kReplicaSet, "first");
  Settle();
  ASSERT_NE(Map("a"), nullptr);
  EXPECT_EQ(ItemsAt(Map("a")->json(), "metadata.ownerReferences").size(), 1u);
  Delete(kube::kReplicaSet, "second");
  Settle();
  EXPECT_EQ(Map("a"), nullptr);
}

TEST_F(GarbageCollectorTest, OwnersOfUnknownKindsAreTrusted) {
  MakeOwned("a", Json::array({{{"apiVersion", "example.com/v1"},
                               {"kind", "Widget"},
                               {"name", "w"},
                               {"uid", "0b0e7f1e-8a32-4d0c-9b4a-111111111111"}}}));
  Settle(std::chrono::seconds(60));
  EXPECT_NE(Map("a"), nullptr);
}

TEST_F(GarbageCollectorTest, WhatCameBeforeTheCollectorIsCollected) {
  const ObjectPtr owner = MakeSet("o");
  MakeOwned("a", Json::array({Reference(owner)}));
  // Deleted before any event was delivered.
  Delete(kube::kReplicaSet, "o");
  Settle();
  EXPECT_EQ(Map("a"), nullptr);
}

}  // namespace
}  // namespace enclave::cluster
