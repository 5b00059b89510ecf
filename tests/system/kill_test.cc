// The cluster process is killed at random moments of a rolling update, while others write. Nothing
// acknowledged is lost, no process is left over, and it always converges. Ten kills by default, a
// hundred with --slow.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <map>
#include <random>
#include <thread>

#include "system/api_client.h"
#include "system/eventually.h"
#include "system/kubectl.h"
#include "system/slow.h"

namespace enclave::system_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kKillConfigMaps = "/api/v1/namespaces/default/configmaps";

// Creates, changes and deletes ConfigMaps as fast as the server answers, and remembers what was
// acknowledged.
class Writer {
 public:
  Writer(const Access& access, int number)
      : client_(access), number_(number), thread_([this] { Work(); }) {}
  ~Writer() { Stop(); }

  void Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  // Only after Stop.
  const std::map<std::string, std::string>& kept() const { return kept_; }
  const std::set<std::string>& deleted() const { return deleted_; }
  long long acknowledged() const { return acknowledged_; }

 private:
  void Work() {
    for (long long i = 0; !stop_; ++i) {
      const std::string name = fmt::format("kill-{}-{}", number_, i);
      const std::string path = fmt::format("{}/{}", kKillConfigMaps, name);
      Json body = {{"apiVersion", "v1"},
                   {"kind", "ConfigMap"},
                   {"metadata", {{"name", name}}},
                   {"data", {{"v", "1"}}}};
      if (client_.Post(kKillConfigMaps, body).status != 201) {
        // Killed meanwhile: it may have been made or not; nobody was promised anything.
        Always(milliseconds(20), [this] { return !stop_.load(); });
        continue;
      }
      ++acknowledged_;
      kept_[name] = "1";
      if (i % 3 == 1) {
        const std::string patch = R"({"data":{"v":"2"}})";
        const int status =
            client_.Send("PATCH", path, patch, "application/merge-patch+json").status;
        // Without an answer the change may or may not be there.
        kept_[name] = status == 200 ? "2" : "1 or 2";
        if (status == 200) ++acknowledged_;
      } else if (i % 3 == 2) {
        const int status = client_.Send("DELETE", path).status;
        kept_.erase(name);
        if (status == 200) {
          deleted_.insert(name);
          ++acknowledged_;
        }
      }
    }
  }

  ApiClient client_;
  const int number_;
  std::atomic<bool> stop_{false};
  std::map<std::string, std::string> kept_;
  std::set<std::string> deleted_;
  long long acknowledged_ = 0;
  std::thread thread_;
};

TEST(KillTest, NothingAcknowledgedIsLostAndNothingIsLeftOver) {
  const int kills = Slow() ? 100 : 10;
  std::mt19937 chance(std::random_device{}());
  Enclave enclave;
  ASSERT_TRUE(enclave.Up());
  const Kubectl k(enclave, NewestKubectl());
  k.Must("apply -f " + TestFile("manifests/web.yaml"));
  k.Must("rollout status deploy/web --timeout=60s");
  const Access access = ReadAccess(enclave);
  ApiClient client(access);

  Writer first(access, 1);
  Writer second(access, 2);
  for (int i = 0; i < kills; ++i) {
    const std::string patch = fmt::format(
        R"({{"spec":{{"template":{{"spec":{{"containers":[{{"name":"c1","image":"enclave/testweb:v{}"}}]}}}}}}}})",
        1 + (i + 1) % 2);
    EXPECT_TRUE(Eventually(seconds(30),
                           [&] {
                             return client
                                        .Send("PATCH",
                                              "/apis/apps/v1/namespaces/default/deployments/web",
                                              patch, "application/strategic-merge-patch+json")
                                        .status == 200;
                           }))
        << "kill " << i << ": no answer any more";
    const milliseconds moment(chance() % 1500);
    Always(moment, [] { return true; });
    const pid_t victim = enclave.cluster_pid();
    ASSERT_GT(victim, 0) << "kill " << i;
    ::kill(victim, SIGKILL);
    // A cluster process that was ready is started again at once. The bound is generous to a loaded
    // machine, but not to a supervisor that waits longer after each death, up to 10 s.
    ASSERT_TRUE(Eventually(
        seconds(8),
        [&] { return enclave.cluster_pid() != victim && client.Get("/readyz").status == 200; }))
        << "kill " << i << " after " << moment.count() << " ms: it did not come back";
  }
  first.Stop();
  second.Stop();
  fmt::print("enclave tests: {} kills, {} acknowledged writes\n", kills,
             first.acknowledged() + second.acknowledged());
  EXPECT_GT(first.acknowledged() + second.acknowledged(), 10 * kills);

  // Converges.
  k.Must("rollout status deploy/web --timeout=90s");
  EXPECT_TRUE(
      k.Until("pods -l app=web", [](const Json& pods) { return At(pods, "items").size() == 2; }));

  // Nothing lost, and nothing deleted came back.
  std::map<std::string, std::string> stored;
  const ApiAnswer list = client.Get(kKillConfigMaps);
  ASSERT_EQ(list.status, 200) << list.error;
  for (const Json& item : At(list.json(), "items"))
    stored[StringAt(item, "metadata.name")] = StringAt(item, "data.v");
  for (const Writer* writer : {&first, &second}) {
    for (const auto& [name, value] : writer->kept()) {
      ASSERT_TRUE(stored.contains(name)) << name << " was acknowledged and is lost";
      if (value.size() == 1)
        EXPECT_EQ(stored[name], value) << name << ": an acknowledged change is lost";
    }
    for (const std::string& name : writer->deleted())
      EXPECT_FALSE(stored.contains(name)) << name << " came back";
  }

  // Once the pods are gone, so is all that ran in them: what is left is the cluster process and its
  // supervisor.
  k.Must("delete deploy web");
  EXPECT_TRUE(k.Until("pods", [](const Json& pods) { return At(pods, "items").empty(); }));
  EXPECT_TRUE(Eventually(seconds(10), [&] { return enclave.Processes().size() <= 2; }))
      << fmt::format("orphans among {}", fmt::join(enclave.Processes(), " "));
  EXPECT_EQ(enclave.Command({"down"}).code, 0);
  EXPECT_TRUE(enclave.Processes().empty());
}

}  // namespace
}  // namespace enclave::system_test
