#include "incident/object_change.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace enclave::incident {
namespace {

using kube::Json;
using testing::HasSubstr;
using testing::Not;

Json ShopTemplate(const std::string& image, const Json& env) {
  return {{"spec", {{"containers", {{{"name", "server"}, {"image", image}, {"env", env}}}}}}};
}

TEST(ObjectChange, NamesTheVariableThatDiffersAndNothingElse) {
  const Json before = ShopTemplate("shop:v1", {{{"name", "PORT"}, {"value", "5050"}},
                                               {{"name", "ADDR"}, {"value", "ship:50051"}}});
  const Json after = ShopTemplate("shop:v1", {{{"name", "PORT"}, {"value", "5050"}},
                                              {{"name", "ADDR"}, {"value", "ship:50061"}}});
  const ObjectChange change = CompareTemplates(before, after);
  EXPECT_EQ(change.kind, ChangeKind::kConfiguration);
  EXPECT_EQ(change.from, "env ADDR ship:50051");
  EXPECT_EQ(change.to, "env ADDR ship:50061");
}

TEST(ObjectChange, AProgramWeighsMoreThanASetting) {
  const ObjectChange change =
      CompareTemplates(ShopTemplate("shop:v1", Json::array()),
                       ShopTemplate("shop:v2", {{{"name", "PORT"}, {"value", "1"}}}));
  EXPECT_EQ(change.kind, ChangeKind::kRollout);
  EXPECT_EQ(change.from, "env PORT unset, image shop:v1");
  EXPECT_EQ(change.to, "env PORT 1, image shop:v2");
}

TEST(ObjectChange, PodsThatStartAnewAreNoConfiguration) {
  const Json before = ShopTemplate("shop:v1", Json::array());
  Json after = before;
  after["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"] = "2026-01-01T00:00:00Z";
  EXPECT_EQ(CompareTemplates(before, after).kind, ChangeKind::kOther);
  EXPECT_FALSE(CompareTemplates(before, before).any());
}

TEST(ObjectChange, SecretsAreHidden) {
  const ObjectChange variable =
      CompareTemplates(ShopTemplate("a", {{{"name", "DB_PASSWORD"}, {"value", "hunter2"}}}),
                       ShopTemplate("a", {{{"name", "DB_PASSWORD"}, {"value", "hunter3"}}}));
  EXPECT_EQ(variable.to, "env DB_PASSWORD (hidden)");
  const ObjectChange key =
      CompareConfigMaps({{"data", {{"api-token", "abc"}}}}, {{"data", {{"api-token", "abd"}}}});
  EXPECT_THAT(key.from + key.to, Not(HasSubstr("ab")));
  EXPECT_EQ(key.to, "key api-token (hidden)");
}

TEST(ObjectChange, OfALongConfigurationTheLineThatDiffers) {
  const ObjectChange change =
      CompareConfigMaps({{"data", {{"redis.conf", "port 6379\nsave 60 1\nmaxmemory 10mb\n"}}}},
                        {{"data", {{"redis.conf", "port 6379\nsave 60\nmaxmemory 10mb\n"}}}});
  EXPECT_EQ(change.kind, ChangeKind::kConfiguration);
  EXPECT_EQ(change.from, "key redis.conf save 60 1");
  EXPECT_EQ(change.to, "key redis.conf save 60");
}

TEST(ObjectChange, ASelectorAndAPort) {
  const ObjectChange change = CompareServices(
      {{"selector", {{"app", "cart"}}}, {"ports", {{{"port", 80}, {"targetPort", 8080}}}}},
      {{"selector", {{"app", "card"}}}, {"ports", {{{"port", 80}, {"targetPort", "http"}}}}});
  EXPECT_EQ(change.kind, ChangeKind::kNetwork);
  EXPECT_EQ(change.from, "port 80 to 8080, selector app cart");
  EXPECT_EQ(change.to, "port 80 to http, selector app card");
}

}  // namespace
}  // namespace enclave::incident
