#include "lab/drills/breaker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "lab/drills/footprint.h"
#include "lab/drills/restore.h"
#include "lab/drills/test_world.h"

namespace enclave::lab::drills {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class BreakerTest : public testing::Test {
 protected:
  void Do(const Fault& fault) {
    const auto done = Carry(it_.world(), fault, "boutique");
    ASSERT_TRUE(done) << done.error().message();
  }
  std::vector<std::string> Put() {
    auto written = Restore(it_.cluster, it_.manifests, "boutique");
    EXPECT_TRUE(written) << written.error().message();
    return written ? *written : std::vector<std::string>{};
  }
  Footprint Look() {
    auto footprint = TakeFootprint(it_.cluster, {"boutique"});
    EXPECT_TRUE(footprint);
    return *footprint;
  }
  TestWorld it_;
};

TEST_F(BreakerTest, AReleaseIsTakenBackByTheManifest) {
  Do({.kind = FaultKind::kRelease, .workload = "pay", .image = "pay:v2"});
  EXPECT_EQ(it_.ImageOf("pay"), "pay:v2");
  EXPECT_EQ(it_.ImageOf("cart"), "cart:v1");
  EXPECT_THAT(Put(), ElementsAre("Deployment/pay"));
  EXPECT_EQ(it_.ImageOf("pay"), "pay:v1");
  EXPECT_THAT(Put(), IsEmpty()) << "the second time nothing is left to do";
}

TEST_F(BreakerTest, AVariableAndANumberOfPodsAreTakenBack) {
  Do({.kind = FaultKind::kEnvironment, .workload = "cart", .key = "EXTRA", .value = "1"});
  Do({.kind = FaultKind::kScale, .workload = "pay", .count = 0});
  EXPECT_THAT(Put(), ElementsAre("Deployment/cart", "Deployment/pay"));
  const auto cart = it_.cluster.Get(kube::kDeployment, "boutique", "cart");
  EXPECT_EQ((*cart)->text().find("EXTRA"), std::string::npos);
  EXPECT_EQ(kube::IntAt((*it_.cluster.Get(kube::kDeployment, "boutique", "pay"))->json(),
                        "spec.replicas"),
            1);
}

TEST_F(BreakerTest, AnEditOfAConfigurationReplacesOnePart) {
  Do({.kind = FaultKind::kConfiguration,
      .workload = "catalogue",
      .key = "products.json",
      .value = "2",
      .replaced = "2]"});
  const auto text = [&] {
    return (*it_.cluster.Get(kube::kConfigMap, "boutique", "catalogue"))
        ->json()["data"]["products.json"]
        .get<std::string>();
  };
  EXPECT_EQ(text(), "[1, 2");
  EXPECT_THAT(Put(), ElementsAre("ConfigMap/catalogue"));
  EXPECT_EQ(text(), "[1, 2]");
}

TEST_F(BreakerTest, WhatCannotBeDoneSaysWhat) {
  const auto done = Carry(it_.world(),
                          {.kind = FaultKind::kConfiguration,
                           .workload = "catalogue",
                           .key = "products.json",
                           .value = "",
                           .replaced = "nowhere"},
                          "boutique");
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message(), HasSubstr("nowhere"));
}

TEST_F(BreakerTest, SignalsAndLoadReachThePodsOfTheWorkloadAlone) {
  const std::string uid = (*it_.cluster.Get(kube::kPod, "boutique", "cart-1-a"))->uid();
  Do({.kind = FaultKind::kSignal, .workload = "cart", .signal = "STOP"});
  Do({.kind = FaultKind::kProcessor, .workload = "cart", .count = 3});
  Do({.kind = FaultKind::kVisitors, .count = 50});
  EXPECT_THAT(it_.host.done, ElementsAre("signal " + std::to_string(SIGSTOP) + " " + uid,
                                         "burn 3 " + uid, "visitors 50"));
}

TEST_F(BreakerTest, NothingThatIsWrittenTellsOfADrill) {
  Do({.kind = FaultKind::kRelease, .workload = "pay", .image = "pay:v2"});
  Do({.kind = FaultKind::kRestart, .workload = "cart"});
  Do({.kind = FaultKind::kScale, .workload = "cart", .count = 2});
  Put();
  for (const kube::Kind* kind : {&kube::kDeployment, &kube::kConfigMap, &kube::kPod, &kube::kEvent})
    for (const auto& object : it_.cluster.List(*kind, {})->items)
      for (const char* telling : {"drill", "fault", "truth", "chaos"})
        EXPECT_EQ(object->text().find(telling), std::string::npos) << object->text();
}

TEST_F(BreakerTest, AFootprintTellsWhoWasTouched) {
  const Footprint before = Look();
  EXPECT_THAT(Touched(before, Look(), "boutique", {}), IsEmpty());
  Do({.kind = FaultKind::kRelease, .workload = "pay", .image = "pay:v2"});
  EXPECT_THAT(Touched(before, Look(), "boutique", {}),
              ElementsAre("boutique/Deployment/pay was changed"));
  EXPECT_THAT(Touched(before, Look(), "boutique", {"Deployment/pay"}), IsEmpty());
  // Also what was done and undone was touched.
  Put();
  EXPECT_THAT(Touched(before, Look(), "boutique", {}),
              ElementsAre("boutique/Deployment/pay was changed"));
  Do({.kind = FaultKind::kDeletePods, .workload = "cart"});
  ASSERT_TRUE(it_.cluster.Create(kube::kPod, "boutique", PodManifest("cart", "b")));
  EXPECT_THAT(Touched(before, Look(), "boutique", {"Deployment/pay"}),
              ElementsAre("boutique/Deployment/cart has other pods"));
}

TEST(CoversTest, QuantitiesAreEqualByValueAndListsByLength) {
  EXPECT_TRUE(Covers({{"cpu", "1"}, {"more", 2}}, {{"cpu", "1000m"}}));
  EXPECT_TRUE(Covers({{"port", 80}}, {{"port", 80}}));
  EXPECT_FALSE(Covers({{"cpu", "1"}}, {{"cpu", "2"}}));
  EXPECT_FALSE(Covers({{"env", {1, 2}}}, {{"env", {1}}}));
  EXPECT_FALSE(Covers(Json::object(), {{"cpu", "1"}}));
}

}  // namespace
}  // namespace enclave::lab::drills
