#include "cluster/controllers/pod_template.h"

#include <gtest/gtest.h>

#include "kube/hash.h"

namespace enclave::cluster {
namespace {

using kube::Json;

const Json kPlain = {
    {"metadata", {{"labels", {{"app", "web"}}}}},
    {"spec", {{"containers", Json::array({{{"name", "c"}, {"image", "web:1"}}})}}}};

TEST(PodTemplateTest, WhatUndoSendsBackIsTheSameTemplate) {
  Json undone = kPlain;
  undone["metadata"]["creationTimestamp"] = nullptr;
  undone["metadata"]["labels"]["pod-template-hash"] = "5d4f8c7b9";
  undone["spec"]["containers"][0]["resources"] = Json::object();
  undone["spec"]["securityContext"] = Json::object();
  undone["spec"]["volumes"] = Json::array();
  EXPECT_TRUE(SameTemplate(kPlain, undone));
  EXPECT_EQ(kube::TemplateHash(NormalisedTemplate(kPlain)),
            kube::TemplateHash(NormalisedTemplate(undone)));
}

TEST(PodTemplateTest, EmptyObjectsThatMeanSomethingStay) {
  Json with_volume = kPlain;
  with_volume["spec"]["volumes"] = Json::array({{{"name", "v"}, {"emptyDir", Json::object()}}});
  Json other = kPlain;
  other["spec"]["volumes"] = Json::array({{{"name", "v"}}});
  EXPECT_FALSE(SameTemplate(with_volume, other));
  EXPECT_TRUE(NormalisedTemplate(with_volume)["spec"]["volumes"][0].contains("emptyDir"));
}

TEST(PodTemplateTest, ARestartAnnotationIsAnotherTemplate) {
  Json restarted = kPlain;
  restarted["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"] =
      "2026-01-01T00:00:00Z";
  EXPECT_FALSE(SameTemplate(kPlain, restarted));
}

TEST(PodTemplateTest, OddShapesAreJustCompared) {
  EXPECT_TRUE(SameTemplate(Json(), Json()));
  EXPECT_TRUE(SameTemplate({{"metadata", 3}}, {{"metadata", 3}}));
  EXPECT_FALSE(SameTemplate({{"metadata", 3}}, Json::object()));
}

}  // namespace
}  // namespace enclave::cluster
