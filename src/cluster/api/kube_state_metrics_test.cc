#include "cluster/api/kube_state_metrics.h"

#include "cluster/api/machinery_fixture.h"

namespace enclave::cluster {
namespace {

using kube::Json;
using testing::HasSubstr;

class KubeStateMetricsTest : public MachineryFixture {};

TEST_F(KubeStateMetricsTest, PodsAndTheirContainers) {
  Json pod = Pod("web");
  pod["metadata"]["labels"] = {{"app.io/a", "1"}, {"app.io-a", "2"}};
  pod["spec"]["initContainers"] = Json::parse(R"([{"name": "i", "image": "init:v1"}])");
  const auto made = Make(kube::kPod, pod);
  Json changed = made->json();
  changed["status"] = Json::parse(R"({"phase": "Failed", "reason": "Evicted",
      "initContainerStatuses": [{"name": "i", "image": "init:v1", "imageID": "sha", "ready": true,
          "state": {"terminated": {"reason": "Completed", "exitCode": 0}}}],
      "containerStatuses": [{"name": "c", "image": "img:v1", "imageID": "sha2",
          "containerID": "enclave://7", "state": {"waiting": {"reason": "PodInitializing"}}}]})");
  ASSERT_TRUE(api->Update(kube::kPod, changed, "status").has_value());
  const std::string text = RenderKubeStateMetrics(store);
  const std::string of_pod = "namespace=\"shop\",pod=\"web\",uid=\"" + made->uid() + "\"";
  EXPECT_THAT(text, HasSubstr("kube_pod_container_info{" + of_pod +
                              ",container=\"c\",image_spec=\"img:v1\",image=\"img:v1\",image_id="
                              "\"sha2\",container_id=\"enclave://7\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("kube_pod_init_container_info{" + of_pod + ",container=\"i\""));
  EXPECT_THAT(text, HasSubstr("kube_pod_init_container_status_terminated_reason{" + of_pod +
                              ",container=\"i\",reason=\"Completed\"} 1\n"));
  EXPECT_THAT(text,
              HasSubstr("kube_pod_init_container_status_ready{" + of_pod + ",container=\"i\"} 1"));
  EXPECT_THAT(text, HasSubstr("kube_pod_status_reason{" + of_pod + ",reason=\"Evicted\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("kube_pod_labels{" + of_pod +
                              ",label_app_io_a=\"2\",label_app_io_a_conflict1=\"1\"} 1\n"));
}

TEST_F(KubeStateMetricsTest, RolloutBoundsAreNumbersOfPods) {
  Json deployment = Deployment("web");
  deployment["spec"]["replicas"] = 10;
  deployment["spec"]["strategy"]["rollingUpdate"] = {{"maxSurge", "25%"}, {"maxUnavailable", 2}};
  Make(kube::kDeployment, deployment);
  const std::string text = RenderKubeStateMetrics(store);
  EXPECT_THAT(text, HasSubstr("kube_deployment_spec_strategy_rollingupdate_max_surge{namespace="
                              "\"shop\",deployment=\"web\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("rollingupdate_max_unavailable{namespace=\"shop\",deployment=\"web\"}"
                              " 2\n"));
}

TEST_F(KubeStateMetricsTest, NodesHaveAmounts) {
  Make(kube::kNode, Json::parse(R"({"metadata": {"name": "here"}, "status": {
      "capacity": {"cpu": "2500m", "memory": "1Ki", "pods": "110"},
      "allocatable": {"ephemeral-storage": "1k"}}})"));
  const std::string text = RenderKubeStateMetrics(store);
  for (
      const char* line :
      {R"(kube_node_status_capacity{node="here",resource="cpu",unit="core"} 2.5)",
       R"(kube_node_status_capacity{node="here",resource="memory",unit="byte"} 1024)",
       R"(kube_node_status_capacity{node="here",resource="pods",unit="integer"} 110)",
       R"(kube_node_status_allocatable{node="here",resource="ephemeral_storage",unit="byte"} 1000)"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

}  // namespace
}  // namespace enclave::cluster
