// What the kinds are as data: defaults, validation, columns.
#include <chrono>

#include "cluster/api/columns.h"
#include "cluster/api/machinery_fixture.h"
#include "cluster/api/schema.h"
#include "kube/hash.h"
#include "kube/time.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using kube::At;
using kube::Json;
using kube::StringAt;
using testing::HasSubstr;

class ResourcesTest : public MachineryFixture {
 protected:
  // What is said about a pod whose spec was changed by a merge patch.
  std::string PodError(const char* patch) {
    Json pod = Pod("web");
    pod.merge_patch({{"spec", Json::parse(patch)}});
    return ErrorOf(api->Create(kube::kPod, "shop", pod), ErrorKind::kUnprocessable);
  }
  std::string DeploymentError(const char* patch) {
    Json object = Deployment("web");
    object.merge_patch(Json::parse(patch));
    return ErrorOf(api->Create(kube::kDeployment, "shop", object), ErrorKind::kUnprocessable);
  }
  // "NAME | READY | ..." as kubectl shows the row; `wide` adds the columns of priority 1.
  std::string Row(const kube::Kind& kind, const Json& object, bool wide = false) {
    const auto resource = registry->Find(kind);
    const Json cells = Cells(*resource, object, clock.WallNow());
    const Json definitions = ColumnDefinitions(*resource);
    std::string row;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (!wide && definitions[i]["priority"] != 0) continue;
      row += (row.empty() ? "" : " | ") +
             (cells[i].is_string() ? cells[i].get<std::string>() : cells[i].dump());
    }
    return row;
  }
};

TEST_F(ResourcesTest, PodsAndTemplatesGetKubernetesDefaults) {
  Json pod = Pod("web");
  pod["spec"]["containers"][0]["ports"] = Json::parse(R"([{"containerPort": 80}])");
  pod["spec"]["containers"][0]["readinessProbe"] = Json::parse(R"({"httpGet": {"port": 80}})");
  pod["spec"]["containers"][0]["resources"] = Json::parse(R"({"limits": {"cpu": "0.5"}})");
  pod["spec"]["volumes"] = Json::parse(R"([{"name": "v", "configMap": {"name": "m"}}])");
  const auto made = Make(kube::kPod, pod);
  const Json& spec = At(made->json(), "spec");
  EXPECT_EQ(StringAt(spec, "restartPolicy"), "Always");
  EXPECT_EQ(StringAt(spec, "dnsPolicy"), "ClusterFirst");
  EXPECT_EQ(kube::IntAt(spec, "terminationGracePeriodSeconds"), 30);
  EXPECT_EQ(StringAt(spec, "serviceAccountName"), "default");
  EXPECT_EQ(At(spec, "tolerations").size(), 2u);
  const Json& container = At(spec, "containers")[0];
  EXPECT_EQ(StringAt(container, "imagePullPolicy"), "IfNotPresent");
  EXPECT_EQ(StringAt(At(container, "ports")[0], "protocol"), "TCP");
  EXPECT_EQ(StringAt(container, "readinessProbe.httpGet.path"), "/");
  EXPECT_EQ(kube::IntAt(container, "readinessProbe.failureThreshold"), 3);
  EXPECT_EQ(StringAt(container, "resources.requests.cpu"), "500m");
  EXPECT_EQ(kube::IntAt(At(spec, "volumes")[0], "configMap.defaultMode"), 0644);
  EXPECT_EQ(StringAt(made->json(), "status.phase"), "Pending");
  EXPECT_EQ(StringAt(made->json(), "status.qosClass"), "Burstable");

  const auto deployment = Make(kube::kDeployment, Deployment("web"));
  const Json& wanted = At(deployment->json(), "spec");
  EXPECT_EQ(kube::IntAt(wanted, "replicas"), 1);
  EXPECT_EQ(StringAt(wanted, "strategy.rollingUpdate.maxSurge"), "25%");
  EXPECT_EQ(kube::IntAt(wanted, "revisionHistoryLimit"), 10);
  EXPECT_EQ(kube::IntAt(wanted, "progressDeadlineSeconds"), 600);
  EXPECT_EQ(StringAt(wanted, "template.spec.restartPolicy"), "Always");
  EXPECT_TRUE(At(wanted, "template.spec.tolerations").is_null()) << "only pods get those";
}

TEST_F(ResourcesTest, TheHashOfATemplateOutlivesARoundTripThroughTypedClients) {
  const auto first = Make(kube::kDeployment, Deployment("web"));
  const Json stored = At(first->json(), "spec.template");
  Json sent = stored;  // as `rollout undo` sends it
  sent["metadata"]["creationTimestamp"] = nullptr;
  sent["spec"]["containers"][0]["resources"] = Json::object();
  const auto undone =
      api->Patch(kube::kDeployment, "shop", "web", kube::PatchType::kJson,
                 Json::array({{{"op", "replace"}, {"path", "/spec/template"}, {"value", sent}}}));
  ASSERT_TRUE(undone.has_value());
  EXPECT_EQ(kube::TemplateHash(At((*undone)->json(), "spec.template")), kube::TemplateHash(stored));
  EXPECT_EQ((*undone)->revision(), first->revision());
}

TEST_F(ResourcesTest, PodsThatCannotBe) {
  EXPECT_THAT(PodError(R"({"containers": []})"), HasSubstr("spec.containers: Required value"));
  EXPECT_THAT(PodError(R"({"containers": [{"name": "a", "image": "i"},
                                          {"name": "a", "image": "i"}]})"),
              HasSubstr("spec.containers[1].name: Duplicate value: \"a\""));
  EXPECT_THAT(PodError(R"({"containers": [{"name": "A_", "image": "i"}]})"),
              HasSubstr("spec.containers[0].name: Invalid value: \"A_\": a lowercase RFC 1123"));
  EXPECT_THAT(PodError(R"({"containers": [{"name": "a"}]})"),
              HasSubstr("spec.containers[0].image: Required value"));
  EXPECT_THAT(PodError(R"({"restartPolicy": "Sometimes"})"),
              HasSubstr("spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: "
                        "\"Always\", \"OnFailure\", \"Never\""));
  EXPECT_THAT(PodError(R"({"containers": [{"name": "a", "image": "i",
                           "ports": [{"containerPort": 70000}]}]})"),
              HasSubstr("spec.containers[0].ports[0].containerPort: Invalid value: 70000"));
  EXPECT_THAT(PodError(R"({"containers": [{"name": "a", "image": "i",
                           "livenessProbe": {"httpGet": {"port": 1}, "exec": {"command": ["x"]}}}]})"),
              HasSubstr("may not specify more than 1 handler type"));
  EXPECT_THAT(PodError(R"({"containers": [{"name": "a", "image": "i", "readinessProbe": {}}]})"),
              HasSubstr("must specify a handler type"));
  EXPECT_THAT(PodError(R"({"containers": [{"name": "a", "image": "i",
                           "volumeMounts": [{"name": "none", "mountPath": "/x"}]}]})"),
              HasSubstr("spec.containers[0].volumeMounts[0].name: Not found: \"none\""));
  EXPECT_THAT(PodError(R"({"containers": [{"name": "a", "image": "i",
                           "resources": {"requests": {"cpu": 2}, "limits": {"cpu": 1}}}]})"),
              HasSubstr("must be less than or equal to cpu limit of 1"));
  EXPECT_THAT(PodError(R"({"containers": [{"name": "a", "image": "i",
                           "env": [{"name": "A", "value": "x", "valueFrom": {}}]}]})"),
              HasSubstr("may not be specified when `value` is not empty"));
  Json pod = Pod("web");
  pod["spec"]["containers"][0]["resources"] = {{"limits", {{"cpu", "lots"}}}};
  EXPECT_THAT(ErrorOf(api->Create(kube::kPod, "shop", pod), ErrorKind::kInvalidArgument),
              HasSubstr("spec.containers[0].resources.limits.cpu: quantities must match"));
}

TEST_F(ResourcesTest, RunningPodsChangeInFewWays) {
  Json pod = Make(kube::kPod, Pod("web"))->json();
  pod["spec"]["containers"][0]["image"] = "img:v2";
  auto updated = api->Update(kube::kPod, pod);
  ASSERT_TRUE(updated.has_value()) << updated.error().message();
  pod = (*updated)->json();
  pod["spec"]["tolerations"].push_back({{"key", "k"}, {"operator", "Exists"}});
  updated = api->Update(kube::kPod, pod);
  ASSERT_TRUE(updated.has_value()) << updated.error().message();
  pod = (*updated)->json();
  pod["spec"]["containers"][0]["args"] = Json::array({"x"});
  EXPECT_THAT(ErrorOf(api->Update(kube::kPod, pod), ErrorKind::kUnprocessable),
              HasSubstr("spec: Forbidden: pod updates may not change fields other than"));
  pod = (*updated)->json();
  pod["spec"]["nodeName"] = "elsewhere";
  ErrorOf(api->Update(kube::kPod, pod), ErrorKind::kUnprocessable);
}

TEST_F(ResourcesTest, DeploymentsThatCannotBe) {
  EXPECT_THAT(DeploymentError(R"({"spec": {"selector": {"matchLabels": {"app": "other"}}}})"),
              HasSubstr("spec.template.metadata.labels: Invalid value: {\"app\":\"web\"}: "
                        "`selector` does not match template `labels`"));
  EXPECT_THAT(DeploymentError(R"({"spec": {"selector": null}})"),
              HasSubstr("spec.selector: Required value"));
  EXPECT_THAT(DeploymentError(R"({"spec": {"replicas": -1}})"),
              HasSubstr("spec.replicas: Invalid value: -1: must be greater than or equal to 0"));
  EXPECT_THAT(DeploymentError(R"({"spec": {"template": {"spec": {"restartPolicy": "Never"}}}})"),
              HasSubstr("spec.template.spec.restartPolicy: Unsupported value: \"Never\""));
  EXPECT_THAT(DeploymentError(R"({"spec": {"strategy": {"rollingUpdate":
                                  {"maxSurge": 0, "maxUnavailable": 0}}}})"),
              HasSubstr("may not be 0 when `maxSurge` is 0"));
  EXPECT_THAT(DeploymentError(R"({"spec": {"strategy": {"rollingUpdate": {"maxSurge": "x"}}}})"),
              HasSubstr("must be either an integer or a percentage"));
  Json object = Make(kube::kDeployment, Deployment("web"))->json();
  object["spec"]["selector"]["matchLabels"]["more"] = "x";
  object["spec"]["template"]["metadata"]["labels"]["more"] = "x";
  const std::string said =
      ErrorOf(api->Update(kube::kDeployment, object), ErrorKind::kUnprocessable);
  EXPECT_THAT(said, HasSubstr("Deployment.apps \"web\" is invalid: spec.selector: Invalid value:"));
  EXPECT_THAT(said, HasSubstr("field is immutable"));
}

TEST_F(ResourcesTest, SecretsAndConfigMaps) {
  const auto secret = Make(kube::kSecret, Json::parse(R"({"metadata": {"name": "s"},
      "data": {"a": "MQ=="}, "stringData": {"b": "2"}})"));
  EXPECT_EQ(At(secret->json(), "data"), Json({{"a", "MQ=="}, {"b", "Mg=="}}));
  EXPECT_EQ(StringAt(secret->json(), "type"), "Opaque");
  EXPECT_TRUE(At(secret->json(), "stringData").is_null());
  const std::string said = ErrorOf(
      api->Create(kube::kSecret, "shop",
                  Json::parse(R"({"metadata": {"name": "t"}, "data": {"a": "topsecret!"}})")),
      ErrorKind::kUnprocessable);
  EXPECT_THAT(said, HasSubstr("illegal base64 data"));
  EXPECT_THAT(said, testing::Not(HasSubstr("topsecret")));
  Json map = ConfigMap("m", "1");
  map["immutable"] = true;
  Json object = Make(kube::kConfigMap, map)->json();
  object["data"]["key"] = "2";
  EXPECT_THAT(ErrorOf(api->Update(kube::kConfigMap, object), ErrorKind::kUnprocessable),
              HasSubstr("data: Forbidden: field is immutable when `immutable` is set"));
  ErrorOf(api->Create(kube::kConfigMap, "shop",
                      {{"metadata", {{"name", "n"}}}, {"data", {{"a/b", "1"}}}}),
          ErrorKind::kUnprocessable);
}

TEST_F(ResourcesTest, ServicesThatCannotBe) {
  const auto error = [&](const char* spec) {
    return ErrorOf(api->Create(kube::kService, "shop",
                               {{"metadata", {{"name", "s"}}}, {"spec", Json::parse(spec)}}),
                   ErrorKind::kUnprocessable);
  };
  EXPECT_THAT(error(R"({"ports": []})"), HasSubstr("spec.ports: Required value"));
  EXPECT_THAT(error(R"({"ports": [{"port": 80}, {"port": 81}]})"),
              HasSubstr("spec.ports[0].name: Required value"));
  EXPECT_THAT(error(R"({"ports": [{"port": 0}]})"), HasSubstr("must be between 1 and 65535"));
  EXPECT_THAT(error(R"({"type": "Magic", "ports": [{"port": 80}]})"),
              HasSubstr("spec.type: Unsupported value: \"Magic\""));
  EXPECT_THAT(
      ErrorOf(api->Create(kube::kService, "shop", Service("1web")), ErrorKind::kUnprocessable),
      HasSubstr("a DNS-1035 label"));
}

Json PodInState(const char* status, const char* metadata = "{}") {
  return {{"metadata", Json::parse(metadata)},
          {"spec", {{"containers", Json::array({{{"name", "a"}}, {{"name", "b"}}})}}},
          {"status", Json::parse(status)}};
}

TEST_F(ResourcesTest, TheStatusOfPodsIsWhatKubectlShows) {
  const auto status = [&](const char* text, const char* metadata = "{}") {
    const Json cells =
        Cells(*registry->Find(kube::kPod), PodInState(text, metadata), clock.WallNow());
    return cells[1].get<std::string>() + " " + cells[2].get<std::string>() + " " +
           cells[3].get<std::string>();
  };
  EXPECT_EQ(status(R"({"phase": "Pending"})"), "0/2 Pending 0");
  EXPECT_EQ(status(R"({"phase": "Running", "containerStatuses": [
      {"name": "a", "ready": true, "state": {"running": {}}},
      {"name": "b", "ready": false, "restartCount": 2, "state": {"waiting":
          {"reason": "CrashLoopBackOff"}},
       "lastState": {"terminated": {"finishedAt": "2023-11-14T22:12:50Z"}}}]})"),
            "1/2 CrashLoopBackOff 2 (30s ago)");
  EXPECT_EQ(status(R"({"phase": "Running", "containerStatuses": [
      {"name": "a", "ready": true, "state": {"running": {}}}]})",
                   R"({"deletionTimestamp": "2023-11-14T22:12:50Z"})"),
            "1/2 Terminating 0");
  EXPECT_EQ(status(R"({"phase": "Running", "containerStatuses": [
      {"name": "a", "state": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}]})"),
            "0/2 OOMKilled 0");
  EXPECT_EQ(status(R"({"phase": "Failed", "containerStatuses": [
      {"name": "a", "state": {"terminated": {"exitCode": 3}}}]})"),
            "0/2 ExitCode:3 0");
  EXPECT_EQ(status(R"({"phase": "Failed", "reason": "Evicted"})"), "0/2 Evicted 0");
  EXPECT_EQ(status(R"({"phase": "Pending", "initContainerStatuses": [
      {"name": "i", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]})"),
            "0/2 Init:ImagePullBackOff 0");
  EXPECT_EQ(status(R"({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
      "containerStatuses": [
      {"name": "a", "state": {"terminated": {"reason": "Completed", "exitCode": 0}}},
      {"name": "b", "ready": true, "state": {"running": {}}}]})"),
            "1/2 Running 0");
}

TEST_F(ResourcesTest, RowsOfOtherKinds) {
  Json deployment = Make(kube::kDeployment, Deployment("web"))->json();
  deployment["status"] =
      Json::parse(R"({"readyReplicas": 1, "updatedReplicas": 2, "availableReplicas": 1})");
  deployment["spec"]["replicas"] = 2;
  clock.RunFor(std::chrono::seconds(130));
  EXPECT_EQ(Row(kube::kDeployment, deployment), "web | 1/2 | 2 | 1 | 2m10s");
  EXPECT_EQ(Row(kube::kDeployment, deployment, true),
            "web | 1/2 | 2 | 1 | 2m10s | c | img:v1 | app=web");
  const auto service = Make(kube::kService, Service("web"));
  EXPECT_THAT(Row(kube::kService, service->json()),
              testing::MatchesRegex("web \\| ClusterIP \\| 127.77.240.[0-9]+ \\| <none> \\| "
                                    "80/TCP \\| 0s"));
  EXPECT_EQ(Row(kube::kNode, Json::parse(R"({"metadata": {"name": "here",
      "labels": {"node-role.kubernetes.io/control-plane": ""}},
      "spec": {"unschedulable": true}, "status": {"nodeInfo": {"kubeletVersion": "v1.33.0"},
      "conditions": [{"type": "Ready", "status": "True"}]}})")),
            "here | Ready,SchedulingDisabled | control-plane | <unknown> | v1.33.0");
  EXPECT_EQ(Row(kube::kEndpoints, Json::parse(R"({"metadata": {"name": "e"}, "subsets": [
      {"addresses": [{"ip": "1.1.1.1"}, {"ip": "1.1.1.2"}, {"ip": "1.1.1.3"}, {"ip": "1.1.1.4"}],
       "ports": [{"port": 80}]}]})")),
            "e | 1.1.1.1:80,1.1.1.2:80,1.1.1.3:80 + 1 more... | <unknown>");
  EXPECT_EQ(Row(kube::kEvent, Json::parse(R"({"metadata": {"name": "x"}, "type": "Normal",
      "reason": "Scheduled", "message": "went well\n", "lastTimestamp": "2023-11-14T22:15:20Z",
      "involvedObject": {"kind": "Pod", "name": "web"}})")),
            "10s | Normal | Scheduled | pod/web | went well");
}

TEST_F(ResourcesTest, AgesAreShortForPeople) {
  using std::chrono::hours;
  using std::chrono::minutes;
  using std::chrono::seconds;
  EXPECT_EQ(HumanDuration(seconds(0)), "0s");
  EXPECT_EQ(HumanDuration(seconds(119)), "119s");
  EXPECT_EQ(HumanDuration(seconds(121)), "2m1s");
  EXPECT_EQ(HumanDuration(minutes(10)), "10m");
  EXPECT_EQ(HumanDuration(hours(3)), "3h");
  EXPECT_EQ(HumanDuration(minutes(5 * 60 + 2)), "5h2m");
  EXPECT_EQ(HumanDuration(hours(47)), "47h");
  EXPECT_EQ(HumanDuration(hours(24 * 3 + 4)), "3d4h");
  EXPECT_EQ(HumanDuration(hours(24 * 30)), "30d");
  EXPECT_EQ(HumanDuration(hours(24 * (365 * 2 + 10))), "2y10d");
  EXPECT_EQ(HumanDuration(seconds(-5)), "<invalid>");
}

TEST_F(ResourcesTest, ProtobufAndJsonMeanTheSame) {
  // A Volume embeds its source, a ConfigMap's values are plain, a Secret's are bytes.
  const Schema& schema = Schema::BuiltIn();
  const std::string secret = std::string("\x12\x07\x0a\x01k\x12\x02\x01\xff", 9);
  EXPECT_EQ(*schema.DecodeProtobuf("Secret", secret), Json({{"data", {{"k", "Af8="}}}}));
  const std::string volume = std::string("\x0a\x01v\x12\x02\x12\x00", 7);
  EXPECT_EQ(*schema.DecodeProtobuf("Volume", volume),
            Json({{"name", "v"}, {"emptyDir", Json::object()}}));
  const std::string port = std::string("\x22\x06\x08\x00\x10\x50\x1a\x00", 8);
  EXPECT_EQ(*schema.DecodeProtobuf("ServicePort", port), Json({{"targetPort", 80}}));
  EXPECT_FALSE(schema.DecodeProtobuf("Secret", "\x12\x7f").has_value());
  EXPECT_FALSE(schema.DecodeProtobuf("Unheard", "").has_value());
}

}  // namespace
}  // namespace enclave::cluster
