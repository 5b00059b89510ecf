// Rows 1 to 22: asking, creating, watching, reading logs.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <fstream>

#include "system/acceptance_rows.h"
#include "system/eventually.h"
#include "system/session.h"

namespace enclave::system_test {
namespace {

using std::chrono::seconds;
using testing::AnyOf;
using testing::HasSubstr;
using testing::SizeIs;

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
  int endpoints = 0;
  for (const Json& pod : At(s.kubectl().Get("pods -l app=web"), "items")) {
    if (At(pod, "metadata.deletionTimestamp").is_string()) continue;
    ++endpoints;
    EXPECT_THAT(out, HasSubstr(StringAt(pod, "status.podIP") + ":8080"));
  }
  EXPECT_EQ(endpoints, 2);
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
  // Each container has written more than is asked for: c1 a line for each readiness probe.
  for (const std::string container : {"c1", "c2"}) {
    const std::string logs = "logs " + pod + " -c " + container;
    ASSERT_TRUE(Eventually(seconds(20), [&] { return Lines(s.kubectl().Must(logs)).size() >= 3; }))
        << container;
    EXPECT_THAT(Lines(s.kubectl().Must(logs + " --tail=2")), SizeIs(2)) << container;
  }
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

}  // namespace

std::vector<Row> ReadingRows() {
  return {
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
  };
}

}  // namespace enclave::system_test
