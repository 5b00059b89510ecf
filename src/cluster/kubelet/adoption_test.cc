// A kubelet that comes back: what runs is adopted, what belongs to nobody is ended.
#include <gmock/gmock.h>

#include <csignal>

#include "cluster/kubelet/kubelet_fixture.h"

namespace enclave::cluster {
namespace {

using kube::Json;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

class AdoptionTest : public KubeletFixture {};

TEST_F(AdoptionTest, ARunningContainerIsAdoptedAsItIs) {
  StartKubelet();
  const auto pod = CreatePod("web");
  Run(minutes(1));
  const Json before = Status("web");
  const std::int64_t pid = runtime.List().at(0).pid;
  StartKubelet();
  Run(seconds(5));
  EXPECT_EQ(Status("web"), before) << "not even a condition moved";
  EXPECT_EQ(runtime.List().at(0).pid, pid);
  EXPECT_EQ(runtime.started(), 1);
  EXPECT_THAT(runtime.signals(), IsEmpty());
  // And its end is still noticed.
  ASSERT_TRUE(runtime.Exit(IdOf(pod), 1));
  Run(milliseconds(200));
  EXPECT_EQ(Restarts("web"), 1);
}

TEST_F(AdoptionTest, AnEndDuringTheAbsenceIsARestart) {
  StartKubelet();
  const auto pod = CreatePod("web");
  Run(seconds(1));
  StopKubelet();
  ASSERT_TRUE(runtime.Exit(IdOf(pod), 5));
  Run(seconds(1));
  StartKubelet();
  Run(seconds(1));
  EXPECT_EQ(Restarts("web"), 1);
  EXPECT_EQ(kube::IntAt(ContainerStatus("web"), "lastState.terminated.exitCode"), 5);
  EXPECT_THAT(runtime.Running(), ElementsAre(IdOf(pod, 1)));
}

TEST_F(AdoptionTest, ARestartThatTheApiNeverHeardOfKeepsItsNumber) {
  StartKubelet();
  const auto pod = CreatePod("web");
  Run(seconds(1));
  // The API is deaf while the container restarts, then the kubelet dies.
  api.SetFault([](const kube::FakeApi::Call& call) -> std::optional<base::Error> {
    if (call.verb == "patch") return base::Error(base::ErrorKind::kUnavailable, "down");
    return std::nullopt;
  });
  ASSERT_TRUE(runtime.Exit(IdOf(pod), 2));
  Run(milliseconds(5));
  ASSERT_THAT(runtime.Running(), ElementsAre(IdOf(pod, 1)));
  api.SetFault({});
  StartKubelet();
  Run(seconds(1));
  EXPECT_EQ(Restarts("web"), 1);
  EXPECT_THAT(runtime.Running(), ElementsAre(IdOf(pod, 1)));
  EXPECT_EQ(runtime.started(), 2);
}

TEST_F(AdoptionTest, AfterARebootEverythingComesBack) {
  StartKubelet();
  const auto pod = CreatePod("web");
  const auto once = CreatePod("once", {{"restartPolicy", "Never"}});
  Run(seconds(1));
  const std::string address = kube::StringAt(Status("web"), "podIP");
  StopKubelet();
  runtime.Reboot();
  StartKubelet();
  Run(seconds(1));
  EXPECT_EQ(Phase("web"), "Running");
  EXPECT_EQ(Restarts("web"), 1);
  EXPECT_EQ(kube::StringAt(ContainerStatus("web"), "lastState.terminated.reason"),
            "ContainerStatusUnknown");
  EXPECT_EQ(kube::StringAt(Status("web"), "podIP"), address);
  EXPECT_THAT(runtime.Running(), ElementsAre(IdOf(pod, 1)));
  EXPECT_EQ(Phase("once"), "Failed");
}

TEST_F(AdoptionTest, InitContainersDoNotRunTwice) {
  StartKubelet();
  std::vector<std::string> started;
  runtime.SetBehaviour([&](const ContainerSpec& spec) {
    started.push_back(spec.id.container);
    SimulatedProgram program;
    if (spec.id.container == "i1") program.run_for = seconds(2);
    return program;
  });
  CreatePod("web", {{"initContainers", Json::array({Container("i1")})}});
  Run(seconds(1));
  StartKubelet();
  Run(seconds(3));
  StartKubelet();
  Run(seconds(3));
  EXPECT_THAT(started, ElementsAre("i1", "c1"));
  EXPECT_EQ(Phase("web"), "Running");
}

TEST_F(AdoptionTest, ContainersOfPodsThatAreGoneAreEnded) {
  StartKubelet();
  const auto pod = CreatePod("web");
  Run(seconds(1));
  StopKubelet();
  DeletePod("web", 0);
  StartKubelet();
  EXPECT_THAT(runtime.signals(), ElementsAre(std::pair(IdOf(pod), SIGTERM)));
  Run(seconds(2));
  EXPECT_THAT(runtime.List(), IsEmpty());
  EXPECT_THAT(volumes.Pods(), IsEmpty());
}

TEST_F(AdoptionTest, ADeletionGoesOnWhereItWas) {
  runtime.SetBehaviour([](const ContainerSpec&) {
    SimulatedProgram program;
    program.ignores_sigterm = true;
    return program;
  });
  StartKubelet();
  CreatePod("web");
  Run(seconds(1));
  DeletePod("web", 20);
  Run(seconds(8));
  StartKubelet();
  Run(seconds(10));
  EXPECT_NE(FindPod("web"), nullptr);
  Run(seconds(3));
  EXPECT_EQ(FindPod("web"), nullptr) << "20 s after the deletion, not after the restart";
}

TEST_F(AdoptionTest, TerminalPodsStayAsTheyAre) {
  runtime.SetBehaviour([](const ContainerSpec&) {
    SimulatedProgram program;
    program.run_for = seconds(1);
    program.exit_code = 4;
    return program;
  });
  StartKubelet();
  CreatePod("once", {{"restartPolicy", "Never"}});
  Run(seconds(3));
  const Json before = Status("once");
  ASSERT_EQ(Phase("once"), "Failed");
  StartKubelet();
  Run(minutes(1));
  EXPECT_EQ(Status("once"), before);
  EXPECT_EQ(runtime.started(), 1);
}

TEST_F(AdoptionTest, TheCrashLoopIsGoneOnAfterARestart) {
  runtime.SetBehaviour([](const ContainerSpec&) {
    SimulatedProgram program;
    program.run_for = seconds(1);
    program.exit_code = 1;
    return program;
  });
  StartKubelet();
  CreatePod("web");
  Run(seconds(4));
  ASSERT_EQ(WaitingReason("web"), "CrashLoopBackOff");
  ASSERT_EQ(Restarts("web"), 1);
  StartKubelet();
  Run(milliseconds(200));
  EXPECT_EQ(Restarts("web"), 2) << "a new kubelet knows no back-off, as in Kubernetes";
  EXPECT_EQ(kube::IntAt(ContainerStatus("web"), "lastState.terminated.exitCode"), 1);
}

TEST_F(AdoptionTest, AddressesOfOthersAreNotGivenAgain) {
  StartKubelet();
  for (int i = 0; i < 5; ++i) CreatePod("old-" + std::to_string(i));
  Run(seconds(1));
  StopKubelet();
  CreatePod("a-new");  // sorts before the others
  StartKubelet();
  Run(seconds(1));
  std::set<std::string> addresses;
  for (const char* name : {"a-new", "old-0", "old-1", "old-2", "old-3", "old-4"})
    addresses.insert(kube::StringAt(Status(name), "podIP"));
  EXPECT_EQ(addresses.size(), 6u);
}

}  // namespace
}  // namespace enclave::cluster
