#include "system/drilled.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "system/eventually.h"
#include "system/pods.h"

namespace enclave::system_test {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

constexpr seconds kLongestDrill{600};

std::string TextOf(const fs::path& file) {
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// The lines that begin with `begin`, replaced by `line`.
std::string WithLine(const std::string& text, const std::string& begin, const std::string& line) {
  std::istringstream in(text);
  std::string out;
  for (std::string one; std::getline(in, one);) out += (one.starts_with(begin) ? line : one) + "\n";
  return out;
}

// The drill as it is, in a folder of its own, with limits that only say whether it ends well.
fs::path PatientDrill(const std::string& name) {
  const fs::path folder = MakeFolder("enclave-drills");
  const fs::path drills = fs::path(ENCLAVE_SOURCE_DIR) / "deploy" / "drills";
  std::ofstream(folder / "objectives.yaml")
      << WithLine(TextOf(drills / "objectives.yaml"), "    at-most: 0.144", "");
  std::ofstream(folder / (name + ".yaml"))
      << WithLine(TextOf(drills / (name + ".yaml")),
                  "limits:", "limits: {detect: 120s, recover: 240s, whole: 300s}");
  return folder;
}

RunOptions Within(const Enclave& enclave) {
  return {.environment = {{"ENCLAVE_STATE", enclave.state().string()}}};
}

// "deployments.apps shippingservice" of what the agent changed in the boutique, as often as it did.
std::multiset<std::string> AgentWrites(const Enclave& enclave) {
  std::multiset<std::string> writes;
  std::ifstream audit(enclave.state() / "log" / "audit.log");
  for (std::string line; std::getline(audit, line);) {
    // A line that a kill broke off is no change that anybody was told of.
    const Json entry = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    const std::string verb = StringAt(entry, "verb");
    if (StringAt(entry, "user") != "system:serviceaccount:agent:agent" ||
        StringAt(entry, "namespace") != "boutique" || IntAt(entry, "code") >= 300 ||
        At(entry, "dryRun") == true || StringAt(entry, "resource").starts_with("events") ||
        (verb != "update" && verb != "patch" && verb != "delete" && verb != "create"))
      continue;
    writes.insert(StringAt(entry, "resource") + " " + StringAt(entry, "name"));
  }
  return writes;
}

// Every id under an incident's actions, and how many changes they are.
struct Deeds {
  std::set<std::string> ids;
  std::size_t writes = 0;
};

void ExpectToldIncident(const Kubectl& kubectl, const Json& brief, const std::string& agent,
                        Deeds* deeds) {
  const Enclave& enclave = kubectl.enclave();
  const std::string id = StringAt(brief, "id");
  const Json incident = AskEnclave(enclave, {"incidents", id});
  long long last = 0;
  for (const Json& event : At(incident, "events")) {
    EXPECT_GT(IntAt(event, "sequence"), last) << id;
    last = IntAt(event, "sequence");
  }
  EXPECT_THAT(StringAt(incident, "report"), testing::HasSubstr(id));
  const Json story = AskEnclave(enclave, {"trace", StringAt(brief, "trace"), "--agent", agent});
  std::set<std::string> told;
  for (const Json& one : At(story, "incidents")) told.insert(StringAt(one, "id"));
  EXPECT_TRUE(told.contains(id)) << "its trace does not lead to " << id << ": " << story.dump();
  std::set<std::string> marked;
  for (const Json& object : At(story, "objects")) marked.insert(StringAt(object, "actionId"));
  std::string last_done;
  for (const Json& action : At(incident, "actions")) {
    const std::string action_id = StringAt(action, "action.id");
    EXPECT_TRUE(deeds->ids.insert(action_id).second) << action_id << " was taken twice";
    EXPECT_THAT(StringAt(incident, "report"), testing::HasSubstr(action_id));
    if (StringAt(action, "done").empty()) continue;
    last_done = action_id;
    // What is deleted is marked before.
    std::size_t writes = 0;
    for (const Json& step : At(action, "action.steps"))
      writes += StringAt(step, "verb") == "delete" ? 2 : 1;
    deeds->writes += StringAt(action, "undone").empty() ? writes : 2 * writes;
  }
  if (!last_done.empty() && StringAt(brief, "outcome") == "resolved")
    EXPECT_TRUE(marked.contains(last_done)) << "nothing in the cluster leads back to " << last_done;
}

}  // namespace

bool Kill(const Enclave& enclave, const std::string& part) {
  return Eventually(seconds(60), [&] {
    pid_t victim = -1;
    if (part == "cluster") victim = enclave.cluster_pid();
    // A pod's uid comes first: the cluster may be dead too and needs not be asked.
    for (const auto& [container, pid] : ContainerPids(enclave))
      if (container.ends_with("/" + part)) victim = pid;
    return victim > 0 && ::kill(victim, SIGKILL) == 0;
  });
}

Json AskEnclave(const Enclave& enclave, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), EnclaveBinary());
  arguments.insert(arguments.end(), {"-o", "json"});
  return Json::parse(Execute(arguments, Within(enclave)).out, nullptr, /*allow_exceptions=*/false);
}

std::string AgentUrl(const Kubectl& kubectl) {
  return fmt::format("http://{}:9096",
                     kubectl.Must("-n agent get service agent -o jsonpath={.spec.clusterIP}"));
}

DrillRun::DrillRun(const Enclave& enclave, const std::string& name)
    : folder_(PatientDrill(name)),
      process_(std::make_unique<Background>(
          std::vector<std::string>{EnclaveBinary(), "drill", name, "--drills", folder_.string(),
                                   "--state", enclave.state().string(), "-o", "json"})) {}

DrillRun::~DrillRun() {
  process_.reset();
  RemoveFolder(folder_);
}

bool DrillRun::WaitUntilBroken() {
  return process_->WaitFor(" kubectl ", kLongestDrill);
}

bool DrillRun::over() {
  return process_->WaitExit(seconds(0)) != 124;
}

int DrillRun::WaitEnd() {
  return process_->WaitExit(kLongestDrill);
}

Json DrillRun::Verdict() const {
  const std::string printed = process_->Printed();
  const std::size_t begin = printed.rfind("\n{");
  return begin == std::string::npos
             ? Json()
             : Json::parse(printed.substr(begin), nullptr, /*allow_exceptions=*/false);
}

void ExpectWholeStory(const Kubectl& kubectl) {
  const Enclave& enclave = kubectl.enclave();
  Json all;
  EXPECT_TRUE(Eventually(seconds(240),
                         [&] {
                           all = At(AskEnclave(enclave, {"incidents"}), "incidents");
                           if (!all.is_array() || all.empty()) return false;
                           for (const Json& one : all)
                             if (StringAt(one, "stage") != "learned") return false;
                           return true;
                         }))
      << "some are not over: " << all.dump();
  Deeds deeds;
  const std::string agent = AgentUrl(kubectl);
  for (const Json& one : all) ExpectToldIncident(kubectl, one, agent, &deeds);
  EXPECT_FALSE(deeds.ids.empty()) << "the agent did nothing: " << all.dump();
  const auto writes = AgentWrites(enclave);
  EXPECT_LE(writes.size(), deeds.writes)
      << "more was changed than the ledger knows: " << testing::PrintToString(writes);
}

}  // namespace enclave::system_test
