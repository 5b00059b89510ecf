#include "system/acceptance_rows.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "system/eventually.h"
#include "system/http_probe.h"

namespace enclave::system_test {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;
using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

std::string Manifest(const std::string& name) {
  return TestFile("manifests/" + name);
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);)
    if (!line.empty()) lines.push_back(line);
  return lines;
}

std::vector<std::string> Words(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream stream(text);
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

Output Fails(const Kubectl& k, const std::string& arguments, const std::string& why) {
  Output output = k(arguments);
  EXPECT_EQ(output.code, 1) << output.Story();
  EXPECT_THAT(output.err, HasSubstr(why)) << output.Story();
  return output;
}

void RolledOut(const Kubectl& k, const std::string& deployment) {
  EXPECT_THAT(k.Must("rollout status deploy/" + deployment + " --timeout=60s"),
              HasSubstr("successfully rolled out"));
}

bool AllReady(const Json& deployment, long long replicas) {
  return IntAt(deployment, "status.readyReplicas") == replicas &&
         IntAt(deployment, "status.updatedReplicas") == replicas &&
         IntAt(deployment, "status.replicas") == replicas;
}

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

void Version(Session& s) {
  const Json version = Json::parse(s.kubectl().Must("version -o json"), nullptr, false);
  EXPECT_THAT(StringAt(version, "serverVersion.gitVersion"), testing::StartsWith("v1."));
}

void ApiResources(Session& s) {
  const std::string all = s.kubectl().Must("api-resources");
  for (const char* line :
       {"deployments", "deploy", "apps/v1", "replicasets", "configmaps", "cm", "endpointslices",
        "discovery.k8s.io/v1", "leases", "coordination.k8s.io/v1", "authorization.k8s.io/v1",
        "metrics.k8s.io/v1beta1", "serviceaccounts", "namespaces"})
    EXPECT_THAT(all, HasSubstr(line));
}

void CanI(Session& s) {
  EXPECT_EQ(s.kubectl().Must("auth can-i create pods"), "yes\n");
}

// A kubeconfig with the enclave's own authority and the given user, beside the one of the
// administrator.
std::string KubeconfigFor(Session& s, const std::string& name, const Json& user) {
  Json config = Json::parse(s.kubectl().Must("config view --raw -o json"), nullptr, false);
  config["users"] = Json::array({{{"name", "one"}, {"user", user}}});
  config["contexts"][0]["context"]["user"] = "one";
  const std::string path = (s.enclave().state() / name).string();
  std::ofstream(path) << config.dump();
  return path;
}

void BadToken(Session& s) {
  const std::string config = KubeconfigFor(s, "stranger", {{"token", "not-a-token"}});
  const Output output = s.kubectl()("--kubeconfig=" + config + " auth can-i create pods");
  EXPECT_EQ(output.code, 1) << output.Story();
  EXPECT_THAT(output.err, HasSubstr("Unauthorized")) << output.Story();
}

void CertificateAndToken(Session& s) {
  s.NeedWeb();
  const Json config = Json::parse(s.kubectl().Must("config view --raw -o json"), nullptr, false);
  const Json user = At(config, "users.0.user");
  ASSERT_TRUE(user.contains("client-certificate-data"))
      << "the admin kubeconfig has no certificate";
  const std::string by_certificate =
      KubeconfigFor(s, "by-certificate",
                    {{"client-certificate-data", user["client-certificate-data"]},
                     {"client-key-data", user["client-key-data"]}});
  EXPECT_THAT(s.kubectl().Must("--kubeconfig=" + by_certificate + " get pods"), HasSubstr("web-"));

  // A pod's own token, as a program in the pod would use it.
  s.kubectl().Must("apply -f " + Manifest("token.yaml"));
  s.kubectl().Until("pod token",
                    [](const Json& pod) { return StringAt(pod, "status.phase") == "Succeeded"; });
  const std::vector<std::string> printed = Words(s.kubectl().Must("logs token"));
  const std::string token = printed.empty() ? "" : printed[0];
  ASSERT_FALSE(token.empty()) << "no service-account token is mounted into the pod";
  const std::string by_token = KubeconfigFor(s, "by-token", {{"token", token}});
  EXPECT_THAT(s.kubectl().Must("--kubeconfig=" + by_token + " get pods"), HasSubstr("web-"));
}

void CreateNamespace(Session& s) {
  const std::string manifest = fmt::format(
      "{{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{{\"name\":\"{}\"}}}}",
      s.name_space());
  EXPECT_THAT(s.kubectl().Must("create -f -", manifest), HasSubstr("created"));
  EXPECT_TRUE(s.kubectl().Until("ns " + s.name_space(), [](const Json& ns) {
    return StringAt(ns, "status.phase") == "Active";
  }));
  // The pods of later rows that must die repeatedly begin with it now.
  s.NeedCrashing();
}

void ApplyCreates(Session& s) {
  s.NeedNamespace();
  const std::string out = s.kubectl().Must("apply -f " + Manifest("web.yaml"));
  EXPECT_THAT(out, HasSubstr("deployment.apps/web created"));
  EXPECT_THAT(out, HasSubstr("service/web created"));
}

void ApplyAgain(Session& s) {
  s.NeedWeb();
  const std::string out = s.kubectl().Must("apply -f " + Manifest("web.yaml"));
  EXPECT_THAT(out, HasSubstr("deployment.apps/web unchanged"));
  EXPECT_THAT(out, HasSubstr("service/web unchanged"));
}

void RolloutStatus(Session& s) {
  s.NeedWeb();
  RolledOut(s.kubectl(), "web");
}

void GetDeployment(Session& s) {
  s.NeedWeb();
  const auto lines = Lines(s.kubectl().Must("get deploy web"));
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_THAT(Words(lines[0]),
              testing::ElementsAre("NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"));
  EXPECT_THAT(Words(lines[1])[1], "2/2");
}

void GetAll(Session& s) {
  s.NeedWeb();
  const std::string out = s.kubectl().Must("get all -A -o wide");
  for (const char* part : {"pod/web-", "service/web", "deployment.apps/web", "replicaset.apps/web-",
                           "CLUSTER-IP", "NODE", "IMAGES", "SELECTOR"})
    EXPECT_THAT(out, HasSubstr(part));
}

void Selectors(Session& s) {
  s.NeedWeb();
  const auto lines = Lines(s.kubectl().Must("get pods -l app=web,x!=y -o name"));
  EXPECT_THAT(lines, SizeIs(2));
  for (const std::string& line : lines) EXPECT_THAT(line, testing::StartsWith("pod/web-"));
  EXPECT_THAT(Lines(s.kubectl().Must("get pods -l app=web,!app -o name")), SizeIs(0));
  EXPECT_THAT(
      Lines(s.kubectl().Must("get pods --field-selector=status.phase=Running -l app=web -o name")),
      SizeIs(2));
}

void WatchScale(Session& s) {
  s.NeedWeb();
  const Kubectl& k = s.kubectl();
  const auto before = s.PodNames("app=web");
  Background watch(k.Argv({"get", "pods", "-l", "app=web", "-w"}), k.Options());
  ASSERT_TRUE(watch.WaitFor(before.back(), seconds(15))) << watch.Printed();
  k.Must("scale deploy/web --replicas=3");
  RolledOut(k, "web");
  std::string added;
  for (const std::string& name : s.PodNames("app=web"))
    if (std::find(before.begin(), before.end(), name) == before.end()) added = name;
  ASSERT_FALSE(added.empty());
  const auto rows = [&] {
    std::vector<std::string> states;
    for (const std::string& line : Lines(watch.Printed()))
      if (line.starts_with(added)) states.push_back(Words(line)[2]);
    return states;
  };
  EXPECT_TRUE(Eventually(seconds(10), [&] {
    const auto states = rows();
    return !states.empty() && states.back() == "Running";
  })) << watch.Printed();
  EXPECT_THAT(rows().front(), AnyOf("Pending", "ContainerCreating")) << watch.Printed();
  k.Must("scale deploy/web --replicas=2");
  RolledOut(k, "web");
}

void NotFound(Session& s) {
  s.NeedNamespace();
  Fails(s.kubectl(), "get pod nope", "Error from server (NotFound): pods \"nope\" not found");
}

void DescribePod(Session& s) {
  s.NeedWeb();
  const std::string out = s.kubectl().Must("describe pod " + s.PodNames("app=web").front());
  for (const char* part : {"Containers:", "c1:", "c2:", "enclave/testweb:v1",
                           "Conditions:", "Ready", "True", "Events:", "Scheduled", "Started"})
    EXPECT_THAT(out, HasSubstr(part));
}

void DescribeDeployment(Session& s) {
  s.NeedWeb();
  const std::string out = s.kubectl().Must("describe deploy web");
  for (const char* part : {"NewReplicaSet:", "web-", "ScalingReplicaSet",
                           "RollingUpdateStrategy:", "NewReplicaSetAvailable"})
    EXPECT_THAT(out, HasSubstr(part));
}

void DescribeService(Session& s) {
  s.NeedWeb();
  const std::string out = s.kubectl().Must("describe svc web");
  for (const Json& pod : At(s.kubectl().Get("pods -l app=web"), "items"))
    EXPECT_THAT(out, HasSubstr(StringAt(pod, "status.podIP") + ":8080"));
}

void DescribeNode(Session& s) {
  s.NeedWeb();
  const Json nodes = s.kubectl().Get("nodes");
  const std::string out =
      s.kubectl().Must("describe node " + StringAt(nodes, "items.0.metadata.name"));
  for (const char* part : {"Capacity:", "cpu:", "memory:", "Allocatable:", "Non-terminated Pods:",
                           "web-", "KubeletReady"})
    EXPECT_THAT(out, HasSubstr(part));
}

void LogsTail(Session& s) {
  s.NeedWeb();
  const std::string pod = s.PodNames("app=web").front();
  EXPECT_TRUE(Eventually(seconds(10), [&] {
    return Lines(s.kubectl().Must("logs " + pod + " -c c2 --tail=2")).size() == 2;
  }));
  EXPECT_THAT(Lines(s.kubectl().Must("logs " + pod + " -c c1 --tail=1")), SizeIs(1));
}

void LogsFollow(Session& s) {
  s.NeedWeb();
  const Kubectl& k = s.kubectl();
  const std::string pod = s.PodNames("app=web").front();
  EXPECT_THAT(k.Must("logs " + pod + " -c c2 --since=1h"), HasSubstr("tick 1"));
  EXPECT_THAT(k.Must("logs " + pod + " -c c2 --tail=1 --timestamps"),
              testing::ContainsRegex("^20[0-9-]+T[0-9:.]+"));
  Background follow(k.Argv({"logs", "-f", "--tail=1", pod, "-c", "c2"}), k.Options());
  EXPECT_TRUE(Eventually(seconds(15), [&] { return Lines(follow.Printed()).size() >= 3; }))
      << follow.Printed();
}

void LogsPrevious(Session& s) {
  s.NeedCrashing();
  s.kubectl().Until("pod crash", [](const Json& pod) {
    return IntAt(pod, "status.containerStatuses.0.restartCount") >= 1;
  });
  EXPECT_THAT(s.kubectl().Must("logs crash --previous"), HasSubstr("about to fail"));
}

void Top(Session& s) {
  s.NeedWeb();
  for (const char* what : {"top pods", "top nodes"}) {
    Output output;
    EXPECT_TRUE(Eventually(seconds(40), [&] {
      output = s.kubectl()(what);
      return output.code == 0;
    })) << output.Story();
    const auto lines = Lines(output.out);
    ASSERT_GE(lines.size(), 2u) << output.Story();
    EXPECT_THAT(lines[0], HasSubstr("CPU(cores)"));
    EXPECT_THAT(lines[1], testing::ContainsRegex("[0-9]+m +[0-9].*Mi")) << output.Story();
  }
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
  for (const Json& pod : At(s.kubectl().Get("pods -l app=web"), "items")) {
    if (At(pod, "metadata.deletionTimestamp").is_string()) continue;
    EXPECT_THAT(before, Not(testing::Contains(StringAt(pod, "metadata.name"))));
    EXPECT_EQ(StringAt(pod, "spec.containers.0.env.0.value"), "2");
  }
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
  EXPECT_EQ(HttpGet(StringAt(service, "spec.clusterIP"), 80).status, 200);
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

void DeletePod(Session& s) {
  s.NeedWeb();
  const Kubectl& k = s.kubectl();
  const long long replicas = IntAt(k.Get("deploy web"), "spec.replicas");
  std::string pod = s.PodNames("app=web").front();
  EXPECT_THAT(k.Must("delete pod " + pod), HasSubstr("deleted"));
  Fails(k, "get pod " + pod, "NotFound");
  EXPECT_TRUE(k.Until("deploy web", [&](const Json& d) { return AllReady(d, replicas); }));
  pod = s.PodNames("app=web").front();
  const auto began = steady_clock::now();
  EXPECT_THAT(k.Must("delete pod " + pod + " --grace-period=0 --force"), HasSubstr("deleted"));
  EXPECT_LT(steady_clock::now() - began, seconds(20));
  Fails(k, "get pod " + pod, "NotFound");
  EXPECT_TRUE(k.Until("deploy web", [&](const Json& d) { return AllReady(d, replicas); }));
}

void CrashLoop(Session& s) {
  s.NeedCrashing();
  s.kubectl().Until(
      "pod crash",
      [](const Json& pod) {
        return IntAt(pod, "status.containerStatuses.0.restartCount") >= 2 &&
               StringAt(pod, "status.containerStatuses.0.state.waiting.reason") ==
                   "CrashLoopBackOff";
      },
      seconds(60));
  const auto row = Words(Lines(s.kubectl().Must("get pod crash --no-headers"))[0]);
  EXPECT_EQ(row[2], "CrashLoopBackOff");
  EXPECT_EQ(IntAt(s.kubectl().Get("pod crash"),
                  "status.containerStatuses.0.lastState.terminated.exitCode"),
            3);
  EXPECT_EQ(StringAt(s.kubectl().Get("pod crash"), "status.phase"), "Running");
}

void OutOfMemory(Session& s) {
  s.NeedCrashing();
  EXPECT_TRUE(s.kubectl().Until("pod greedy", [](const Json& pod) {
    return StringAt(pod, "status.containerStatuses.0.state.terminated.reason") == "OOMKilled" &&
           IntAt(pod, "status.containerStatuses.0.state.terminated.exitCode") == 137;
  }));
  EXPECT_THAT(s.kubectl().Must("get pod greedy"), HasSubstr("OOMKilled"));
}

void DeleteOrphans(Session& s) {
  s.NeedNamespace();
  const Kubectl& k = s.kubectl();
  k.Must("apply -f " + Manifest("parts-fewer.yaml"));
  RolledOut(k, "parts");
  const auto pods = s.PodNames("app=parts");
  k.Must("delete deploy parts --cascade=orphan");
  Fails(k, "get deploy parts", "NotFound");
  EXPECT_TRUE(Always(seconds(2), [&] { return s.PodNames("app=parts") == pods; }));
  for (const Json& set : At(k.Get("rs -l app=parts"), "items"))
    EXPECT_TRUE(At(set, "metadata.ownerReferences").is_null() ||
                At(set, "metadata.ownerReferences").empty())
        << set.dump(1);
  EXPECT_FALSE(At(k.Get("rs -l app=parts"), "items").empty());
  k.Must("delete rs -l app=parts");
}

void WaitAvailable(Session& s) {
  s.NeedWeb();
  const Kubectl& k = s.kubectl();
  RunOptions options = k.Options();
  options.environment["KUBE_FEATURE_WatchListClient"] = "true";
  const Output output = Execute(
      k.Argv({"wait", "--for=condition=Available", "deploy/web", "--timeout=20s"}), options);
  EXPECT_EQ(output.code, 0) << output.Story();
  EXPECT_THAT(output.out, HasSubstr("condition met"));
}

void DeleteEverything(Session& s) {
  s.NeedWeb();
  const Kubectl& k = s.kubectl();
  const std::string out = k.Must("delete -f " + Manifest("web.yaml"));
  EXPECT_THAT(out, HasSubstr("deployment.apps \"web\" deleted"));
  EXPECT_THAT(out, HasSubstr("service \"web\" deleted"));
  EXPECT_THAT(k.Must("delete ns " + s.name_space()), HasSubstr("deleted"));
  Fails(k, "get ns " + s.name_space(), "NotFound");
  EXPECT_EQ(k.Must("get pods,rs,deploy,svc,cm -o name"), "");
  // Nothing of the pods is left running.
  EXPECT_TRUE(Eventually(seconds(5), [&] {
    return s.enclave().Processes().size() <= s.own_processes().size();
  })) << fmt::format("left: {}", fmt::join(s.enclave().Processes(), " "));
}

}  // namespace

Session::Session(const KubectlProgram& program)
    : kubectl_(enclave_, program, fmt::format("t{}", program.minor)) {
  up_ = enclave_.Up();
  own_processes_ = enclave_.Processes();
}

void Session::NeedNamespace() {
  if (kubectl_("get ns " + kubectl_.name_space()).code == 0) return;
  kubectl_.Must(
      "create -f -",
      fmt::format(
          "{{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{{\"name\":\"{}\"}}}}",
          kubectl_.name_space()));
}

void Session::NeedCrashing() {
  NeedNamespace();
  if (kubectl_("get pod greedy").code == 0) return;
  kubectl_.Must("apply -f " + Manifest("crash.yaml"));
}

void Session::NeedWeb() {
  NeedNamespace();
  if (kubectl_("get deploy web").code == 0 && kubectl_("get svc web").code == 0) return;
  kubectl_.Must("apply -f " + Manifest("web.yaml"));
  RolledOut(kubectl_, "web");
}

std::vector<std::string> Session::PodNames(const std::string& selector) {
  std::vector<std::string> names;
  for (const Json& pod : At(kubectl_.Get("pods -l " + selector), "items"))
    if (!At(pod, "metadata.deletionTimestamp").is_string())
      names.push_back(StringAt(pod, "metadata.name"));
  return names;
}

const std::vector<Row>& AcceptanceRows() {
  static const std::vector<Row> rows = {
      {1, "Version", true, 0, Version},
      {2, "ApiResources", true, 0, ApiResources},
      {3, "AuthCanI", true, 0, CanI},
      {4, "BadToken", false, 0, BadToken},
      {6, "CreateNamespace", true, 0, CreateNamespace},
      {7, "ApplyCreates", true, 0, ApplyCreates},
      {9, "RolloutStatus", true, 0, RolloutStatus},
      {8, "ApplyAgainChangesNothing", true, 0, ApplyAgain},
      {5, "ByCertificateAndByToken", false, 0, CertificateAndToken},
      {10, "GetDeployment", true, 0, GetDeployment},
      {11, "GetAllWide", true, 0, GetAll},
      {12, "Selectors", false, 0, Selectors},
      {13, "WatchDuringScale", false, 0, WatchScale},
      {14, "NotFound", true, 0, NotFound},
      {15, "DescribePod", false, 0, DescribePod},
      {16, "DescribeDeployment", true, 0, DescribeDeployment},
      {17, "DescribeService", true, 0, DescribeService},
      {18, "DescribeNode", true, 0, DescribeNode},
      {19, "LogsTail", true, 0, LogsTail},
      {20, "LogsFollowAndSince", false, 0, LogsFollow},
      {21, "LogsPrevious", false, 0, LogsPrevious},
      {22, "Top", false, 0, Top},
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
      {38, "DeletePodIsReplaced", false, 0, DeletePod},
      {42, "CrashLoopBackOff", false, 0, CrashLoop},
      {43, "OomKilled", false, 0, OutOfMemory},
      {45, "DeleteOrphans", false, 0, DeleteOrphans},
      {47, "WaitWithWatchList", true, 0, WaitAvailable},
      {46, "DeleteEverything", true, 0, DeleteEverything},
  };
  return rows;
}

}  // namespace enclave::system_test
