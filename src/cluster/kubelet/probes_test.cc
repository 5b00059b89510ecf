// Startup, liveness and readiness probes of running pods.
#include <gmock/gmock.h>

#include <csignal>

#include "cluster/kubelet/container_probes.h"
#include "cluster/kubelet/kubelet_fixture.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using kube::Json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ProbesTest : public KubeletFixture {
 protected:
  ProbesTest() {
    prober.SetBehaviour([this](const ContainerId&, const Probe& probe) -> base::Result<> {
      seen.push_back(probe);
      const bool ok = probe.path == "/live" ? live : probe.path == "/start" ? startup : ready;
      if (ok) return {};
      return base::Fail(ErrorKind::kUnavailable, "HTTP probe failed with statuscode: 503");
    });
  }

  static Json Http(const char* path, const Json& fields = Json::object()) {
    Json probe = {{"httpGet", {{"path", path}, {"port", 8080}}}};
    probe.merge_patch(fields);
    return probe;
  }

  bool ready = true;
  bool live = true;
  bool startup = true;
  std::vector<Probe> seen;
};

TEST_F(ProbesTest, APodIsReadyMillisecondsAfterItsProgramIs) {
  StartKubelet();
  ready = false;
  CreatePod("web", OneContainer({{"readinessProbe", Http("/ready")}}));
  Run(milliseconds(90));
  EXPECT_FALSE(Ready("web"));
  EXPECT_THAT(Events("Unhealthy"), IsEmpty()) << "early failures are silent";
  ready = true;
  Run(milliseconds(90));
  EXPECT_TRUE(Ready("web"));
}

TEST_F(ProbesTest, ReadinessFollowsTheThresholds) {
  StartKubelet();
  CreatePod("web", OneContainer({{"readinessProbe", Http("/ready", {{"periodSeconds", 10},
                                                                    {"failureThreshold", 3},
                                                                    {"successThreshold", 2}})}}));
  Run(milliseconds(5));
  EXPECT_FALSE(Ready("web")) << "two successes are asked for";
  Run(seconds(11));
  EXPECT_TRUE(Ready("web"));
  ready = false;
  Run(seconds(20));
  EXPECT_TRUE(Ready("web")) << "two failures are not enough";
  Run(seconds(10));
  EXPECT_FALSE(Ready("web"));
  EXPECT_EQ(kube::StringAt(Condition("web", "Ready"), "message"),
            "containers with unready status: [c1]");
  EXPECT_EQ(Restarts("web"), 0);
  EXPECT_THAT(Events("Unhealthy"),
              Contains("Readiness probe failed: HTTP probe failed with statuscode: 503"));
}

TEST_F(ProbesTest, LivenessKillsAndRestarts) {
  StartKubelet();
  const auto pod = CreatePod(
      "web", OneContainer({{"livenessProbe",
                            Http("/live", {{"periodSeconds", 5}, {"failureThreshold", 2}})}}));
  Run(seconds(12));
  EXPECT_EQ(Restarts("web"), 0);
  live = false;
  Run(seconds(9));
  EXPECT_THAT(runtime.signals(), ElementsAre(std::pair(IdOf(pod), SIGTERM)));
  EXPECT_THAT(Events("Killing"),
              ElementsAre("Container c1 failed liveness probe, will be restarted"));
  EXPECT_THAT(Events("Unhealthy"), Contains(HasSubstr("Liveness probe failed: ")));
  live = true;
  Run(seconds(1));
  EXPECT_EQ(Restarts("web"), 1);
  EXPECT_TRUE(Ready("web"));
}

TEST_F(ProbesTest, AProbeHasAGraceOfItsOwn) {
  runtime.SetBehaviour([](const ContainerSpec&) {
    SimulatedProgram program;
    program.ignores_sigterm = true;
    return program;
  });
  StartKubelet();
  live = false;
  CreatePod("web", OneContainer(
                       {{"livenessProbe", Http("/live", {{"periodSeconds", 1},
                                                         {"failureThreshold", 1},
                                                         {"terminationGracePeriodSeconds", 2}})}}));
  Run(milliseconds(500));
  ASSERT_EQ(runtime.signals().size(), 1u);
  Run(milliseconds(2000));
  ASSERT_GE(runtime.signals().size(), 2u);
  EXPECT_EQ(runtime.signals()[1].second, SIGKILL);
}

TEST_F(ProbesTest, StartupGatesTheOthers) {
  StartKubelet();
  startup = false;
  live = false;
  CreatePod("web", OneContainer({{"startupProbe",
                                  Http("/start", {{"periodSeconds", 10}, {"failureThreshold", 3}})},
                                 {"livenessProbe", Http("/live", {{"failureThreshold", 1}})},
                                 {"readinessProbe", Http("/ready")}}));
  Run(seconds(25));
  EXPECT_EQ(Restarts("web"), 0);
  EXPECT_FALSE(kube::BoolAt(ContainerStatus("web"), "started"));
  EXPECT_TRUE(std::ranges::all_of(seen, [](const Probe& p) { return p.path == "/start"; }));
  startup = true;
  live = true;
  Run(seconds(5));
  EXPECT_TRUE(kube::BoolAt(ContainerStatus("web"), "started"));
  EXPECT_TRUE(Ready("web"));
}

TEST_F(ProbesTest, AStartupThatNeverComesIsKilledAfterThresholdPeriods) {
  StartKubelet();
  startup = false;
  CreatePod("web", OneContainer({{"startupProbe", Http("/start", {{"periodSeconds", 2},
                                                                  {"failureThreshold", 3}})}}));
  Run(milliseconds(5900));
  EXPECT_THAT(runtime.signals(), IsEmpty());
  Run(milliseconds(300));
  EXPECT_THAT(Events("Killing"),
              ElementsAre("Container c1 failed startup probe, will be restarted"));
}

TEST_F(ProbesTest, TheInitialDelayIsKept) {
  StartKubelet();
  CreatePod("web",
            OneContainer({{"readinessProbe", Http("/ready", {{"initialDelaySeconds", 7}})}}));
  Run(milliseconds(6900));
  EXPECT_THAT(seen, IsEmpty());
  Run(milliseconds(200));
  EXPECT_TRUE(Ready("web"));
}

TEST_F(ProbesTest, PortsMayHaveNamesAndHeadersAreSent) {
  StartKubelet();
  Json probe = {{"httpGet",
                 {{"path", "/r"},
                  {"port", "http"},
                  {"scheme", "HTTPS"},
                  {"httpHeaders", Json::array({{{"name", "X"}, {"value", "y"}}})}}}};
  const Json ports = Json::array({{{"name", "http"}, {"containerPort", 9999}}});
  CreatePod("web", OneContainer({{"ports", ports}, {"readinessProbe", probe}}));
  probe["httpGet"]["port"] = "nope";
  CreatePod("bad", OneContainer({{"ports", ports}, {"readinessProbe", probe}}));
  Run(seconds(15));
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen[0].port, 9999);
  EXPECT_EQ(seen[0].host, "127.7.0.1");
  EXPECT_TRUE(seen[0].https);
  ASSERT_EQ(seen[0].headers.size(), 1u);
  EXPECT_TRUE(Ready("web"));
  EXPECT_FALSE(Ready("bad"));
  EXPECT_THAT(Events("Unhealthy"), Contains("Readiness probe failed: couldn't find port: nope"));
}

TEST_F(ProbesTest, AnAdoptedContainerStaysReadyUntilItsProbeSaysOtherwise) {
  StartKubelet();
  CreatePod("web", OneContainer({{"startupProbe", Http("/start")},
                                 {"readinessProbe", Http("/ready", {{"periodSeconds", 5}})}}));
  Run(seconds(20));
  ASSERT_TRUE(Ready("web"));
  StopKubelet();
  seen.clear();
  ready = false;
  StartKubelet();
  EXPECT_TRUE(Ready("web"));
  Run(seconds(20));
  EXPECT_FALSE(Ready("web"));
  EXPECT_TRUE(std::ranges::none_of(seen, [](const Probe& p) { return p.path == "/start"; }));
}

TEST_F(ProbesTest, NothingIsProbedThatDoesNotRun) {
  StartKubelet();
  CreatePod("web", OneContainer({{"readinessProbe", Http("/ready", {{"periodSeconds", 1}})}}));
  Run(seconds(5));
  DeletePod("web", 0);
  Run(seconds(1));
  const std::int64_t before = prober.runs();
  Run(seconds(30));
  EXPECT_EQ(prober.runs(), before);
}

}  // namespace
}  // namespace enclave::cluster
