// How pods end: deletion, grace, hooks, deadlines.
#include <gmock/gmock.h>

#include <csignal>

#include "cluster/kubelet/kubelet_fixture.h"

namespace enclave::cluster {
namespace {

using kube::Json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

class PodTerminationTest : public KubeletFixture {};

TEST_F(PodTerminationTest, DeletionSendsTermThenKillThenTellsTheApi) {
  StartKubelet();
  runtime.SetBehaviour([&](const ContainerSpec&) {
    SimulatedProgram program;
    program.ignores_sigterm = true;
    return program;
  });
  const auto pod = CreatePod("web", {{"terminationGracePeriodSeconds", 5}});
  Run(milliseconds(10));
  DeletePod("web", 5);
  Run(milliseconds(4900));
  EXPECT_THAT(runtime.signals(), ElementsAre(std::pair(IdOf(pod), SIGTERM)));
  ASSERT_NE(FindPod("web"), nullptr);
  EXPECT_THAT(Events("Killing"), ElementsAre("Stopping container c1"));
  Run(milliseconds(200));
  EXPECT_THAT(runtime.signals(),
              ElementsAre(std::pair(IdOf(pod), SIGTERM), std::pair(IdOf(pod), SIGKILL)));
  EXPECT_EQ(FindPod("web"), nullptr);
  EXPECT_TRUE(runtime.List().empty());
  EXPECT_TRUE(volumes.Pods().empty());
  EXPECT_EQ(node->addresses.used(), 0u);
  EXPECT_EQ(node->kubelet.pod_count(), 0u);
}

TEST_F(PodTerminationTest, AWellBehavedProgramIsGoneAtOnce) {
  StartKubelet();
  CreatePod("web");
  Run(milliseconds(10));
  DeletePod("web", 30);
  Run(milliseconds(10));
  EXPECT_EQ(FindPod("web"), nullptr);
}

TEST_F(PodTerminationTest, ASecondDeletionShortensTheGrace) {
  StartKubelet();
  runtime.SetBehaviour([&](const ContainerSpec&) {
    SimulatedProgram program;
    program.ignores_sigterm = true;
    return program;
  });
  CreatePod("web");
  Run(milliseconds(10));
  DeletePod("web", 300);
  Run(seconds(1));
  DeletePod("web", 2);
  Run(milliseconds(2100));
  EXPECT_EQ(FindPod("web"), nullptr);
}

TEST_F(PodTerminationTest, AForcedDeletionKillsAtOnce) {
  StartKubelet();
  const auto pod = CreatePod("web");
  Run(milliseconds(10));
  DeletePod("web", 0);
  Run(milliseconds(10));
  EXPECT_THAT(runtime.signals(), ElementsAre(std::pair(IdOf(pod), SIGKILL)));
  EXPECT_TRUE(runtime.List().empty());
  EXPECT_EQ(node->kubelet.pod_count(), 0u);
}

TEST_F(PodTerminationTest, TheNextPodOfTheSameNameIsAnother) {
  StartKubelet();
  CreatePod("web");
  Run(milliseconds(10));
  DeletePod("web", 0);
  const auto next = CreatePod("web");
  Run(milliseconds(10));
  EXPECT_EQ(Phase("web"), "Running");
  EXPECT_THAT(runtime.Running(), ElementsAre(IdOf(next)));
  EXPECT_EQ(kube::StringAt(Status("web"), "podIP"), "127.7.0.2") << "an address rests after use";
}

TEST_F(PodTerminationTest, AnAddressIsFreeOnlyWhenTheApiHasLetThePodGo) {
  StartKubelet();
  CreatePod("web");
  Run(milliseconds(10));
  DeletePod("web", 30);
  api.SetFault([](const kube::FakeApi::Call& call) -> std::optional<base::Error> {
    if (call.verb != "delete") return std::nullopt;
    return base::Error(base::ErrorKind::kUnavailable, "starting");
  });
  Run(seconds(1));
  ASSERT_NE(FindPod("web"), nullptr);
  EXPECT_TRUE(volumes.Pods().empty());
  EXPECT_EQ(node->addresses.used(), 1u);
  api.SetFault({});
  Run(seconds(1));
  EXPECT_EQ(FindPod("web"), nullptr);
  EXPECT_EQ(node->addresses.used(), 0u);
}

TEST_F(PodTerminationTest, PreStopCountsAgainstTheGrace) {
  StartKubelet();
  runtime.SetBehaviour([&](const ContainerSpec&) {
    SimulatedProgram program;
    program.ignores_sigterm = true;
    return program;
  });
  std::vector<std::string> command;
  runtime.SetExecutable(
      [&](const ContainerId&, const std::vector<std::string>& argv) {
        command = argv;
        return base::Result<ExecOutput>(ExecOutput{});
      },
      seconds(3));
  const Json hook = {{"preStop", {{"exec", {{"command", Json::array({"drain", "now"})}}}}}};
  const auto pod = CreatePod("web", OneContainer({{"lifecycle", hook}}));
  Run(milliseconds(10));
  DeletePod("web", 5);
  Run(milliseconds(2900));
  EXPECT_THAT(command, ElementsAre("drain", "now"));
  EXPECT_TRUE(runtime.signals().empty()) << "the hook runs first";
  Run(milliseconds(200));
  EXPECT_THAT(runtime.signals(), ElementsAre(std::pair(IdOf(pod), SIGTERM)));
  Run(milliseconds(2000));
  EXPECT_EQ(FindPod("web"), nullptr) << "killed 5 s after the deletion";
}

TEST_F(PodTerminationTest, AShorterGraceCutsThePreStopHookShort) {
  StartKubelet();
  runtime.SetBehaviour([&](const ContainerSpec&) {
    SimulatedProgram program;
    program.ignores_sigterm = true;
    return program;
  });
  runtime.SetExecutable(
      [](const ContainerId&, const std::vector<std::string>&) {
        return base::Result<ExecOutput>(ExecOutput{});
      },
      seconds(200));
  const Json hook = {{"preStop", {{"exec", {{"command", Json::array({"drain"})}}}}}};
  const auto pod = CreatePod("web", OneContainer({{"lifecycle", hook}}));
  Run(milliseconds(10));
  DeletePod("web", 300);
  Run(seconds(1));
  DeletePod("web", 2);
  Run(milliseconds(1900));
  EXPECT_TRUE(runtime.signals().empty()) << "the hook has the shorter grace";
  Run(milliseconds(200));
  EXPECT_THAT(runtime.signals(), ElementsAre(std::pair(IdOf(pod), SIGTERM)));
  EXPECT_THAT(Events("FailedPreStopHook"), ElementsAre(HasSubstr("did not end in time")));
  // Whoever looks at the pod now does not take the rest from the program.
  ASSERT_TRUE(api.Patch(kube::kPod, "default", "web", kube::PatchType::kMerge,
                        {{"metadata", {{"annotations", {{"a", "b"}}}}}}));
  Run(milliseconds(1800));
  EXPECT_THAT(runtime.signals(), ElementsAre(std::pair(IdOf(pod), SIGTERM)));
  Run(milliseconds(200));
  EXPECT_EQ(FindPod("web"), nullptr) << "killed 2 s after SIGTERM, as after any hook";
}

TEST_F(PodTerminationTest, LastWordsComeFromTheMessageOrTheLog) {
  StartKubelet();
  runtime.SetBehaviour([&](const ContainerSpec& spec) {
    EXPECT_EQ(spec.mounts.at(0).target, "/dev/termination-log");
    EXPECT_TRUE(spec.mounts.at(0).optional);
    volumes.WriteLog(spec.id.pod_uid, "c1", 0, "said to the log");
    if (spec.pod_name == "tells")
      volumes.WriteTerminationMessage(spec.id.pod_uid, "c1", 0, "said at the end");
    SimulatedProgram program;
    program.run_for = seconds(1);
    program.exit_code = spec.pod_name == "well" ? 0 : 1;
    return program;
  });
  const auto create = [&](const char* name, const char* policy) {
    Json spec = OneContainer(
        {{"terminationMessagePath", "/dev/termination-log"}, {"terminationMessagePolicy", policy}});
    spec["restartPolicy"] = "Never";
    CreatePod(name, spec);
  };
  create("tells", "FallbackToLogsOnError");
  create("silent", "FallbackToLogsOnError");
  create("file", "File");
  create("well", "FallbackToLogsOnError");
  Run(seconds(2));
  const auto message = [&](const char* pod) {
    return kube::StringAt(ContainerStatus(pod), "state.terminated.message");
  };
  EXPECT_EQ(message("tells"), "said at the end");
  EXPECT_EQ(message("silent"), "said to the log");
  EXPECT_EQ(message("file"), "");
  EXPECT_EQ(message("well"), "");
}

TEST_F(PodTerminationTest, APostStartHookHoldsBackReadinessAndItsFailureKills) {
  StartKubelet();
  int code = 0;
  runtime.SetExecutable(
      [&](const ContainerId&, const std::vector<std::string>&) {
        return base::Result<ExecOutput>(ExecOutput{code, "no luck"});
      },
      seconds(2));
  const Json hook = {{"postStart", {{"exec", {{"command", Json::array({"warm"})}}}}}};
  CreatePod("good", OneContainer({{"lifecycle", hook}}));
  Run(seconds(1));
  EXPECT_FALSE(Ready("good"));
  Run(seconds(2));
  EXPECT_TRUE(Ready("good"));
  code = 1;
  CreatePod("bad", OneContainer({{"lifecycle", hook}}));
  Run(seconds(5));
  EXPECT_THAT(Events("FailedPostStartHook"), Contains(HasSubstr("no luck")));
  EXPECT_GE(Restarts("bad"), 1);
}

TEST_F(PodTerminationTest, TheActiveDeadlineFailsThePod) {
  StartKubelet();
  CreatePod("web", {{"activeDeadlineSeconds", 20}});
  Run(seconds(19));
  EXPECT_EQ(Phase("web"), "Running");
  Run(seconds(2));
  EXPECT_EQ(Phase("web"), "Failed");
  EXPECT_EQ(kube::StringAt(Status("web"), "reason"), "DeadlineExceeded");
  EXPECT_TRUE(runtime.Running().empty());
  DeletePod("web", 30);
  Run(milliseconds(10));
  EXPECT_EQ(FindPod("web"), nullptr);
}

}  // namespace
}  // namespace enclave::cluster
