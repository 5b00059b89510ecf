// A pod's life: start, restarts, images, status. Its end: pod_termination_test.cc.
#include "cluster/kubelet/pod_worker.h"

#include <gmock/gmock.h>

#include <csignal>

#include "cluster/kubelet/kubelet_fixture.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using kube::Json;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class PodWorkerTest : public KubeletFixture {};

SimulatedProgram ExitsAfter(base::Duration span, int code) {
  SimulatedProgram program;
  program.run_for = span;
  program.exit_code = code;
  return program;
}

TEST_F(PodWorkerTest, APlainPodRunsAndIsReady) {
  StartKubelet();
  const auto pod = CreatePod("web");
  Run(milliseconds(10));
  EXPECT_EQ(Phase("web"), "Running");
  EXPECT_TRUE(Ready("web"));
  const Json status = Status("web");
  EXPECT_EQ(kube::StringAt(status, "podIP"), "127.7.0.1");
  EXPECT_EQ(kube::StringAt(status, "hostIP"), "127.0.0.1");
  EXPECT_EQ(kube::StringAt(status, "qosClass"), "BestEffort");
  EXPECT_FALSE(kube::StringAt(status, "startTime").empty());
  const Json container = ContainerStatus("web");
  EXPECT_EQ(kube::BoolAt(container, "ready"), true);
  EXPECT_EQ(kube::BoolAt(container, "started"), true);
  EXPECT_EQ(kube::IntAt(container, "restartCount", -1), 0);
  EXPECT_EQ(kube::StringAt(container, "containerID"), "enclave://" + pod->uid() + "/c1/0");
  EXPECT_EQ(kube::StringAt(container, "image"), "web");
  EXPECT_FALSE(kube::StringAt(container, "state.running.startedAt").empty());
  for (const char* type :
       {"PodScheduled", "Initialized", "ContainersReady", "Ready", "PodReadyToStartContainers"})
    EXPECT_EQ(kube::StringAt(Condition("web", type), "status"), "True") << type;
  EXPECT_THAT(Events("Started"), ElementsAre("Started container c1"));
  EXPECT_THAT(Events("Created"), ElementsAre("Created container: c1"));
  EXPECT_THAT(Events("Pulled"), ElementsAre("Container image \"web\" already present on machine"));
}

TEST_F(PodWorkerTest, AStatusThatIsStoredIsNotWrittenAgain) {
  StartKubelet();
  CreatePod("web");
  CreatePod("waits", OneContainer({{"image", "nope:1"}}));
  Run(seconds(5));
  ASSERT_EQ(WaitingReason("waits"), "ImagePullBackOff");
  // The API drops nulls, so a status with one would never equal the stored one.
  for (const char* pod : {"web", "waits"})
    EXPECT_THAT(Status(pod).dump(), Not(HasSubstr("null"))) << pod;
  api.ClearCalls();
  for (const char* pod : {"web", "waits"}) {
    for (const char* value : {"1", "2"}) {
      ASSERT_TRUE(api.Patch(kube::kPod, "default", pod, kube::PatchType::kMerge,
                            {{"metadata", {{"annotations", {{"look", value}}}}}}));
      Run(milliseconds(200));
    }
  }
  int patches = 0;
  for (const auto& call : api.calls())
    if (!call.done && call.verb == "patch" && call.resource == "pods") ++patches;
  EXPECT_EQ(patches, 4) << "the test's own";
}

TEST_F(PodWorkerTest, TheAddressIsInTheApiBeforeTheProgramRuns) {
  StartKubelet();
  std::string seen = "never started";
  runtime.SetBehaviour([&](const ContainerSpec& spec) {
    seen = kube::StringAt(Status(spec.pod_name), "podIP");
    EXPECT_EQ(spec.pod_ip, seen);
    return SimulatedProgram{};
  });
  CreatePod("web");
  Run(milliseconds(10));
  EXPECT_EQ(seen, "127.7.0.1");
}

TEST_F(PodWorkerTest, CrashLoopWaitsTenSecondsDoublingToFiveMinutes) {
  StartKubelet();
  std::vector<base::MonoTime> starts;
  runtime.SetBehaviour([&](const ContainerSpec&) {
    starts.push_back(executor.Now());
    return ExitsAfter(seconds(1), 3);
  });
  CreatePod("web");
  Run(minutes(40));
  ASSERT_GE(starts.size(), 9u);
  // From the end of one run (a second after its start) to the next start.
  std::vector<std::int64_t> waits;
  for (std::size_t i = 1; i < 9; ++i) {
    waits.push_back(
        std::chrono::duration_cast<seconds>(starts[i] - starts[i - 1] - seconds(1)).count());
  }
  EXPECT_THAT(waits, ElementsAre(0, 10, 20, 40, 80, 160, 300, 300));
}

TEST_F(PodWorkerTest, CrashLoopIsToldAsKubernetesDoes) {
  StartKubelet();
  runtime.SetBehaviour([&](const ContainerSpec&) { return ExitsAfter(seconds(1), 3); });
  const auto pod = CreatePod("web");
  Run(milliseconds(2500));
  EXPECT_EQ(WaitingReason("web"), "CrashLoopBackOff");
  const Json status = ContainerStatus("web");
  EXPECT_EQ(kube::StringAt(status, "state.waiting.message"),
            "back-off 10s restarting failed container=c1 pod=web_default(" + pod->uid() + ")");
  EXPECT_EQ(kube::IntAt(status, "lastState.terminated.exitCode"), 3);
  EXPECT_EQ(kube::StringAt(status, "lastState.terminated.reason"), "Error");
  EXPECT_EQ(kube::IntAt(status, "restartCount"), 1);
  EXPECT_EQ(Phase("web"), "Running");
  EXPECT_FALSE(Ready("web"));
  EXPECT_THAT(Events("BackOff"),
              ElementsAre("Back-off restarting failed container c1 in pod web_default(" +
                          pod->uid() + ")"));
  Run(seconds(10));
  EXPECT_EQ(Restarts("web"), 2);
}

TEST_F(PodWorkerTest, BackOffIsToldAgainWhileItLasts) {
  StartKubelet();
  runtime.SetBehaviour([&](const ContainerSpec&) { return ExitsAfter(seconds(1), 3); });
  CreatePod("crashes");
  CreatePod("pulls", OneContainer({{"image", "nope:1"}}));
  const auto count = [&](const std::string& message) {
    std::int64_t total = 0;
    for (const kube::ObjectPtr& event : api.List(kube::kEvent, {})->items)
      if (kube::StringAt(event->json(), "message").starts_with(message))
        total += kube::IntAt(event->json(), "count");
    return total;
  };
  // At 2 s (to 12 s), 13 s (to 33 s) and 34 s (to 74 s) the container begins to wait.
  Run(milliseconds(59'500));
  EXPECT_THAT(Events("BackOff"), testing::SizeIs(2)) << "one series for each";
  const std::int64_t crashes = count("Back-off restarting failed container");
  EXPECT_GE(crashes, 6);
  EXPECT_LE(crashes, 8);
  const std::int64_t pulls = count("Back-off pulling image");
  EXPECT_GE(pulls, 4);
  EXPECT_EQ(count("Error: ImagePullBackOff"), pulls);
  DeletePod("crashes", 0);
  DeletePod("pulls", 0);
  Run(seconds(1));
  api.ClearCalls();
  Run(minutes(2));
  for (const auto& call : api.calls()) EXPECT_NE(call.resource, "events") << call.name;
}

TEST_F(PodWorkerTest, VolumesThatAreNotAtTheirPathsAreToldOnce) {
  StartKubelet();
  runtime.SetBehaviour([&](const ContainerSpec&) {
    SimulatedProgram program = ExitsAfter(seconds(1), 3);
    program.mounts_refused = "user namespaces are refused: Operation not permitted";
    return program;
  });
  Json spec =
      OneContainer({{"volumeMounts", Json::array({{{"name", "v"}, {"mountPath", "/etc/v"}}})}});
  spec["volumes"] = Json::array({{{"name", "v"}, {"emptyDir", Json::object()}}});
  const auto pod = CreatePod("web", spec);
  Run(seconds(30));
  EXPECT_GE(Restarts("web"), 2);
  EXPECT_THAT(
      Events("FailedMount"),
      ElementsAre(testing::AllOf(HasSubstr("user namespaces are refused: Operation not permitted"),
                                 HasSubstr("/etc/v is at /volumes/" + pod->uid() + "/v"))));
}

TEST_F(PodWorkerTest, TenMinutesOfRunningForgetTheCrashes) {
  StartKubelet();
  int runs = 0;
  std::vector<base::MonoTime> starts;
  runtime.SetBehaviour([&](const ContainerSpec&) {
    starts.push_back(executor.Now());
    return ExitsAfter(++runs == 4 ? base::Duration(minutes(11)) : seconds(1), 1);
  });
  CreatePod("web");
  Run(minutes(14));
  ASSERT_GE(starts.size(), 6u);
  EXPECT_EQ(starts[4] - starts[3], minutes(11)) << "at once after a long run";
  EXPECT_EQ(starts[5] - starts[4], seconds(11)) << "and from the first delay again";
}

TEST_F(PodWorkerTest, RestartPolicyNeverEndsThePod) {
  StartKubelet();
  runtime.SetBehaviour([&](const ContainerSpec& spec) {
    return ExitsAfter(seconds(1), spec.pod_name == "good" ? 0 : 7);
  });
  CreatePod("good", {{"restartPolicy", "Never"}});
  const auto bad = CreatePod("bad", {{"restartPolicy", "Never"}});
  Run(seconds(30));
  EXPECT_EQ(Phase("good"), "Succeeded");
  EXPECT_EQ(Phase("bad"), "Failed");
  EXPECT_EQ(kube::StringAt(ContainerStatus("good"), "state.terminated.reason"), "Completed");
  EXPECT_EQ(kube::IntAt(ContainerStatus("bad"), "state.terminated.exitCode"), 7);
  EXPECT_EQ(Restarts("bad"), 0);
  EXPECT_EQ(kube::StringAt(Condition("good", "Ready"), "reason"), "PodCompleted");
  EXPECT_EQ(kube::StringAt(Condition("bad", "Ready"), "reason"), "PodFailed");
  EXPECT_THAT(volumes.Pods(), Contains(bad->uid())) << "logs stay until it is deleted";
  EXPECT_EQ(node->addresses.used(), 0u);
}

TEST_F(PodWorkerTest, RestartPolicyOnFailureRestartsFailuresOnly) {
  StartKubelet();
  int runs = 0;
  runtime.SetBehaviour(
      [&](const ContainerSpec&) { return ExitsAfter(seconds(1), ++runs == 1 ? 1 : 0); });
  CreatePod("job", {{"restartPolicy", "OnFailure"}});
  Run(seconds(30));
  EXPECT_EQ(Phase("job"), "Succeeded");
  EXPECT_EQ(Restarts("job"), 1);
  EXPECT_EQ(kube::IntAt(ContainerStatus("job"), "lastState.terminated.exitCode"), 1);
}

TEST_F(PodWorkerTest, OomIsToldFromOtherKills) {
  StartKubelet();
  const auto a = CreatePod("a");
  const auto b = CreatePod("b");
  Run(milliseconds(10));
  ASSERT_TRUE(runtime.Kill(IdOf(a), SIGKILL, true));
  ASSERT_TRUE(runtime.Kill(IdOf(b), SIGKILL));
  Run(milliseconds(200));
  const Json killed = ContainerStatus("a");
  EXPECT_EQ(kube::StringAt(killed, "lastState.terminated.reason"), "OOMKilled");
  EXPECT_EQ(kube::IntAt(killed, "lastState.terminated.exitCode"), 137);
  EXPECT_EQ(kube::StringAt(ContainerStatus("b"), "lastState.terminated.reason"), "Error");
  EXPECT_EQ(kube::IntAt(ContainerStatus("b"), "lastState.terminated.exitCode"), 137);
  EXPECT_EQ(kube::IntAt(ContainerStatus("b"), "lastState.terminated.signal"), 9);
}

TEST_F(PodWorkerTest, AnUnknownImageBacksOffAndIsFoundLater) {
  StartKubelet();
  CreatePod("web", OneContainer({{"image", "nope:1"}}));
  Run(milliseconds(10));
  EXPECT_EQ(WaitingReason("web"), "ErrImagePull");
  EXPECT_EQ(Phase("web"), "Pending");
  EXPECT_THAT(Events("Pulling"), ElementsAre("Pulling image \"nope:1\""));
  EXPECT_THAT(Events("Failed"), Contains("Error: ErrImagePull"));
  EXPECT_THAT(Events("Failed"), Contains(HasSubstr("Failed to pull image \"nope:1\": ")));
  Run(seconds(2));
  EXPECT_EQ(WaitingReason("web"), "ImagePullBackOff");
  EXPECT_THAT(kube::StringAt(ContainerStatus("web"), "state.waiting.message"),
              HasSubstr("Back-off pulling image \"nope:1\""));
  EXPECT_THAT(Events("BackOff"), ElementsAre("Back-off pulling image \"nope:1\""));
  EXPECT_THAT(Events("Failed"), Contains("Error: ImagePullBackOff"));
  images.Add("nope:1");
  Run(seconds(10));
  EXPECT_EQ(Phase("web"), "Running");
  EXPECT_EQ(Restarts("web"), 0);
}

TEST_F(PodWorkerTest, AnotherImageIsTriedAtOnce) {
  StartKubelet();
  CreatePod("web", OneContainer({{"image", "nope"}}));
  Run(seconds(25));
  EXPECT_EQ(WaitingReason("web"), "ImagePullBackOff");
  ASSERT_TRUE(api.Patch(kube::kPod, "default", "web", kube::PatchType::kMerge,
                        {{"spec", OneContainer(Json::object())}}));
  Run(milliseconds(10));
  EXPECT_EQ(Phase("web"), "Running");
}

TEST_F(PodWorkerTest, AChangedImageRestartsTheContainer) {
  images.Add("web:2");
  StartKubelet();
  const auto pod = CreatePod("web");
  Run(milliseconds(10));
  ASSERT_TRUE(api.Patch(kube::kPod, "default", "web", kube::PatchType::kMerge,
                        {{"spec", OneContainer({{"image", "web:2"}})}}));
  Run(milliseconds(200));
  EXPECT_THAT(Events("Killing"), ElementsAre("Container c1 definition changed, will be restarted"));
  EXPECT_EQ(kube::StringAt(ContainerStatus("web"), "image"), "web:2");
  EXPECT_EQ(Restarts("web"), 1);
  EXPECT_TRUE(Running(IdOf(pod, 1)));
}

TEST_F(PodWorkerTest, AMalformedImageName) {
  StartKubelet();
  CreatePod("web", OneContainer({{"image", "UPPER CASE"}}));
  Run(milliseconds(10));
  EXPECT_EQ(WaitingReason("web"), "InvalidImageName");
}

TEST_F(PodWorkerTest, AProgramThatCannotBeRunCountsAsARun) {
  StartKubelet();
  runtime.SetBehaviour([&](const ContainerSpec&) {
    SimulatedProgram program;
    program.start_error = base::Error(ErrorKind::kNotFound, "/bin/nope: no such file");
    return program;
  });
  CreatePod("web");
  Run(milliseconds(10));
  EXPECT_EQ(WaitingReason("web"), "RunContainerError");
  EXPECT_EQ(kube::StringAt(ContainerStatus("web"), "lastState.terminated.reason"), "StartError");
  EXPECT_EQ(kube::IntAt(ContainerStatus("web"), "lastState.terminated.exitCode"), 128);
  Run(seconds(5));
  EXPECT_EQ(WaitingReason("web"), "CrashLoopBackOff");
  CreatePod("once", {{"restartPolicy", "Never"}});
  Run(seconds(2));
  EXPECT_EQ(Phase("once"), "Failed");
}

TEST_F(PodWorkerTest, AFailingRuntimeIsTriedAgain) {
  StartKubelet();
  bool broken = true;
  runtime.SetBehaviour([&](const ContainerSpec&) {
    SimulatedProgram program;
    if (broken) program.start_error = base::Error(ErrorKind::kUnavailable, "no processes left");
    return program;
  });
  CreatePod("web");
  Run(milliseconds(10));
  EXPECT_EQ(WaitingReason("web"), "CreateContainerError");
  broken = false;
  Run(seconds(2));
  EXPECT_EQ(Phase("web"), "Running");
  EXPECT_EQ(Restarts("web"), 0);
}

TEST_F(PodWorkerTest, AMissingConfigMapKeyIsWaitedFor) {
  StartKubelet();
  const Json from = {{"configMapKeyRef", {{"name", "cfg"}, {"key", "k"}}}};
  CreatePod("web", OneContainer({{"env", Json::array({{{"name", "K"}, {"valueFrom", from}}})}}));
  Run(milliseconds(10));
  EXPECT_EQ(WaitingReason("web"), "CreateContainerConfigError");
  EXPECT_EQ(kube::StringAt(ContainerStatus("web"), "state.waiting.message"),
            "configmap \"cfg\" not found");
  EXPECT_THAT(Events("Failed"), ElementsAre("Error: configmap \"cfg\" not found"));
  PutConfigMap("cfg", {{"other", "x"}});
  Run(milliseconds(200));
  EXPECT_EQ(kube::StringAt(ContainerStatus("web"), "state.waiting.message"),
            "couldn't find key k in ConfigMap default/cfg");
  Run(minutes(2));
  PutConfigMap("cfg", {{"k", "v"}});
  Run(milliseconds(10));
  EXPECT_EQ(Phase("web"), "Running") << "at once, not after a back-off";
}

TEST_F(PodWorkerTest, InitContainersRunInOrder) {
  StartKubelet();
  std::vector<std::string> started;
  runtime.SetBehaviour([&](const ContainerSpec& spec) {
    started.push_back(spec.id.container);
    return spec.id.container == "c1" ? SimulatedProgram{} : ExitsAfter(seconds(1), 0);
  });
  CreatePod("web", {{"initContainers", Json::array({Container("i1"), Container("i2")})}});
  Run(milliseconds(500));
  EXPECT_EQ(Phase("web"), "Pending");
  EXPECT_EQ(WaitingReason("web"), "PodInitializing");
  EXPECT_EQ(kube::StringAt(Condition("web", "Initialized"), "message"),
            "containers with incomplete status: [i1 i2]");
  Run(seconds(3));
  EXPECT_THAT(started, ElementsAre("i1", "i2", "c1"));
  EXPECT_EQ(Phase("web"), "Running");
  EXPECT_TRUE(kube::BoolAt(ContainerStatus("web", "i2"), "ready"));
  EXPECT_EQ(kube::StringAt(ContainerStatus("web", "i1"), "state.terminated.reason"), "Completed");
}

TEST_F(PodWorkerTest, AFailingInitContainer) {
  StartKubelet();
  runtime.SetBehaviour([&](const ContainerSpec& spec) {
    return spec.id.container == "c1" ? SimulatedProgram{} : ExitsAfter(milliseconds(100), 1);
  });
  const Json init = {{"initContainers", Json::array({Container("i1")})}};
  CreatePod("again", init);
  Json never = init;
  never["restartPolicy"] = "Never";
  CreatePod("never", never);
  Run(seconds(5));
  EXPECT_EQ(Phase("again"), "Pending");
  EXPECT_EQ(WaitingReason("again", "i1"), "CrashLoopBackOff");
  EXPECT_EQ(Phase("never"), "Failed");
  EXPECT_EQ(Restarts("never"), 0);
}

TEST_F(PodWorkerTest, ASidecarStartsFirstAndEndsLast) {
  StartKubelet();
  std::vector<std::string> started;
  runtime.SetBehaviour([&](const ContainerSpec& spec) {
    started.push_back(spec.id.container);
    return spec.id.container == "s" ? SimulatedProgram{} : ExitsAfter(seconds(2), 0);
  });
  const auto pod = CreatePod(
      "job", {{"restartPolicy", "Never"},
              {"initContainers", Json::array({Container("s", {{"restartPolicy", "Always"}})})}});
  Run(seconds(1));
  EXPECT_THAT(started, ElementsAre("s", "c1"));
  EXPECT_TRUE(Ready("job"));
  Run(seconds(2));
  EXPECT_EQ(Phase("job"), "Succeeded");
  EXPECT_TRUE(runtime.Running().empty());
}

TEST_F(PodWorkerTest, APodWithoutRoomIsRejected) {
  options.capacity.cpu_millis = 1000;
  StartKubelet();
  const Json big = {{"resources", {{"requests", {{"cpu", "600m"}}}}}};
  CreatePod("a", OneContainer(big));
  Run(milliseconds(10));
  CreatePod("b", OneContainer(big));
  Run(milliseconds(10));
  EXPECT_EQ(Phase("a"), "Running");
  EXPECT_EQ(Phase("b"), "Failed");
  EXPECT_EQ(kube::StringAt(Status("b"), "reason"), "OutOfcpu");
  EXPECT_THAT(kube::StringAt(Status("b"), "message"), HasSubstr("requested: 600, used: 600"));
}

TEST_F(PodWorkerTest, StatusIsWrittenOnlyWhenItChanges) {
  StartKubelet();
  CreatePod("web");
  Run(seconds(1));
  api.ClearCalls();
  ASSERT_TRUE(api.Patch(kube::kPod, "default", "web", kube::PatchType::kMerge,
                        {{"metadata", {{"labels", {{"a", "b"}}}}}}));
  Run(seconds(5));
  int status_writes = 0;
  for (const auto& call : api.calls())
    if (call.verb == "patch" && call.resource == "pods" && !call.done) ++status_writes;
  EXPECT_EQ(status_writes, 1) << "only the test's own";
}

TEST_F(PodWorkerTest, FailedWritesAreRepeatedUntilTheApiAnswers) {
  StartKubelet();
  bool down = false;
  api.SetFault([&](const kube::FakeApi::Call& call) -> std::optional<base::Error> {
    if (down && call.verb != "watch" && call.verb != "list")
      return base::Error(ErrorKind::kUnavailable, "down");
    return std::nullopt;
  });
  CreatePod("web");
  down = true;
  Run(seconds(3));
  EXPECT_TRUE(runtime.Running().empty()) << "no program before its address is known";
  down = false;
  Run(seconds(10));
  EXPECT_EQ(Phase("web"), "Running");
  DeletePod("web", 1);
  down = true;
  Run(seconds(5));
  down = false;
  Run(seconds(30));
  EXPECT_EQ(FindPod("web"), nullptr);
}

TEST_F(PodWorkerTest, ReadinessGatesOfOthersAreKept) {
  StartKubelet();
  CreatePod("web", {{"readinessGates", Json::array({{{"conditionType", "example.com/up"}}})}});
  Run(milliseconds(10));
  EXPECT_FALSE(Ready("web"));
  EXPECT_EQ(kube::StringAt(Condition("web", "Ready"), "reason"), "ReadinessGatesNotReady");
  Json conditions = kube::At(Status("web"), "conditions");
  conditions.push_back({{"type", "example.com/up"}, {"status", "True"}});
  ASSERT_TRUE(api.Patch(kube::kPod, "default", "web", kube::PatchType::kMerge,
                        {{"status", {{"conditions", conditions}}}}, "status"));
  Run(milliseconds(10));
  EXPECT_TRUE(Ready("web"));
  EXPECT_FALSE(Condition("web", "example.com/up").is_null());
}

}  // namespace
}  // namespace enclave::cluster
