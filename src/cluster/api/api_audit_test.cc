// What the audit log says of requests and of writes in process.
#include <gtest/gtest.h>

#include <fstream>

#include "cluster/api/local_api.h"
#include "cluster/api/server_fixture.h"

namespace enclave::cluster {
namespace {

using kube::Json;

class ApiAuditTest : public testing::Test {
 protected:
  ApiAuditTest()
      : server(std::make_unique<MemoryStore>(), {.port = 0}, 2, /*audited=*/true),
        client(server.Client()) {
    Do("POST", "/api/v1/namespaces", {{"metadata", {{"name", "shop"}}}});
  }

  Json Do(const std::string& method, const std::string& target, const Json& body,
          const std::string& type = "application/json", net::Headers headers = {}) {
    net::ClientRequest request{.method = method, .target = target, .body = body.dump()};
    request.headers = std::move(headers);
    request.headers["Content-Type"] = type;
    const auto response = client->SendAndWait(std::move(request));
    EXPECT_TRUE(response.has_value());
    return response ? Json::parse(response->body, nullptr, false) : Json();
  }
  // A line is written when its request is over, which may be just after the answer: the requests
  // of one connection are in order, so an answered request leaves only its own line open.
  std::vector<Json> Lines() {
    Do("DELETE", "/api/v1/namespaces/shop/configmaps/none", Json::object());
    Do("DELETE", "/api/v1/namespaces/shop/configmaps/none", Json::object());
    std::ifstream file(server.AuditPath());
    std::vector<Json> lines;
    for (std::string line; std::getline(file, line);) {
      Json json = Json::parse(line);
      if (json.at("name") != "none") lines.push_back(std::move(json));
    }
    return lines;
  }

  ServerFixture server;
  std::unique_ptr<net::HttpClient> client;
};

const std::string kMaps = "/api/v1/namespaces/shop/configmaps";

TEST_F(ApiAuditTest, ACreateNamesWhatItMade) {
  const Json made = Do("POST", kMaps, {{"metadata", {{"generateName", "cart-"}}}});
  Do("POST", kMaps, {{"metadata", {{"name", "Bad_Name"}}}});
  Do("POST", "/api/v1/namespaces/gone/configmaps", {{"metadata", {{"generateName", "cart-"}}}});
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[3].at("name"), "cart-");
  EXPECT_EQ(lines[3].at("code"), 404);
  EXPECT_EQ(lines[1].at("name"), made.at("metadata").at("name"));
  EXPECT_EQ(lines[1].at("uid"), made.at("metadata").at("uid"));
  EXPECT_EQ(lines[2].at("name"), "Bad_Name");
  EXPECT_EQ(lines[2].at("code"), 422);
}

TEST_F(ApiAuditTest, TheTraceOfARequestIsKeptWithWhatItMade) {
  const std::string trace = "0af7651916cd43dd8448eb211c80319c";
  const Json made = Do("POST", kMaps, {{"metadata", {{"name", "a"}}}}, "application/json",
                       {{"X-B3-TraceId", trace}, {"X-B3-SpanId", "b7ad6b7169203331"}});
  EXPECT_EQ(kube::At(made, "metadata.annotations"), (Json{{"enclave.dev/trace-id", trace}}));
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_FALSE(lines[0].contains("traceId"));
  EXPECT_EQ(lines[1].at("traceId"), trace);
}

TEST_F(ApiAuditTest, WhatChangedNothingIsNoMutation) {
  const Json body = {{"metadata", {{"name", "a"}}}, {"data", {{"k", "1"}}}};
  Do("POST", kMaps, body);
  Do("PUT", kMaps + "/a", body);
  Do("PATCH", kMaps + "/a", {{"data", {{"k", "1"}}}}, "application/merge-patch+json");
  Do("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", Json::object());
  EXPECT_EQ(Lines().size(), 2u) << "the namespace and the object";

  LocalApi api(server.machinery, "system:test", server.audit.get());
  Json same = body;
  same["metadata"]["namespace"] = "shop";
  ASSERT_TRUE(api.Update(kube::kConfigMap, same).has_value());
  EXPECT_EQ(Lines().size(), 2u);
  same["data"]["k"] = "2";
  ASSERT_TRUE(api.Update(kube::kConfigMap, same).has_value());
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[2].at("source"), "in-process");
  EXPECT_FALSE(lines[2].at("uid").get<std::string>().empty());
}

}  // namespace
}  // namespace enclave::cluster
