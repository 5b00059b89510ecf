// With real sockets and files: from a rule file to what Alertmanager and a webhook receive.
#include "observatory/rules/service.h"

#include <condition_variable>
#include <fstream>
#include <mutex>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/asio/awaitable.hpp>
#include <nlohmann/json.hpp>

#include "net/http_server.h"
#include "observatory/rules/memory_store.h"

namespace enclave::observatory::rules {
namespace {

using nlohmann::json;

// The series `up` of one job is down.
class OneAnswer final : public RuleEngine {
 public:
  base::Result<> Check(std::string_view) override { return {}; }
  base::Result<std::vector<VectorSample>> Query(std::string_view, std::int64_t) override {
    return std::vector<VectorSample>{{{{"__name__", "up"}, {"job", "web"}}, 0}};
  }
};

TEST(RulesServiceTest, AlertsReachTheirReceivers) {
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, std::vector<json>> received;
  net::EventLoop loop("rules-test");
  const auto server = net::HttpServer::Start(
      loop, {},
      [&](net::Request& request, net::ResponseWriter& writer) -> boost::asio::awaitable<void> {
        {
          const std::lock_guard lock(mutex);
          EXPECT_EQ(request.method, "POST");
          EXPECT_EQ(request.Header("Content-Type"), "application/json");
          received[request.path].push_back(json::parse(request.body));
        }
        changed.notify_all();
        co_await writer.Send({});
      });
  ASSERT_TRUE(server) << server.error().ToString();
  const auto wait = [&](const auto& done) {
    std::unique_lock lock(mutex);
    changed.wait(lock, done);
  };
  const std::string directory = testing::TempDir();
  const auto write_rules = [&](const std::string& alert) {
    std::ofstream(directory + "/rules_service_test_rules.yml")
        << "groups: [{name: g, interval: 20ms, rules: [{alert: " << alert << ", expr: up == 0}]}]";
  };
  write_rules("Down");
  std::ofstream(directory + "/rules_service_test.yml") << fmt::format(R"(
rule_files: [rules_service_test_rule*.yml]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["127.0.0.1:{0}"]}}]}}]}}
webhooks: [{{url: "http://127.0.0.1:{0}/hook", group_wait: 0}}]
)",
                                                                      (*server)->port());
  OneAnswer engine;
  MemoryStore store;
  ServiceOptions options;
  options.config_file = directory + "/rules_service_test.yml";
  options.reload_interval = std::chrono::milliseconds(5);
  const auto service = Service::Start(options, engine, store, &store);
  ASSERT_TRUE(service) << service.error().ToString();
  wait([&] { return !received["/api/v2/alerts"].empty() && !received["/hook"].empty(); });
  EXPECT_EQ(received["/api/v2/alerts"][0][0]["labels"]["alertname"], "Down");
  EXPECT_EQ(received["/hook"][0]["alerts"][0]["labels"]["job"], "web");
  EXPECT_EQ(store.Of(R"(ALERTS{alertname="Down", alertstate="firing", job="web"})").empty(), false);

  write_rules("Other");
  wait([&] {
    return std::ranges::any_of(received["/api/v2/alerts"], [](const json& body) {
      return body[0]["labels"]["alertname"] == "Other";
    });
  });
  EXPECT_EQ((*service)->Status().at(0).rules.at(0).rule.name, "Other");
  std::ofstream(directory + "/rules_service_test_rules.yml") << "nonsense: 1";
  EXPECT_THAT((*service)->Reload().error().message(), testing::HasSubstr("nonsense"));
}

TEST(RulesServiceTest, WithoutConfigurationThereAreNoRules) {
  OneAnswer engine;
  MemoryStore store;
  const auto service = Service::Start({}, engine, store, &store);
  ASSERT_TRUE(service);
  EXPECT_TRUE((*service)->Status().empty());
}

}  // namespace
}  // namespace enclave::observatory::rules
