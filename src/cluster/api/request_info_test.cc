#include "cluster/api/request_info.h"

#include <gtest/gtest.h>

#include "cluster/api/negotiation.h"

namespace enclave::cluster {
namespace {

RequestInfo Parse(const std::string& method, const std::string& target) {
  net::Request request;
  request.method = method;
  net::ParseTarget(target, &request.path, &request.query);
  auto info = ParseRequestInfo(request);
  EXPECT_TRUE(info.has_value()) << target;
  return info.value_or(RequestInfo{});
}

TEST(RequestInfoTest, NamesTheResourceOfEachForm) {
  const RequestInfo list = Parse("GET", "/api/v1/namespaces/shop/pods?limit=500");
  EXPECT_EQ(list.verb, "list");
  EXPECT_EQ(list.ns, "shop");
  EXPECT_EQ(list.resource, "pods");
  EXPECT_TRUE(list.name.empty());

  const RequestInfo scale = Parse("PATCH", "/apis/apps/v1/namespaces/shop/deployments/cart/scale");
  EXPECT_EQ(scale.verb, "patch");
  EXPECT_EQ(scale.GroupResource(), "deployments.apps");
  EXPECT_EQ(scale.name, "cart");
  EXPECT_EQ(scale.subresource, "scale");
  EXPECT_TRUE(scale.mutating());

  const RequestInfo everywhere = Parse("GET", "/apis/apps/v1/deployments?watch=true");
  EXPECT_EQ(everywhere.verb, "watch");
  EXPECT_TRUE(everywhere.ns.empty());
  EXPECT_FALSE(everywhere.mutating());
}

TEST(RequestInfoTest, NamespacesAreResourcesThemselves) {
  EXPECT_EQ(Parse("GET", "/api/v1/namespaces").verb, "list");
  const RequestInfo one = Parse("DELETE", "/api/v1/namespaces/shop");
  EXPECT_EQ(one.resource, "namespaces");
  EXPECT_EQ(one.name, "shop");
  EXPECT_EQ(one.verb, "delete");
  const RequestInfo finalize = Parse("PUT", "/api/v1/namespaces/shop/finalize");
  EXPECT_EQ(finalize.resource, "namespaces");
  EXPECT_EQ(finalize.subresource, "finalize");
  EXPECT_EQ(Parse("DELETE", "/api/v1/namespaces/shop/pods").verb, "deletecollection");
}

TEST(RequestInfoTest, OtherPathsAreNoResources) {
  for (const char* path :
       {"/", "/version", "/api", "/apis", "/api/v1", "/apis/apps", "/apis/apps/v1"})
    EXPECT_FALSE(Parse("GET", path).is_resource) << path;
}

TEST(RequestInfoTest, RefusesWhatIsNoPath) {
  for (const char* target : {"/api/v1/namespaces/../pods", "/api/v1/pods/%2e%2e",
                             "/api/v1/namespaces/a/pods/b/log/more"}) {
    net::Request request;
    request.method = "GET";
    net::ParseTarget(target, &request.path, &request.query);
    EXPECT_FALSE(ParseRequestInfo(request).has_value()) << target;
  }
}

TEST(NegotiationTest, TakesTheFirstItCanWrite) {
  const auto table = Negotiate(
      "application/json;as=Table;v=v1;g=meta.k8s.io,application/"
      "json;as=Table;v=v1beta1;g=meta.k8s.io,"
      "application/json");
  ASSERT_TRUE(table.has_value());
  EXPECT_EQ(table->representation, Representation::kTable);
  EXPECT_EQ(table->version, "v1");
  EXPECT_EQ(Negotiate("")->representation, Representation::kObject);
  EXPECT_EQ(Negotiate("*/*")->representation, Representation::kObject);
  EXPECT_EQ(Negotiate("application/vnd.kubernetes.protobuf,application/json")->representation,
            Representation::kObject);
}

TEST(NegotiationTest, QualityDecidesAndZeroForbids) {
  const auto picked =
      Negotiate("application/json;q=0.1, application/json;as=Table;v=v1;g=meta.k8s.io;q=0.9");
  ASSERT_TRUE(picked.has_value());
  EXPECT_EQ(picked->representation, Representation::kTable);
  EXPECT_FALSE(Negotiate("application/json;q=0").has_value());
}

TEST(NegotiationTest, NamesDiscoveryInItsContentType) {
  const auto discovery = Negotiate(
      "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json");
  ASSERT_TRUE(discovery.has_value());
  EXPECT_EQ(discovery->representation, Representation::kAggregatedDiscovery);
  EXPECT_EQ(discovery->content_type,
            "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList");
}

TEST(NegotiationTest, WhatCannotBeWrittenIsNotAcceptable) {
  const auto refused = Negotiate("application/vnd.kubernetes.protobuf");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind(), base::ErrorKind::kNotAcceptable);
}

TEST(RequestInfoProxyTest, WhatIsBehindAProxyIsItsOwn) {
  net::Request request;
  request.method = "GET";
  request.path = "/api/v1/nodes/here/proxy/metrics/cadvisor";
  const auto info = ParseRequestInfo(request);
  ASSERT_TRUE(info.has_value()) << info.error().message();
  EXPECT_EQ(info->verb, "get");
  EXPECT_EQ(info->name, "here");
  EXPECT_EQ(info->subresource, "proxy");
  EXPECT_EQ(info->subpath, "metrics/cadvisor");
}

}  // namespace
}  // namespace enclave::cluster
