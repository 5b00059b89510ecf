// The API over real HTTPS: what clients see.
#include "cluster/api/api_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include "cluster/api/local_api.h"
#include "cluster/api/log_endpoint.h"
#include "cluster/api/server_fixture.h"
#include "cluster/api/usage_resources.h"

namespace enclave::cluster {
namespace {

namespace asio = boost::asio;
using base::ErrorKind;
using kube::At;
using kube::Json;
using kube::StringAt;
using testing::HasSubstr;

class ApiServerTest : public testing::Test {
 protected:
  ApiServerTest() : api(server.machinery, "system:test"), client(server.Client()) {
    Make(kube::kNamespace, "", "shop");
  }

  void Make(const kube::Kind& kind, const std::string& ns, const std::string& name,
            Json object = Json::object()) {
    object["metadata"]["name"] = name;
    const auto made = api.Create(kind, ns, std::move(object));
    ASSERT_TRUE(made.has_value()) << made.error().message();
  }

  struct Answer {
    int status = 0;
    net::Headers headers;
    std::string text;
    Json body;
  };
  static Answer Send(net::HttpClient& through, net::ClientRequest request) {
    const auto response = through.SendAndWait(std::move(request));
    if (!response) {
      ADD_FAILURE() << response.error().message();
      return {};
    }
    return {response->status, response->headers, response->body,
            Json::parse(response->body, nullptr, false)};
  }
  Answer Do(const std::string& method, const std::string& target, const std::string& body = "",
            net::Headers headers = {}) {
    net::ClientRequest request{.method = method, .target = target, .body = body};
    request.headers = std::move(headers);
    if (!body.empty() && !request.headers.contains("Content-Type")) {
      request.headers["Content-Type"] = "application/json";
    }
    return Send(*client, std::move(request));
  }
  // Reads lines of a stream until there are `count`; `progress` hears how many there are.
  std::vector<Json> Lines(
      const std::string& target, std::size_t count, net::Headers headers = {},
      std::function<void(std::size_t)> progress = [](std::size_t) {}) {
    net::ClientRequest request{.target = target, .headers = std::move(headers)};
    std::string text;
    auto stream = client->Stream(std::move(request), [&](const net::Response&, auto data) {
      text += data;
      const auto lines = static_cast<std::size_t>(std::ranges::count(text, '\n'));
      progress(lines);
      return lines < count;
    });
    auto done = asio::co_spawn(server.client_loop.context(), std::move(stream), asio::use_future);
    static_cast<void>(done.get());
    std::vector<Json> lines;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      lines.push_back(Json::parse(text.substr(at, end - at), nullptr, false));
      at = end + 1;
    }
    return lines;
  }

  ServerFixture server;
  LocalApi api;
  std::unique_ptr<net::HttpClient> client;
};

void ExpectStatus(const Json& body, int code, const std::string& reason) {
  EXPECT_EQ(StringAt(body, "kind"), "Status") << body;
  EXPECT_EQ(StringAt(body, "status"), "Failure");
  EXPECT_EQ(kube::IntAt(body, "code"), code) << body;
  EXPECT_EQ(StringAt(body, "reason"), reason) << body;
  EXPECT_FALSE(StringAt(body, "message").empty());
}

TEST_F(ApiServerTest, NobodyIsAnonymous) {
  const auto stranger = server.Client(false);
  for (const char* target :
       {"/api", "/healthz", "/metrics", "/version", "/api/v1/pods", "/openapi/v2", "/nowhere"}) {
    const Answer answer = Send(*stranger, {.target = target});
    EXPECT_EQ(answer.status, 401) << target;
    ExpectStatus(answer.body, 401, "Unauthorized");
  }
  net::ClientRequest request{.target = "/api/v1/pods"};
  request.headers["Authorization"] = "Bearer " + server.pki.admin_token;
  EXPECT_EQ(Send(*stranger, request).status, 200);
  request.headers["Authorization"] = "Bearer wrong";
  EXPECT_EQ(Send(*stranger, request).status, 401);
  EXPECT_EQ(Send(*client, request).status, 401) << "a wrong token counts more than a certificate";
}

TEST_F(ApiServerTest, AServiceAccountsTokenLivesAsLongAsTheAccount) {
  Make(kube::kServiceAccount, "shop", "cart");
  const Answer issued = Do("POST", "/api/v1/namespaces/shop/serviceaccounts/cart/token",
                           R"({"spec": {"expirationSeconds": 3600}})");
  ASSERT_EQ(issued.status, 201) << issued.text;
  const auto stranger = server.Client(false);
  net::ClientRequest who{.method = "POST",
                         .target = "/apis/authentication.k8s.io/v1/selfsubjectreviews",
                         .body = "{}"};
  who.headers["Authorization"] = "Bearer " + StringAt(issued.body, "status.token");
  const Answer answer = Send(*stranger, who);
  EXPECT_EQ(StringAt(answer.body, "status.userInfo.username"), "system:serviceaccount:shop:cart");
  EXPECT_EQ(Do("DELETE", "/api/v1/namespaces/shop/serviceaccounts/cart").status, 200);
  EXPECT_EQ(Send(*stranger, who).status, 401);
  ExpectStatus(Do("POST", "/api/v1/namespaces/shop/serviceaccounts/cart/token", "{}").body, 404,
               "NotFound");
}

TEST_F(ApiServerTest, ObjectsTakeTheirWholeWay) {
  const std::string maps = "/api/v1/namespaces/shop/configmaps";
  const Answer made = Do("POST", maps, R"({"metadata": {"name": "a"}, "data": {"k": "1"}})");
  ASSERT_EQ(made.status, 201) << made.text;
  EXPECT_EQ(StringAt(made.body, "kind"), "ConfigMap");
  const Answer yaml = Do("POST", maps, "metadata:\n  name: b\ndata:\n  k: 'yes'\n",
                         {{"Content-Type", "application/yaml"}});
  EXPECT_EQ(yaml.status, 201) << yaml.text;
  ExpectStatus(Do("POST", maps, R"({"metadata": {"name": "a"}})").body, 409, "AlreadyExists");

  Json body = Do("GET", maps + "/a").body;
  body["data"]["k"] = "2";
  const Answer put = Do("PUT", maps + "/a", body.dump());
  EXPECT_EQ(put.status, 200) << put.text;
  const Answer stale = Do("PUT", maps + "/a", body.dump());
  ExpectStatus(stale.body, 409, "Conflict");
  EXPECT_EQ(StringAt(stale.body, "details.kind"), "configmaps");

  const Answer patched = Do("PATCH", maps + "/a", R"({"data": {"k": null, "l": "3"}})",
                            {{"Content-Type", "application/merge-patch+json"}});
  EXPECT_EQ(At(patched.body, "data"), Json({{"l", "3"}}));
  ExpectStatus(Do("PATCH", maps + "/a", "{}", {{"Content-Type", "text/plain"}}).body, 415,
               "UnsupportedMediaType");

  const Answer list = Do("GET", maps + "?limit=1");
  EXPECT_EQ(StringAt(list.body, "kind"), "ConfigMapList");
  EXPECT_EQ(At(list.body, "items").size(), 1u);
  EXPECT_EQ(kube::IntAt(list.body, "metadata.remainingItemCount"), 1);
  const Answer rest =
      Do("GET", maps + "?limit=1&continue=" + StringAt(list.body, "metadata.continue"));
  EXPECT_EQ(StringAt(At(rest.body, "items")[0], "metadata.name"), "b");
  EXPECT_EQ(StringAt(rest.body, "metadata.resourceVersion"),
            StringAt(list.body, "metadata.resourceVersion"));

  const Answer deleted = Do("DELETE", maps + "/a", R"({"propagationPolicy": "Background"})");
  EXPECT_EQ(deleted.status, 200);
  EXPECT_EQ(StringAt(deleted.body, "status"), "Success");
  EXPECT_EQ(StringAt(deleted.body, "details.name"), "a");
  ExpectStatus(Do("GET", maps + "/a").body, 404, "NotFound");
  EXPECT_EQ(Do("DELETE", maps + "?labelSelector=!none").status, 200);
  EXPECT_EQ(At(Do("GET", maps).body, "items").size(), 0u);
}

TEST_F(ApiServerTest, BadRequestsGetAStatusThatSaysWhy) {
  const std::string maps = "/api/v1/namespaces/shop/configmaps";
  ExpectStatus(Do("POST", maps, "{\"metadata\":").body, 400, "BadRequest");
  ExpectStatus(Do("POST", maps, "[]").body, 400, "BadRequest");
  ExpectStatus(Do("POST", maps, "a: [", {{"Content-Type", "application/yaml"}}).body, 400,
               "BadRequest");
  ExpectStatus(Do("GET", maps + "?labelSelector=a%3D%3D%3D").body, 400, "BadRequest");
  ExpectStatus(Do("GET", maps + "?fieldSelector=data.x%3D1").body, 400, "BadRequest");
  ExpectStatus(Do("GET", maps + "?limit=-1").body, 400, "BadRequest");
  ExpectStatus(Do("GET", maps + "?continue=abc").body, 400, "BadRequest");
  ExpectStatus(Do("GET", "/api/v1/nonsense").body, 404, "NotFound");
  ExpectStatus(Do("GET", "/apis/none.example/v1/things").body, 404, "NotFound");
  ExpectStatus(Do("PUT", maps, "{}").body, 405, "MethodNotAllowed");
  ExpectStatus(Do("POST", "/api/v1/configmaps", "{}").body, 405, "MethodNotAllowed");
  ExpectStatus(Do("GET", "/api/v1/nodes?dryRun=Some").body, 400, "BadRequest");
  ExpectStatus(Do("GET", maps, "", {{"Accept", "text/html"}}).body, 406, "NotAcceptable");
  ExpectStatus(Do("POST", maps, std::string(4 << 20, 'x')).body, 413, "RequestEntityTooLarge");
  ExpectStatus(Do("DELETE", maps + "/x", R"({"gracePeriodSeconds": "soon"})").body, 400,
               "BadRequest");
  ExpectStatus(
      Do("POST", maps, "k8s", {{"Content-Type", "application/vnd.kubernetes.protobuf"}}).body, 400,
      "BadRequest");
  const Answer invalid = Do("POST", "/apis/apps/v1/namespaces/shop/deployments",
                            R"({"metadata": {"name": "web"}, "spec": {}})");
  ExpectStatus(invalid.body, 422, "Invalid");
  // kubectl shows the causes, and names the kind.
  EXPECT_EQ(StringAt(invalid.body, "details.kind"), "Deployment");
  EXPECT_EQ(StringAt(At(invalid.body, "details.causes")[0], "field"), "spec.selector");
  const Answer warned = Do("POST", maps, R"({"metadata": {"name": "w"}, "dat": {}})");
  EXPECT_EQ(warned.headers.at("Warning"), R"(299 - "unknown field \"dat\"")");
  ExpectStatus(
      Do("POST", maps + "?fieldValidation=Strict", R"({"metadata": {"name": "v"}, "dat": {}})")
          .body,
      400, "BadRequest");
}

TEST_F(ApiServerTest, TablesAndMetadataByAcceptHeader) {
  Make(kube::kConfigMap, "shop", "a", {{"data", {{"x", "1"}, {"y", "2"}}}});
  const net::Headers table = {
      {"Accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}};
  const Answer list = Do("GET", "/api/v1/namespaces/shop/configmaps", "", table);
  EXPECT_EQ(StringAt(list.body, "kind"), "Table");
  EXPECT_EQ(At(list.body, "columnDefinitions")[1]["name"], "Data");
  const Json& row = At(list.body, "rows")[0];
  EXPECT_EQ(row["cells"][0], "a");
  EXPECT_EQ(row["cells"][1], 2);
  EXPECT_EQ(StringAt(row, "object.kind"), "PartialObjectMetadata");
  const Answer one = Do("GET", "/api/v1/namespaces/shop/configmaps/a", "", table);
  EXPECT_EQ(At(one.body, "rows").size(), 1u);
  const Answer partial =
      Do("GET", "/api/v1/namespaces/shop/configmaps", "",
         {{"Accept", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"}});
  EXPECT_EQ(StringAt(partial.body, "kind"), "PartialObjectMetadataList");
}

TEST_F(ApiServerTest, AWatchBeginsWithWhatIsThereAndGoesOn) {
  Make(kube::kConfigMap, "shop", "a");
  bool changed = false;
  const std::vector<Json> seen = Lines(
      "/api/v1/namespaces/shop/configmaps?watch=1&allowWatchBookmarks=true"
      "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan",
      4, {}, [&](std::size_t lines) {
        if (lines < 2 || std::exchange(changed, true)) return;
        Make(kube::kConfigMap, "shop", "b");
        ASSERT_TRUE(api.Delete(kube::kConfigMap, "shop", "a", {}).has_value());
      });
  ASSERT_EQ(seen.size(), 4u);
  EXPECT_EQ(seen[0]["type"], "ADDED");
  EXPECT_EQ(StringAt(seen[0], "object.metadata.name"), "a");
  EXPECT_EQ(seen[1]["type"], "BOOKMARK");
  EXPECT_EQ(At(seen[1], "object.metadata.annotations")["k8s.io/initial-events-end"], "true");
  EXPECT_EQ(seen[2]["type"], "ADDED");
  EXPECT_EQ(StringAt(seen[2], "object.metadata.name"), "b");
  EXPECT_EQ(seen[3]["type"], "DELETED");
}

TEST_F(ApiServerTest, WatchesFromARevisionReplayAndEndInTime) {
  const std::string from =
      StringAt(Do("GET", "/api/v1/configmaps").body, "metadata.resourceVersion");
  Make(kube::kConfigMap, "shop", "a");
  Make(kube::kConfigMap, "shop", "b");
  const auto lines = Lines(
      "/api/v1/configmaps?watch=true&resourceVersion=" + from + "&fieldSelector=metadata.name%3Db",
      1);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(StringAt(lines[0], "object.metadata.name"), "b");
  const auto table = Lines("/api/v1/configmaps?watch=true&resourceVersion=" + from, 2,
                           {{"Accept", "application/json;as=Table;v=v1;g=meta.k8s.io"}});
  ASSERT_EQ(table.size(), 2u);
  EXPECT_TRUE(At(table[0], "object.columnDefinitions").is_array());
  EXPECT_TRUE(At(table[1], "object.columnDefinitions").is_null());
  ExpectStatus(Do("GET", "/api/v1/configmaps?watch=true&resourceVersion=999999").body, 504,
               "Timeout");
  ExpectStatus(Do("GET", "/api/v1/configmaps?watch=true&sendInitialEvents=true").body, 422,
               "Invalid");
  ExpectStatus(Do("GET", "/api/v1/configmaps?watch=true&resourceVersion=new").body, 400,
               "BadRequest");
}

TEST_F(ApiServerTest, ScaleIsServedAsScale) {
  Make(kube::kDeployment, "shop", "web", Json::parse(R"({"spec": {
      "selector": {"matchLabels": {"app": "web"}},
      "template": {"metadata": {"labels": {"app": "web"}},
                   "spec": {"containers": [{"name": "c", "image": "i"}]}}}})"));
  const std::string target = "/apis/apps/v1/namespaces/shop/deployments/web/scale";
  Json scale = Do("GET", target).body;
  EXPECT_EQ(StringAt(scale, "apiVersion"), "autoscaling/v1");
  EXPECT_EQ(kube::IntAt(scale, "spec.replicas"), 1);
  scale["spec"]["replicas"] = 3;
  // kubectl sends this without a Content-Type.
  const Answer put = Do("PUT", target, scale.dump(), {{"Content-Type", ""}});
  EXPECT_EQ(put.status, 200) << put.text;
  EXPECT_EQ(kube::IntAt(put.body, "spec.replicas"), 3);
  ExpectStatus(Do("PUT", target, scale.dump()).body, 409, "Conflict");
}

TEST_F(ApiServerTest, ReviewsAreAnswered) {
  const Answer may = Do("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                        R"({"spec": {"resourceAttributes": {"verb": "create",
                                                            "resource": "pods"}}})");
  EXPECT_EQ(may.status, 201);
  EXPECT_TRUE(kube::BoolAt(may.body, "status.allowed"));
  ExpectStatus(
      Do("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", R"({"spec": {}})").body,
      400, "BadRequest");
  const Answer token = Do("POST", "/apis/authentication.k8s.io/v1/tokenreviews",
                          R"({"spec": {"token": "nonsense"}})");
  EXPECT_FALSE(kube::BoolAt(token.body, "status.authenticated", true));
}

TEST_F(ApiServerTest, WhatIsNoResource) {
  EXPECT_EQ(StringAt(Do("GET", "/version").body, "gitVersion"), "v1.33.0-enclave");
  EXPECT_EQ(Do("GET", "/readyz").text, "ok");
  const Answer openapi =
      Do("GET", "/openapi/v2", "",
         {{"Accept", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"}});
  EXPECT_EQ(openapi.status, 200);
  EXPECT_EQ(openapi.text, "");
  EXPECT_THAT(openapi.headers.at("Content-Type"), testing::Not(HasSubstr("@")));
  const Answer groups =
      Do("GET", "/apis", "",
         {{"Accept", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}});
  EXPECT_EQ(StringAt(groups.body, "kind"), "APIGroupDiscoveryList");
  EXPECT_EQ(StringAt(Do("GET", "/api").body, "kind"), "APIVersions");
  EXPECT_EQ(StringAt(Do("GET", "/apis/apps/v1").body, "kind"), "APIResourceList");
  EXPECT_THAT(Do("GET", "/metrics").text, HasSubstr("apiserver_request_total{"));
  EXPECT_THAT(Do("GET", "/metrics/kube-state").text, HasSubstr("kube_namespace_status_phase"));
  ExpectStatus(Do("GET", "/nowhere").body, 404, "NotFound");
  ExpectStatus(Do("POST", "/version", "{}").body, 405, "MethodNotAllowed");
}

TEST_F(ApiServerTest, MetricsOfANodeAreBehindIt) {
  server.server->AddMetrics("/metrics/cadvisor", [] { return std::string("a_metric 1\n"); });
  Make(kube::kNode, "", "here");
  const Answer scraped = Do("GET", "/api/v1/nodes/here/proxy/metrics/cadvisor");
  EXPECT_EQ(scraped.status, 200);
  EXPECT_EQ(scraped.text, "a_metric 1\n");
  EXPECT_THAT(scraped.headers.at("Content-Type"), HasSubstr("version=0.0.4"));
  ExpectStatus(Do("GET", "/api/v1/nodes/there/proxy/metrics/cadvisor").body, 404, "NotFound");
  ExpectStatus(Do("GET", "/api/v1/nodes/here/proxy/metrics/none").body, 404, "NotFound");
  ExpectStatus(Do("POST", "/api/v1/nodes/here/proxy/metrics/cadvisor", "{}").body, 405,
               "MethodNotAllowed");
}

TEST_F(ApiServerTest, OpenApiIsServedByGroupVersion) {
  const Answer index = Do("GET", "/openapi/v3");
  const std::string target = At(index.body, "paths")["apis/apps/v1"]["serverRelativeURL"];
  EXPECT_EQ(StringAt(Do("GET", target).body, "openapi"), "3.0.0");
  EXPECT_EQ(StringAt(Do("GET", "/openapi/v3/api/v1").body, "openapi"), "3.0.0");
  ExpectStatus(Do("GET", "/openapi/v3/apis/none/v1").body, 404, "NotFound");
  ExpectStatus(Do("GET", "/openapi/v3/apis").body, 404, "NotFound");
}

// One piece, then nothing until the stream is ended.
class OneLine final : public kube::LogSource {
 public:
  struct Stream final : kube::LogStream {
    explicit Stream(OneLine& from, bool ends) : owner(from), follow(ends) {}
    ~Stream() override { owner.closed.set_value(); }
    void Next(std::function<void(base::Result<std::string>)> done) override {
      if (!sent) {
        sent = true;
        done("a line\n");
      } else if (!follow) {
        done("");
      } else {
        waiting = std::move(done);
      }
    }
    OneLine& owner;
    const bool follow;
    bool sent = false;
    std::function<void(base::Result<std::string>)> waiting;
  };
  base::Result<std::unique_ptr<kube::LogStream>> OpenLog(const std::string&, const std::string& pod,
                                                         const kube::LogOptions& options) override {
    if (pod != "web") return base::Fail(ErrorKind::kNotFound, "pods \"" + pod + "\" not found");
    last = options;
    return std::make_unique<Stream>(*this, options.follow);
  }
  kube::LogOptions last;
  std::promise<void> closed;
};

TEST_F(ApiServerTest, LogsAreTextAndEndWithTheirReader) {
  OneLine logs;
  server.server->Connect("pods/log", ServeLogs(logs));
  const std::string target = "/api/v1/namespaces/shop/pods/web/log?container=c&tailLines=5";
  const Answer whole = Do("GET", target + "&timestamps=true&sinceTime=2026-01-02T03:04:05Z");
  EXPECT_EQ(whole.text, "a line\n");
  EXPECT_THAT(whole.headers.at("Content-Type"), HasSubstr("text/plain"));
  EXPECT_EQ(logs.last.container, "c");
  EXPECT_EQ(logs.last.tail_lines, 5);
  EXPECT_TRUE(logs.last.timestamps);
  EXPECT_TRUE(logs.last.since_time.has_value());
  logs.closed.get_future().wait();
  logs.closed = {};
  EXPECT_EQ(Lines(target + "&follow=true", 1).size(), 1u);
  logs.closed.get_future().wait();  // the reader left, so the stream was given up
  ExpectStatus(Do("GET", "/api/v1/namespaces/shop/pods/none/log").body, 404, "NotFound");
  ExpectStatus(Do("GET", target + "&sinceSeconds=x").body, 400, "BadRequest");
  ExpectStatus(Do("GET", target + "&limitBytes=0").body, 422, "Invalid");
}

TEST_F(ApiServerTest, UsageIsServedAsMetrics) {
  class Usage final : public kube::UsageSource {
   public:
    std::vector<kube::PodUsage> Pods() const override {
      return {{"shop", "web", {}, std::chrono::seconds(5), {{"c", 250'000'000, 64 << 20}}}};
    }
    std::vector<kube::NodeUsage> Nodes() const override {
      return {{"here", {}, std::chrono::seconds(5), 1'000'000'000, 1 << 30}};
    }
    std::string CadvisorText() const override { return ""; }
  };
  Usage usage;
  AddUsageResources(*server.registry, usage, *server.store);
  const Answer pods = Do("GET", "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods");
  EXPECT_EQ(StringAt(pods.body, "kind"), "PodMetricsList");
  EXPECT_EQ(StringAt(At(At(pods.body, "items")[0], "containers")[0], "usage.cpu"), "250000000n");
  EXPECT_EQ(StringAt(Do("GET", "/apis/metrics.k8s.io/v1beta1/nodes/here").body, "usage.memory"),
            "1048576Ki");
  ExpectStatus(Do("GET", "/apis/metrics.k8s.io/v1beta1/nodes/there").body, 404, "NotFound");
  ExpectStatus(Do("DELETE", "/apis/metrics.k8s.io/v1beta1/nodes/here").body, 405,
               "MethodNotAllowed");
  // The source goes before the server.
  server.registry->Remove({"metrics.k8s.io", "v1beta1", "PodMetrics", "pods", true});
  server.registry->Remove({"metrics.k8s.io", "v1beta1", "NodeMetrics", "nodes", false});
}

TEST_F(ApiServerTest, ProtobufBodiesAreRead) {
  // k8s\0, Unknown{typeMeta{v1, Namespace}, raw: Namespace{metadata{name: "pb"}}}
  const std::string metadata = std::string("\x0a\x02pb", 4);
  const std::string raw = std::string("\x0a") + static_cast<char>(metadata.size()) + metadata;
  const std::string type = std::string("\x0a\x02v1\x12\x09Namespace", 15);
  const std::string body = std::string("k8s\0\x0a", 5) + static_cast<char>(type.size()) + type +
                           "\x12" + static_cast<char>(raw.size()) + raw;
  const Answer made = Do("POST", "/api/v1/namespaces", body,
                         {{"Content-Type", "application/vnd.kubernetes.protobuf"}});
  EXPECT_EQ(made.status, 201) << made.text;
  EXPECT_EQ(StringAt(made.body, "metadata.name"), "pb");
}

TEST(ApiServerOverloadTest, MoreThanTheBoundIsToldToComeBack) {
  ServerFixture server(std::make_unique<MemoryStore>(), {.port = 0, .max_reads = 0});
  const auto response = server.Client()->SendAndWait({.target = "/api/v1/pods"});
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->status, 429);
  EXPECT_EQ(response->headers.at("Retry-After"), "1");
  ExpectStatus(Json::parse(response->body), 429, "TooManyRequests");
}

}  // namespace
}  // namespace enclave::cluster
