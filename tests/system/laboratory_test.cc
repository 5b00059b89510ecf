// The whole laboratory, as `enclave up` brings it: observatory, boutique and load. What a user does
// can be asked for afterwards, from the trace to the log line, the series and the line of code.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "system/eventually.h"
#include "system/http_probe.h"
#include "system/kubectl.h"
#include "system/npm_client.h"

namespace enclave::system_test {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int kObservatoryPort = 9090;
constexpr int kShopPort = 80;

// One laboratory for all tests here: bringing it up is the slow part.
class LaboratoryTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    enclave_ = new Enclave;
    const Output up = enclave_->Command({"up", "--wait"}, seconds(180));
    EXPECT_EQ(up.code, 0) << up.Story();
    kubectl_ = new Kubectl(*enclave_, NewestKubectl());
  }
  static void TearDownTestSuite() {
    delete kubectl_;
    delete enclave_;
  }

  static std::string ServiceAddress(const std::string& ns, const std::string& name) {
    static std::map<std::string, std::string> known;  // one enclave, whose Services stay
    std::string& address = known[ns + "/" + name];
    if (address.empty())
      address = kubectl_->Must(
          fmt::format("-n {} get service {} -o jsonpath={{.spec.clusterIP}}", ns, name));
    return address;
  }
  static std::string Shop() { return ServiceAddress("boutique", "frontend"); }
  static Json Ask(const std::string& path) {
    const HttpAnswer answer =
        HttpGet(ServiceAddress("observatory", "observatory"), kObservatoryPort, path, seconds(30));
    EXPECT_EQ(answer.status, 200) << path << "\n" << answer.body;
    return Json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
  }
  // What `enclave load` saw.
  static Json Load(int actions, int seed) {
    const Output load = Execute(
        {EnclaveBinary(), "load", "--target", fmt::format("http://{}:{}", Shop(), kShopPort),
         "--actions", std::to_string(actions), "--users", "10", "--rate", "25", "--seed",
         std::to_string(seed), "-o", "json"},
        {.environment = {{"OTEL_EXPORTER_OTLP_ENDPOINT",
                          fmt::format("http://{}:4318",
                                      ServiceAddress("observatory", "observatory"))}},
         .timeout = seconds(120)});
    const auto begin = load.out.find('{');
    return Json::parse(load.out.substr(begin == std::string::npos ? 0 : begin), nullptr,
                       /*allow_exceptions=*/false);
  }

  static Enclave* enclave_;
  static Kubectl* kubectl_;
};

Enclave* LaboratoryTest::enclave_ = nullptr;
Kubectl* LaboratoryTest::kubectl_ = nullptr;

// Spans of a trace in Tempo's JSON: span id -> parent id.
std::map<std::string, std::string> Parents(const Json& trace, std::set<std::string>* services) {
  std::map<std::string, std::string> parents;
  for (const Json& batch : At(trace, "batches")) {
    for (const Json& attribute : At(batch, "resource.attributes"))
      if (StringAt(attribute, "key") == "service.name")
        services->insert(StringAt(attribute, "value.stringValue"));
    for (const Json& scope : At(batch, "scopeSpans"))
      for (const Json& span : At(scope, "spans"))
        parents[StringAt(span, "spanId")] = StringAt(span, "parentSpanId");
  }
  return parents;
}

TEST_F(LaboratoryTest, UsersAreServedAndEachTraceIsWhole) {
  const auto began = std::chrono::system_clock::now().time_since_epoch() / seconds(1);
  const Json seen = Load(200, 1);
  EXPECT_EQ(IntAt(seen, "all.actions"), 200) << seen.dump();
  EXPECT_EQ(IntAt(seen, "all.errors", -1), 0) << seen.dump();

  const auto ended = std::chrono::system_clock::now().time_since_epoch() / seconds(1);

  std::set<std::string> services;
  std::set<std::string> orphans;
  std::size_t traces = 0;
  // Spans leave each service about once a second.
  EXPECT_TRUE(Eventually(
      seconds(20),
      [&] {
        services.clear();
        orphans.clear();
        traces = 0;
        const Json found =
            Ask(fmt::format("/api/search?limit=200&start={}&end={}&tags=", began, ended) +
                PercentEscaped("service.name=loadgenerator"));
        for (const Json& summary : At(found, "traces")) {
          ++traces;
          const auto parents =
              Parents(Ask("/api/traces/" + StringAt(summary, "traceID")), &services);
          for (const auto& [span, parent] : parents)
            if (!parent.empty() && !parents.contains(parent))
              orphans.insert(StringAt(summary, "traceID") + " " + span);
        }
        return traces >= 150 && orphans.empty() && services.size() >= 11;
      }))
      << traces << " traces";
  EXPECT_THAT(orphans, IsEmpty()) << "spans whose parent is missing";
  EXPECT_GE(services.size(), 11u) << testing::PrintToString(services);
}

TEST_F(LaboratoryTest, APersonShopsAndEverythingOfTheOrderIsFound) {
  const std::filesystem::path client = InstalledNpmClient("client-browser");
  ASSERT_FALSE(client.empty());
  const std::filesystem::path pictures =
      std::filesystem::path(ENCLAVE_SOURCE_DIR) / "build" / "test" / "pictures";
  std::filesystem::create_directories(pictures);
  const Output shopped =
      Execute({"node", "check.mjs"},
              {.environment = {{"SHOP", fmt::format("http://{}:{}", Shop(), kShopPort)},
                               {"BROWSER", "/usr/bin/chromium"},
                               {"PICTURES", pictures.string()}},
               .directory = client.string(),
               .timeout = seconds(120)});
  EXPECT_EQ(shopped.code, 0) << shopped.Story();
  for (const char* part : {"ok home", "ok cart", "ok order", "ok phone"})
    EXPECT_THAT(shopped.out, HasSubstr(part)) << shopped.err;

  const auto at = shopped.out.find("trace ");
  ASSERT_NE(at, std::string::npos) << shopped.out;
  const std::string trace = shopped.out.substr(at + 6, 32);
  Json evidence;
  EXPECT_TRUE(Eventually(seconds(20), [&] {
    evidence = Ask("/api/v1/evidence?trace=" + trace);
    const std::string text = evidence.dump();
    // The order's path: each of these takes part, and says so in spans and logs.
    for (const char* service : {"frontend", "checkoutservice", "paymentservice", "shippingservice",
                                "emailservice", "cartservice", "currencyservice"})
      if (text.find(service) == std::string::npos) return false;
    return !At(evidence, "data.logs").empty() && !At(evidence, "data.spans").empty() &&
           !At(evidence, "data.series").empty();
  })) << evidence.dump().substr(0, 2000);

  const Json logs = Ask("/loki/api/v1/query_range?query=" +
                        PercentEscaped("{service_name=~\".+\"} | trace_id=\"" + trace + "\""));
  EXPECT_FALSE(At(logs, "data.result").empty()) << logs.dump();
}

TEST_F(LaboratoryTest, ABuggyReleaseIsFoundByItsLineOfCode) {
  kubectl_->Must("-n boutique set image deploy/currencyservice server=currencyservice:v2");
  kubectl_->Must("-n boutique rollout status deploy/currencyservice --timeout=60s");
  const Json seen = Load(300, 5);
  EXPECT_GT(IntAt(seen, "all.errors"), 0) << "some users meet the bug\n" << seen.dump();
  EXPECT_LT(IntAt(seen, "all.errors"), 150) << "most do not\n" << seen.dump();
  std::string trace;
  EXPECT_TRUE(Eventually(seconds(20), [&] {
    const Json failed = Ask("/api/search?limit=20&q=" + PercentEscaped("{ status = error }"));
    for (const Json& summary : At(failed, "traces")) {
      trace = Ask("/api/traces/" + StringAt(summary, "traceID")).dump();
      if (trace.find("src/lab/boutique/currency_converter_v2.cc") != std::string::npos &&
          trace.find("code.lineno") != std::string::npos &&
          trace.find("exception.stacktrace") != std::string::npos)
        return true;
    }
    return false;
  })) << trace.substr(0, 3000);
  kubectl_->Must("-n boutique rollout undo deploy/currencyservice");
  kubectl_->Must("-n boutique rollout status deploy/currencyservice --timeout=60s");
}

}  // namespace
}  // namespace enclave::system_test
