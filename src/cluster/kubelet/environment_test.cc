#include "cluster/kubelet/environment.h"

#include <gmock/gmock.h>

#include "cluster/kubelet/kubelet_fixture.h"

namespace enclave::cluster {
namespace {

using kube::Json;
using std::chrono::milliseconds;
using testing::Contains;
using testing::ElementsAre;
using testing::Not;

TEST(ExpandTest, KnownReferencesAreReplacedAndOthersStay) {
  Environment environment;
  environment.Set("A", "1");
  environment.Set("EMPTY", "");
  EXPECT_EQ(environment.Expand("x$(A)y"), "x1y");
  EXPECT_EQ(environment.Expand("$(A)$(A)"), "11");
  EXPECT_EQ(environment.Expand("$(EMPTY)"), "");
  EXPECT_EQ(environment.Expand("$(NOPE)"), "$(NOPE)");
  EXPECT_EQ(environment.Expand("$$(A)"), "$(A)");
  EXPECT_EQ(environment.Expand("$$$(A)"), "$1");
  EXPECT_EQ(environment.Expand("$(A"), "$(A");
  EXPECT_EQ(environment.Expand("$"), "$");
  EXPECT_EQ(environment.Expand("$A ${A}"), "$A ${A}");
  EXPECT_EQ(environment.Expand(""), "");
}

class EnvironmentTest : public KubeletFixture {
 protected:
  std::vector<std::string> EnvironmentOf(const kube::ObjectPtr& pod) {
    const ContainerSpec* spec = runtime.SpecOf(IdOf(pod));
    return spec == nullptr ? std::vector<std::string>{} : spec->environment;
  }
  void PutService(const std::string& name, const Json& spec) {
    ASSERT_TRUE(api.Create(kube::kService, "default",
                           {{"apiVersion", "v1"},
                            {"kind", "Service"},
                            {"metadata", {{"name", name}, {"namespace", "default"}}},
                            {"spec", spec}}));
  }
};

TEST_F(EnvironmentTest, EverySourceInItsOrder) {
  PutConfigMap("cfg", {{"COLOR", "red"}, {"SHAPE", "round"}, {"not valid!", "x"}});
  StartKubelet();
  const Json env = Json::array(
      {{{"name", "SHAPE"}, {"value", "square"}},
       {{"name", "GREETING"}, {"value", "$(COLOR) $(SHAPE) $(POD_IP) $(LATER)"}},
       {{"name", "LATER"}, {"value", "x"}},
       {{"name", "NODE"}, {"valueFrom", {{"fieldRef", {{"fieldPath", "spec.nodeName"}}}}}},
       {{"name", "TIER"},
        {"valueFrom", {{"fieldRef", {{"fieldPath", "metadata.labels['tier.io/x']"}}}}}},
       {{"name", "MEMORY"},
        {"valueFrom", {{"resourceFieldRef", {{"resource", "limits.memory"}, {"divisor", "1Mi"}}}}}},
       {{"name", "FROM_KEY"},
        {"valueFrom", {{"configMapKeyRef", {{"name", "cfg"}, {"key", "COLOR"}}}}}},
       {{"name", "OPTIONAL"},
        {"valueFrom", {{"secretKeyRef", {{"name", "none"}, {"key", "k"}, {"optional", true}}}}}}});
  const Json env_from = Json::array({{{"configMapRef", {{"name", "cfg"}}}},
                                     {{"prefix", "P_"}, {"configMapRef", {{"name", "cfg"}}}},
                                     {{"secretRef", {{"name", "none"}, {"optional", true}}}}});
  const auto pod =
      CreatePod("web", OneContainer({{"env", env},
                                     {"envFrom", env_from},
                                     {"resources", {{"limits", {{"memory", "64Mi"}}}}}}));
  ASSERT_TRUE(api.Patch(kube::kPod, "default", "web", kube::PatchType::kMerge,
                        {{"metadata", {{"labels", {{"tier.io/x", "front"}}}}}}));
  Run(milliseconds(10));
  const auto environment = EnvironmentOf(pod);
  for (const char* expected :
       {"HOSTNAME=web", "POD_IP=127.7.0.1", "POD_NAME=web", "POD_NAMESPACE=default", "COLOR=red",
        "SHAPE=square", "P_COLOR=red", "GREETING=red square 127.7.0.1 $(LATER)", "NODE=node-1",
        "TIER=front", "MEMORY=64", "FROM_KEY=red", "KUBERNETES_SERVICE_HOST=127.0.0.1",
        "KUBERNETES_SERVICE_PORT=6443"})
    EXPECT_THAT(environment, Contains(expected));
  for (const std::string& variable : environment) {
    EXPECT_FALSE(variable.starts_with("OPTIONAL=")) << variable;
    EXPECT_FALSE(variable.starts_with("not valid!")) << variable;
  }
}

TEST_F(EnvironmentTest, ServicesGiveTheirVariables) {
  PutService("redis-cache",
             {{"clusterIP", "127.7.240.5"},
              {"ports", Json::array({{{"name", "db-port"}, {"port", 6379}, {"protocol", "TCP"}},
                                     {{"name", "admin"}, {"port", 80}, {"protocol", "UDP"}}})}});
  PutService("headless", {{"clusterIP", "None"}, {"ports", Json::array({{{"port", 1}}})}});
  StartKubelet();
  const auto pod = CreatePod("web");
  const auto plain = CreatePod("plain", {{"enableServiceLinks", false}});
  Run(milliseconds(10));
  const auto environment = EnvironmentOf(pod);
  for (const char* expected :
       {"REDIS_CACHE_SERVICE_HOST=127.7.240.5", "REDIS_CACHE_SERVICE_PORT=6379",
        "REDIS_CACHE_SERVICE_PORT_DB_PORT=6379", "REDIS_CACHE_SERVICE_PORT_ADMIN=80",
        "REDIS_CACHE_PORT=tcp://127.7.240.5:6379",
        "REDIS_CACHE_PORT_6379_TCP=tcp://127.7.240.5:6379", "REDIS_CACHE_PORT_6379_TCP_PROTO=tcp",
        "REDIS_CACHE_PORT_6379_TCP_PORT=6379", "REDIS_CACHE_PORT_6379_TCP_ADDR=127.7.240.5",
        "REDIS_CACHE_PORT_80_UDP=udp://127.7.240.5:80"})
    EXPECT_THAT(environment, Contains(expected));
  for (const std::string& variable : environment)
    EXPECT_FALSE(variable.starts_with("HEADLESS_")) << variable;
  EXPECT_THAT(EnvironmentOf(plain), Not(Contains("REDIS_CACHE_SERVICE_HOST=127.7.240.5")));
  EXPECT_THAT(EnvironmentOf(plain), Contains("KUBERNETES_SERVICE_HOST=127.0.0.1"));
}

TEST_F(EnvironmentTest, CommandAndArgsReplaceWhatTheImageGives) {
  images.Set("tool", Image{"/usr/bin/tool", {"--listen=$(POD_IP):$(PORT)"}, {"PORT=80"}, "2"});
  StartKubelet();
  const auto plain = CreatePod("plain", OneContainer({{"image", "tool"}}));
  const auto args = CreatePod(
      "args", OneContainer({{"image", "tool"}, {"args", Json::array({"a", "$(POD_NAME)"})}}));
  const auto command = CreatePod(
      "command", OneContainer({{"image", "tool"}, {"command", Json::array({"/bin/sh", "-c"})}}));
  const auto both = CreatePod("both", OneContainer({{"image", "tool"},
                                                    {"command", Json::array({"sh"})},
                                                    {"args", Json::array({"x"})},
                                                    {"workingDir", "/tmp"}}));
  Run(milliseconds(10));
  EXPECT_THAT(runtime.SpecOf(IdOf(plain))->argv,
              ElementsAre("/usr/bin/tool", "--listen=127.7.0.1:80"));
  EXPECT_THAT(runtime.SpecOf(IdOf(args))->argv, ElementsAre("/usr/bin/tool", "a", "args"));
  EXPECT_THAT(runtime.SpecOf(IdOf(command))->argv, ElementsAre("/bin/sh", "-c"));
  EXPECT_THAT(runtime.SpecOf(IdOf(both))->argv, ElementsAre("sh", "x"));
  EXPECT_EQ(runtime.SpecOf(IdOf(both))->working_directory, "/tmp");
}

TEST_F(EnvironmentTest, ResourcesReachTheRuntime) {
  StartKubelet();
  const auto pod =
      CreatePod("web", OneContainer({{"resources",
                                      {{"limits", {{"cpu", "1500m"}, {"memory", "128Mi"}}},
                                       {"requests", {{"cpu", "100m"}}}}}}));
  Run(milliseconds(10));
  const ContainerSpec* spec = runtime.SpecOf(IdOf(pod));
  EXPECT_EQ(spec->cpu_millis, 1500);
  EXPECT_EQ(spec->cpu_request_millis, 100);
  EXPECT_EQ(spec->memory_bytes, 128 << 20);
  EXPECT_EQ(kube::StringAt(Status("web"), "qosClass"), "Burstable");
}

}  // namespace
}  // namespace enclave::cluster
