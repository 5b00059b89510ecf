// Alerts of the laboratory: a bad release is heard of by a webhook and is over when it was taken
// back; ordinary life (load, rollouts, pods that are deleted) raises none. Half a minute of
// ordinary life by default, five with --slow.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "system/eventually.h"
#include "system/http_probe.h"
#include "system/laboratory.h"
#include "system/slow.h"
#include "system/webhook_receiver.h"

namespace enclave::system_test {
namespace {

using std::chrono::seconds;
using testing::IsEmpty;

class LaboratoryAlertsTest : public LaboratoryTest {
 protected:
  // Names of the alerts that fire, with their service, pod or deployment.
  static std::set<std::string> Firing() {
    std::set<std::string> names;
    for (const Json& alert : At(Ask("/api/v1/alerts"), "data.alerts")) {
      if (StringAt(alert, "state") != "firing") continue;
      std::string name = StringAt(alert, "labels.alertname");
      for (const char* label : {"service", "pod", "deployment"})
        if (const std::string of = StringAt(alert, std::string("labels.") + label); !of.empty())
          name += " " + of;
      names.insert(name);
    }
    return names;
  }

  // What the boutique answered with a fault, and what it wrote of it: why an alert fired.
  static std::string Faults() {
    std::string told;
    const auto tell = [&](const std::string& path, const std::string& query) {
      for (const Json& found : At(Ask(path + PercentEscaped(query)), "data.result"))
        told += found.dump() + "\n";
    };
    tell("/api/v1/query?query=",
         R"(rpc_server_duration_seconds_count{rpc_grpc_status_code=~"2|4|8|12|13|14|15"})");
    tell("/loki/api/v1/query_range?limit=20&query=",
         R"({service_namespace="boutique"} | severity_text=~"(?i)warn.*|error.*")");
    return told;
  }

  static void TellOfAlerts(const std::string& url) {
    Json config = kubectl_->Get("-n observatory configmap observatory-config");
    std::string& text = config["data"]["config.yaml"].get_ref<std::string&>();
    const std::string list = "webhooks:\n";
    const auto at = text.find(list);
    ASSERT_NE(at, std::string::npos);
    text.insert(at + list.size(),
                fmt::format("  - {{name: test, url: \"{}\", group_by: [alertname, service], "
                            "group_wait: 0s, group_interval: 1s}}\n",
                            url));
    kubectl_->Must("replace -f -", config.dump());
  }

  // Whether a message of the status holds the alert.
  static bool Told(const WebhookReceiver& receiver, const std::string& status,
                   const std::string& name) {
    for (const Json& message : receiver.messages()) {
      if (StringAt(message, "status") != status) continue;
      for (const Json& alert : At(message, "alerts"))
        if (StringAt(alert, "labels.alertname") == name && StringAt(alert, "status") == status) {
          EXPECT_EQ(StringAt(message, "version"), "4");
          EXPECT_EQ(StringAt(message, "receiver"), "test");
          EXPECT_NE(StringAt(alert, "startsAt"), "");
          EXPECT_NE(StringAt(alert, "fingerprint"), "");
          return true;
        }
    }
    return false;
  }
};

TEST_F(LaboratoryAlertsTest, OrdinaryLifeRaisesNone) {
  ASSERT_TRUE(Eventually(seconds(60), [] { return Firing().empty(); })) << "the start is over";
  std::set<std::string> raised;
  const auto until = std::chrono::steady_clock::now() + seconds(Slow() ? 300 : 30);
  const std::vector<std::string> disturbances = {"rollout restart deploy/currencyservice",
                                                 "rollout restart deploy/cartservice",
                                                 "rollout restart deploy/frontend",
                                                 "delete pod -l app=adservice --wait=false",
                                                 "scale deploy/productcatalogservice --replicas=2",
                                                 "rollout restart deploy/checkoutservice",
                                                 "scale deploy/productcatalogservice --replicas=1"};
  std::size_t next = 0;
  while (std::chrono::steady_clock::now() < until) {
    kubectl_->Must("-n boutique " + disturbances[next++ % disturbances.size()]);
    Always(seconds(5), [&] {
      raised.merge(Firing());
      return true;
    });
  }
  EXPECT_THAT(raised, IsEmpty()) << Faults();
  kubectl_->Must("-n boutique scale deploy/productcatalogservice --replicas=1");
}

TEST_F(LaboratoryAlertsTest, ABadReleaseIsToldOfAndIsOverOnceItIsTakenBack) {
  const WebhookReceiver receiver;
  TellOfAlerts(receiver.url());
  Release("currencyservice", "v2");
  const std::string alert = "AvailabilityBudgetBurnsFast";
  std::thread visitors([] { Load(250, 21, 10); });
  std::set<std::string> firing;
  EXPECT_TRUE(Eventually(seconds(60), [&] {
    firing = Firing();
    return firing.contains(alert + " currencyservice") && firing.contains(alert + " frontend");
  })) << testing::PrintToString(firing);
  EXPECT_TRUE(Eventually(seconds(60), [&] { return Told(receiver, "firing", alert); }))
      << receiver.messages().size();
  RollBack("currencyservice");
  visitors.join();
  EXPECT_TRUE(Eventually(seconds(150), [&] {
    firing = Firing();
    return firing.empty();
  })) << testing::PrintToString(firing);
  EXPECT_TRUE(Eventually(seconds(30), [&] { return Told(receiver, "resolved", alert); }));
}

}  // namespace
}  // namespace enclave::system_test
