#include "cli/traced_kubeconfig.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/random.h"
#include "kube/kubeconfig.h"

namespace enclave::cli {
namespace {

using kube::Json;

const trace::TraceId kRunTrace = *trace::TraceId::Parse("4bf92f3577b34da6a3ce929d0e0e4736");

Json KubeconfigWith(const Json& user, const Json& cluster = {{"server", "https://127.0.0.1:1"}}) {
  return {
      {"apiVersion", "v1"},
      {"kind", "Config"},
      {"current-context", "x"},
      {"users", Json::array({{{"name", "u"}, {"user", user}}})},
      {"clusters", Json::array({{{"name", "c"}, {"cluster", cluster}}})},
      {"contexts", Json::array({{{"name", "x"}, {"context", {{"cluster", "c"}, {"user", "u"}}}}})}};
}

TEST(TracedKubeconfigTest, TheAdministratorActsAsHimselfWithTheTrace) {
  const Json enclave = KubeconfigWith({{"token", "admin"}});
  const Json traced = WithTrace(enclave, enclave, kRunTrace, "/etc");
  const Json& user = traced.at("users").at(0).at("user");
  EXPECT_EQ(user.at("token"), "admin");
  EXPECT_EQ(user.at("as"), "kubernetes-admin");
  EXPECT_EQ(user.at("as-groups"), Json::array({"system:masters"}));
  EXPECT_EQ(user.at("as-user-extra"),
            (Json{{"enclave.dev/trace-id", Json::array({kRunTrace.ToString()})}}));
  EXPECT_TRUE(kube::Kubeconfig::Parse(traced.dump(), "/etc").has_value());
}

TEST(TracedKubeconfigTest, OtherUsersAndClustersStayAsTheyAre) {
  const Json enclave = KubeconfigWith({{"client-certificate-data", "QQ=="}});
  EXPECT_TRUE(WithTrace(KubeconfigWith({{"token", "other"}}), enclave, kRunTrace, "/").is_null());
  EXPECT_TRUE(WithTrace(KubeconfigWith(Json::object()), enclave, kRunTrace, "/").is_null());
  EXPECT_TRUE(WithTrace(Json::object(), enclave, kRunTrace, "/").is_null());
  // One file with both: only the enclave's user is changed.
  Json both = KubeconfigWith({{"client-certificate-data", "QQ=="}},
                             {{"server", "https://127.0.0.1:1"}, {"certificate-authority", "ca"}});
  both["users"].push_back({{"name", "v"}, {"user", {{"token", "other"}, {"tokenFile", "t"}}}});
  const Json traced = WithTrace(both, enclave, kRunTrace, "/home/ann/.kube");
  EXPECT_TRUE(traced.at("users").at(0).at("user").contains("as"));
  EXPECT_FALSE(traced.at("users").at(1).at("user").contains("as"));
  EXPECT_EQ(traced.at("users").at(1).at("user").at("tokenFile"), "/home/ann/.kube/t");
  EXPECT_EQ(traced.at("clusters").at(0).at("cluster").at("certificate-authority"),
            "/home/ann/.kube/ca");
}

TEST(TracedKubeconfigTest, LiesInMemoryForAsLongAsItIsHeld) {
  const StatePaths paths{std::filesystem::temp_directory_path() /
                         ("enclave-traced-" + base::SystemRandom().Uuid())};
  EXPECT_EQ(TracedKubeconfig::Make(paths, "/none", kRunTrace, false).error().kind(),
            base::ErrorKind::kNotFound);
  std::filesystem::create_directories(paths.root);
  std::ofstream(paths.kubeconfig()) << KubeconfigWith({{"token", "admin"}});
  std::string path;
  {
    const auto made =
        TracedKubeconfig::Make(paths, paths.kubeconfig().string(), kRunTrace, /*inherited=*/false);
    ASSERT_TRUE(made.has_value() && made->has_value());
    path = (*made)->path();
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    EXPECT_TRUE(text.str().contains(kRunTrace.ToString()));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  std::filesystem::remove_all(paths.root);
}

}  // namespace
}  // namespace enclave::cli
