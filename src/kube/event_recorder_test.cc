// Many events at once; the rest of EventRecorder's tests is in reconciler_test.cc.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/random.h"
#include "base/simulated_executor.h"
#include "kube/fake_api.h"
#include "kube/reconciler.h"

namespace enclave::kube {
namespace {

class EventBurstTest : public ::testing::Test {
 protected:
  base::SimulatedExecutor executor_;
  base::SeededRandom random_{1};
  FakeApi api_{executor_, random_};
  SharedInformers informers_{api_, executor_, random_};
  EventRecorder recorder_{informers_, "kubelet"};
};

TEST_F(EventBurstTest, AFullNodeInOneTurnLosesNoEvent) {
  for (int i = 0; i < 250; ++i) {
    const ObjectPtr pod =
        *api_.Create(kPod, "d", {{"metadata", {{"name", "web-" + std::to_string(i)}}}});
    for (const char* reason : {"Scheduled", "Pulling", "Pulled", "Created", "Started", "Unhealthy"})
      recorder_.Record(*pod, "Normal", reason, "as it goes");
  }
  executor_.RunFor(std::chrono::seconds(1));
  EXPECT_EQ(api_.List(kEvent, {})->items.size(), 1500u);
}

TEST_F(EventBurstTest, AnEventBelongsToTheTraceOfItsObject) {
  Json json = {{"metadata", {{"name", "web"}}}};
  const ObjectPtr plain = *api_.Create(kPod, "d", json);
  recorder_.Record(*plain, "Normal", "Scaled", "up");
  json = plain->json();
  json["metadata"]["annotations"] = {{"enclave.dev/trace-id", std::string(32, 'a')}};
  const ObjectPtr traced = *api_.Update(kPod, json);
  recorder_.Record(*traced, "Normal", "Scaled", "up");
  recorder_.Record(*traced, "Normal", "Scaled", "up");
  executor_.RunFor(std::chrono::seconds(1));
  std::map<std::string, std::int64_t> counts;
  for (const ObjectPtr& event : api_.List(kEvent, {})->items) {
    const Json& annotations = At(event->json(), "metadata.annotations");
    counts[annotations.is_object() ? annotations.value("enclave.dev/trace-id", "") : ""] =
        IntAt(event->json(), "count");
  }
  EXPECT_EQ(counts, (std::map<std::string, std::int64_t>{{"", 1}, {std::string(32, 'a'), 2}}));
}

TEST_F(EventBurstTest, ATurnIsShared) {
  const ObjectPtr pod = *api_.Create(kPod, "d", {{"metadata", {{"name", "web"}}}});
  for (int i = 0; i < 100; ++i) recorder_.Record(*pod, "Normal", "A", std::to_string(i));
  std::size_t written = 0;
  while (executor_.RunOne()) {
    const std::size_t now = api_.List(kEvent, {})->items.size();
    EXPECT_LE(now - written, 20u) << "others have their turn between";
    written = now;
  }
  EXPECT_EQ(written, 100u);
}

TEST_F(EventBurstTest, ADroppedEventIsWrittenWithItsCountWhenItComesAgain) {
  const ObjectPtr pod = *api_.Create(kPod, "d", {{"metadata", {{"name", "web"}}}});
  for (int i = 0; i < 4096; ++i) recorder_.Record(*pod, "Normal", "A", std::to_string(i));
  recorder_.Record(*pod, "Normal", "Late", "late");
  executor_.RunFor(std::chrono::seconds(1));
  EXPECT_EQ(api_.List(kEvent, {})->items.size(), 4096u);
  recorder_.Record(*pod, "Normal", "Late", "late");
  executor_.RunFor(std::chrono::seconds(1));
  std::map<std::string, std::int64_t> counts;
  for (const ObjectPtr& event : api_.List(kEvent, {})->items)
    counts[StringAt(event->json(), "reason")] = IntAt(event->json(), "count");
  EXPECT_EQ(counts["Late"], 2);
}

}  // namespace
}  // namespace enclave::kube
