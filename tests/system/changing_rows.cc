// Rows 23 to 37: scaling, rolling out, rolling back, patching.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <map>

#include "system/acceptance_rows.h"
#include "system/eventually.h"
#include "system/http_probe.h"
#include "system/session.h"

namespace enclave::system_test {
namespace {

using std::chrono::seconds;
using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;

// name -> ReplicaSet, of the Deployment `web`.
std::map<std::string, Json> ReplicaSets(const Kubectl& k) {
  std::map<std::string, Json> sets;
  for (const Json& set : At(k.Get("rs -l app=web"), "items"))
    sets[StringAt(set, "metadata.name")] = set;
  return sets;
}

std::string Revision(const Json& object) {
  const Json annotations = At(object, "metadata.annotations");
  return annotations.is_object() ? annotations.value("deployment.kubernetes.io/revision", "") : "";
}

// The one ReplicaSet of `web` that wants replicas.
std::string CurrentReplicaSet(const Kubectl& k) {
  std::string current;
  for (const auto& [name, set] : ReplicaSets(k))
    if (IntAt(set, "spec.replicas") > 0) current = name;
  return current;
}

void ScaleUp(Session& s) {
  s.NeedWeb();
  EXPECT_THAT(s.kubectl().Must("scale deploy/web --replicas=3"), HasSubstr("scaled"));
  RolledOut(s.kubectl(), "web");
  EXPECT_THAT(s.kubectl().Must("get deploy web"), HasSubstr("3/3"));
}

void ScaleFromWrong(Session& s) {
  s.NeedWeb();
  Fails(s.kubectl(), "scale deploy/web --current-replicas=9 --replicas=4",
        "xpected replicas to be 9");
}

void SetImage(Session& s) {
  s.NeedWeb();
  const Kubectl& k = s.kubectl();
  const std::string old = CurrentReplicaSet(k);
  const long long replicas = IntAt(k.Get("deploy web"), "spec.replicas");
  Background watch(k.Argv({"get", "deploy", "web", "-w", "-o",
                           "jsonpath={\"available=\"}{.status.availableReplicas}{\"\\n\"}"}),
                   k.Options());
  ASSERT_TRUE(watch.WaitFor("available=", seconds(15)));
  EXPECT_THAT(k.Must("set image deploy/web c1=enclave/testweb:v2"), HasSubstr("image updated"));
  RolledOut(k, "web");
  const auto sets = ReplicaSets(k);
  const std::string now = CurrentReplicaSet(k);
  EXPECT_NE(now, old);
  ASSERT_TRUE(sets.contains(old));
  EXPECT_EQ(IntAt(sets.at(old), "spec.replicas"), 0);
  for (const std::string& line : Lines(watch.Printed()))
    EXPECT_EQ(line, fmt::format("available={}",
                                line.substr(10)[0] >= '0' + replicas ? line.substr(10) : "too few"))
        << watch.Printed();
  EXPECT_EQ(StringAt(k.Get("pods -l app=web"), "items.0.spec.containers.0.image"),
            "enclave/testweb:v2");
}

void SetEnv(Session& s) {
  s.NeedWeb();
  const auto before = s.PodNames("app=web");
  EXPECT_THAT(s.kubectl().Must("set env deploy/web -c c1 A=2"), HasSubstr("env updated"));
  RolledOut(s.kubectl(), "web");
  long long replaced = 0;
  for (const Json& pod : At(s.kubectl().Get("pods -l app=web"), "items")) {
    if (At(pod, "metadata.deletionTimestamp").is_string()) continue;
    ++replaced;
    EXPECT_THAT(before, Not(testing::Contains(StringAt(pod, "metadata.name"))));
    EXPECT_EQ(StringAt(pod, "spec.containers.0.env.0.value"), "2");
  }
  EXPECT_EQ(replaced, IntAt(s.kubectl().Get("deploy web"), "spec.replicas"));
  EXPECT_GE(replaced, 2);
}

void BadImage(Session& s) {
  s.NeedWeb();
  const Kubectl& k = s.kubectl();
  const long long replicas = IntAt(k.Get("deploy web"), "spec.replicas");
  k.Must(R"(patch deploy web -p {"spec":{"progressDeadlineSeconds":10}})");
  k.Must("set image deploy/web c1=no-such-image:v9");
  const Output status = k("rollout status deploy/web --timeout=60s");
  EXPECT_EQ(status.code, 1) << status.Story();
  EXPECT_THAT(status.err, HasSubstr("exceeded its progress deadline")) << status.Story();
  EXPECT_THAT(k.Must("get pods"), AnyOf(HasSubstr("ImagePullBackOff"), HasSubstr("ErrImagePull")));
  EXPECT_GE(IntAt(k.Get("deploy web"), "status.availableReplicas"), replicas);
  const Json service = k.Get("svc web");
  EXPECT_EQ(HttpGet(StringAt(service, "spec.clusterIP"), kWebPort).status, 200);
  // The rows that follow are not in a hurry.
  k.Must(R"(patch deploy web -p {"spec":{"progressDeadlineSeconds":600}})");
}

void History(Session& s) {
  s.NeedWeb();
  const auto lines = Lines(s.kubectl().Must("rollout history deploy/web"));
  ASSERT_GE(lines.size(), 3u);
  EXPECT_THAT(lines[1], HasSubstr("REVISION"));
  const std::string newest = Words(lines.back())[0];
  EXPECT_EQ(newest, Revision(s.kubectl().Get("deploy web")));
  EXPECT_THAT(s.kubectl().Must("rollout history deploy/web --revision=" + newest),
              HasSubstr("Pod Template:"));
}

void Undo(Session& s) {
  s.NeedWeb();
  const Kubectl& k = s.kubectl();
  // A change to undo, whatever the rows before left.
  k.Must("set env deploy/web -c c1 UNDO=1");
  EXPECT_TRUE(k.Until("deploy web", [](const Json& d) {
    return IntAt(d, "status.observedGeneration") == IntAt(d, "metadata.generation");
  }));
  const auto before = ReplicaSets(k);
  long long last = 0;
  std::map<long long, std::string> by_revision;
  for (const auto& [name, set] : before) {
    const long long revision = std::stoll("0" + Revision(set));
    by_revision[revision] = name;
    last = std::max(last, revision);
  }
  ASSERT_GE(by_revision.size(), 2u);
  const std::string previous = std::next(by_revision.rbegin())->second;
  EXPECT_THAT(k.Must("rollout undo deploy/web"), HasSubstr("rolled back"));
  EXPECT_TRUE(k.Until("rs " + previous,
                      [&](const Json& set) { return Revision(set) == std::to_string(last + 1); }));
  EXPECT_EQ(ReplicaSets(k).size(), before.size())
      << "a new ReplicaSet was made instead of reusing the previous one";
  // On to an image that exists, so that later rows find ready pods.
  k.Must("set image deploy/web c1=enclave/testweb:v1");
  RolledOut(k, "web");
}

void RestartPauseResume(Session& s) {
  s.NeedWeb();
  const Kubectl& k = s.kubectl();
  const std::string before = CurrentReplicaSet(k);
  EXPECT_THAT(k.Must("rollout restart deploy/web"), HasSubstr("restarted"));
  RolledOut(k, "web");
  const std::string restarted = CurrentReplicaSet(k);
  EXPECT_NE(restarted, before);
  EXPECT_THAT(k.Must("rollout pause deploy/web"), HasSubstr("paused"));
  const std::size_t sets = ReplicaSets(k).size();
  k.Must("set env deploy/web -c c1 PAUSED=yes");
  EXPECT_TRUE(k.Until("deploy web", [](const Json& d) {
    return IntAt(d, "status.observedGeneration") == IntAt(d, "metadata.generation");
  }));
  EXPECT_EQ(ReplicaSets(k).size(), sets) << "a ReplicaSet was made while paused";
  EXPECT_EQ(CurrentReplicaSet(k), restarted);
  EXPECT_THAT(k.Must("rollout resume deploy/web"), HasSubstr("resumed"));
  RolledOut(k, "web");
  EXPECT_NE(CurrentReplicaSet(k), restarted);
}

void Patch(Session& s) {
  s.NeedWeb();
  const Kubectl& k = s.kubectl();
  const std::vector<std::pair<std::string, std::string>> patches = {
      {"strategic", R"({"metadata":{"labels":{"by":"strategic"}}})"},
      {"merge", R"({"metadata":{"labels":{"by":"merge"}}})"},
      {"json", R"([{"op":"replace","path":"/metadata/labels/by","value":"json"}])"}};
  for (const auto& [type, patch] : patches) {
    const std::string command = "patch deploy web --type=" + type + " -p " + patch;
    EXPECT_EQ(k.Must(command), "deployment.apps/web patched\n");
    EXPECT_EQ(k.Must(command), "deployment.apps/web patched (no change)\n");
    EXPECT_EQ(StringAt(k.Get("deploy web"), "metadata.labels.by"), type);
  }
}

void ApplyRemoves(Session& s) {
  s.NeedNamespace();
  const Kubectl& k = s.kubectl();
  k.Must("apply -f " + Manifest("parts.yaml"));
  const Json before = At(k.Get("deploy parts"), "spec.template.spec");
  EXPECT_THAT(k.Must("apply -f " + Manifest("parts-fewer.yaml")), HasSubstr("configured"));
  const Json after = At(k.Get("deploy parts"), "spec.template.spec");
  const Json difference = Json::diff(before, after);
  Json expected = before;
  expected["containers"].erase(1);
  expected["containers"][0]["env"].erase(1);
  expected["containers"][0]["ports"].erase(1);
  expected["containers"][0]["volumeMounts"].erase(1);
  expected["volumes"].erase(1);
  EXPECT_EQ(after, expected) << difference.dump(1);
}

void ReplaceStale(Session& s) {
  s.NeedNamespace();
  const Kubectl& k = s.kubectl();
  k.Must("apply -f -",
         R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"stale"},"data":{"a":"1"}})");
  const std::string old = k.Must("get cm stale -o json");
  k.Must("annotate cm stale changed=yes");
  const Output replaced = k("replace -f -", old);
  EXPECT_EQ(replaced.code, 1) << replaced.Story();
  EXPECT_THAT(replaced.err, HasSubstr("Conflict")) << replaced.Story();
}

}  // namespace

std::vector<Row> ChangingRows() {
  return {
      {23, "ScaleUp", true, 0, ScaleUp},
      {24, "ScaleFromWrongCount", true, 0, ScaleFromWrong},
      {25, "SetImageRollsWithoutLoss", true, 0, SetImage},
      {26, "SetEnv", false, 0, SetEnv},
      {27, "BadImageMeetsDeadline", false, 0, BadImage},
      {28, "RolloutHistory", true, 0, History},
      {29, "UndoReusesReplicaSet", true, 0, Undo},
      {30, "RestartPauseResume", false, 0, RestartPauseResume},
      {31, "PatchThreeWays", true, 0, Patch},
      {32, "ApplyRemovesExactly", true, 0, ApplyRemoves},
      {37, "ReplaceStale", false, 0, ReplaceStale},
  };
}

}  // namespace enclave::system_test
