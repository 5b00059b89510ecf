// Volumes of pods: what is in them, what is waited for, how changes arrive.
#include "cluster/kubelet/pod_volumes.h"

#include <gmock/gmock.h>

#include "cluster/kubelet/kubelet_fixture.h"

namespace enclave::cluster {
namespace {

using kube::Json;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class PodVolumesTest : public KubeletFixture {
 protected:
  static Json WithVolume(const Json& volume, const Json& mount_fields = Json::object()) {
    Json mount = {{"name", "v"}, {"mountPath", "/etc/v"}};
    mount.merge_patch(mount_fields);
    Json spec = OneContainer({{"volumeMounts", Json::array({mount})}});
    Json named = volume;
    named["name"] = "v";
    spec["volumes"] = Json::array({named});
    return spec;
  }
  std::string FileOf(const kube::ObjectPtr& pod, const std::string& path) {
    const VolumeFiles* files = volumes.Files(pod->uid(), "v");
    if (files == nullptr || !files->contains(path)) return "(none)";
    return files->at(path).content;
  }
};

TEST_F(PodVolumesTest, AConfigMapIsMountedReadOnlyAndKeptUpToDate) {
  PutConfigMap("cfg", {{"a.conf", "one"}, {"b.conf", "two"}});
  StartKubelet();
  const auto pod = CreatePod("web", WithVolume({{"configMap", {{"name", "cfg"}}}}));
  Run(milliseconds(10));
  ASSERT_EQ(Phase("web"), "Running");
  EXPECT_EQ(FileOf(pod, "a.conf"), "one");
  const ContainerSpec* spec = runtime.SpecOf(IdOf(pod));
  ASSERT_EQ(spec->mounts.size(), 1u);
  EXPECT_EQ(spec->mounts[0].target, "/etc/v");
  EXPECT_TRUE(spec->mounts[0].read_only);
  PutConfigMap("cfg", {{"a.conf", "three"}});
  Run(milliseconds(10));
  EXPECT_EQ(FileOf(pod, "a.conf"), "three");
  EXPECT_EQ(FileOf(pod, "b.conf"), "(none)");
  EXPECT_EQ(volumes.Projections(pod->uid(), "v"), 2) << "one switch for the whole change";
  EXPECT_EQ(Restarts("web"), 0);
  PutConfigMap("unrelated", {{"x", "y"}});
  Run(seconds(1));
  EXPECT_EQ(volumes.Projections(pod->uid(), "v"), 2);
}

TEST_F(PodVolumesTest, AMissingConfigMapHoldsThePodBackUntilItIsThere) {
  StartKubelet();
  CreatePod("web", WithVolume({{"configMap", {{"name", "cfg"}}}}));
  CreatePod("lax", WithVolume({{"configMap", {{"name", "cfg"}, {"optional", true}}}}));
  Run(seconds(30));
  EXPECT_EQ(Phase("web"), "Pending");
  EXPECT_EQ(WaitingReason("web"), "ContainerCreating");
  EXPECT_EQ(Phase("lax"), "Running");
  EXPECT_THAT(
      Events("FailedMount"),
      ElementsAre("MountVolume.SetUp failed for volume \"v\" : configmap \"cfg\" not found"));
  PutConfigMap("cfg", {{"a", "b"}});
  Run(milliseconds(10));
  EXPECT_EQ(Phase("web"), "Running");
}

TEST_F(PodVolumesTest, ASecretIsDecodedAndItemsChooseKeysPathsAndModes) {
  const Json secret = {{"apiVersion", "v1"},
                       {"kind", "Secret"},
                       {"metadata", {{"name", "s"}, {"namespace", "default"}}},
                       {"data", {{"user", "YWRtaW4="}, {"pass", "czNjcmV0"}}}};
  ASSERT_TRUE(api.Create(kube::kSecret, "default", secret));
  StartKubelet();
  const Json items = Json::array({{{"key", "user"}, {"path", "login/name"}, {"mode", 0400}}});
  const auto pod =
      CreatePod("web", WithVolume({{"secret", {{"secretName", "s"}, {"items", items}}}}));
  Json missing = items;
  missing[0]["key"] = "nope";
  CreatePod("bad", WithVolume({{"secret", {{"secretName", "s"}, {"items", missing}}}}));
  Run(milliseconds(10));
  EXPECT_EQ(FileOf(pod, "login/name"), "admin");
  EXPECT_EQ(volumes.Files(pod->uid(), "v")->at("login/name").mode, 0400);
  EXPECT_EQ(volumes.Files(pod->uid(), "v")->size(), 1u);
  EXPECT_THAT(Events("FailedMount"),
              Contains(HasSubstr("references non-existent secret key: nope")));
}

TEST_F(PodVolumesTest, APathNeverLeadsOutOfItsVolume) {
  PutConfigMap("cfg", {{"k", "v"}});
  StartKubelet();
  const Json items = Json::array({{{"key", "k"}, {"path", "../../etc/passwd"}}});
  CreatePod("web", WithVolume({{"configMap", {{"name", "cfg"}, {"items", items}}}}));
  Run(seconds(5));
  EXPECT_EQ(Phase("web"), "Pending");
  EXPECT_THAT(Events("FailedMount"), Contains(HasSubstr("leads out of the volume")));
}

TEST_F(PodVolumesTest, TheDownwardApiFollowsThePodsLabels) {
  StartKubelet();
  const Json items =
      Json::array({{{"path", "labels"}, {"fieldRef", {{"fieldPath", "metadata.labels"}}}},
                   {{"path", "name"}, {"fieldRef", {{"fieldPath", "metadata.name"}}}},
                   {{"path", "cpu"},
                    {"resourceFieldRef",
                     {{"containerName", "c1"}, {"resource", "limits.cpu"}, {"divisor", "1m"}}}}});
  const auto pod = CreatePod("web", WithVolume({{"downwardAPI", {{"items", items}}}}));
  Run(milliseconds(10));
  EXPECT_EQ(FileOf(pod, "labels"), "");
  EXPECT_EQ(FileOf(pod, "name"), "web");
  EXPECT_EQ(FileOf(pod, "cpu"), "2000") << "no limit: the node's";
  ASSERT_TRUE(api.Patch(kube::kPod, "default", "web", kube::PatchType::kMerge,
                        {{"metadata", {{"labels", {{"b", "x\"y"}, {"a", "1"}}}}}}));
  Run(milliseconds(10));
  EXPECT_EQ(FileOf(pod, "labels"), "a=\"1\"\nb=\"x\\\"y\"");
}

TEST_F(PodVolumesTest, AProjectedTokenIsRenewedBeforeItExpires) {
  int minted = 0;
  std::vector<TokenRequest> requests;
  token = [&](const TokenRequest& request) {
    requests.push_back(request);
    return base::Result<std::string>("token-" + std::to_string(++minted));
  };
  PutConfigMap("kube-root-ca.crt", {{"ca.crt", "PEM"}});
  StartKubelet();
  const Json sources = Json::array(
      {{{"serviceAccountToken", {{"path", "token"}, {"expirationSeconds", 1000}}}},
       {{"configMap",
         {{"name", "kube-root-ca.crt"},
          {"items", Json::array({{{"key", "ca.crt"}, {"path", "ca.crt"}}})}}}},
       {{"downwardAPI",
         {{"items", Json::array({{{"path", "namespace"},
                                  {"fieldRef", {{"fieldPath", "metadata.namespace"}}}}})}}}}});
  Json spec = WithVolume({{"projected", {{"sources", sources}}}});
  spec["serviceAccountName"] = "robot";
  const auto pod = CreatePod("web", spec);
  Run(milliseconds(10));
  EXPECT_EQ(FileOf(pod, "token"), "token-1");
  EXPECT_EQ(FileOf(pod, "ca.crt"), "PEM");
  EXPECT_EQ(FileOf(pod, "namespace"), "default");
  EXPECT_EQ(requests.at(0).service_account, "robot");
  EXPECT_EQ(requests.at(0).pod_uid, pod->uid());
  Run(seconds(790));
  EXPECT_EQ(FileOf(pod, "token"), "token-1");
  Run(seconds(20));
  EXPECT_EQ(FileOf(pod, "token"), "token-2");
}

TEST_F(PodVolumesTest, APodWithoutAnInjectedTokenGetsOne) {
  token = [](const TokenRequest&) { return base::Result<std::string>("t"); };
  options.cluster_ca = "PEM";
  StartKubelet();
  const auto pod = CreatePod("web");
  const auto none = CreatePod("none", {{"automountServiceAccountToken", false}});
  Run(milliseconds(10));
  ASSERT_EQ(runtime.SpecOf(IdOf(pod))->mounts.size(), 1u);
  EXPECT_EQ(runtime.SpecOf(IdOf(pod))->mounts[0].target, kTokenDirectory);
  EXPECT_THAT(runtime.SpecOf(IdOf(none))->mounts, IsEmpty());
}

TEST_F(PodVolumesTest, WhoMountsATokenItselfOrWantsNoneGetsNoOther) {
  std::vector<TokenRequest> requests;
  token = [&](const TokenRequest& request) {
    requests.push_back(request);
    return base::Result<std::string>("t");
  };
  options.cluster_ca = "PEM";
  const Json account = {{"apiVersion", "v1"},
                        {"kind", "ServiceAccount"},
                        {"metadata", {{"name", "mute"}, {"namespace", "default"}}},
                        {"automountServiceAccountToken", false}};
  ASSERT_TRUE(api.Create(kube::kServiceAccount, "default", account));
  StartKubelet();
  // As the API server injects it, here before the ConfigMap with the CA exists.
  const Json sources = Json::array(
      {{{"serviceAccountToken", {{"path", "token"}, {"expirationSeconds", 3607}}}},
       {{"configMap", {{"name", "kube-root-ca.crt"}, {"optional", true}}}},
       {{"downwardAPI",
         {{"items", Json::array({{{"path", "namespace"},
                                  {"fieldRef", {{"fieldPath", "metadata.namespace"}}}}})}}}}});
  const auto injected =
      CreatePod("injected", WithVolume({{"projected", {{"sources", sources}}}},
                                       {{"mountPath", std::string(kTokenDirectory) + "/"}}));
  const auto mute = CreatePod("mute", {{"serviceAccountName", "mute"}});
  const auto loud =
      CreatePod("loud", {{"serviceAccountName", "mute"}, {"automountServiceAccountToken", true}});
  Run(milliseconds(10));
  ASSERT_EQ(runtime.SpecOf(IdOf(injected))->mounts.size(), 1u);
  EXPECT_EQ(FileOf(injected, "token"), "t");
  EXPECT_EQ(FileOf(injected, "namespace"), "default");
  EXPECT_EQ(FileOf(injected, "ca.crt"), "(none)");
  EXPECT_EQ(requests.at(0).expiration_seconds, 3607);
  EXPECT_THAT(runtime.SpecOf(IdOf(mute))->mounts, IsEmpty());
  EXPECT_EQ(runtime.SpecOf(IdOf(loud))->mounts.size(), 1u) << "the pod's word is the last";
  PutConfigMap("kube-root-ca.crt", {{"ca.crt", "PEM"}});
  Run(milliseconds(10));
  EXPECT_EQ(FileOf(injected, "ca.crt"), "PEM");
}

TEST_F(PodVolumesTest, OtherVolumesAndSubPaths) {
  StartKubelet();
  const auto scratch =
      CreatePod("scratch", WithVolume({{"emptyDir", Json::object()}}, {{"subPath", "in/side"}}));
  const auto expr = CreatePod(
      "expr", WithVolume({{"emptyDir", Json::object()}}, {{"subPathExpr", "of-$(POD_NAME)"}}));
  const auto host = CreatePod("host", WithVolume({{"hostPath", {{"path", "/srv"}}}}));
  CreatePod("odd", WithVolume({{"nfs", {{"server", "x"}}}}));
  Run(seconds(1));
  const Mount mount = runtime.SpecOf(IdOf(scratch))->mounts.at(0);
  EXPECT_THAT(mount.source, HasSubstr("/in/side"));
  EXPECT_FALSE(mount.read_only);
  EXPECT_THAT(runtime.SpecOf(IdOf(expr))->mounts.at(0).source, HasSubstr("/of-expr"));
  EXPECT_EQ(runtime.SpecOf(IdOf(host))->mounts.at(0).source, "/srv");
  EXPECT_EQ(Phase("odd"), "Pending");
  EXPECT_THAT(Events("FailedMount"), Contains(HasSubstr("type nfs")));
}

TEST_F(PodVolumesTest, NothingHappensWhileNothingChanges) {
  PutConfigMap("cfg", {{"a", "b"}});
  StartKubelet();
  CreatePod("web", WithVolume({{"configMap", {{"name", "cfg"}}}}));
  Run(minutes(1));
  api.ClearCalls();
  Run(hours(1));
  // The lease every ten seconds, the node's status every five minutes.
  int calls = 0;
  for (const auto& call : api.calls())
    if (!call.done && call.resource != "leases.coordination.k8s.io" && call.resource != "nodes")
      ++calls;
  EXPECT_EQ(calls, 0);
}

}  // namespace
}  // namespace enclave::cluster
