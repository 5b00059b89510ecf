// Acting as somebody else, and a trace that comes with an identity, over HTTP.
#include "cluster/api/impersonation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "cluster/api/server_fixture.h"

namespace enclave::cluster {
namespace {

using kube::Json;
using kube::StringAt;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string kIdentityTrace = "0af7651916cd43dd8448eb211c80319c";
const std::string kSelfReview = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
const std::string kConfigMaps = "/api/v1/namespaces/shop/configmaps";
// As kubectl sends them for a user with as, as-groups and as-user-extra.
const net::Headers kTracedAdmin = {{"Impersonate-User", "kubernetes-admin"},
                                   {"Impersonate-Group", "system:masters"},
                                   {"Impersonate-Extra-Enclave.dev%2ftrace-Id", kIdentityTrace}};

class ImpersonationTest : public testing::Test {
 protected:
  ImpersonationTest()
      : server(std::make_unique<MemoryStore>(), {.port = 0}, 2, /*audited=*/true),
        client(server.Client()),
        nobody(server.Client(/*with_certificate=*/false)) {
    Do("POST", "/api/v1/namespaces", {{"metadata", {{"name", "shop"}}}}, {});
  }

  struct Answer {
    int status = 0;
    Json body;
  };
  Answer Do(const std::string& method, const std::string& target, const Json& body,
            net::Headers headers, const std::string& type = "application/json") {
    const bool has_token = headers.contains("Authorization");
    net::ClientRequest request{.method = method, .target = target, .body = body.dump()};
    request.headers = std::move(headers);
    request.headers["Content-Type"] = type;
    const auto response = (has_token ? nobody : client)->SendAndWait(std::move(request));
    EXPECT_TRUE(response.has_value());
    if (!response) return {};
    return {response->status, Json::parse(response->body, nullptr, false)};
  }
  // A service account's token: credentials without any group that may do more.
  std::string AccountToken() {
    Do("POST", "/api/v1/namespaces/shop/serviceaccounts", {{"metadata", {{"name", "cart"}}}}, {});
    const Answer made = Do("POST", "/api/v1/namespaces/shop/serviceaccounts/cart/token",
                           {{"spec", {{"expirationSeconds", 3600}}}}, {});
    return StringAt(made.body, "status.token");
  }

  ServerFixture server;
  std::unique_ptr<net::HttpClient> client;
  std::unique_ptr<net::HttpClient> nobody;
};

TEST_F(ImpersonationTest, TheAdministratorIsWhomTheHeadersName) {
  const Json info = Do("POST", kSelfReview, Json::object(),
                       {{"Impersonate-User", "ann"},
                        {"Impersonate-Uid", "7"},
                        {"Impersonate-Group", "dev, ops"},
                        {"Impersonate-Extra-Scope", "a, b"}})
                        .body.at("status")
                        .at("userInfo");
  EXPECT_EQ(info.at("username"), "ann");
  EXPECT_EQ(info.at("uid"), "7");
  EXPECT_EQ(info.at("groups"), (Json{"dev", "ops", "system:authenticated"}));
  EXPECT_EQ(info.at("extra"), (Json{{"scope", {"a", "b"}}}));

  const Json account = Do("POST", kSelfReview, Json::object(),
                          {{"Impersonate-User", "system:serviceaccount:shop:cart"}})
                           .body.at("status")
                           .at("userInfo");
  EXPECT_EQ(account.at("groups"), (Json{"system:serviceaccounts", "system:serviceaccounts:shop",
                                        "system:authenticated"}));
}

TEST_F(ImpersonationTest, NobodyElseMayActAsAnother) {
  const std::string token = AccountToken();
  ASSERT_FALSE(token.empty());
  net::Headers headers = kTracedAdmin;
  headers["Authorization"] = "Bearer " + token;
  const Answer refused = Do("POST", kSelfReview, Json::object(), headers);
  EXPECT_EQ(refused.status, 403);
  EXPECT_THAT(StringAt(refused.body, "message"),
              HasSubstr("User \"system:serviceaccount:shop:cart\" cannot impersonate resource "
                        "\"users\" in API group \"\""));
  // Nor one who is impersonated.
  const Answer twice = Do("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                          {{"spec",
                            {{"resourceAttributes",
                              {{"verb", "impersonate"}, {"resource", "users"}, {"name", "ann"}}}}}},
                          {{"Impersonate-User", "bob"}});
  EXPECT_EQ(twice.body.at("status").at("allowed"), false);
}

TEST_F(ImpersonationTest, ExtrasWithoutAUserAreRefused) {
  const Answer refused =
      Do("POST", kSelfReview, Json::object(), {{"Impersonate-Extra-Scope", "a"}});
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(StringAt(refused.body, "message"), HasSubstr("Impersonate-User is missing"));
}

TEST_F(ImpersonationTest, TheTraceOfAnIdentityIsNotedInWhatItChanges) {
  const Json made = Do("POST", kConfigMaps, {{"metadata", {{"name", "a"}}}}, kTracedAdmin).body;
  EXPECT_EQ(kube::At(made, "metadata.annotations"),
            (Json{{"enclave.dev/trace-id", kIdentityTrace}}));
  const std::string other(32, 'b');
  net::Headers nearer = kTracedAdmin;
  nearer["traceparent"] = "00-" + other + "-b7ad6b7169203331-01";
  const Json changed = Do("PATCH", kConfigMaps + "/a", {{"data", {{"k", "1"}}}}, nearer,
                          "application/merge-patch+json")
                           .body;
  EXPECT_EQ(kube::At(changed, "metadata.annotations"), (Json{{"enclave.dev/trace-id", other}}))
      << "the request's own headers are nearer";
  const Json ended =
      Do("PATCH", kConfigMaps + "/a", {{"data", {{"k", "2"}}}}, {}, "application/merge-patch+json")
          .body;
  EXPECT_TRUE(kube::At(ended, "metadata.annotations").is_null());
}

TEST_F(ImpersonationTest, TheAuditLogNamesBoth) {
  net::Headers as_ann = kTracedAdmin;
  as_ann["Impersonate-User"] = "ann";
  Do("POST", kConfigMaps, {{"metadata", {{"name", "a"}}}}, as_ann);
  Do("POST", kConfigMaps, {{"metadata", {{"name", "b"}}}}, kTracedAdmin);
  // A line is written when its request is over: of one connection, before the next but one.
  Do("GET", kConfigMaps, Json(), {});
  Do("GET", kConfigMaps, Json(), {});
  std::ifstream file(server.AuditPath());
  std::vector<Json> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(Json::parse(line));
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[1].at("user"), "ann");
  EXPECT_EQ(lines[1].at("impersonatedBy"), "kubernetes-admin");
  EXPECT_EQ(lines[1].at("traceId"), kIdentityTrace);
  EXPECT_FALSE(lines[2].contains("impersonatedBy")) << "who acts as himself is himself";
}

}  // namespace
}  // namespace enclave::cluster
