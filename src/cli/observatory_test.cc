// The observatory as a whole, over its own HTTP: what is written by every protocol is read back by
// every query language, in this process and in one that is killed.
#include "cli/observatory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include <nlohmann/json.hpp>

#include "net/event_loop.h"
#include "net/http_client.h"

namespace enclave::cli {
namespace {

using nlohmann::json;
using testing::HasSubstr;

const char* const kChildState = "ENCLAVE_TEST_OBSERVATORY_STATE";
const char* const kTraceId = "0af7651916cd43dd8448eb211c80319c";

std::int64_t NowNs() {
  return base::SystemClock().WallNow().time_since_epoch().count();
}

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "observatory-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class Client {
 public:
  explicit Client(const std::string& url)
      : client_(std::move(*net::HttpClient::Create(loop_, {.base_url = url}))) {}

  base::Result<net::Response> Send(net::ClientRequest request) {
    return client_->SendAndWait(std::move(request));
  }
  net::Response Get(const std::string& target) {
    auto response = Send({.target = target});
    EXPECT_TRUE(response) << target << ": " << response.error().message();
    return response ? *response : net::Response{};
  }
  json GetJson(const std::string& target) {
    const net::Response response = Get(target);
    EXPECT_EQ(response.status, 200) << target << ": " << response.body;
    return json::parse(response.body, nullptr, false);
  }
  base::Result<net::Response> Post(const std::string& target, const json& body) {
    return Send({.method = "POST",
                 .target = target,
                 .headers = {{"Content-Type", "application/json"}},
                 .body = body.dump()});
  }

 private:
  net::EventLoop loop_{"test-client"};
  std::unique_ptr<net::HttpClient> client_;
};

json Attribute(const char* key, const std::string& value) {
  return {{"key", key}, {"value", {{"stringValue", value}}}};
}

json Resource(const char* service) {
  return {
      {"attributes", {Attribute("service.name", service), Attribute("k8s.pod.name", "cart-1")}}};
}

json TracesOf(const char* service, std::int64_t start_ns) {
  const json span = {{"traceId", kTraceId},
                     {"spanId", "00f067aa0ba902b7"},
                     {"name", "AddItem"},
                     {"kind", 2},
                     {"startTimeUnixNano", std::to_string(start_ns)},
                     {"endTimeUnixNano", std::to_string(start_ns + 2'000'000)},
                     {"attributes", {Attribute("code.function", "AddItem")}},
                     {"status", {{"code", 2}, {"message", "no such product"}}}};
  return {{"resourceSpans",
           {{{"resource", Resource(service)}, {"scopeSpans", {{{"spans", {span}}}}}}}}};
}

json LogsOf(const char* service, std::int64_t time_ns) {
  const json record = {{"timeUnixNano", std::to_string(time_ns)},
                       {"severityText", "ERROR"},
                       {"body", {{"stringValue", "no product 66VCHSJNUP"}}},
                       {"traceId", kTraceId},
                       {"spanId", "00f067aa0ba902b7"}};
  return {{"resourceLogs",
           {{{"resource", Resource(service)}, {"scopeLogs", {{{"logRecords", {record}}}}}}}}};
}

json CounterOf(const char* service, std::int64_t time_ns, double value) {
  const json point = {{"timeUnixNano", std::to_string(time_ns)},
                      {"startTimeUnixNano", std::to_string(time_ns - 60'000'000'000)},
                      {"asDouble", value}};
  const json sum = {{"dataPoints", {point}}, {"aggregationTemporality", 2}, {"isMonotonic", true}};
  return {{"resourceMetrics",
           {{{"resource", Resource(service)},
             {"scopeMetrics", {{{"metrics", {{{"name", "cart.items.added"}, {"sum", sum}}}}}}}}}}};
}

class ObservatoryTest : public testing::Test {
 protected:
  void Start() {
    ObservatoryOptions options;
    options.state = directory_.path() + "/state";
    options.http = "127.0.0.1:0";
    options.otlp_grpc = "127.0.0.1:0";
    options.config = config_;
    options.version = "test";
    auto started = Observatory::Start(options);
    ASSERT_TRUE(started) << started.error().message();
    observatory_ = std::move(*started);
    client_ = std::make_unique<Client>(observatory_->http_url());
  }

  TemporaryDirectory directory_;
  std::string config_;
  std::unique_ptr<Observatory> observatory_;
  std::unique_ptr<Client> client_;
};

TEST_F(ObservatoryTest, WhatComesInByEveryProtocolIsFoundByEveryLanguage) {
  Start();
  const std::int64_t now = NowNs();
  for (const auto& [path, body] :
       {std::pair{"/v1/traces", TracesOf("cart", now)}, std::pair{"/v1/logs", LogsOf("cart", now)},
        std::pair{"/v1/metrics", CounterOf("cart", now, 41)}}) {
    const auto response = client_->Post(path, body);
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 200) << path << ": " << response->body;
  }
  // Pairs of texts in braces would be read as an object.
  const json lines_of_web = json::array({json::array({std::to_string(now), "GET /cart"}),
                                         json::array({std::to_string(now + 1), "bye"})});
  const auto pushed = client_->Post(
      "/loki/api/v1/push",
      {{"streams", json::array({{{"stream", {{"app", "web"}}}, {"values", lines_of_web}}})}});
  ASSERT_TRUE(pushed);
  EXPECT_EQ(pushed->status, 204) << pushed->body;

  const auto check = [&] {
    const json items = client_->GetJson("/api/v1/query?query=cart_items_added_total");
    ASSERT_EQ(items["data"]["result"].size(), 1u) << items;
    EXPECT_EQ(items["data"]["result"][0]["value"][1], "41");
    EXPECT_EQ(items["data"]["result"][0]["metric"]["job"], "cart");
    const json lines = client_->GetJson(
        "/loki/api/v1/"
        "query_range?query=%7Bservice_name%3D%22cart%22%7D%20%7C%3D%20%2266VCHSJNUP%22");
    ASSERT_EQ(lines["data"]["result"].size(), 1u) << lines;
    EXPECT_EQ(lines["data"]["result"][0]["values"][0][1], "no product 66VCHSJNUP");
    const json web =
        client_->GetJson("/loki/api/v1/query_range?query=%7Bapp%3D%22web%22%7D&direction=forward");
    ASSERT_EQ(web["data"]["result"].size(), 1u) << web;
    EXPECT_EQ(web["data"]["result"][0]["values"].size(), 2u);
    const json trace = client_->GetJson(std::string("/api/v2/traces/") + kTraceId);
    EXPECT_EQ(trace["trace"]["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"], "AddItem");
    const json search = client_->GetJson(
        "/api/search?q=%7B%20resource.service.name%3D%22cart%22%20%26%26%20status%3Derror%20%7D");
    ASSERT_EQ(search["traces"].size(), 1u) << search;
    EXPECT_EQ(search["traces"][0]["traceID"], kTraceId);
    const json evidence =
        client_->GetJson(std::string("/api/v1/evidence?trace=") + kTraceId)["data"];
    EXPECT_EQ(evidence["spans"].size(), 1u);
    ASSERT_GE(evidence["logs"].size(), 1u) << evidence;
    EXPECT_EQ(evidence["logs"][0]["line"], "no product 66VCHSJNUP");
    EXPECT_EQ(evidence["series"].size(), 1u) << evidence["series"];
    EXPECT_FALSE(evidence.contains("warnings")) << evidence["warnings"];
  };
  check();
  // All of it is there after a restart.
  client_.reset();
  observatory_.reset();
  Start();
  check();
}

TEST_F(ObservatoryTest, ItTellsAboutItself) {
  Start();
  EXPECT_EQ(client_->Get("/-/ready").status, 200);
  EXPECT_EQ(client_->Get("/ready").status, 200);
  EXPECT_EQ(client_->Get("/-/healthy").status, 200);
  ASSERT_TRUE(client_->Post("/v1/traces", TracesOf("cart", NowNs())));
  const std::string metrics = client_->Get("/metrics").body;
  EXPECT_THAT(metrics, HasSubstr("observatory_store_spans_total 1\n"));
  EXPECT_THAT(metrics, HasSubstr("observatory_ingest_spans_total{protocol=\"otlp_http\"} 1\n"));
  EXPECT_THAT(metrics,
              HasSubstr("observatory_http_requests_total{route=\"/v1/traces\",code=\"200\"} 1\n"));
  EXPECT_THAT(metrics, HasSubstr("observatory_store_writable 1\n"));
  EXPECT_EQ(client_->GetJson("/api/v1/targets")["status"], "success");
  EXPECT_EQ(client_->GetJson("/api/v1/rules")["data"]["groups"], json::array());
  EXPECT_EQ(client_->GetJson("/api/v1/alerts")["data"]["alerts"], json::array());
  EXPECT_THAT(client_->Get("/").body, HasSubstr("Observatory"));
  EXPECT_THAT(observatory_->otlp_grpc_address(), testing::StartsWith("127.0.0.1:"));
}

TEST_F(ObservatoryTest, RulesAndTargetsOfItsConfiguration) {
  config_ = directory_.path() + "/config.yaml";
  std::ofstream(config_) << "global: {evaluation_interval: 1s}\n"
                            "rule_files: [rules.yaml]\n"
                            "scrape_configs:\n"
                            "- job_name: web\n"
                            "  static_configs: [{targets: ['127.0.0.1:1']}]\n";
  std::ofstream(directory_.path() + "/rules.yaml") << "groups:\n- name: g\n  rules:\n"
                                                      "  - {record: a:b, expr: vector(7)}\n"
                                                      "  - {alert: Always, expr: vector(1) > 0}\n";
  Start();
  const json rules = client_->GetJson("/api/v1/rules");
  ASSERT_EQ(rules["data"]["groups"].size(), 1u) << rules;
  EXPECT_EQ(rules["data"]["groups"][0]["rules"].size(), 2u);
  EXPECT_EQ(client_->GetJson("/api/v1/rules?type=alert")["data"]["groups"][0]["rules"].size(), 1u);
  EXPECT_EQ(client_->Get("/api/v1/rules?type=no").status, 400);
  EXPECT_THAT(client_->Get("/api/v1/status/config").body, HasSubstr("job_name: web"));
  EXPECT_THAT(client_->Get("/api/v1/targets").body, HasSubstr("127.0.0.1:1"));
}

TEST_F(ObservatoryTest, WhatCannotBeDoneIsSaid) {
  for (const char* address : {"9090", "127.0.0.1", "127.0.0.1:x", "::1:9090", "127.0.0.1:99999"})
    EXPECT_FALSE(ParseListenAddress(address)) << address;
  EXPECT_EQ(ParseListenAddress(":9090")->host, "0.0.0.0");
  EXPECT_EQ(ParseListenAddress("[::1]:0")->host, "::1");
  ObservatoryOptions options{.state = directory_.path() + "/state", .http = "127.0.0.1:0"};
  options.retention = "a while";
  EXPECT_THAT(Observatory::Start(options).error().message(), HasSubstr("--retention"));
  options.retention = "1h";
  options.config = directory_.path() + "/missing.yaml";
  EXPECT_FALSE(Observatory::Start(options));
}

// Runs in a process of its own, started by the test below.
TEST(ObservatoryChild, DISABLED_Runs) {
  const char* state = std::getenv(kChildState);
  ASSERT_NE(state, nullptr) << "only the test that kills it starts it";
  ObservatoryOptions options{.state = state, .http = "127.0.0.1:0"};
  EXPECT_EQ(RunObservatory(options), 0);
}

// A child process that runs an observatory, and its address.
class Child {
 public:
  explicit Child(const std::string& state) {
    std::array<int, 2> out{};
    EXPECT_EQ(::pipe2(out.data(), O_CLOEXEC), 0);
    ::setenv(kChildState, state.c_str(), 1);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(out[1], STDOUT_FILENO);
      ::execl("/proc/self/exe", "observatory", "--gtest_also_run_disabled_tests",
              "--gtest_filter=ObservatoryChild.DISABLED_Runs", nullptr);
      ::_exit(127);
    }
    ::close(out[1]);
    std::string text;
    std::array<char, 256> piece{};
    constexpr std::string_view kMark = "observatory: ";
    for (ssize_t got = 0; (got = ::read(out[0], piece.data(), piece.size())) > 0;) {
      text.append(piece.data(), static_cast<std::size_t>(got));
      const std::size_t at = text.find(kMark);
      if (at == std::string::npos) continue;
      const std::size_t end = text.find('\n', at);
      if (end == std::string::npos) continue;
      url_ = text.substr(at + kMark.size(), end - at - kMark.size());
      break;
    }
    ::close(out[0]);
  }
  ~Child() { End(SIGKILL); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  const std::string& url() const { return url_; }
  // Returns the status that waitpid gives.
  int End(int signal) {
    if (pid_ <= 0) return 0;
    ::kill(pid_, signal);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_ = -1;
  std::string url_;
};

TEST(ObservatoryKillTest, NothingAcknowledgedIsMissingOrDouble) {
  const TemporaryDirectory directory;
  const std::string state = directory.path() + "/state";
  const std::int64_t begin = NowNs();
  std::atomic<int> next = 0;
  std::vector<int> acknowledged;
  std::mutex mutex;
  constexpr int kKills = 5;
  for (int round = 0; round < kKills; ++round) {
    Child child(state);
    ASSERT_FALSE(child.url().empty()) << "the child did not start";
    // Each writer pushes batches of one line, one sample and one span until the child is gone.
    std::atomic<int> here = 0;
    const auto write = [&] {
      Client client(child.url());
      for (;;) {
        const int id = next.fetch_add(1);
        const json line = json::array({std::to_string(begin + id), fmt::format("line {}", id)});
        const auto pushed = client.Post(
            "/loki/api/v1/push",
            {{"streams",
              json::array({{{"stream", {{"app", "kill"}}}, {"values", json::array({line})}}})}});
        if (!pushed) return;
        if (pushed->status != 204) continue;
        const std::lock_guard lock(mutex);
        acknowledged.push_back(id);
        here.fetch_add(1);
        here.notify_all();
      }
    };
    std::vector<std::thread> writers;
    for (int i = 0; i < 3; ++i) writers.emplace_back(write);
    // Killed in the middle of the work, at another moment each time.
    for (int seen = 0; seen < 20 + 13 * round; seen = here.load()) here.wait(seen);
    child.End(SIGKILL);
    for (std::thread& writer : writers) writer.join();
  }
  Child child(state);
  ASSERT_FALSE(child.url().empty());
  Client client(child.url());
  std::map<std::string, int> found;
  const json lines = client.GetJson(fmt::format(
      "/loki/api/v1/query_range?query=%7Bapp%3D%22kill%22%7D&limit=5000&start={}&end={}", begin,
      begin + 1'000'000'000));
  for (const json& stream : lines["data"]["result"])
    for (const json& value : stream["values"]) ++found[value[1].get<std::string>()];
  EXPECT_GE(acknowledged.size(), 20u * kKills);
  for (const int id : acknowledged)
    EXPECT_EQ(found[fmt::format("line {}", id)], 1) << "acknowledged line " << id;
  for (const auto& [line, count] : found) EXPECT_LE(count, 1) << line;
  // And it ends well when it is asked to.
  const int status = child.End(SIGTERM);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

}  // namespace
}  // namespace enclave::cli
