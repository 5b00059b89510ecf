// Rows 38 to 47: pods that die and objects that go.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "system/acceptance_rows.h"
#include "system/eventually.h"
#include "system/pods.h"
#include "system/session.h"

namespace enclave::system_test {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

void DeletePod(Session& s) {
  s.NeedWeb();
  const Kubectl& k = s.kubectl();
  const long long replicas = IntAt(k.Get("deploy web"), "spec.replicas");
  std::string pod = s.PodNames("app=web").front();
  EXPECT_THAT(k.Must("delete pod " + pod), HasSubstr("deleted"));
  Fails(k, "get pod " + pod, "NotFound");
  EXPECT_TRUE(k.Until("deploy web", [&](const Json& d) { return AllReady(d, replicas); }));
  pod = s.PodNames("app=web").front();
  EXPECT_THAT(k.Must("delete pod " + pod + " --grace-period=0 --force"), HasSubstr("deleted"));
  Fails(k, "get pod " + pod, "NotFound");
  EXPECT_TRUE(k.Until("deploy web", [&](const Json& d) { return AllReady(d, replicas); }));

  // Immediate, whatever the pod thinks of it: with its own grace it would stay for five minutes.
  k.Must("apply -f " + Manifest("deaf.yaml"));
  ASSERT_TRUE(Eventually(seconds(20),
                         [&] { return k("logs deaf").out.find("deaf") != std::string::npos; }));
  const std::string container = StringAt(k.Get("pod deaf"), "metadata.uid") + "/c1";
  ASSERT_TRUE(ContainerPids(s.enclave()).contains(container));
  EXPECT_THAT(k.Must("delete pod deaf --grace-period=0 --force"), HasSubstr("deleted"));
  Fails(k, "get pod deaf", "NotFound");
  EXPECT_TRUE(Eventually(seconds(20), [&] {
    return !ContainerPids(s.enclave()).contains(container);
  })) << "its process lives on";
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

std::vector<Row> EndingRows() {
  return {
      {38, "DeletePodIsReplaced", false, 0, DeletePod},
      {42, "CrashLoopBackOff", false, 0, CrashLoop},
      {43, "OomKilled", false, 0, OutOfMemory},
      {45, "DeleteOrphans", false, 0, DeleteOrphans},
      {47, "WaitWithWatchList", true, 0, WaitAvailable},
      {46, "DeleteEverything", true, 0, DeleteEverything},
  };
}

}  // namespace enclave::system_test
