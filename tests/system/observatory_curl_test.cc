// What people have at hand beside an observatory: curl, which sends and replays OTLP and Loki
// bodies, and Prometheus' promtool, which asks it and reads its rules.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>

#include "system/command.h"
#include "system/enclave_fixture.h"
#include "system/eventually.h"
#include "system/fetched.h"
#include "system/http_probe.h"

namespace enclave::system_test {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

constexpr const char* kCurlHost = "127.0.0.1";
constexpr int kCurlPort = 29493;
constexpr const char* kTrace = "5b8efff798038103d269b633813fc60c";

class ObservatoryCurlTest : public testing::Test {
 protected:
  ObservatoryCurlTest()
      : process_({EnclaveBinary(), "observatory", "--state", (folder_ / "state").string(), "--http",
                  fmt::format("{}:{}", kCurlHost, kCurlPort)}),
        now_ns_(std::chrono::system_clock::now().time_since_epoch() / std::chrono::nanoseconds(1)) {
    EXPECT_TRUE(Eventually(seconds(30), [] {
      return HttpGet(kCurlHost, kCurlPort, "/-/ready").status == 200;
    })) << process_.Printed();
  }
  ~ObservatoryCurlTest() override { RemoveFolder(folder_); }

  static std::string Url(const std::string& path) {
    return fmt::format("http://{}:{}{}", kCurlHost, kCurlPort, path);
  }
  std::string File(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
    return (folder_ / name).string();
  }
  // The status, and the body behind it.
  static std::string Curl(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"curl", "-sS", "-w", "\n%{http_code}"});
    const Output output = Execute(arguments);
    EXPECT_EQ(output.code, 0) << output.Story();
    return output.out;
  }
  std::string Send(const std::string& path, const std::string& name, const Json& body) const {
    return Curl({"-H", "Content-Type: application/json", "--data-binary",
                 "@" + File(name, body.dump()), Url(path)});
  }
  static Json AskFor(const std::string& path, const std::string& query) {
    const Output output = Execute({"curl", "-sS", "-G", "--data-urlencode", query, Url(path)});
    return Json::parse(output.out, nullptr, /*allow_exceptions=*/false);
  }
  std::string At(std::int64_t offset_ns) const { return fmt::format("{}", now_ns_ + offset_ns); }

  Json Traces() const {
    Json span = {{"traceId", kTrace},
                 {"spanId", "eee19b7ec3c1b174"},
                 {"name", "pay"},
                 {"kind", 2},
                 {"startTimeUnixNano", At(-2'000'000'000)},
                 {"endTimeUnixNano", At(-1'000'000'000)},
                 {"status", {{"code", 2}, {"message", "no money"}}}};
    return {{"resourceSpans",
             {{{"resource", {{"attributes", {Attribute("service.name", "till")}}}},
               {"scopeSpans", {{{"spans", {span}}}}}}}}};
  }
  Json Logs() const {
    Json record = {{"timeUnixNano", At(-1'500'000'000)},
                   {"severityText", "ERROR"},
                   {"body", {{"stringValue", "the till is empty"}}},
                   {"traceId", kTrace},
                   {"spanId", "eee19b7ec3c1b174"}};
    return {{"resourceLogs",
             {{{"resource", {{"attributes", {Attribute("service.name", "till")}}}},
               {"scopeLogs", {{{"logRecords", {record}}}}}}}}};
  }
  Json Metrics() const {
    Json points = Json::array();
    for (int i = 0; i < 5; ++i)
      points.push_back({{"startTimeUnixNano", At(-60'000'000'000)},
                        {"timeUnixNano", At(-15'000'000'000 * (5 - i))},
                        {"asInt", std::to_string(10 * (i + 1))}});
    return {{"resourceMetrics",
             {{{"resource", {{"attributes", {Attribute("service.name", "till")}}}},
               {"scopeMetrics",
                {{{"metrics",
                   {{{"name", "payments"},
                     {"sum",
                      {{"aggregationTemporality", 2},
                       {"isMonotonic", true},
                       {"dataPoints", points}}}}}}}}}}}}};
  }
  static Json Attribute(const std::string& key, const std::string& value) {
    return {{"key", key}, {"value", {{"stringValue", value}}}};
  }

  const std::filesystem::path folder_ = MakeFolder("curl");
  Background process_;
  const std::int64_t now_ns_;
};

TEST_F(ObservatoryCurlTest, BodiesAreSentAndReplayed) {
  // Twice each: a replay of what is there changes nothing.
  for (int time = 0; time < 2; ++time) {
    EXPECT_THAT(Send("/v1/traces", "traces.json", Traces()), HasSubstr("\n200"));
    EXPECT_THAT(Send("/v1/metrics", "metrics.json", Metrics()), HasSubstr("\n200"));
  }
  EXPECT_THAT(Send("/v1/logs", "logs.json", Logs()), HasSubstr("\n200"));
  const Json push = {{"streams",
                      {{{"stream", {{"app", "till"}}},
                        {"values",
                         {{At(-900'000'000), "drawer opened", {{"trace_id", kTrace}}},
                          {At(-800'000'000), "drawer closed"}}}}}}};
  EXPECT_THAT(Send("/loki/api/v1/push", "push.json", push), HasSubstr("\n204"));
  // The same body, packed by gzip.
  const std::string packed = File("push2.json", push.dump());
  EXPECT_EQ(Execute({"gzip", "-f", packed}).code, 0);
  EXPECT_THAT(Curl({"-H", "Content-Type: application/json", "-H", "Content-Encoding: gzip",
                    "--data-binary", "@" + packed + ".gz", Url("/loki/api/v1/push")}),
              HasSubstr("\n204"));

  const Json trace =
      Json::parse(Execute({"curl", "-sS", Url(std::string("/api/traces/") + kTrace)}).out, nullptr,
                  /*allow_exceptions=*/false);
  EXPECT_EQ(system_test::At(trace, "batches").size(), 1u) << trace.dump();
  EXPECT_EQ(system_test::At(trace, "batches.0.scopeSpans.0.spans").size(), 1u) << trace.dump();
  const Json sum = AskFor("/api/v1/query", "query=sum(payments_total)");
  EXPECT_EQ(StringAt(sum, "data.result.0.value.1"), "50") << sum.dump();
  const Json samples = AskFor("/api/v1/query", "query=count_over_time(payments_total[5m])");
  EXPECT_EQ(StringAt(samples, "data.result.0.value.1"), "5") << samples.dump();
  const Json lines = AskFor("/loki/api/v1/query_range", "query={app=\"till\"} |= \"drawer\"");
  std::size_t entries = 0;
  for (const Json& stream : system_test::At(lines, "data.result"))
    entries += system_test::At(stream, "values").size();
  EXPECT_GE(entries, 2u) << lines.dump();
  const Json evidence = AskFor("/api/v1/evidence", std::string("trace=") + kTrace);
  EXPECT_FALSE(system_test::At(evidence, "data.spans").empty()) << evidence.dump();
  EXPECT_THAT(evidence.dump(), HasSubstr("the till is empty"));
  EXPECT_THAT(evidence.dump(), HasSubstr("drawer opened"));
}

TEST_F(ObservatoryCurlTest, BadBodiesAreToldWhatAndWhere) {
  const std::string cut = Curl({"-H", "Content-Type: application/json", "--data-binary",
                                "{\"resourceSpans\": [", Url("/v1/traces")});
  EXPECT_THAT(cut, HasSubstr("\n400"));
  EXPECT_THAT(cut, HasSubstr("message"));
  EXPECT_THAT(Curl({"-H", "Content-Type: text/csv", "--data-binary", "a,b", Url("/v1/logs")}),
              HasSubstr("\n415"));
  const std::string query = Curl({"-G", "--data-urlencode", "query=sum(", Url("/api/v1/query")});
  EXPECT_THAT(query, HasSubstr("\n400"));
  EXPECT_THAT(query, HasSubstr("1:5"));
}

TEST_F(ObservatoryCurlTest, PromtoolAsksItAndReadsTheRules) {
  const std::string promtool = FetchedFromDebian("prometheus", "usr/bin/promtool");
  if (promtool.empty()) GTEST_SKIP() << "Debian's prometheus is not to be had here";
  EXPECT_THAT(Send("/v1/metrics", "metrics.json", Metrics()), HasSubstr("\n200"));
  const std::string url = Url("");
  const Output instant = Execute({promtool, "query", "instant", url, "payments_total"});
  EXPECT_EQ(instant.code, 0) << instant.Story();
  EXPECT_THAT(instant.out, HasSubstr("=> 50"));
  const std::string from = fmt::format("{}", now_ns_ / 1'000'000'000 - 120);
  const Output range = Execute({promtool, "query", "range", "--start=" + from, "--step=15s", url,
                                "rate(payments_total[1m])"});
  EXPECT_EQ(range.code, 0) << range.Story();
  EXPECT_THAT(range.out, HasSubstr("@["));
  const Output series = Execute({promtool, "query", "series", "--match=payments_total", url});
  EXPECT_THAT(series.out, HasSubstr("payments_total")) << series.Story();
  const Output labels = Execute({promtool, "query", "labels", url, "job"});
  EXPECT_THAT(labels.out, HasSubstr("till")) << labels.Story();
  const HttpAnswer page = HttpGet(kCurlHost, kCurlPort, "/metrics");
  const Output metrics = Execute({promtool, "check", "metrics"}, {.input = page.body});
  EXPECT_THAT(metrics.both(), testing::Not(HasSubstr("error while linting"))) << metrics.Story();

  // Each file of rules that the laboratory's observatory reads: the entries of a ConfigMap.
  std::ifstream config(std::filesystem::path(ENCLAVE_SOURCE_DIR) / "deploy/observatory/rules.yaml");
  std::map<std::string, std::string> files;
  std::string* into = nullptr;
  for (std::string line; std::getline(config, line);) {
    if (line.starts_with("  ") && line.ends_with(".yaml: |"))
      into = &files[line.substr(2, line.find(':') - 2)];
    else if (into != nullptr && (line.starts_with("    ") || line.empty()))
      *into += line.substr(std::min<std::size_t>(4, line.size())) + "\n";
  }
  EXPECT_GE(files.size(), 3u);
  for (const auto& [name, text] : files) {
    const Output checked = Execute({promtool, "check", "rules", File(name, text)});
    EXPECT_EQ(checked.code, 0) << checked.Story();
  }
}

}  // namespace
}  // namespace enclave::system_test
