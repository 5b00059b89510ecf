#include "cluster/api/machinery_fixture.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using kube::At;
using kube::Json;
using kube::StringAt;

class PodServiceAccountTest : public MachineryFixture {
 protected:
  PodServiceAccountTest() { AdmitServiceAccounts(*registry); }

  static Json PodOf(const std::string& name, const std::string& account) {
    Json pod = Pod(name);
    pod["spec"]["serviceAccountName"] = account;
    return pod;
  }
  static bool HasToken(const kube::Object& pod) {
    return !At(At(pod.json(), "spec.containers")[0], "volumeMounts").is_null();
  }
};

TEST_F(PodServiceAccountTest, TheTokenIsMounted) {
  // The account `default` is still to be made.
  const auto pod = Make(kube::kPod, Pod("web"));
  const Json& volume = At(pod->json(), "spec.volumes")[0];
  EXPECT_THAT(StringAt(volume, "name"),
              testing::MatchesRegex("kube-api-access-[bcdfghjklmnpqrstvwxz2456789]{5}"));
  const Json& sources = At(volume, "projected.sources");
  ASSERT_EQ(sources.size(), 3u);
  EXPECT_EQ(kube::IntAt(sources[0], "serviceAccountToken.expirationSeconds"), 3607);
  EXPECT_EQ(StringAt(sources[1], "configMap.name"), "kube-root-ca.crt");
  EXPECT_EQ(StringAt(At(sources[2], "downwardAPI.items")[0], "fieldRef.fieldPath"),
            "metadata.namespace");
  const Json& mounts = At(At(pod->json(), "spec.containers")[0], "volumeMounts");
  ASSERT_EQ(mounts.size(), 1u);
  EXPECT_EQ(StringAt(mounts[0], "name"), StringAt(volume, "name"));
  EXPECT_EQ(StringAt(mounts[0], "mountPath"), "/var/run/secrets/kubernetes.io/serviceaccount");
  EXPECT_TRUE(kube::BoolAt(mounts[0], "readOnly"));
}

TEST_F(PodServiceAccountTest, AnAccountThatIsNotThereIsRefused) {
  EXPECT_EQ(
      ErrorOf(api->Create(kube::kPod, "shop", PodOf("web", "robot")), ErrorKind::kPermissionDenied),
      "pods \"web\" is forbidden: error looking up service account shop/robot: serviceaccount "
      "\"robot\" not found");
  Json replica = PodOf("web", "robot");
  replica["metadata"].erase("name");
  replica["metadata"]["generateName"] = "web-";
  EXPECT_THAT(ErrorOf(api->Create(kube::kPod, "shop", replica), ErrorKind::kPermissionDenied),
              testing::StartsWith("pods \"web-\" is forbidden"));
  ErrorOf(api->Create(kube::kPod, "none", PodOf("web", "robot")), ErrorKind::kNotFound);
  Make(kube::kServiceAccount, {{"metadata", {{"name", "robot"}}}});
  EXPECT_TRUE(HasToken(*Make(kube::kPod, PodOf("web", "robot"))));
}

TEST_F(PodServiceAccountTest, PodOrAccountMayOptOut) {
  Make(kube::kServiceAccount,
       {{"metadata", {{"name", "robot"}}}, {"automountServiceAccountToken", false}});
  const auto opted = Make(kube::kPod, PodOf("a", "robot"));
  EXPECT_FALSE(HasToken(*opted));
  EXPECT_FALSE(kube::BoolAt(opted->json(), "spec.automountServiceAccountToken", true))
      << "the kubelet mounts nothing on its own";
  Json wants = PodOf("b", "robot");
  wants["spec"]["automountServiceAccountToken"] = true;
  EXPECT_TRUE(HasToken(*Make(kube::kPod, wants)));
  Json refuses = Pod("c");
  refuses["spec"]["automountServiceAccountToken"] = false;
  EXPECT_FALSE(HasToken(*Make(kube::kPod, refuses)));
}

TEST_F(PodServiceAccountTest, AMountOfThePodsOwnStays) {
  Json pod = Pod("web");
  pod["spec"]["volumes"] = Json::parse(R"([{"name": "mine", "emptyDir": {}}])");
  pod["spec"]["containers"][0]["volumeMounts"] = Json::parse(
      R"([{"name": "mine", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}])");
  const auto made = Make(kube::kPod, pod);
  EXPECT_EQ(At(made->json(), "spec.volumes").size(), 1u);
  EXPECT_EQ(At(At(made->json(), "spec.containers")[0], "volumeMounts").size(), 1u);
}

}  // namespace
}  // namespace enclave::cluster
