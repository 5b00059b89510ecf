// The Node, its lease, and what is told of its use.
#include "cluster/kubelet/node_agent.h"

#include <gmock/gmock.h>

#include <set>

#include "cluster/kubelet/kubelet_fixture.h"
#include "cluster/kubelet/usage_sampler.h"
#include "kube/time.h"

namespace enclave::cluster {
namespace {

using kube::Json;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class NodeTest : public KubeletFixture {
 protected:
  Json NodeObject() {
    const auto node = api.Get(kube::kNode, "", kNodeName);
    return node ? (*node)->json() : Json();
  }
  std::string NodeCondition(const std::string& type) {
    const Json node = NodeObject();
    for (const Json& condition : kube::At(node, "status.conditions"))
      if (kube::StringAt(condition, "type") == type) return kube::StringAt(condition, "status");
    return "(none)";
  }
  std::string RenewTime() {
    const auto lease = api.Get(kube::kLease, "kube-node-lease", kNodeName);
    return lease ? kube::StringAt((*lease)->json(), "spec.renewTime") : "(none)";
  }
};

TEST_F(NodeTest, RegistersItselfReady) {
  options.capacity = {1500, 3 << 20, 77};
  options.kernel_version = "6.1";
  StartKubelet();
  const Json object = NodeObject();
  EXPECT_EQ(NodeCondition("Ready"), "True");
  EXPECT_EQ(NodeCondition("MemoryPressure"), "False");
  EXPECT_EQ(kube::StringAt(object, "status.capacity.cpu"), "1500m");
  EXPECT_EQ(kube::StringAt(object, "status.allocatable.memory"), "3Mi");
  EXPECT_EQ(kube::StringAt(object, "status.allocatable.pods"), "77");
  EXPECT_EQ(kube::StringAt(object, "status.nodeInfo.kernelVersion"), "6.1");
  EXPECT_EQ(kube::At(object, "metadata.labels")["kubernetes.io/hostname"], kNodeName);
  EXPECT_EQ(kube::At(object, "status.addresses")[0]["address"], "127.0.0.1");
  EXPECT_THAT(Events("NodeReady"), ElementsAre("Node node-1 status is now: NodeReady"));
  EXPECT_EQ(kube::StringAt((*api.Get(kube::kLease, "kube-node-lease", kNodeName))->json(),
                           "spec.holderIdentity"),
            kNodeName);
}

TEST_F(NodeTest, RenewsItsLeaseEveryTenSeconds) {
  StartKubelet();
  std::set<std::string> seen;
  for (int i = 0; i < 6; ++i) {
    seen.insert(RenewTime());
    Run(seconds(10));
  }
  EXPECT_EQ(seen.size(), 6u);
}

TEST_F(NodeTest, KeepsWhatOthersWroteAndItsTransitionTime) {
  StartKubelet();
  ASSERT_TRUE(api.Patch(
      kube::kNode, "", kNodeName, kube::PatchType::kMerge,
      {{"metadata", {{"labels", {{"disk", "fast"}}}}}, {"spec", {{"unschedulable", true}}}}));
  const Json before = kube::At(NodeObject(), "status.conditions");
  Run(minutes(20));
  StartKubelet();
  Run(seconds(1));
  const Json object = NodeObject();
  EXPECT_EQ(kube::At(object, "metadata.labels")["disk"], "fast");
  EXPECT_TRUE(kube::BoolAt(object, "spec.unschedulable"));
  const Json after = kube::At(object, "status.conditions");
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(after[i]["lastTransitionTime"], before[i]["lastTransitionTime"]);
    EXPECT_NE(after[i]["lastHeartbeatTime"], before[i]["lastHeartbeatTime"]);
  }
}

TEST_F(NodeTest, ADeletedNodeComesBack) {
  StartKubelet();
  ASSERT_TRUE(api.Delete(kube::kNode, "", kNodeName, {}));
  Run(seconds(1));
  EXPECT_EQ(NodeCondition("Ready"), "True");
}

TEST_F(NodeTest, RegistersOnceTheApiAnswers) {
  api.SetFault([](const kube::FakeApi::Call&) -> std::optional<base::Error> {
    return base::Error(base::ErrorKind::kUnavailable, "starting");
  });
  StartKubelet();
  Run(seconds(20));
  api.SetFault({});
  Run(seconds(10));
  EXPECT_EQ(NodeCondition("Ready"), "True");
}

TEST_F(NodeTest, UsageIsARateOverAWindow) {
  runtime.SetBehaviour([](const ContainerSpec&) {
    SimulatedProgram program;
    program.cpu_millis = 250;
    program.memory_bytes = 32 << 20;
    return program;
  });
  StartKubelet();
  CreatePod("web", OneContainer({{"resources", {{"limits", {{"cpu", "2"}, {"memory", "64Mi"}}}}}}));
  Run(seconds(3));
  const auto pods = node->kubelet.usage().Pods();
  ASSERT_EQ(pods.size(), 1u);
  EXPECT_EQ(pods[0].name, "web");
  ASSERT_EQ(pods[0].containers.size(), 1u);
  EXPECT_NEAR(static_cast<double>(pods[0].containers[0].cpu_nanocores), 0.25e9, 1e6);
  EXPECT_EQ(pods[0].containers[0].memory_bytes, 32 << 20);
  const auto nodes = node->kubelet.usage().Nodes();
  ASSERT_EQ(nodes.size(), 1u);
  EXPECT_EQ(nodes[0].name, kNodeName);
  EXPECT_EQ(nodes[0].memory_bytes, 32 << 20);
  const std::string text = node->kubelet.usage().CadvisorText();
  EXPECT_THAT(text, HasSubstr("container_cpu_usage_seconds_total{container=\"c1\",id="));
  EXPECT_THAT(text, HasSubstr(",image=\"web\",name=\"k8s_c1_web_default_"));
  EXPECT_THAT(text, HasSubstr("namespace=\"default\",pod=\"web\",cpu=\"total\"} 0."));
  EXPECT_THAT(text, HasSubstr("# TYPE container_memory_working_set_bytes gauge\n"));
  EXPECT_THAT(text, HasSubstr("machine_cpu_cores 2\n"));
  for (const char* line :
       {"\ncontainer_spec_cpu_quota{", "\ncontainer_spec_memory_limit_bytes{",
        "\ncontainer_oom_events_total{", "\ncontainer_start_time_seconds{",
        "\ncontainer_last_seen{", "\ncontainer_spec_cpu_period{", "\ncontainer_memory_rss{"})
    EXPECT_THAT(text, HasSubstr(line));
  DeletePod("web", 0);
  Run(seconds(20));
  EXPECT_THAT(node->kubelet.usage().Pods(), IsEmpty());
  EXPECT_THAT(node->kubelet.usage().CadvisorText(), Not(HasSubstr("pod=\"web\"")));
}

TEST_F(NodeTest, OomKillsAreCounted) {
  StartKubelet();
  const auto pod = CreatePod("web");
  Run(seconds(3));
  ASSERT_TRUE(runtime.Kill(IdOf(pod), 9, true));
  Run(seconds(10));
  const std::string text = node->kubelet.usage().CadvisorText();
  const std::size_t line = text.find("\ncontainer_oom_events_total{");
  ASSERT_NE(line, std::string::npos);
  EXPECT_THAT(text.substr(line, text.find('\n', line + 1) - line), HasSubstr("} 1 "));
}

TEST_F(NodeTest, OomKillsStayWhileTheContainerIsBackedOff) {
  StartKubelet();
  runtime.SetBehaviour([](const ContainerSpec&) {
    SimulatedProgram program;
    program.run_for = seconds(3);
    program.oom_killed = true;
    return program;
  });
  CreatePod("web");
  // Two kills, then 10 s of back-off.
  Run(seconds(12));
  ASSERT_EQ(WaitingReason("web"), "CrashLoopBackOff");
  const std::string text = node->kubelet.usage().CadvisorText();
  const std::size_t line = text.find("\ncontainer_oom_events_total{container=\"c1\"");
  ASSERT_NE(line, std::string::npos);
  EXPECT_TRUE(text.substr(line, text.find('\n', line + 1) - line).ends_with("} 2"));
  EXPECT_THAT(text, Not(HasSubstr("container_memory_rss{container=\"c1\"")));
  DeletePod("web", 0);
  Run(seconds(1));
  EXPECT_THAT(node->kubelet.usage().CadvisorText(), Not(HasSubstr("container_oom_events_total{")));
}

TEST_F(NodeTest, TheNodesAndPodsSumsGrowOverRestarts) {
  StartKubelet();
  runtime.SetBehaviour([](const ContainerSpec&) {
    SimulatedProgram program;
    program.cpu_millis = 1000;
    program.memory_bytes = 8 << 20;
    return program;
  });
  const auto pod = CreatePod("web");
  Run(seconds(30));
  const auto value = [&](const std::string& series) {
    const std::string text = node->kubelet.usage().CadvisorText();
    const std::size_t at = text.find("\n" + series + " ");
    EXPECT_NE(at, std::string::npos) << series << " in\n" << text;
    return at == std::string::npos ? -1.0 : std::stod(text.substr(at + series.size() + 2));
  };
  const std::string of_node = "container_cpu_usage_seconds_total{id=\"/\",cpu=\"total\"}";
  const std::string of_pod = "container_cpu_usage_seconds_total{id=\"/kubepods/pod" + pod->uid() +
                             "\",namespace=\"default\",pod=\"web\",cpu=\"total\"}";
  const double before = value(of_node);
  EXPECT_GT(before, 20);
  EXPECT_EQ(value(of_pod), before);
  EXPECT_EQ(value("container_memory_working_set_bytes{id=\"/\"}"), 8 << 20);
  ASSERT_TRUE(runtime.Exit(IdOf(pod), 1));
  Run(seconds(20));
  EXPECT_GT(value(of_node), before + 10);
  EXPECT_EQ(value(of_pod), value(of_node));
}

TEST_F(NodeTest, AContainerThatStartsLateIsSampledToo) {
  StartKubelet();
  CreatePod("web", OneContainer({{"image", "late"}}));
  Run(seconds(30));
  images.Add("late");
  Run(minutes(1));
  ASSERT_EQ(Phase("web"), "Running");
  EXPECT_EQ(node->kubelet.usage().Pods().size(), 1u);
}

TEST_F(NodeTest, AnEmptyNodeDoesNothingButItsLease) {
  StartKubelet();
  Run(minutes(1));
  api.ClearCalls();
  Run(minutes(3));
  for (const auto& call : api.calls())
    EXPECT_EQ(call.resource, "leases.coordination.k8s.io") << call.verb;
}

}  // namespace
}  // namespace enclave::cluster
