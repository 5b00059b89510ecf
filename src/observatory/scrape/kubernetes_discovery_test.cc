#include "observatory/scrape/kubernetes_discovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "base/simulated_executor.h"
#include "kube/fake_api.h"

namespace enclave::observatory::scrape {
namespace {

using kube::Json;
using std::chrono::seconds;
using telemetry::Labels;
using testing::IsEmpty;
using testing::SizeIs;

Json Pod(const std::string& name, const std::string& ip) {
  return Json{
      {"apiVersion", "v1"},
      {"kind", "Pod"},
      {"metadata",
       {{"name", name},
        {"namespace", "shop"},
        {"labels", {{"app.kubernetes.io/name", "cart"}}},
        {"annotations", {{"prometheus.io/scrape", "true"}}},
        {"ownerReferences",
         Json::array({{{"kind", "ReplicaSet"}, {"name", "cart-5"}, {"controller", true}}})}}},
      {"spec",
       {{"nodeName", "n1"},
        {"containers",
         Json::array({{{"name", "server"},
                       {"image", "cart:1"},
                       {"ports", Json::array({{{"containerPort", 80}, {"name", "http"}},
                                              {{"containerPort", 90}}})}},
                      {{"name", "sidecar"}}})}}},
      {"status",
       {{"podIP", ip},
        {"phase", "Running"},
        {"conditions", Json::array({{{"type", "Ready"}, {"status", "True"}}})}}}};
}

class KubernetesDiscoveryTest : public testing::Test {
 protected:
  std::vector<Labels>& Watch(KubernetesRole role, std::vector<std::string> namespaces = {}) {
    discovery_.Watch({role, std::move(namespaces)}, [this](std::vector<Labels> found) {
      found_ = std::move(found);
      ++told_;
    });
    executor_.RunFor(seconds(2));
    return found_;
  }
  static std::string Meta(const Labels& labels, const std::string& name) {
    return std::string(labels.Get("__meta_kubernetes_" + name));
  }

  base::SimulatedExecutor executor_;
  base::SeededRandom random_{1};
  kube::FakeApi api_{executor_, random_};
  kube::SharedInformers informers_{api_, executor_, random_};
  KubernetesDiscovery discovery_{informers_};
  std::vector<Labels> found_;
  int told_ = 0;
};

TEST_F(KubernetesDiscoveryTest, APodIsATargetForEachPort) {
  ASSERT_TRUE(api_.Create(kube::kPod, "shop", Pod("cart-1", "10.0.0.7")));
  const auto& found = Watch(KubernetesRole::kPod);
  ASSERT_THAT(found, SizeIs(3));
  EXPECT_EQ(found[0].Get("__address__"), "10.0.0.7:80");
  EXPECT_EQ(Meta(found[0], "pod_container_port_name"), "http");
  EXPECT_EQ(Meta(found[0], "pod_container_name"), "server");
  EXPECT_EQ(Meta(found[0], "pod_container_image"), "cart:1");
  EXPECT_EQ(Meta(found[0], "pod_annotation_prometheus_io_scrape"), "true");
  EXPECT_EQ(Meta(found[0], "pod_annotationpresent_prometheus_io_scrape"), "true");
  EXPECT_EQ(Meta(found[0], "pod_label_app_kubernetes_io_name"), "cart");
  EXPECT_EQ(Meta(found[0], "pod_controller_name"), "cart-5");
  EXPECT_EQ(Meta(found[0], "pod_ready"), "true");
  EXPECT_EQ(Meta(found[0], "pod_node_name"), "n1");
  EXPECT_EQ(Meta(found[0], "namespace"), "shop");
  EXPECT_EQ(found[1].Get("__address__"), "10.0.0.7:90");
  EXPECT_EQ(found[2].Get("__address__"), "10.0.0.7") << "a container without ports";
}

TEST_F(KubernetesDiscoveryTest, ChangesAreToldTogether) {
  const auto& found = Watch(KubernetesRole::kPod);
  EXPECT_THAT(found, IsEmpty());
  EXPECT_EQ(told_, 1);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(api_.Create(kube::kPod, "shop",
                            Pod("cart-" + std::to_string(i), "10.0.0." + std::to_string(i))));
  }
  executor_.RunFor(seconds(2));
  EXPECT_THAT(found, SizeIs(15));
  EXPECT_EQ(told_, 2);
  ASSERT_TRUE(api_.Delete(kube::kPod, "shop", "cart-0", {.grace_period_seconds = 0}));
  executor_.RunFor(seconds(2));
  EXPECT_THAT(found, SizeIs(12));
}

TEST_F(KubernetesDiscoveryTest, NamespacesAreChosen) {
  ASSERT_TRUE(api_.Create(kube::kPod, "shop", Pod("cart-1", "10.0.0.7")));
  EXPECT_THAT(Watch(KubernetesRole::kPod, {"other"}), IsEmpty());
}

TEST_F(KubernetesDiscoveryTest, NodesAreTheirKubelets) {
  ASSERT_TRUE(api_.Create(
      kube::kNode, "",
      {{"apiVersion", "v1"},
       {"kind", "Node"},
       {"metadata", {{"name", "n1"}, {"labels", {{"zone", "a"}}}}},
       {"status",
        {{"addresses", Json::array({{{"type", "Hostname"}, {"address", "n1"}},
                                    {{"type", "InternalIP"}, {"address", "192.168.0.1"}}})},
         {"daemonEndpoints", {{"kubeletEndpoint", {{"Port", 10999}}}}}}}}));
  const auto& found = Watch(KubernetesRole::kNode);
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].Get("__address__"), "192.168.0.1:10999");
  EXPECT_EQ(found[0].Get("instance"), "n1");
  EXPECT_EQ(Meta(found[0], "node_label_zone"), "a");
  EXPECT_EQ(Meta(found[0], "node_address_Hostname"), "n1");
}

TEST_F(KubernetesDiscoveryTest, EndpointsKnowTheirServiceAndPod) {
  ASSERT_TRUE(api_.Create(kube::kPod, "shop", Pod("cart-1", "10.0.0.7")));
  ASSERT_TRUE(api_.Create(kube::kService, "shop",
                          {{"apiVersion", "v1"},
                           {"kind", "Service"},
                           {"metadata", {{"name", "cart"}, {"labels", {{"tier", "back"}}}}},
                           {"spec",
                            {{"clusterIP", "10.96.0.9"},
                             {"ports", Json::array({{{"port", 7070}, {"name", "grpc"}}})}}}}));
  ASSERT_TRUE(api_.Create(
      kube::kEndpointSlice, "shop",
      {{"apiVersion", "discovery.k8s.io/v1"},
       {"kind", "EndpointSlice"},
       {"metadata", {{"name", "cart-x"}, {"labels", {{"kubernetes.io/service-name", "cart"}}}}},
       {"addressType", "IPv4"},
       {"ports", Json::array({{{"port", 80}, {"name", "http"}, {"protocol", "TCP"}}})},
       {"endpoints", Json::array({{{"addresses", {"10.0.0.7"}},
                                   {"conditions", {{"ready", true}}},
                                   {"nodeName", "n1"},
                                   {"targetRef", {{"kind", "Pod"}, {"name", "cart-1"}}}}})}}));
  const std::vector<Labels> endpoints = Watch(KubernetesRole::kEndpoints);
  ASSERT_THAT(endpoints, SizeIs(1));
  EXPECT_EQ(endpoints[0].Get("__address__"), "10.0.0.7:80");
  EXPECT_EQ(Meta(endpoints[0], "endpoints_name"), "cart");
  EXPECT_EQ(Meta(endpoints[0], "endpoint_ready"), "true");
  EXPECT_EQ(Meta(endpoints[0], "endpoint_port_name"), "http");
  EXPECT_EQ(Meta(endpoints[0], "service_label_tier"), "back");
  EXPECT_EQ(Meta(endpoints[0], "pod_name"), "cart-1");
  const std::vector<Labels> services = Watch(KubernetesRole::kService);
  ASSERT_THAT(services, SizeIs(1));
  EXPECT_EQ(services[0].Get("__address__"), "cart.shop.svc:7070");
  EXPECT_EQ(Meta(services[0], "service_cluster_ip"), "10.96.0.9");
}

}  // namespace
}  // namespace enclave::observatory::scrape
