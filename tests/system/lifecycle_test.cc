// Up, down, side by side, killed at any moment, and after a reboot: an enclave as a whole.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>

#include "system/api_client.h"
#include "system/eventually.h"
#include "system/http_probe.h"
#include "system/kubectl.h"
#include "system/pods.h"

namespace enclave::system_test {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

std::string WebManifest() {
  return TestFile("manifests/web.yaml");
}

void DeployWeb(const Kubectl& k) {
  k.Must("apply -f " + WebManifest());
  k.Must("rollout status deploy/web --timeout=60s");
}

// What the machine still has of an enclave: mounts and control groups that name it or its
// processes.
std::string Remains(const Enclave& enclave) {
  std::string remains;
  const std::string state = enclave.state().string();
  for (const pid_t pid : enclave.Processes()) remains += fmt::format("process {}\n", pid);
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);)
    if (line.find(state) != std::string::npos) remains += "mount " + line + "\n";
  return remains;
}

// The control groups that this enclave's processes are in, by name ("enclave-..."); none where it
// may make none.
std::set<std::string> ControlGroups(const Enclave& enclave) {
  std::set<std::string> names;
  for (const pid_t pid : enclave.Processes()) {
    std::ifstream file(fmt::format("/proc/{}/cgroup", pid));
    for (std::string line; std::getline(file, line);) {
      const std::size_t at = line.find("/enclave-");
      if (at != std::string::npos)
        names.insert(line.substr(at + 1, line.find('/', at + 1) - at - 1));
    }
  }
  return names;
}

std::string RemainingGroups(const std::set<std::string>& names) {
  std::string remains;
  std::error_code error;
  namespace fs = std::filesystem;
  const auto options = fs::directory_options::skip_permission_denied;
  for (auto it = fs::recursive_directory_iterator("/sys/fs/cgroup", options, error);
       it != fs::recursive_directory_iterator(); it.increment(error))
    if (names.contains(it->path().filename().string())) remains += it->path().string() + "\n";
  return remains;
}

TEST(LifecycleTest, UpStatusDown) {
  Enclave enclave;
  EXPECT_NE(enclave.Command({"status"}).code, 0) << "nothing runs yet";
  ASSERT_TRUE(enclave.Up());
  EXPECT_EQ(enclave.Command({"status"}).code, 0);
  const Json status = enclave.Status();
  EXPECT_TRUE(status.is_object()) << status.dump();
  const Output again = enclave.Command({"up", "--bare", "--wait"});
  EXPECT_EQ(again.code, 0) << "a second up finds it running\n" << again.Story();
  const Output kubectl = enclave.Command({"kubectl", "get", "nodes"});
  EXPECT_EQ(kubectl.code, 0) << kubectl.Story();
  EXPECT_THAT(kubectl.out, HasSubstr("Ready"));

  const Kubectl k(enclave, NewestKubectl());
  DeployWeb(k);
  const std::set<std::string> groups = ControlGroups(enclave);
  const Output down = enclave.Command({"down"});
  EXPECT_EQ(down.code, 0) << down.Story();
  EXPECT_EQ(Remains(enclave), "");
  EXPECT_EQ(RemainingGroups(groups), "");
  EXPECT_NE(enclave.Command({"status"}).code, 0);
  EXPECT_EQ(enclave.Command({"down"}).code, 0) << "down again is no error";
}

TEST(LifecycleTest, StateIsPrivateAndLocked) {
  Enclave enclave;
  ASSERT_TRUE(enclave.Up());
  namespace fs = std::filesystem;
  const auto others = fs::perms::group_all | fs::perms::others_all;
  EXPECT_EQ(fs::status(enclave.state()).permissions() & others, fs::perms::none);
  EXPECT_EQ(fs::status(enclave.kubeconfig()).permissions() & others, fs::perms::none);
  const Output second = enclave.Command({"cluster"}, seconds(20));
  EXPECT_NE(second.code, 0) << second.Story();
  EXPECT_NE(second.code, 124) << "a second cluster process runs on the same state";
  EXPECT_EQ(enclave.Command({"status"}).code, 0);
}

TEST(LifecycleTest, EnclavesSideBySide) {
  Enclave one;
  Enclave two;
  ASSERT_TRUE(one.Up());
  ASSERT_TRUE(two.Up());
  EXPECT_NE(one.server(), two.server());
  const Kubectl first(one, NewestKubectl());
  const Kubectl second(two, NewestKubectl());
  DeployWeb(first);
  DeployWeb(second);
  const std::string first_address = StringAt(first.Get("svc web"), "spec.clusterIP");
  const std::string second_address = StringAt(second.Get("svc web"), "spec.clusterIP");
  EXPECT_NE(first_address, second_address);
  EXPECT_EQ(HttpGet(first_address, kWebPort).status, 200);
  EXPECT_EQ(HttpGet(second_address, kWebPort).status, 200);
  // One's credentials are nothing to the other.
  const Output foreign =
      Execute({NewestKubectl().path, "--server=" + two.server(), "--insecure-skip-tls-verify",
               "--kubeconfig=" + one.kubeconfig(), "get", "pods"});
  EXPECT_NE(foreign.code, 0) << foreign.Story();

  EXPECT_EQ(one.Command({"down", "--grace", "1"}).code, 0);
  EXPECT_EQ(Remains(one), "");
  EXPECT_EQ(HttpGet(first_address, kWebPort, "/", seconds(2)).status, 0);
  EXPECT_EQ(HttpGet(second_address, kWebPort).status, 200);
  EXPECT_EQ(second("get pods").code, 0);
}

TEST(LifecycleTest, PodsAreAdoptedAfterTheClusterProcessWasKilled) {
  Enclave enclave;
  ASSERT_TRUE(enclave.Up());
  const Kubectl k(enclave, NewestKubectl());
  DeployWeb(k);
  const std::set<std::string> before = RunningContainers(k);
  ASSERT_EQ(before.size(), 4u);
  for (const std::string& container : before)
    ASSERT_THAT(container, Not(HasSubstr(" pid none"))) << "its process is not found";
  const pid_t cluster = enclave.cluster_pid();
  ASSERT_GT(cluster, 0);
  ::kill(cluster, SIGKILL);
  EXPECT_TRUE(Eventually(seconds(15), [&] {
    return enclave.cluster_pid() != cluster && k("get --raw /readyz").code == 0;
  })) << "the cluster process was not started again";
  k.Must("rollout status deploy/web --timeout=60s");
  EXPECT_TRUE(Always(seconds(2), [&] { return RunningContainers(k) == before; }))
      << "containers were not adopted as they were\n"
      << fmt::format("{}\n", fmt::join(before, "\n"))
      << fmt::format("now\n{}\n", fmt::join(RunningContainers(k), "\n"));
  EXPECT_EQ(HttpGet(StringAt(k.Get("svc web"), "spec.clusterIP"), kWebPort).status, 200);
}

TEST(LifecycleTest, AllComesBackAfterAReboot) {
  Enclave enclave;
  ASSERT_TRUE(enclave.Up());
  const Kubectl k(enclave, NewestKubectl());
  DeployWeb(k);
  k.Must("create -f -",
         R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"kept"},"data":{"a":"1"}})");
  const std::string address = StringAt(k.Get("svc web"), "spec.clusterIP");
  // Everything dies at once, as when the power fails.
  EXPECT_TRUE(Eventually(seconds(10), [&] {
    for (const pid_t pid : enclave.Processes()) ::kill(pid, SIGKILL);
    return enclave.Processes().empty();
  }));
  ASSERT_TRUE(enclave.Up());
  k.Must("rollout status deploy/web --timeout=60s");
  EXPECT_EQ(StringAt(k.Get("cm kept"), "data.a"), "1");
  EXPECT_EQ(StringAt(k.Get("svc web"), "spec.clusterIP"), address) << "Services keep their address";
  EXPECT_TRUE(Eventually(seconds(20), [&] { return HttpGet(address, kWebPort).status == 200; }));
}

}  // namespace
}  // namespace enclave::system_test
