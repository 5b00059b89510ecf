#include "cluster/kubelet/pod_fields.h"

#include <gtest/gtest.h>

#include "cluster/kubelet/address_pool.h"
#include "cluster/kubelet/config_data.h"

namespace enclave::cluster {
namespace {

using kube::Json;
using std::chrono::seconds;

Json PodOf(const Json& resources, const Json& init_resources = nullptr) {
  Json pod = {{"spec", {{"containers", Json::array({{{"name", "c"}, {"resources", resources}}})}}}};
  if (!init_resources.is_null())
    pod["spec"]["initContainers"] = Json::array({{{"name", "i"}, {"resources", init_resources}}});
  return pod;
}

TEST(PodFieldsTest, QualityOfService) {
  EXPECT_EQ(PodQosClass(PodOf(Json::object())), "BestEffort");
  EXPECT_EQ(PodQosClass(PodOf({{"limits", {{"cpu", "1"}, {"memory", "1Gi"}}}})), "Guaranteed");
  EXPECT_EQ(PodQosClass(PodOf({{"limits", {{"cpu", "1"}, {"memory", "1Gi"}}},
                               {"requests", {{"cpu", "1000m"}, {"memory", "1024Mi"}}}})),
            "Guaranteed");
  EXPECT_EQ(PodQosClass(PodOf({{"limits", {{"cpu", "1"}}}})), "Burstable");
  EXPECT_EQ(PodQosClass(PodOf({{"requests", {{"memory", "1Gi"}}}})), "Burstable");
}

TEST(PodFieldsTest, RequestsAreTheSumOrTheLargestInitContainer) {
  const PodRequests requests = RequestsOf(
      PodOf({{"requests", {{"cpu", "100m"}, {"memory", "1Ki"}}}}, {{"requests", {{"cpu", "1"}}}}));
  EXPECT_EQ(requests.cpu_millis, 1000);
  EXPECT_EQ(requests.memory_bytes, 1024);
}

TEST(PodFieldsTest, GoDurations) {
  EXPECT_EQ(GoDuration(seconds(10)), "10s");
  EXPECT_EQ(GoDuration(seconds(80)), "1m20s");
  EXPECT_EQ(GoDuration(seconds(300)), "5m0s");
  EXPECT_EQ(GoDuration(seconds(3661)), "1h1m1s");
}

TEST(ConfigDataTest, Base64) {
  const auto decode = [](const std::string& text) {
    const auto data = SecretData(kube::Object(Json{{"data", {{"k", text}}}}));
    return data.contains("k") ? data.at("k") : "(invalid)";
  };
  EXPECT_EQ(decode(""), "");
  EXPECT_EQ(decode("Zg=="), "f");
  EXPECT_EQ(decode("Zm8="), "fo");
  EXPECT_EQ(decode("Zm9v"), "foo");
  EXPECT_EQ(decode("Zm9v\nYmFy"), "foobar");
  EXPECT_EQ(decode("/+8="), "\xff\xef");
  for (const char* bad : {"Z", "Zg", "Zg=", "Zg===", "Zm9v=", "Zm=v", "Zm9v!", "===="})
    EXPECT_EQ(decode(bad), "(invalid)") << bad;
}

TEST(ConfigDataTest, ConfigMapsHaveTextAndBinary) {
  const auto data = ConfigMapData(
      kube::Object(Json{{"data", {{"a", "x"}, {"n", 1}}}, {"binaryData", {{"b", "Zm9v"}}}}));
  EXPECT_EQ(data, (std::map<std::string, std::string>{{"a", "x"}, {"b", "foo"}}));
  EXPECT_TRUE(ConfigMapData(kube::Object(Json{{"data", "nonsense"}})).empty());
}

TEST(AddressPoolTest, GivesEachOwnerOneAndTheLeastRecentlyFreedLast) {
  AddressPool pool = *AddressPool::Make("127.3.0.0/29");  // six hosts
  EXPECT_EQ(*pool.Allocate("a"), "127.3.0.1");
  EXPECT_EQ(*pool.Allocate("a"), "127.3.0.1");
  EXPECT_EQ(*pool.Allocate("b"), "127.3.0.2");
  pool.Release("a");
  EXPECT_EQ(*pool.Allocate("c"), "127.3.0.3");
  for (const char* owner : {"d", "e", "f"}) EXPECT_TRUE(pool.Allocate(owner));
  EXPECT_EQ(*pool.Allocate("g"), "127.3.0.1");
  EXPECT_EQ(pool.Allocate("h").error().kind(), base::ErrorKind::kResourceExhausted);
  EXPECT_EQ(pool.used(), 6u);
}

TEST(AddressPoolTest, ReservesWhatOwnersHad) {
  AddressPool pool = *AddressPool::Make("127.3.0.0/28");
  EXPECT_TRUE(pool.Reserve("a", "127.3.0.5"));
  EXPECT_TRUE(pool.Reserve("a", "127.3.0.5"));
  EXPECT_EQ(pool.Reserve("b", "127.3.0.5").error().kind(), base::ErrorKind::kConflict);
  EXPECT_EQ(pool.Reserve("b", "10.0.0.1").error().kind(), base::ErrorKind::kInvalidArgument);
  EXPECT_EQ(pool.Reserve("b", "127.3.0.0").error().kind(), base::ErrorKind::kInvalidArgument);
  EXPECT_EQ(pool.Reserve("b", "nonsense").error().kind(), base::ErrorKind::kInvalidArgument);
  EXPECT_EQ(*pool.Allocate("b"), "127.3.0.6");
  EXPECT_EQ(*pool.Allocate("a"), "127.3.0.5");
}

TEST(AddressPoolTest, MalformedRanges) {
  for (const char* bad : {"", "127.0.0.0", "127.0.0.0/", "127.0.0.0/31", "127.0.0.0/0",
                          "127.0.0/24", "127.0.0.256/24", "a.b.c.d/24", "127.0.0.0/24x"})
    EXPECT_FALSE(AddressPool::Make(bad)) << bad;
  EXPECT_TRUE(AddressPool::Make("127.93.0.0/17"));
}

}  // namespace
}  // namespace enclave::cluster
