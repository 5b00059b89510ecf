#include "lab/drills/drill.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace enclave::lab::drills {
namespace {

using testing::HasSubstr;

constexpr const char* kHead = R"(
name: hang
title: it hangs
)";
constexpr const char* kRest = R"(
truth:
  causes: [{services: [cart], kinds: [crash], actions: [restart]}]
  may-touch: [Deployment/cart]
limits: {detect: 10s, recover: 1m, whole: 90s}
)";

std::string ErrorOf(const std::string& text) {
  const auto drill = ParseDrill(text, "hang.yaml");
  return drill ? "" : drill.error().message();
}

TEST(DrillTest, IsReadWithItsFaultsInOrderOfTime) {
  const auto drill = ParseDrill(std::string(kHead) + R"(
steady: {hold: 3s}
faults:
  - {after: 2m, scale: {workload: cart, replicas: 0}}
  - signal: {workload: cart, signal: STOP}
)" + kRest,
                                "hang.yaml");
  ASSERT_TRUE(drill) << drill.error().message();
  EXPECT_EQ(drill->name, "hang");
  EXPECT_EQ(drill->ns, "boutique");
  EXPECT_EQ(drill->hold, std::chrono::seconds(3));
  ASSERT_EQ(drill->faults.size(), 2U);
  EXPECT_EQ(drill->faults[0].kind, FaultKind::kSignal);
  EXPECT_EQ(drill->faults[1].kind, FaultKind::kScale);
  EXPECT_EQ(drill->faults[1].after, std::chrono::minutes(2));
  EXPECT_EQ(drill->faults[1].count, 0);
  EXPECT_EQ(drill->recover, std::chrono::minutes(1));
  EXPECT_THAT(drill->causes[0].kinds, testing::ElementsAre("crash"));
}

TEST(DrillTest, ErrorsNameFileFieldAndWhatMayStandThere) {
  const std::string fault = "faults: [{restart: {workload: cart}}]\n";
  EXPECT_EQ(ErrorOf(kHead + fault + kRest), "");
  EXPECT_THAT(ErrorOf(kHead + fault + kRest + "speed: 3\n"),
              testing::AllOf(HasSubstr("hang.yaml"), HasSubstr("speed")));
  EXPECT_THAT(ErrorOf(std::string(kHead) + "faults: [{explode: {}}]\n" + kRest),
              testing::AllOf(HasSubstr("fault 1"), HasSubstr("restart")));
  EXPECT_THAT(ErrorOf(std::string(kHead) + "faults: []\n" + kRest), HasSubstr("1 to 64"));
  EXPECT_THAT(
      ErrorOf(std::string(kHead) + "faults: [{scale: {workload: a, replicas: -1}}]\n" + kRest),
      HasSubstr("fault 1: scale: replicas: write a whole number"));
  EXPECT_THAT(
      ErrorOf(std::string(kHead) + "faults: [{signal: {workload: a, signal: HUP}}]\n" + kRest),
      HasSubstr("STOP or KILL"));
  EXPECT_THAT(
      ErrorOf(std::string(kHead) + "faults: [{restart: {workload: cart, image: x}}]\n" + kRest),
      HasSubstr("image"));
  EXPECT_THAT(ErrorOf(std::string(kHead) + fault + "truth: {causes: []}\nlimits: {}\n"),
              HasSubstr("whole"));
  EXPECT_THAT(ErrorOf(std::string(kHead) + fault +
                      "truth: {causes: [], may-touch: [cart]}\nlimits: {whole: 1s}\n"),
              HasSubstr("KIND/NAME"));
  EXPECT_THAT(ErrorOf("- a list"), HasSubstr("hang.yaml"));
}

TEST(DrillTest, TimesHaveAUnitAndABound) {
  EXPECT_EQ(ParseSpan("1.5s"), std::chrono::milliseconds(1500));
  EXPECT_EQ(ParseSpan("5m"), std::chrono::minutes(5));
  for (const char* wrong : {"", "5", "s", "-1s", "5h", "61m", "nans", "infs", "1s "})
    EXPECT_EQ(ParseSpan(wrong), std::nullopt) << wrong;
}

class ShippedDrillsTest : public testing::Test {
 protected:
  void SetUp() override {
    auto read = ReadBook(std::filesystem::path(ENCLAVE_DRILLS));
    ASSERT_TRUE(read) << read.error().message();
    book_ = std::move(*read);
  }
  Book book_;
};

TEST_F(ShippedDrillsTest, AreThere) {
  std::set<std::string> names;
  for (const Drill& drill : book_.drills) names.insert(drill.name);
  for (const char* name :
       {"bad-release", "bad-release-checkout", "bad-release-payment", "bad-release-recommendation",
        "bad-config", "wrong-endpoint", "bad-image", "pod-kill", "hang", "cpu-hog", "memory-leak",
        "slow-dependency", "scaled-to-zero", "redis-down", "traffic-surge", "two-faults", "noop"})
    EXPECT_TRUE(names.contains(name)) << name;
}

TEST_F(ShippedDrillsTest, NameKindsAndActionsThatThereAre) {
  const std::set<std::string> kinds = {"code error",
                                       "wrong result",
                                       "cpu",
                                       "memory",
                                       "disk",
                                       "network delay",
                                       "network loss",
                                       "slow dependency",
                                       "dependency down",
                                       "crash",
                                       "configuration",
                                       "bad release",
                                       "traffic surge",
                                       "certificate"};
  const std::set<std::string> actions = {
      "none",  "rollback_revision", "rollback_config", "restore_service", "restart", "delete_pod",
      "scale", "raise_limit",       "cordon"};
  for (const Drill& drill : book_.drills)
    for (const Cause& cause : drill.causes) {
      for (const std::string& kind : cause.kinds)
        EXPECT_TRUE(kinds.contains(kind)) << drill.name << ": " << kind;
      for (const std::string& action : cause.actions)
        EXPECT_TRUE(actions.contains(action)) << drill.name << ": " << action;
    }
}

// Nothing that the agent could read in the cluster may say that it is a drill.
TEST_F(ShippedDrillsTest, WriteNothingThatTells) {
  for (const Drill& drill : book_.drills)
    for (const Fault& fault : drill.faults)
      for (const std::string& text : {fault.image, fault.key, fault.value, fault.workload})
        for (const char* telling : {"drill", "fault", "chaos", "truth", "broken", "inject"})
          EXPECT_EQ(text.find(telling), std::string::npos) << drill.name << ": " << text;
}

}  // namespace
}  // namespace enclave::lab::drills
