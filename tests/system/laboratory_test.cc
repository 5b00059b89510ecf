// The whole laboratory, as `enclave up` brings it: observatory, boutique and load. What a user does
// can be asked for afterwards, from the trace to the log line, the series and the line of code.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "system/eventually.h"
#include "system/http_probe.h"
#include "system/laboratory.h"
#include "system/npm_client.h"

namespace enclave::system_test {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;

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
  EXPECT_TRUE(Eventually(seconds(20),
                         [&] {
                           services.clear();
                           orphans.clear();
                           traces = 0;
                           const Json found =
                               Ask(fmt::format("/api/search?limit=200&start={}&end={}&tags=", began,
                                               ended) +
                                   PercentEscaped("service.name=loadgenerator"));
                           for (const Json& summary : At(found, "traces")) {
                             ++traces;
                             const std::vector<SeenSpan> spans =
                                 SpansOf(Ask("/api/traces/" + StringAt(summary, "traceID")));
                             std::set<std::string> ids;
                             for (const SeenSpan& span : spans) ids.insert(span.id);
                             for (const SeenSpan& span : spans) {
                               services.insert(span.service);
                               if (!span.parent.empty() && !ids.contains(span.parent))
                                 orphans.insert(StringAt(summary, "traceID") + " " + span.id);
                             }
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

}  // namespace
}  // namespace enclave::system_test
