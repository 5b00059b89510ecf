// `enclave trace`: from a command of the terminal to what it changed, and from a failing request of
// a user to the line of code.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "system/eventually.h"
#include "system/http_probe.h"
#include "system/laboratory.h"

namespace enclave::system_test {
namespace {

using std::chrono::seconds;
using testing::Contains;
using testing::HasSubstr;

class LaboratoryStoryTest : public LaboratoryTest {
 protected:
  static RunOptions InLaboratory() {
    return {.environment = {{"ENCLAVE_STATE", enclave_->state().string()}, {"KUBECONFIG", ""}}};
  }
  static Json StoryOf(const std::string& id) {
    const Output output = Execute({EnclaveBinary(), "trace", id, "-o", "json"}, InLaboratory());
    return Json::parse(output.out, nullptr, /*allow_exceptions=*/false);
  }
  // "patch deployments.apps cart" of the changes.
  static std::vector<std::string> Changes(const Json& story) {
    std::vector<std::string> changes;
    for (const Json& change : At(story, "changes"))
      changes.push_back(StringAt(change, "verb") + " " + StringAt(change, "resource"));
    return changes;
  }
};

TEST_F(LaboratoryStoryTest, ACommandLeadsToWhatItChanged) {
  const Output run =
      Execute({EnclaveBinary(), "run", "--name", "restart the adverts", "--", EnclaveBinary(),
               "kubectl", "-n", "boutique", "rollout", "restart", "deploy/adservice"},
              InLaboratory());
  ASSERT_EQ(run.code, 0) << run.Story();
  EXPECT_EQ(run.err.find("lost"), std::string::npos) << run.Story();
  kubectl_->Must("-n boutique rollout status deploy/adservice --timeout=60s");

  Json story;
  EXPECT_TRUE(Eventually(seconds(30), [&] {
    story = StoryOf("--last");
    return At(story, "spans").size() == 1 && At(story, "objects").size() >= 3;
  })) << story.dump(1).substr(0, 4000);
  EXPECT_THAT(run.err, HasSubstr(StringAt(story, "traceId")));
  const Json span = At(story, "spans.0");
  EXPECT_EQ(StringAt(span, "service"), "terminal");
  EXPECT_EQ(StringAt(span, "name"), "restart the adverts");
  EXPECT_THAT(At(span, "attributes").value("process.command_line", ""),
              HasSubstr("rollout restart deploy/adservice"));
  EXPECT_EQ(At(span, "attributes").value("process.exit.code", -1), 0);
  EXPECT_THAT(Changes(story), Contains("patch deployments.apps"));
  EXPECT_THAT(Changes(story), Contains("create replicasets.apps"));
  EXPECT_THAT(Changes(story), Contains("create pods"));
  std::vector<std::string> kinds;
  for (const Json& object : At(story, "objects")) kinds.push_back(StringAt(object, "kind"));
  EXPECT_THAT(kinds, Contains("Deployment"));
  EXPECT_THAT(kinds, Contains("ReplicaSet"));
  EXPECT_THAT(kinds, Contains("Pod"));

  const Output text = Execute({EnclaveBinary(), "trace", "--last"}, InLaboratory());
  EXPECT_EQ(text.code, 0) << text.Story();
  EXPECT_THAT(text.out, HasSubstr("restart the adverts: "));
  EXPECT_THAT(text.out, HasSubstr("change    patch deployments.apps boutique/adservice"));
  EXPECT_THAT(text.out, HasSubstr("without incidents: no agent answers at"));
}

TEST_F(LaboratoryStoryTest, ARequestLeadsToItsSpansAndLines) {
  Load(20, 5);
  std::string id;
  const std::string query = PercentEscaped(R"({ resource.service.name = "checkoutservice" })");
  ASSERT_TRUE(Eventually(seconds(30), [&] {
    id = StringAt(Ask("/api/search?limit=1&q=" + query), "traces.0.traceID");
    return !id.empty();
  }));
  Json story;
  EXPECT_TRUE(Eventually(seconds(30), [&] {
    story = StoryOf(id);
    return !At(story, "logs").empty();
  })) << story.dump(1).substr(0, 4000);
  EXPECT_GT(At(story, "spans").size(), 3u);
  const Output text = Execute({EnclaveBinary(), "trace", id}, InLaboratory());
  EXPECT_THAT(text.out, HasSubstr("request"));
  EXPECT_THAT(text.out, HasSubstr("checkoutservice"));
  EXPECT_THAT(text.out, HasSubstr("log"));
}

TEST_F(LaboratoryStoryTest, AnIdOfNothingTellsNothing) {
  const Output nothing =
      Execute({EnclaveBinary(), "trace", "00000000000000000000000000000001"}, InLaboratory());
  EXPECT_EQ(nothing.code, 1) << nothing.Story();
  EXPECT_THAT(nothing.out, HasSubstr("0 spans in 0 services"));
  for (const char* wrong : {"xyz", "123", "00000000000000000000000000000000"}) {
    const Output refused = Execute({EnclaveBinary(), "trace", wrong}, InLaboratory());
    EXPECT_EQ(refused.code, 2) << refused.Story();
    EXPECT_THAT(refused.err, HasSubstr("is no TraceID"));
  }
  EXPECT_EQ(Execute({EnclaveBinary(), "trace"}, InLaboratory()).code, 2);
}

}  // namespace
}  // namespace enclave::system_test
