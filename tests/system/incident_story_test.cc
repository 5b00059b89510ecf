// `enclave trace`: from a command of the terminal, and from a request of a user that failed, to
// what the agent did about it, and from the annotation of its action back. (--slow: the agent has
// to act.)
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "system/eventually.h"
#include "system/http_probe.h"
#include "system/kubectl.h"
#include "system/slow.h"

namespace enclave::system_test {
namespace {

using std::chrono::seconds;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

class IncidentStoryTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!Slow()) GTEST_SKIP() << "only with --slow";
    const Output up = enclave_.Command({"up", "--wait"}, seconds(180));
    ASSERT_EQ(up.code, 0) << up.Story();
  }

  Json StoryOf(const std::string& id) const {
    const Output output = enclave_.Command({"trace", id, "-o", "json"});
    return Json::parse(output.out, nullptr, /*allow_exceptions=*/false);
  }
  static std::vector<std::string> Texts(const Json& list, const std::string& path) {
    std::vector<std::string> texts;
    for (const Json& one : list) texts.push_back(StringAt(one, path));
    return texts;
  }
  Json AskObservatory(const std::string& path) {
    const std::string address =
        kubectl_.Must("-n observatory get service observatory -o jsonpath={.spec.clusterIP}");
    return Json::parse(HttpGet(address, 9090, path, seconds(30)).body, nullptr, false);
  }
  // The id of a visitor's action that failed at the currency service since then.
  std::string FailedRequest(const std::string& since) {
    const std::string query =
        PercentEscaped(R"({ resource.service.name = "currencyservice" && status = error })");
    return StringAt(AskObservatory(fmt::format("/api/search?limit=1&start={}&end={}&q={}", since,
                                               std::stoll(since) + 600, query)),
                    "traces.0.traceID");
  }
  std::string Annotation(const std::string& key) {
    return kubectl_.Must(
        "-n boutique get deploy/currencyservice -o jsonpath={.metadata.annotations." + key + "}");
  }

  Enclave enclave_;
  Kubectl kubectl_{enclave_, NewestKubectl()};
};

TEST_F(IncidentStoryTest, CommandAndRequestLeadToTheActionAndItLeadsBack) {
  // What is normal is known before something is broken.
  ASSERT_TRUE(Eventually(seconds(120), [&] {
    return !At(AskObservatory("/api/v1/query?query=" +
                              PercentEscaped("sum(job:requests:increase10s) > 20")),
               "data.result.0")
                .is_null();
  }));
  const std::string since =
      std::to_string(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now()) - 1);
  const Output run =
      enclave_.Command({"run", "-q", "--", EnclaveBinary(), "kubectl", "-n", "boutique", "set",
                        "image", "deploy/currencyservice", "server=currencyservice:v2"});
  ASSERT_EQ(run.code, 0) << run.Story();
  const std::string command = StringAt(StoryOf("--last"), "traceId");

  ASSERT_TRUE(Eventually(seconds(240), [&] {
    return !Annotation("enclave\\.dev/action-id").empty();
  })) << enclave_.Command({"incidents"}).Story();
  const std::string action = Annotation("enclave\\.dev/action-id");
  const std::string of_incident = Annotation("enclave\\.dev/trace-id");
  const std::string incident = Annotation("enclave\\.dev/incident");
  const std::string request = FailedRequest(since);
  ASSERT_FALSE(request.empty());
  EXPECT_NE(command, of_incident);

  for (const std::string& id : {command, request, of_incident}) {
    Json story;
    EXPECT_TRUE(Eventually(seconds(60), [&] {
      story = StoryOf(id);
      return StringAt(story, "incidents.0.id") == incident && !At(story, "objects").empty();
    })) << id;
    EXPECT_THAT(Texts(At(story, "objects"), "actionId"), Contains(action)) << id;
    EXPECT_THAT(Texts(At(story, "incidents.0.actions"), "action.id"), Contains(action)) << id;
    EXPECT_THAT(Texts(At(story, "spans"), "service"), Contains("terminal")) << id;
    EXPECT_THAT(Texts(At(story, "spans"), "service"), Contains("currencyservice")) << id;
    EXPECT_THAT(Texts(At(story, "changes"), "traceId"), Contains(command)) << id;
    EXPECT_THAT(Texts(At(story, "changes"), "traceId"), Contains(of_incident)) << id;
    const Output text = enclave_.Command({"trace", id});
    EXPECT_THAT(text.out, HasSubstr("set image deploy/currencyservice")) << id;
    EXPECT_THAT(text.out, HasSubstr("currency_converter_v2.cc:")) << id;
    EXPECT_THAT(text.out, HasSubstr("action " + action)) << id;
    EXPECT_THAT(text.out, Not(HasSubstr("without "))) << id;
  }
}

}  // namespace
}  // namespace enclave::system_test
