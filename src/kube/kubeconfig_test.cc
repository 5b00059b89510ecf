#include "kube/kubeconfig.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace enclave::kube {
namespace {

using base::ErrorKind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class KubeconfigTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "kubeconfig.XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
    for (const char* variable :
         {"KUBECONFIG", "HOME", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"}) {
      const char* value = std::getenv(variable);
      saved_.emplace_back(variable,
                          value == nullptr ? std::nullopt : std::optional<std::string>(value));
      ::unsetenv(variable);
    }
  }
  void TearDown() override {
    for (const auto& [variable, value] : saved_) {
      if (value) {
        ::setenv(variable.c_str(), value->c_str(), 1);
      } else {
        ::unsetenv(variable.c_str());
      }
    }
    std::filesystem::remove_all(directory_);
  }
  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = directory_ + "/" + name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path) << text;
    return path;
  }

  std::string directory_;
  std::vector<std::pair<std::string, std::optional<std::string>>> saved_;
};

constexpr const char* kK3s = R"(apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: Q0E=
    server: https://127.0.0.1:6443/
  name: default
contexts:
- context: {cluster: default, user: default, namespace: shop}
  name: default
current-context: default
kind: Config
preferences: {}
users:
- name: default
  user:
    client-certificate-data: Q0VS
     VA==
    client-key-data: S0VZ
)";

TEST_F(KubeconfigTest, ReadsWhatK3sWrites) {
  const auto config = Kubeconfig::Parse(kK3s, "");
  ASSERT_TRUE(config) << config.error().ToString();
  const auto client = config->Resolve();
  ASSERT_TRUE(client) << client.error().ToString();
  EXPECT_EQ(client->server, "https://127.0.0.1:6443");
  EXPECT_EQ(client->ns, "shop");
  EXPECT_EQ(client->tls.ca_pem, "CA");
  EXPECT_EQ(client->tls.identity.certificate_pem, "CERT");
  EXPECT_EQ(client->tls.identity.private_key_pem, "KEY");
}

TEST_F(KubeconfigTest, FilesRelativeToTheConfig) {
  Write("sub/ca.pem", "the ca");
  Write("sub/token", "secret\n");
  const std::string path = Write("sub/config", R"(
clusters: [{name: c, cluster: {server: "https://h:1", certificate-authority: ca.pem,
            tls-server-name: other, insecure-skip-tls-verify: true}}]
users: [{name: u, user: {tokenFile: token, token: inline}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
)");
  const auto config = Kubeconfig::Load({path});
  ASSERT_TRUE(config) << config.error().ToString();
  EXPECT_EQ(config->Resolve().error().kind(), ErrorKind::kNotFound) << "no current context";
  const auto client = config->Resolve("x");
  ASSERT_TRUE(client) << client.error().ToString();
  EXPECT_EQ(client->tls.ca_pem, "the ca");
  EXPECT_EQ(client->tls.server_name, "other");
  EXPECT_TRUE(client->tls.insecure_skip_verify);
  EXPECT_EQ(client->token_file, directory_ + "/sub/token");
  EXPECT_EQ(client->token, "inline");
  EXPECT_EQ(client->ns, "default");
}

TEST_F(KubeconfigTest, MergesWithTheFirstWinning) {
  const auto entry = [](const char* name, const char* server) {
    return FormatKubeconfig({.name = name, .server = server});
  };
  const std::string one = Write("one", entry("a", "https://one"));
  const std::string two = Write("two", entry("a", "https://two"));
  const std::string three = Write("three", entry("b", "https://three"));
  ::setenv("KUBECONFIG", (one + ":" + directory_ + "/missing::" + two + ":" + three).c_str(), 1);
  EXPECT_THAT(KubeconfigPaths(), ElementsAre(one, directory_ + "/missing", two, three));
  const auto config = Kubeconfig::Load(KubeconfigPaths());
  ASSERT_TRUE(config);
  EXPECT_EQ(config->current_context(), "a");
  EXPECT_THAT(config->contexts(), ElementsAre("a", "b"));
  EXPECT_EQ(config->Resolve()->server, "https://one");
  EXPECT_EQ(config->Resolve("b")->server, "https://three");
  EXPECT_EQ(DefaultClientConfig("b")->server, "https://three");
  EXPECT_EQ(Kubeconfig::Load({directory_ + "/missing"}).error().kind(), ErrorKind::kNotFound);
}

TEST_F(KubeconfigTest, LooksInTheHome) {
  ::setenv("HOME", directory_.c_str(), 1);
  EXPECT_THAT(KubeconfigPaths(), ElementsAre(directory_ + "/.kube/config"));
  Write(".kube/config", FormatKubeconfig({.name = "h", .server = "https://home"}));
  EXPECT_EQ(DefaultClientConfig()->server, "https://home");
}

TEST_F(KubeconfigTest, SaysWhatIsWrong) {
  const auto resolve = [](const std::string& cluster, const std::string& user) {
    const auto config =
        Kubeconfig::Parse("current-context: x\nclusters: [{name: c, cluster: {" + cluster +
                              "}}]\nusers: [{name: u, user: {" + user +
                              "}}]\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n",
                          "");
    EXPECT_TRUE(config) << config.error().ToString();
    return config->Resolve();
  };
  const std::string server = "server: 'https://h'";
  EXPECT_TRUE(resolve(server, ""));
  EXPECT_THAT(resolve("", "").error().message(), HasSubstr("needs a server"));
  EXPECT_THAT(resolve("server: h", "").error().message(), HasSubstr("needs a server"));
  EXPECT_THAT(resolve(server + ", certificate-authority-data: '*'", "").error().message(),
              HasSubstr("not base64"));
  EXPECT_THAT(resolve(server + ", certificate-authority: /nowhere", "").error().message(),
              HasSubstr("/nowhere"));
  EXPECT_THAT(resolve(server, "client-certificate-data: QQ==").error().message(),
              HasSubstr("needs its key"));
  EXPECT_THAT(resolve(server, "exec: {command: aws}").error().message(), HasSubstr("exec"));
  EXPECT_THAT(resolve(server, "username: a, password: hunter2").error().message(),
              Not(HasSubstr("hunter2")));
  EXPECT_THAT(resolve(server + ", proxy-url: 'http://p'", "").error().message(),
              HasSubstr("proxy-url"));
  for (const char* bad : {"[]", "kind: Pod", "clusters: {}", "clusters: [{}]", "users: [3]",
                          "clusters: [{name: a, cluster: 3}]", "a: 1\n---\nb: 1\n", "a: [", "3"}) {
    EXPECT_FALSE(Kubeconfig::Parse(bad, "")) << bad;
  }
  EXPECT_THAT(Kubeconfig::Parse("current-context: gone", "")->Resolve().error().message(),
              HasSubstr("no context \"gone\""));
  EXPECT_TRUE(Kubeconfig::Parse("", ""));
}

TEST_F(KubeconfigTest, InACluster) {
  EXPECT_EQ(InClusterConfig(directory_).error().kind(), ErrorKind::kNotFound);
  ::setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1", 1);
  ::setenv("KUBERNETES_SERVICE_PORT", "443", 1);
  EXPECT_FALSE(InClusterConfig(directory_)) << "no token mounted";
  Write("token", "secret\n");
  Write("ca.crt", "the ca");
  Write("namespace", "shop");
  const auto config = InClusterConfig(directory_);
  ASSERT_TRUE(config) << config.error().ToString();
  EXPECT_EQ(config->server, "https://10.0.0.1:443");
  EXPECT_EQ(config->token, "secret");
  EXPECT_EQ(config->token_file, directory_ + "/token");
  EXPECT_EQ(config->tls.ca_pem, "the ca");
  EXPECT_EQ(config->ns, "shop");
  ::setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
  EXPECT_EQ(InClusterConfig(directory_)->server, "https://[fd00::1]:443");
}

TEST_F(KubeconfigTest, WritesWhatItReads) {
  const KubeconfigEntry entry{.name = "enclave: \"x\"",
                              .server = "https://127.0.0.1:6443",
                              .ca_pem = "CA\nlines\n",
                              .identity = {"CERT", "KEY"},
                              .token = "t: #1",
                              .ns = "shop"};
  const std::string path = directory_ + "/config";
  ASSERT_TRUE(SaveKubeconfig(path, "old"));
  ASSERT_TRUE(SaveKubeconfig(path, FormatKubeconfig(entry)));
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  const auto config = Kubeconfig::Load({path});
  ASSERT_TRUE(config) << config.error().ToString();
  const auto client = config->Resolve();
  ASSERT_TRUE(client);
  EXPECT_EQ(client->server, entry.server);
  EXPECT_EQ(client->tls.ca_pem, entry.ca_pem);
  EXPECT_EQ(client->tls.identity.certificate_pem, "CERT");
  EXPECT_EQ(client->token, entry.token);
  EXPECT_EQ(client->ns, "shop");
  EXPECT_FALSE(SaveKubeconfig(directory_ + "/no/such/dir", "x"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_), {}), 1)
      << "no temporary file is left";
}

}  // namespace
}  // namespace enclave::kube
