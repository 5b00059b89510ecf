#include "observatory/rules/notifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/simulated_executor.h"
#include "observatory/rules/fake_poster.h"

namespace enclave::observatory::rules {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::IsEmpty;
using testing::SizeIs;

class NotifierTest : public testing::Test {
 protected:
  Notification Made(const std::string& job, bool resolved = false) const {
    Notification notification;
    notification.labels = {{"alertname", "High"}, {"job", job}, {"severity", "page"}};
    notification.annotations = {{"summary", job + " is high"}};
    notification.starts_at = executor_.WallNow();
    notification.ends_at = executor_.WallNow() + (resolved ? seconds(0) : hours(9));
    notification.resolved = resolved;
    notification.generator_url = "http://obs/graph?g0.expr=m&g0.tab=1";
    return notification;
  }
  WebhookConfig Config() const {
    WebhookConfig config;
    config.url = "http://receiver/hook";
    return config;
  }

  base::SimulatedExecutor executor_;
  base::SeededRandom random_{1};
  FakePoster poster_;
};

TEST_F(NotifierTest, AnAlertmanagerGetsWhatIsDueAndIsTriedAgain) {
  AlertmanagerNotifier notifier(executor_, poster_, random_, {{.url = "http://am/api/v2/alerts"}});
  poster_.statuses = {0, 503, 200};
  notifier.Send({Made("web")});
  executor_.RunFor(minutes(1));
  ASSERT_THAT(poster_.posted, SizeIs(3));
  EXPECT_EQ(poster_.posted[2].url, "http://am/api/v2/alerts");
  EXPECT_EQ(poster_.posted[2].body[0]["labels"]["job"], "web");
  EXPECT_EQ(poster_.posted[2].body[0]["startsAt"], "2023-11-14T22:13:20Z");
  EXPECT_EQ(poster_.posted[2].body[0]["endsAt"], "2023-11-15T07:13:20Z");
  EXPECT_EQ(notifier.dropped(), 0u);
  poster_.statuses = {400};
  notifier.Send({Made("web")});
  executor_.RunFor(minutes(1));
  EXPECT_THAT(poster_.posted, SizeIs(4)) << "a refusal is not tried again";
  EXPECT_EQ(notifier.dropped(), 1u);
}

TEST_F(NotifierTest, TheQueueIsBounded) {
  AlertmanagerNotifier notifier(executor_, poster_, random_, {{.url = "http://am"}}, 2);
  notifier.Send({Made("a"), Made("b"), Made("c"), Made("d")});
  executor_.RunFor(minutes(1));
  ASSERT_THAT(poster_.posted, SizeIs(1));
  ASSERT_THAT(poster_.posted[0].body, SizeIs(2));
  EXPECT_EQ(poster_.posted[0].body[0]["labels"]["job"], "c") << "the oldest give way";
  EXPECT_EQ(notifier.dropped(), 2u);
}

TEST_F(NotifierTest, AWebhookGetsGroups) {
  WebhookNotifier notifier(executor_, poster_, random_, Config(), "http://obs");
  notifier.Send({Made("web"), Made("api")});
  executor_.RunFor(seconds(2));
  ASSERT_THAT(poster_.posted, SizeIs(1));
  const auto& body = poster_.posted[0].body;
  EXPECT_EQ(body["version"], "4");
  EXPECT_EQ(body["groupKey"], R"({}:{alertname="High"})");
  EXPECT_EQ(body["status"], "firing");
  EXPECT_EQ(body["receiver"], "webhook");
  EXPECT_EQ(body["truncatedAlerts"], 0);
  EXPECT_EQ(body["groupLabels"], (nlohmann::json{{"alertname", "High"}}));
  EXPECT_EQ(body["commonLabels"], (nlohmann::json{{"alertname", "High"}, {"severity", "page"}}));
  EXPECT_EQ(body["commonAnnotations"], nlohmann::json::object());
  EXPECT_EQ(body["externalURL"], "http://obs");
  ASSERT_THAT(body["alerts"], SizeIs(2));
  EXPECT_EQ(body["alerts"][0]["labels"]["job"], "api");
  EXPECT_EQ(body["alerts"][0]["status"], "firing");
  EXPECT_EQ(body["alerts"][0]["endsAt"], "0001-01-01T00:00:00Z");
  EXPECT_EQ(body["alerts"][0]["fingerprint"].get<std::string>().size(), 16u);
}

TEST_F(NotifierTest, AWebhookHearsOfChangesAndRepeats) {
  WebhookNotifier notifier(executor_, poster_, random_, Config());
  notifier.Send({Made("web")});
  executor_.RunFor(minutes(5));
  EXPECT_THAT(poster_.posted, SizeIs(1)) << "nothing changed";
  notifier.Send({Made("api")});
  executor_.RunFor(seconds(15));
  EXPECT_THAT(poster_.posted, SizeIs(2));
  notifier.Send({Made("web", true)});
  executor_.RunFor(seconds(15));
  ASSERT_THAT(poster_.posted, SizeIs(3));
  EXPECT_EQ(poster_.posted[2].body["status"], "firing");
  EXPECT_EQ(poster_.posted[2].body["alerts"][1]["status"], "resolved");
  executor_.RunFor(minutes(65));
  ASSERT_THAT(poster_.posted, SizeIs(4)) << "repeat_interval";
  EXPECT_THAT(poster_.posted[3].body["alerts"], SizeIs(1)) << "the resolved one is gone";
  notifier.Send({Made("api", true)});
  executor_.RunFor(minutes(1));
  ASSERT_THAT(poster_.posted, SizeIs(5));
  EXPECT_EQ(poster_.posted[4].body["status"], "resolved");
  EXPECT_EQ(notifier.groups(), 0u);
}

TEST_F(NotifierTest, AnAlertThatNobodySendsAgainIsOver) {
  WebhookNotifier notifier(executor_, poster_, random_, Config());
  Notification alert = Made("web");
  alert.ends_at = executor_.WallNow() + minutes(4);
  notifier.Send({alert});
  executor_.RunFor(minutes(5));
  ASSERT_THAT(poster_.posted, SizeIs(2));
  EXPECT_EQ(poster_.posted[1].body["status"], "resolved");
}

TEST_F(NotifierTest, WhatAWebhookDoesNotTakeItGetsLater) {
  WebhookConfig config = Config();
  config.max_alerts = 1;
  WebhookNotifier notifier(executor_, poster_, random_, config);
  poster_.statuses = {0, 0, 0, 0, 0, 404};
  notifier.Send({Made("web"), Made("api")});
  executor_.RunFor(minutes(3));
  ASSERT_THAT(poster_.posted, SizeIs(7)) << "five tries, a refusal, and then it is taken";
  EXPECT_EQ(poster_.posted[6].body["truncatedAlerts"], 1);
  executor_.RunFor(minutes(10));
  EXPECT_THAT(poster_.posted, SizeIs(7));
}

TEST_F(NotifierTest, AnEndBeforeTheBeginningIsSilent) {
  WebhookNotifier notifier(executor_, poster_, random_, Config());
  notifier.Send({Made("web")});
  notifier.Send({Made("web", true)});
  executor_.RunFor(minutes(1));
  EXPECT_THAT(poster_.posted, IsEmpty());
  EXPECT_EQ(notifier.groups(), 0u);
}

TEST(FingerprintTest, IsThatOfPrometheus) {
  EXPECT_EQ(Fingerprint({}), "cbf29ce484222325");
  EXPECT_NE(Fingerprint({{"a", "b"}}), Fingerprint({{"a", "c"}}));
}

TEST(RulesConfigTest, ReadsItsPartAndRefusesTheRest) {
  const auto config = ParseRulesConfig(R"(
global: {scrape_interval: 5s, evaluation_interval: 20s, external_labels: {cluster: lab}}
scrape_configs: []
rule_files: [a.yml, /b/*.yml]
alerting:
  alertmanagers:
    - path_prefix: /am/
      static_configs: [{targets: ["a:9093", "b:9093"]}]
webhooks:
  - {url: "http://agent/alerts", group_by: [alertname, job], repeat_interval: 10m}
)",
                                       "f", "/etc");
  ASSERT_TRUE(config) << config.error().ToString();
  EXPECT_EQ(config->defaults.interval, seconds(20));
  EXPECT_THAT(config->rule_files, testing::ElementsAre("/etc/a.yml", "/b/*.yml"));
  ASSERT_THAT(config->alertmanagers, SizeIs(2));
  EXPECT_EQ(config->alertmanagers[1].url, "http://b:9093/am/api/v2/alerts");
  EXPECT_EQ(config->webhooks.at(0).repeat_interval, minutes(10));
  const std::pair<const char*, const char*> cases[] = {
      {"webhooks: [{url: 'ftp://x'}]\n", "f:1:"},
      {"alerting:\n  alert_relabel_configs: []\n", "f:2: \"alert_relabel_configs\" of alerting"},
      {"alerting: {alertmanagers: [{api_version: v1}]}\n", "api_version must be v2"},
      {"global: {evaluation_interval: 0}\n", "must be above 0"},
      {"storage: {}\n", "\"storage\" of the configuration is not supported"},
  };
  for (const auto& [text, why] : cases) {
    const auto refused = ParseRulesConfig(text, "f");
    ASSERT_FALSE(refused) << text;
    EXPECT_THAT(refused.error().message(), testing::HasSubstr(why));
  }
}

}  // namespace
}  // namespace enclave::observatory::rules
