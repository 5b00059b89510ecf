#include "cluster/controllers/controller_fixture.h"
#include "cluster/controllers/endpoint_slice_controller.h"
#include "cluster/controllers/endpoints_controller.h"
#include "cluster/controllers/kubernetes_service.h"

namespace enclave::cluster {
namespace {

using testing::SizeIs;
using testing::UnorderedElementsAre;

class EndpointsTest : public ControllerFixture {
 protected:
  void MakeService(Json spec = Json::object()) {
    spec["selector"] = {{"app", "web"}};
    if (!spec.contains("ports")) {
      spec["ports"] = Json::array({{{"name", "http"}, {"port", 80}, {"targetPort", "http"}}});
    }
    Create(kube::kService, {{"metadata", {{"name", "web"}, {"namespace", "t"}}}, {"spec", spec}});
  }
  void MakePod(const std::string& name, bool ready = true, int port = 8080) {
    Json pod = PodJson(name, "web");
    pod["spec"]["containers"][0]["ports"] =
        Json::array({{{"name", "http"}, {"containerPort", port}, {"protocol", "TCP"}}});
    Create(kube::kPod, pod);
    SetPod(name, "Running", ready);
  }
  static std::vector<std::string> Names(const Json& addresses) {
    std::vector<std::string> names;
    for (const Json& address : addresses)
      names.push_back(kube::StringAt(address, "targetRef.name"));
    return names;
  }
  Json Subset() {
    Settle();
    const ObjectPtr endpoints = Get(kube::kEndpoints, "web");
    if (endpoints == nullptr) return "absent";
    const Json& subsets = ItemsAt(endpoints->json(), "subsets");
    return subsets.empty() ? Json::object() : subsets[0];
  }
  std::vector<Json> Slices() {
    Settle();
    std::vector<Json> slices;
    for (const ObjectPtr& slice : List(kube::kEndpointSlice)) slices.push_back(slice->json());
    return slices;
  }

  EndpointsController endpoints_{*informers_};
  EndpointSliceController slices_{*informers_};
};

TEST_F(EndpointsTest, ReadyAndNotReadyPodsWithNamedPorts) {
  MakeService();
  MakePod("a");
  MakePod("b", false);
  const Json subset = Subset();
  EXPECT_THAT(Names(subset["addresses"]), UnorderedElementsAre("a"));
  EXPECT_THAT(Names(subset["notReadyAddresses"]), UnorderedElementsAre("b"));
  EXPECT_EQ(subset["ports"][0]["port"], 8080);
  EXPECT_EQ(subset["ports"][0]["name"], "http");

  const auto slices = Slices();
  ASSERT_THAT(slices, SizeIs(1));
  EXPECT_EQ(LabelOf(slices[0], "kubernetes.io/service-name"), "web");
  EXPECT_EQ(LabelOf(slices[0], "endpointslice.kubernetes.io/managed-by"),
            "endpointslice-controller.k8s.io");
  EXPECT_EQ(ControllerUid(slices[0]), Get(kube::kService, "web")->uid());
  for (const Json& endpoint : slices[0]["endpoints"]) {
    EXPECT_EQ(endpoint["conditions"]["ready"], endpoint["targetRef"]["name"] == "a");
    EXPECT_EQ(endpoint["conditions"]["terminating"], false);
  }
}

TEST_F(EndpointsTest, PodsComeAndGo) {
  MakeService();
  MakePod("a");
  MakePod("b");
  EXPECT_THAT(Names(Subset()["addresses"]), UnorderedElementsAre("a", "b"));
  SetPod("a", "Running", false);
  EXPECT_THAT(Names(Subset()["addresses"]), UnorderedElementsAre("b"));
  Delete(kube::kPod, "b", "", 0);
  EXPECT_FALSE(Subset().contains("addresses"));
  Merge(kube::kPod, "a", {{"metadata", {{"labels", {{"app", "other"}}}}}});
  EXPECT_EQ(Subset(), Json::object());
  EXPECT_TRUE(Slices().empty());
}

TEST_F(EndpointsTest, NotReadyIsPublishedWhenAskedFor) {
  MakeService({{"publishNotReadyAddresses", true}, {"clusterIP", "None"}});
  MakePod("a", false);
  EXPECT_THAT(Names(Subset()["addresses"]), UnorderedElementsAre("a"));
  const auto slices = Slices();
  ASSERT_THAT(slices, SizeIs(1));
  EXPECT_EQ(slices[0]["endpoints"][0]["conditions"]["ready"], true);
  EXPECT_EQ(slices[0]["endpoints"][0]["conditions"]["serving"], false);
}

TEST_F(EndpointsTest, PodsWithOtherPortsFormTheirOwnSubset) {
  MakeService();
  MakePod("a", true, 8080);
  MakePod("b", true, 9090);
  Settle();
  EXPECT_THAT(ItemsAt(Get(kube::kEndpoints, "web")->json(), "subsets"), SizeIs(2));
  EXPECT_THAT(Slices(), SizeIs(2));
}

TEST_F(EndpointsTest, SlicesHoldAHundredEach) {
  MakeService();
  for (int i = 0; i < 230; ++i) MakePod("p" + std::to_string(i));
  const auto slices = Slices();
  ASSERT_THAT(slices, SizeIs(3));
  std::size_t all = 0;
  for (const Json& slice : slices) {
    EXPECT_LE(slice["endpoints"].size(), 100u);
    all += slice["endpoints"].size();
  }
  EXPECT_EQ(all, 230u);
}

TEST_F(EndpointsTest, GoWithTheirServiceAndForeignOnesStay) {
  MakeService();
  MakePod("a");
  Create(kube::kService, {{"metadata", {{"name", "ext"}, {"namespace", "t"}}},
                          {"spec", {{"ports", Json::array({{{"port", 80}}})}}}});
  Create(kube::kEndpoints,
         {{"metadata", {{"name", "ext"}, {"namespace", "t"}}},
          {"subsets", Json::array({{{"addresses", Json::array({{{"ip", "10.1.1.1"}}})},
                                    {"ports", Json::array({{{"port", 80}}})}}})}});
  Settle();
  EXPECT_EQ(ItemsAt(Get(kube::kEndpoints, "ext")->json(), "subsets")[0]["addresses"][0]["ip"],
            "10.1.1.1");
  Delete(kube::kService, "web");
  Settle();
  EXPECT_EQ(Get(kube::kEndpoints, "web"), nullptr);
  EXPECT_NE(Get(kube::kEndpoints, "ext"), nullptr);
}

TEST_F(EndpointsTest, TheApiServerHasAService) {
  Create(kube::kNamespace, {{"metadata", {{"name", "default"}}}});
  KubernetesService service(*informers_, {.addresses = {"127.0.0.1"}, .target_port = 6443});
  Settle();
  EXPECT_EQ(
      ItemsAt(Get(kube::kService, "kubernetes", "default")->json(), "spec.ports")[0]["targetPort"],
      6443);
  EXPECT_EQ(ItemsAt(Get(kube::kEndpoints, "kubernetes", "default")->json(),
                    "subsets")[0]["addresses"][0]["ip"],
            "127.0.0.1");
  auto deleted = api_->Delete(kube::kService, "default", "kubernetes", {});
  ASSERT_TRUE(deleted);
  Settle();
  EXPECT_NE(Get(kube::kService, "kubernetes", "default"), nullptr);
  EXPECT_NE(Get(kube::kEndpointSlice, "kubernetes", "default"), nullptr);
}

}  // namespace
}  // namespace enclave::cluster
