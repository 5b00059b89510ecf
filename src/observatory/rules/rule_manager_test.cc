#include "observatory/rules/rule_manager.h"

#include <bit>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/simulated_executor.h"
#include "observatory/promql/engine.h"
#include "observatory/rules/api_json.h"
#include "observatory/rules/memory_store.h"
#include "observatory/rules/promql_rule_engine.h"

namespace enclave::observatory::rules {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using telemetry::Labels;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class RuleManagerTest : public testing::Test {
 protected:
  RuleManagerTest() { Restart(); }

  // As if the program began anew, with the same store.
  void Restart() {
    manager_.reset();
    RuleManagerOptions options;
    options.context = {{{"cluster", "lab"}}, "http://obs"};
    manager_ = std::make_unique<RuleManager>(
        executor_, workers_, rule_engine_, store_, &store_,
        [this](const std::vector<Notification>& sent) {
          sent_.insert(sent_.end(), sent.begin(), sent.end());
        },
        options);
  }
  void Apply(const std::string& yaml) {
    auto groups = ParseRuleFile(yaml, "r.yml", rule_engine_);
    ASSERT_TRUE(groups) << groups.error().ToString();
    manager_->Apply(std::move(*groups));
  }
  // Lets time pass while the series `m` has this value every five seconds.
  void Run(base::Duration span, std::optional<double> value, const std::string& job = "web") {
    for (base::Duration done{}; done < span; done += seconds(5)) {
      if (value) {
        const auto now =
            std::chrono::floor<std::chrono::milliseconds>(executor_.WallNow().time_since_epoch());
        store_.Put({{"__name__", "m"}, {"job", job}}, {now.count(), *value});
      }
      executor_.RunFor(seconds(5));
    }
  }
  std::vector<std::string> Values(const std::string& series) {
    std::vector<std::string> values;
    for (const telemetry::Sample& sample : store_.Of(series)) {
      values.push_back(telemetry::IsStale(sample.value) ? "stale"
                                                        : fmt::format("{}", sample.value));
    }
    return values;
  }
  std::vector<std::string> States() const {
    std::vector<std::string> states;
    for (const GroupStatus& group : manager_->Status()) {
      for (const RuleStatus& rule : group.rules) {
        for (const Alert& alert : rule.alerts) {
          states.push_back(alert.state == AlertState::kFiring ? "firing" : "pending");
        }
      }
    }
    return states;
  }

  base::SimulatedExecutor executor_;
  telemetry::InlineWorkers workers_{executor_};
  MemoryStore store_;
  promql::Engine engine_{store_, {}, executor_};
  PromqlRuleEngine rule_engine_{engine_};
  std::unique_ptr<RuleManager> manager_;
  std::vector<Notification> sent_;
};

constexpr const char* kAlertFile = R"(
groups:
  - name: g
    interval: 10s
    labels: {team: sre}
    rules:
      - alert: High
        expr: m > 10
        for: 30s
        labels: {severity: page, who: "{{ $labels.job }}"}
        annotations: {summary: "{{ $labels.job }} is at {{ $value | humanize }}"}
)";

TEST_F(RuleManagerTest, RulesAreEvaluatedInOrderAndRecorded) {
  Apply(R"(
groups:
  - name: g
    interval: 10s
    rules:
      - {record: "job:m:sum", expr: sum by (job) (m), labels: {kind: "{{ raw }}"}}
      - {record: "twice", expr: "job:m:sum * 2"}
)");
  Run(seconds(30), 3);
  const std::string sum = R"(job:m:sum{job="web", kind="{{ raw }}"})";
  EXPECT_THAT(Values(sum), ElementsAre("3", "3", "3"));
  EXPECT_THAT(Values(R"(twice{job="web", kind="{{ raw }}"})"), ElementsAre("6", "6", "6"))
      << "it sees what was recorded just before";
  const auto samples = store_.Of(sum);
  EXPECT_EQ(samples[1].time_ms - samples[0].time_ms, 10'000);
  EXPECT_THAT(RenderRules(manager_->Status()), HasSubstr(R"("health":"ok")"));
}

TEST_F(RuleManagerTest, VanishedSeriesAndRemovedRulesEnd) {
  const std::string both = R"(
groups:
  - name: g
    interval: 10s
    rules:
      - {record: a, expr: m}
      - {record: b, expr: m + 1}
)";
  Apply(both);
  Run(seconds(10), 3);
  store_.Put({{"__name__", "m"}, {"job", "web"}},
             {std::chrono::floor<std::chrono::milliseconds>(executor_.WallNow().time_since_epoch())
                  .count(),
              std::bit_cast<double>(telemetry::kStaleBits)});
  Run(seconds(20), std::nullopt);
  EXPECT_THAT(Values(R"(a{job="web"})"), ElementsAre("3", "stale"));
  Run(seconds(10), 4);
  Apply("groups:\n  - {name: g, interval: 10s, rules: [{record: a, expr: m}]}\n");
  Run(seconds(10), 4);
  EXPECT_THAT(Values(R"(b{job="web"})"), ElementsAre("4", "stale", "5", "stale"));
  Apply("groups: []\n");
  Run(seconds(10), 4);
  EXPECT_EQ(Values(R"(a{job="web"})").back(), "stale");
  EXPECT_THAT(manager_->Status(), IsEmpty());
}

TEST_F(RuleManagerTest, AnAlertWaitsFiresAndResolves) {
  Apply(kAlertFile);
  Run(seconds(20), 5);
  EXPECT_THAT(States(), IsEmpty());
  Run(seconds(20), 42);
  EXPECT_THAT(States(), ElementsAre("pending"));
  EXPECT_THAT(sent_, IsEmpty());
  Run(seconds(30), 42);
  EXPECT_THAT(States(), ElementsAre("firing"));
  ASSERT_THAT(sent_, SizeIs(1));
  EXPECT_EQ(sent_[0].labels.ToString(),
            R"({alertname="High", cluster="lab", job="web", severity="page", team="sre", )"
            R"(who="web"})");
  EXPECT_EQ(sent_[0].annotations.Get("summary"), "web is at 42");
  EXPECT_EQ(sent_[0].generator_url, "http://obs/graph?g0.expr=m%20%3E%2010&g0.tab=1");
  const std::string labels = R"(job="web", severity="page", team="sre", who="web"})";
  EXPECT_THAT(Values(R"(ALERTS{alertname="High", alertstate="pending", )" + labels),
              ElementsAre("1", "1", "1", "stale"));
  Run(seconds(60), 43);
  EXPECT_THAT(sent_, SizeIs(2)) << "it is sent again each minute";
  Run(seconds(20), 1);
  EXPECT_THAT(States(), IsEmpty());
  ASSERT_THAT(sent_, SizeIs(3));
  EXPECT_TRUE(sent_[2].resolved);
  EXPECT_EQ(sent_[2].starts_at, sent_[0].starts_at);
  EXPECT_EQ(Values(R"(ALERTS{alertname="High", alertstate="firing", )" + labels).back(), "stale");
  EXPECT_EQ(Values(R"(ALERTS_FOR_STATE{alertname="High", )" + labels).back(), "stale");
}

TEST_F(RuleManagerTest, KeepFiringForBridgesGaps) {
  Apply(R"(
groups:
  - name: g
    interval: 10s
    rules: [{alert: A, expr: m > 10, keep_firing_for: 1m}]
)");
  Run(seconds(20), 42);
  EXPECT_THAT(States(), ElementsAre("firing")) << "without for it fires at once";
  Run(seconds(30), 1);
  EXPECT_THAT(States(), ElementsAre("firing"));
  EXPECT_THAT(RenderAlerts(manager_->Status()), HasSubstr("keepFiringSince"));
  Run(seconds(20), 42);
  EXPECT_THAT(RenderAlerts(manager_->Status()), Not(HasSubstr("keepFiringSince")));
  Run(seconds(90), 1);
  EXPECT_THAT(States(), IsEmpty());
}

TEST_F(RuleManagerTest, ARestartRestoresSinceWhenAlertsAreActive) {
  Apply(R"(
groups:
  - name: g
    interval: 10s
    rules: [{alert: A, expr: m > 10, for: 5m}]
)");
  Run(minutes(4), 42);
  EXPECT_THAT(States(), ElementsAre("pending"));
  Restart();
  Run(minutes(2), 42);  // nobody evaluates: this time does not count
  Apply(R"(
groups:
  - name: g
    interval: 10s
    rules: [{alert: A, expr: m > 10, for: 5m}]
)");
  Run(seconds(50), 42);
  EXPECT_THAT(States(), ElementsAre("pending"));
  Run(seconds(40), 42);
  EXPECT_THAT(States(), ElementsAre("firing")) << "a minute was missing";
  Restart();
  Apply(R"(
groups:
  - name: g
    interval: 10s
    rules: [{alert: A, expr: m > 10, for: 5m}]
)");
  Run(seconds(10), 42);
  EXPECT_THAT(States(), ElementsAre("firing")) << "one that fired fires on";
}

TEST_F(RuleManagerTest, AReloadKeepsTheAlertsOfRulesThatStay) {
  Apply(kAlertFile);
  Run(seconds(60), 42);
  const auto before = manager_->Status().at(0).rules.at(0).alerts.at(0).active_at;
  std::string changed = kAlertFile;
  changed += "      - {record: extra, expr: m}\n";
  Apply(changed);
  Run(seconds(10), 42);
  ASSERT_THAT(States(), ElementsAre("firing"));
  EXPECT_EQ(manager_->Status().at(0).rules.at(0).alerts.at(0).active_at, before);
}

TEST_F(RuleManagerTest, FaultsAreShownAndLimitsHold) {
  Apply(R"(
groups:
  - name: g
    interval: 10s
    limit: 1
    rules:
      - record: same
        expr: label_replace(m, "job", "x", "", "")
      - {alert: Many, expr: m > 0}
)");
  const auto now =
      std::chrono::floor<std::chrono::milliseconds>(executor_.WallNow().time_since_epoch());
  store_.Put({{"__name__", "m"}, {"job", "a"}}, {now.count(), 1});
  Run(seconds(20), 1, "b");
  const auto status = manager_->Status();
  EXPECT_THAT(status.at(0).rules.at(0).last_error, Not(IsEmpty()));
  EXPECT_THAT(status.at(0).rules.at(1).last_error, HasSubstr("limit of 1"));
  EXPECT_THAT(RenderRules(status), HasSubstr(R"("health":"err")"));
  EXPECT_THAT(sent_, IsEmpty());
}

TEST_F(RuleManagerTest, WhatTheApiShows) {
  Apply(kAlertFile);
  EXPECT_THAT(RenderRules(manager_->Status()), HasSubstr(R"("health":"unknown")"));
  Run(seconds(60), 42);
  const auto rules = nlohmann::json::parse(RenderRules(manager_->Status()));
  const auto& rule = rules["groups"][0]["rules"][0];
  EXPECT_EQ(rules["groups"][0]["name"], "g");
  EXPECT_EQ(rules["groups"][0]["file"], "r.yml");
  EXPECT_EQ(rules["groups"][0]["interval"], 10.0);
  EXPECT_EQ(rule["state"], "firing");
  EXPECT_EQ(rule["type"], "alerting");
  EXPECT_EQ(rule["duration"], 30.0);
  EXPECT_EQ(rule["query"], "m > 10");
  EXPECT_EQ(rule["labels"]["severity"], "page");
  EXPECT_EQ(rule["annotations"]["summary"], "{{ $labels.job }} is at {{ $value | humanize }}");
  EXPECT_EQ(rule["alerts"][0]["value"], "4.2e+01");
  EXPECT_EQ(rule["alerts"][0]["annotations"]["summary"], "web is at 42");
  EXPECT_EQ(nlohmann::json::parse(RenderRules(manager_->Status(), {.type = "record"}))["groups"],
            nlohmann::json::array());
  EXPECT_EQ(nlohmann::json::parse(RenderAlerts(manager_->Status()))["alerts"][0]["state"],
            "firing");
}

TEST(RuleFileTest, FaultsHaveTheirLine) {
  MemoryStore store;
  promql::Engine promql_engine(store);
  PromqlRuleEngine engine(promql_engine);
  const std::pair<const char*, const char*> cases[] = {
      {"groups:\n- name: g\n  rules:\n  - record: a\n    expr: sum(\n", "f:5: "},
      {"groups:\n- name: g\n  rules:\n  - alert: a\n    expr: m\n    typo: 1\n",
       "f:6: \"typo\" of a rule is not supported"},
      {"groups:\n- name: g\n  rules:\n  - expr: m\n", "f:4: a rule has either record or alert"},
      {"groups:\n- name: g\n  rules:\n  - {alert: a, record: b, expr: m}\n",
       "f:4: a rule has either record or alert"},
      {"groups:\n- name: g\n  rules:\n  - {record: a, expr: m, for: 1m}\n",
       "f:4: for, keep_firing_for and annotations belong to alerts"},
      {"groups:\n- name: g\n  rules:\n  - {record: a-b, expr: m}\n",
       "f:4: \"a-b\" is no metric name"},
      {"groups:\n- name: g\n  rules:\n  - alert: a\n    expr: m\n    labels:\n      x: '{{ nope "
       "}}'\n",
       "f:7: template line 1: the function \"nope\" is not supported"},
      {"groups:\n- name: g\n- name: g\n", "f:3: the group \"g\" stands twice"},
      {"groups:\n- rules: []\n", "f:2: a rule group needs a name"},
      {"groups:\n- {name: g, interval: soon}\n", "f:2: interval: \"soon\" is not a duration"},
      {"rules: []\n", "f:1: \"rules\" of a rule file is not supported"},
  };
  for (const auto& [text, why] : cases) {
    const auto groups = ParseRuleFile(text, "f", engine);
    ASSERT_FALSE(groups) << text;
    EXPECT_THAT(groups.error().message(), HasSubstr(why)) << text;
  }
  EXPECT_THAT(LoadRuleFiles({"/nonexistent/rules.yml"}, engine).error().message(),
              HasSubstr("there is no rule file"));
  EXPECT_TRUE(LoadRuleFiles({"/nonexistent/*.yml"}, engine)->empty());
}

}  // namespace
}  // namespace enclave::observatory::rules
