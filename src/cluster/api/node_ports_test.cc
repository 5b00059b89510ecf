#include "cluster/api/node_ports.h"

#include "cluster/api/machinery_fixture.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using kube::IntAt;
using kube::Json;
using kube::StringAt;
using testing::HasSubstr;

class NodePortsTest : public MachineryFixture {
 protected:
  NodePortsTest() { ServeNodeAt("127.77.240.1"); }

  void ServeNodeAt(const std::string& address) {
    api.reset();
    machinery.reset();
    Resource services = *registry->Find(kube::kService);
    services.claims = *ServiceAddresses::Make("127.77.240.0/24", address);
    registry->Add(std::move(services));
    machinery.emplace(store, *registry, clock, random);
    api.emplace(*machinery, "system:test");
  }

  static Json NodePortService(const std::string& name, std::int64_t port = 0) {
    Json service = Service(name);
    service["spec"]["type"] = "NodePort";
    if (port != 0) service["spec"]["ports"][0]["nodePort"] = port;
    return service;
  }
  static std::int64_t NodePortOf(const kube::Object& service, std::size_t index = 0) {
    const Json& ports = kube::At(service.json(), "spec.ports");
    return IntAt(ports[index], "nodePort");
  }
};

TEST_F(NodePortsTest, EachPortHasItsOwn) {
  Json two = NodePortService("two");
  two["spec"]["ports"] =
      Json::parse(R"([{"name": "a", "port": 80}, {"name": "b", "port": 81, "nodePort": 30001}])");
  const auto made = Make(kube::kService, two);
  EXPECT_GE(NodePortOf(*made, 0), NodePorts::kFirst);
  EXPECT_LE(NodePortOf(*made, 0), NodePorts::kLast);
  EXPECT_EQ(NodePortOf(*made, 1), 30001);
  EXPECT_EQ(StringAt(made->json(), "spec.externalTrafficPolicy"), "Cluster");
  EXPECT_EQ(NodePortOf(*Make(kube::kService, Service("plain"))), 0);
}

TEST_F(NodePortsTest, OneThatIsTakenIsRefusedAndFreeWithItsService) {
  Make(kube::kService, NodePortService("first", 30080));
  EXPECT_EQ(ErrorOf(api->Create(kube::kService, "shop", NodePortService("second", 30080)),
                    ErrorKind::kUnprocessable),
            "Service \"second\" is invalid: spec.ports[0].nodePort: Invalid value: 30080: provided "
            "port is already allocated");
  EXPECT_THAT(ErrorOf(api->Create(kube::kService, "shop", NodePortService("low", 80)),
                      ErrorKind::kUnprocessable),
              HasSubstr("The range of valid ports is 30000-32767"));
  // A refused Service leaves nothing behind, neither its port nor its address.
  Json both = NodePortService("both", 30081);
  both["spec"]["clusterIP"] = "127.77.240.9";
  both["spec"]["ports"] = Json::parse(R"([{"name": "a", "port": 80, "nodePort": 30081},
                                          {"name": "b", "port": 81, "nodePort": 30080}])");
  ErrorOf(api->Create(kube::kService, "shop", both), ErrorKind::kUnprocessable);
  both["metadata"]["name"] = "other";
  both["spec"]["ports"][1]["nodePort"] = 30082;
  EXPECT_EQ(NodePortOf(*Make(kube::kService, both)), 30081);

  ASSERT_TRUE(api->Delete(kube::kService, "shop", "first", {}).has_value());
  EXPECT_EQ(NodePortOf(*Make(kube::kService, NodePortService("second", 30080))), 30080);
}

TEST_F(NodePortsTest, ANewProcessKnowsWhatIsTaken) {
  const std::int64_t taken = NodePortOf(*Make(kube::kService, NodePortService("first")));
  ServeNodeAt("127.77.240.1");
  ErrorOf(api->Create(kube::kService, "shop", NodePortService("second", taken)),
          ErrorKind::kUnprocessable);
}

TEST_F(NodePortsTest, UpdatesKeepThemAndOtherTypesDropThem) {
  const auto made = Make(kube::kService, NodePortService("web"));
  Json bare = NodePortService("web");
  bare["metadata"]["namespace"] = "shop";
  bare["spec"]["ports"][0]["port"] = 81;
  const auto updated = api->Update(kube::kService, bare);
  ASSERT_TRUE(updated.has_value()) << updated.error().message();
  EXPECT_EQ(NodePortOf(**updated), NodePortOf(*made));

  const auto plain = api->Patch(kube::kService, "shop", "web", kube::PatchType::kStrategicMerge,
                                {{"spec", {{"type", "ClusterIP"}}}});
  ASSERT_TRUE(plain.has_value()) << plain.error().message();
  EXPECT_EQ(NodePortOf(**plain), 0);
  EXPECT_EQ(StringAt((*plain)->json(), "spec.externalTrafficPolicy"), "");
  // It is free now.
  Make(kube::kService, NodePortService("next", NodePortOf(*made)));
  Json wrong = Service("wrong");
  wrong["spec"]["ports"][0]["nodePort"] = 30500;
  EXPECT_THAT(
      ErrorOf(api->Create(kube::kService, "shop", wrong), ErrorKind::kUnprocessable),
      HasSubstr("spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"));
}

TEST_F(NodePortsTest, ALoadBalancerIsReachedAtTheNode) {
  Json service = Service("web");
  service["spec"]["type"] = "LoadBalancer";
  const auto made = Make(kube::kService, service);
  EXPECT_GE(NodePortOf(*made), NodePorts::kFirst);
  EXPECT_EQ(StringAt(kube::At(made->json(), "status.loadBalancer.ingress")[0], "ip"),
            "127.77.240.1");
  const auto plain = api->Patch(kube::kService, "shop", "web", kube::PatchType::kStrategicMerge,
                                {{"spec", {{"type", "ClusterIP"}}}});
  ASSERT_TRUE(plain.has_value()) << plain.error().message();
  EXPECT_EQ(kube::At((*plain)->json(), "status.loadBalancer"), Json::object());
}

}  // namespace
}  // namespace enclave::cluster
