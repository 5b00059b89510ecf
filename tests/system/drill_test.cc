// A drill from end to end with the agent, judged by itself, and what the agent remembers of it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "system/drilled.h"
#include "system/eventually.h"

namespace enclave::system_test {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

// One drill for all tests of this fixture.
class DrillTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    enclave_ = new Enclave;
    const Output up = enclave_->Command({"up", "--wait"}, seconds(180));
    EXPECT_EQ(up.code, 0) << up.Story();
    kubectl_ = new Kubectl(*enclave_, NewestKubectl());
    DrillRun drill(*enclave_, "scaled-to-zero");
    code_ = drill.WaitEnd();
    verdict_ = drill.Verdict();
    printed_ = drill.Printed();
  }
  static void TearDownTestSuite() {
    delete kubectl_;
    delete enclave_;
  }
  // `enclave memory ARGUMENTS`, of this enclave or of a folder's.
  static Output Memory(std::vector<std::string> arguments, const std::string& state = "") {
    arguments.insert(arguments.begin(), {EnclaveBinary(), "memory"});
    arguments.insert(arguments.end(),
                     {"--state", state.empty() ? enclave_->state().string() : state});
    return Execute(arguments);
  }
  static Json MemoryJson(std::vector<std::string> arguments, const std::string& state = "") {
    arguments.insert(arguments.end(), {"-o", "json"});
    return Json::parse(Memory(std::move(arguments), state).out, nullptr,
                       /*allow_exceptions=*/false);
  }

  static Enclave* enclave_;
  static Kubectl* kubectl_;
  static int code_;
  static Json verdict_;
  static std::string printed_;
};

Enclave* DrillTest::enclave_ = nullptr;
Kubectl* DrillTest::kubectl_ = nullptr;
int DrillTest::code_ = -1;
Json DrillTest::verdict_;
std::string DrillTest::printed_;

TEST_F(DrillTest, TheAgentFindsTheCauseAndRepairsItAlone) {
  EXPECT_EQ(code_, 0) << printed_;
  EXPECT_TRUE(At(verdict_, "passed") == true) << printed_;
  for (const char* what : {"rankedFirst", "actionAcceptable", "recoveredInTime", "harmless"})
    EXPECT_TRUE(At(verdict_, what) == true) << what;
  EXPECT_EQ(At(verdict_, "notRight"), Json::array());
  bool scaled = false;
  for (const Json& incident : At(verdict_, "incidents"))
    for (const Json& action : At(incident, "actions"))
      scaled = scaled || (StringAt(action, "kind") == "scale" &&
                          StringAt(action, "workload") == "shippingservice");
  EXPECT_TRUE(scaled) << verdict_.dump(1);
  EXPECT_EQ(kubectl_->Must("-n boutique get deploy shippingservice -o "
                           "jsonpath={.spec.replicas}"),
            "1");
  ExpectWholeStory(*kubectl_);
}

TEST_F(DrillTest, WhatIsRememberedCanBeListedShownMovedRecalledAndForgotten) {
  const Json list = MemoryJson({"list", "--service", "shippingservice"});
  ASSERT_GE(At(list, "items").size(), 1u) << Memory({"list"}).Story();
  const Json item = At(list, "items.0");
  const std::string id = StringAt(item, "id");
  EXPECT_EQ(StringAt(item, "cause.service"), "shippingservice");
  const std::string head = Memory({"list"}).out;
  EXPECT_THAT(head, HasSubstr(id));
  EXPECT_EQ(At(MemoryJson({"list", "--service", "nobody"}), "items"), Json::array());

  // Shown with its evidence and with what came of the action.
  EXPECT_EQ(StringAt(MemoryJson({"show", id}), "id"), id);
  const Output shown = Memory({"show", id});
  EXPECT_THAT(shown.out, HasSubstr("EVIDENCE")) << shown.Story();
  EXPECT_THAT(shown.out, HasSubstr("scale helped")) << shown.Story();
  const Output unknown = Memory({"show", "inc-none"});
  EXPECT_NE(unknown.code, 0);
  EXPECT_THAT(unknown.err, HasSubstr("inc-none"));

  // Out, and with a twin into a memory of its own.
  const auto folder = MakeFolder("enclave-memory");
  const std::string file = (folder / "memory.jsonl").string();
  const std::string other = (folder / "other").string();
  const Output out = Memory({"export", file});
  ASSERT_EQ(out.code, 0) << out.Story();
  EXPECT_EQ(Memory({"import", file}, other).code, 0);
  EXPECT_EQ(MemoryJson({"show", id}, other), MemoryJson({"show", id}));
  std::ifstream in(file);
  std::ofstream twin(folder / "twin.jsonl");
  for (std::string line; std::getline(in, line);) {
    if (const auto at = line.find('"' + id + '"'); at != std::string::npos)
      line.replace(at, id.size() + 2, "\"inc-twin\"");
    twin << line << "\n";
  }
  twin.close();
  const std::string twin_file = (folder / "twin.jsonl").string();
  EXPECT_GE(IntAt(MemoryJson({"import", twin_file}, other), "added"), 1);
  EXPECT_EQ(IntAt(MemoryJson({"import", twin_file}, other), "added", -1), 0) << "it is known now";

  const Json recalled = MemoryJson({"recall", id, "-k", "1"}, other);
  EXPECT_EQ(StringAt(recalled, "items.0.id"), "inc-twin") << recalled.dump(1);
  EXPECT_GT(At(recalled, "items.0").value("similarity", 0.0), 0.99);

  // A wrong line is named, and nothing of its file is taken.
  std::ofstream(folder / "twin.jsonl", std::ios::app) << "{\"id\": 7}\n";
  const Output bad = Memory({"import", twin_file}, (folder / "third").string());
  EXPECT_NE(bad.code, 0);
  EXPECT_THAT(bad.err, HasSubstr("line ")) << bad.Story();
  EXPECT_EQ(IntAt(MemoryJson({"list"}, (folder / "third").string()), "size"), 0);

  EXPECT_NE(Memory({"forget"}, other).code, 0) << "it says what is to be forgotten";
  EXPECT_EQ(IntAt(MemoryJson({"forget", id}, other), "forgotten"), 1);
  EXPECT_NE(Memory({"show", id}, other).code, 0);
  EXPECT_EQ(Memory({"show", "inc-twin"}, other).code, 0);
  EXPECT_EQ(Memory({"show", id}).code, 0) << "the agent's own is another";
  RemoveFolder(folder);
}

// "awaitsApproval.id" of the incident that waits; "" when none does.
std::string Waiting(const Enclave& enclave) {
  for (const Json& one : At(AskEnclave(enclave, {"incidents"}), "incidents"))
    if (const std::string id = StringAt(one, "awaitsApproval.id"); !id.empty()) return id;
  return "";
}

// Approves or rejects what waits, and says of which incident; "": nothing could be decided. What
// waits gets another number when the evidence is looked at again.
std::string Decide(const Enclave& enclave, const std::vector<std::string>& how) {
  std::string id;
  const bool done = Eventually(seconds(180), [&] {
    id = Waiting(enclave);
    if (id.empty()) return false;
    std::vector<std::string> arguments{how.front(), id};
    arguments.insert(arguments.end(), how.begin() + 1, how.end());
    return StringAt(AskEnclave(enclave, arguments), "id") == id;
  });
  return done ? id.substr(0, id.rfind("-a")) : "";
}

TEST_F(DrillTest, PeopleDecideInHumanModeAlsoWhenTheAgentWasKilled) {
  const auto mode = [] { return StringAt(AskEnclave(*enclave_, {"mode"}), "mode"); };
  const auto replicas = [] {
    return kubectl_->Must("-n boutique get deploy currencyservice -o jsonpath={.spec.replicas}");
  };
  ASSERT_EQ(mode(), "autonomous");
  const Json set = AskEnclave(*enclave_, {"mode", "human", "--why", "we look first"});
  EXPECT_EQ(StringAt(set, "mode"), "human");
  kubectl_->Must("-n boutique scale deploy/currencyservice --replicas=0");
  ASSERT_TRUE(Eventually(seconds(180), [] { return !Waiting(*enclave_).empty(); }))
      << AskEnclave(*enclave_, {"incidents"}).dump(1);

  ASSERT_TRUE(Kill(*enclave_, "agent"));
  ASSERT_TRUE(Eventually(seconds(120), [&] { return mode() == "human"; }))
      << "the switch did not survive";
  EXPECT_EQ(StringAt(AskEnclave(*enclave_, {"mode"}), "why"), "we look first");
  EXPECT_EQ(replicas(), "0") << "nobody approved it";

  const std::string approved = Decide(*enclave_, {"approve"});
  ASSERT_FALSE(approved.empty()) << AskEnclave(*enclave_, {"incidents"}).dump(1);
  Json incident;
  EXPECT_TRUE(Eventually(seconds(240), [&] {
    incident = AskEnclave(*enclave_, {"incidents", approved});
    return StringAt(incident, "outcome") == "resolved";
  })) << incident.dump(1);
  EXPECT_EQ(replicas(), "1");
  EXPECT_FALSE(StringAt(incident, "actions.0.approvedBy").empty()) << incident.dump(1);

  // What is rejected is not done.
  kubectl_->Must("-n boutique scale deploy/currencyservice --replicas=0");
  const std::string rejected = Decide(*enclave_, {"reject", "--why", "it is meant"});
  ASSERT_FALSE(rejected.empty()) << AskEnclave(*enclave_, {"incidents"}).dump(1);
  EXPECT_TRUE(Eventually(seconds(30), [&] {
    incident = AskEnclave(*enclave_, {"incidents", rejected});
    return StringAt(incident, "skipped.0.why") == "it is meant";
  })) << incident.dump(1);
  EXPECT_EQ(replicas(), "0");
}

}  // namespace
}  // namespace enclave::system_test
