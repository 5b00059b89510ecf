// What strangers and broken programs send: the answer is a Kubernetes Status that says what is
// wrong, memory stays bounded, and everybody else is served meanwhile.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>

#include "system/api_client.h"
#include "system/eventually.h"

namespace enclave::system_test {
namespace {

using std::chrono::seconds;
using testing::AnyOf;
using testing::HasSubstr;

constexpr const char* kConfigMaps = "/api/v1/namespaces/default/configmaps";
// What the API server takes of one request (src/net/http_server.h).
constexpr std::size_t kMaxBodyBytes = 3 << 20;
constexpr std::size_t kMaxHeaderBytes = 64 << 10;

// The request that begins a watch of all ConfigMaps, for a connection by hand.
std::string WatchRequest() {
  return fmt::format("GET {}?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n", kConfigMaps);
}

class BadInputTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    enclave = std::make_unique<Enclave>();
    if (enclave->Up()) access = std::make_unique<Access>(ReadAccess(*enclave));
  }
  static void TearDownTestSuite() {
    access.reset();
    enclave.reset();
  }
  void SetUp() override { ASSERT_NE(access, nullptr) << "the enclave is not up"; }

  // The answer is a Status of the given code with something to read in it.
  static void ExpectStatus(const ApiAnswer& answer, int code) {
    EXPECT_EQ(answer.status, code) << answer.error << answer.body.substr(0, 1000);
    const Json status = answer.json();
    EXPECT_EQ(StringAt(status, "kind"), "Status") << answer.body.substr(0, 1000);
    EXPECT_EQ(StringAt(status, "apiVersion"), "v1");
    EXPECT_EQ(StringAt(status, "status"), "Failure");
    EXPECT_EQ(IntAt(status, "code"), code);
    EXPECT_FALSE(StringAt(status, "reason").empty()) << answer.body.substr(0, 1000);
    EXPECT_GT(StringAt(status, "message").size(), 10u) << answer.body.substr(0, 1000);
  }
  static long long ResidentMiB() {
    std::ifstream file(fmt::format("/proc/{}/status", enclave->cluster_pid()));
    for (std::string line; std::getline(file, line);)
      if (line.starts_with("VmRSS:"))
        return std::stoll("0" + line.substr(line.find_first_of("0123456789"))) / 1024;
    return 0;
  }

  static std::unique_ptr<Enclave> enclave;
  static std::unique_ptr<Access> access;
};
std::unique_ptr<Enclave> BadInputTest::enclave;
std::unique_ptr<Access> BadInputTest::access;

TEST_F(BadInputTest, MalformedJson) {
  ApiClient client(*access);
  for (const char* body :
       {"{", "{\"kind\":", "[]", "nul", "\"text\"", "{\"a\":1}}", "\xff\xfe", "{\"metadata\":3}",
        "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":[]}",
        "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":7}}"})
    ExpectStatus(client.Send("POST", kConfigMaps, body, "application/json"),
                 client.Get("/readyz").status == 200 ? 400 : -1);
}

TEST_F(BadInputTest, DeepNesting) {
  ApiClient client(*access);
  const std::string deep = "{\"data\":" + std::string(100000, '[') + std::string(100000, ']') + "}";
  const ApiAnswer answer = client.Send("POST", kConfigMaps, deep, "application/json");
  ExpectStatus(answer, answer.status);
  EXPECT_THAT(answer.status, AnyOf(400, 413, 422));
  EXPECT_EQ(client.Get("/readyz").status, 200);
}

TEST_F(BadInputTest, MalformedYaml) {
  ApiClient client(*access);
  for (const char* body : {"kind: [", "a: b: c", "\t- x", "kind: ConfigMap\n  bad", "&a [*a, *a]"})
    ExpectStatus(client.Send("POST", kConfigMaps, body, "application/yaml"), 400);
  // Aliases that grow without bound.
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 30; ++i)
    bomb += fmt::format("a{0}: &a{0} [*a{1},*a{1},*a{1},*a{1},*a{1},*a{1},*a{1}]\n", i, i - 1);
  const ApiAnswer answer = client.Send("POST", kConfigMaps, bomb, "application/yaml");
  ExpectStatus(answer, answer.status);
  EXPECT_GE(answer.status, 400);
  EXPECT_LT(ResidentMiB(), 300);
}

TEST_F(BadInputTest, InvalidObjects) {
  ApiClient client(*access);
  ExpectStatus(client.Post(kConfigMaps, {{"apiVersion", "v1"},
                                         {"kind", "ConfigMap"},
                                         {"metadata", {{"name", "No Good"}}}}),
               422);
  ExpectStatus(
      client.Post(kConfigMaps,
                  {{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", Json::object()}}),
      422);
  ExpectStatus(
      client.Post(kConfigMaps,
                  {{"apiVersion", "v1"}, {"kind", "Secret"}, {"metadata", {{"name", "x"}}}}),
      400);
  ExpectStatus(
      client.Post("/apis/apps/v1/namespaces/default/deployments", {{"apiVersion", "apps/v1"},
                                                                   {"kind", "Deployment"},
                                                                   {"metadata", {{"name", "x"}}},
                                                                   {"spec", {{"replicas", -1}}}}),
      422);
  ExpectStatus(
      client.Post("/api/v1/namespaces/missing/configmaps",
                  {{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", {{"name", "x"}}}}),
      404);
}

TEST_F(BadInputTest, UnknownFieldsWhenStrict) {
  ApiClient client(*access);
  const Json body = {{"apiVersion", "v1"},
                     {"kind", "ConfigMap"},
                     {"metadata", {{"name", "strict"}}},
                     {"dtaa", {{"a", "1"}}}};
  const ApiAnswer strict = client.Post(std::string(kConfigMaps) + "?fieldValidation=Strict", body);
  ExpectStatus(strict, 400);
  EXPECT_THAT(strict.body, HasSubstr("dtaa"));
}

TEST_F(BadInputTest, UnknownPathsMethodsAndTypes) {
  ApiClient client(*access);
  ExpectStatus(client.Get("/api/v1/namespaces/default/unicorns"), 404);
  ExpectStatus(client.Get("/apis/no.such.group/v1/things"), 404);
  ExpectStatus(client.Get("/api/v1/namespaces/default/pods/nope"), 404);
  ExpectStatus(client.Send("PUT", "/api/v1/namespaces/default/pods"), 405);
  ExpectStatus(client.Send("POST", kConfigMaps, "<xml/>", "text/xml"), 415);
  ExpectStatus(
      client.Send("PATCH", std::string(kConfigMaps) + "/x", "{}", "application/what-patch"), 415);
  ExpectStatus(client.Get(std::string(kConfigMaps) + "?labelSelector=a==b==c"), 400);
  ExpectStatus(client.Get(std::string(kConfigMaps) + "?fieldSelector=data.x=1"), 400);
  ExpectStatus(client.Get(std::string(kConfigMaps) + "?limit=many"), 400);
  ExpectStatus(client.Get(std::string(kConfigMaps) + "?limit=1&continue=garbage"), 400);
}

TEST_F(BadInputTest, WrongCredentials) {
  ApiClient stranger(*access, /*anonymous=*/true);
  ExpectStatus(stranger.Get(kConfigMaps), 401);
  for (const char* header :
       {"Authorization: Bearer wrong\r\n", "Authorization: Bearer \r\n",
        "Authorization: Basic YTpi\r\n", "Authorization: Bearer eyJhbGciOiJub25lIn0.e30.\r\n"})
    ExpectStatus(stranger.Send("GET", kConfigMaps, "", "", header), 401);
}

TEST_F(BadInputTest, BodiesOverTheLimit) {
  // A body of exactly the limit is read, and refused for what it says.
  const std::string head = R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"huge"})";
  std::string whole = head + R"(,"data":{"a":")";
  whole += std::string(kMaxBodyBytes - whole.size() - 3, 'x') + "\"}}";
  ASSERT_EQ(whole.size(), kMaxBodyBytes);
  ExpectStatus(ApiClient(*access).Send("POST", kConfigMaps, whole, "application/json"), 422);
  // One byte more is refused for its size, announced or not.
  ExpectStatus(ApiClient(*access).Send("POST", kConfigMaps, whole + "\n", "application/json"), 413);
  ApiClient chunked(*access);
  ASSERT_TRUE(chunked.Connect());
  chunked.Write(
      fmt::format("POST {} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\n\r\n0\r\n\r\n",
                  kConfigMaps, whole.size() + 1, whole));
  ExpectStatus(chunked.ReadAnswer(), 413);
  EXPECT_EQ(ApiClient(*access).Get("/readyz").status, 200);
}

TEST_F(BadInputTest, HugeBodies) {
  const long long before = ResidentMiB();
  const std::string huge(64 << 20, 'x');
  for (int i = 0; i < 3; ++i) {
    const ApiAnswer answer = ApiClient(*access).Send("POST", kConfigMaps, huge, "application/json");
    // The server may close before all was sent; an answer that arrives is a Status.
    if (!answer.closed) ExpectStatus(answer, 413);
  }
  // The size that is announced is enough for an answer.
  ApiClient announced(*access);
  ASSERT_TRUE(announced.Connect());
  ASSERT_TRUE(
      announced.Write(fmt::format("POST {} HTTP/1.1\r\nHost: x\r\nContent-Type: "
                                  "application/json\r\nContent-Length: {}\r\n\r\n{{",
                                  kConfigMaps, huge.size())));
  ExpectStatus(announced.ReadAnswer(), 413);
  EXPECT_EQ(ApiClient(*access).Get("/readyz").status, 200);
  EXPECT_LT(ResidentMiB() - before, 32) << "as much as half of one such body was kept";
}

TEST_F(BadInputTest, HugeHeaders) {
  ApiClient client(*access);
  const ApiAnswer answer = client.Send("GET", "/" + std::string(1 << 20, 'a'));
  EXPECT_TRUE(answer.closed || (answer.status >= 400 && answer.status < 500)) << answer.error;
  const ApiAnswer fields =
      client.Send("GET", "/readyz", "", "", "X-Long: " + std::string(1 << 20, 'a') + "\r\n");
  EXPECT_TRUE(fields.closed || (fields.status >= 400 && fields.status < 500)) << fields.error;
  // Just over the limit, all of it is read before the answer.
  ExpectStatus(ApiClient(*access).Send("GET", "/readyz", "", "",
                                       "X-Long: " + std::string(kMaxHeaderBytes, 'a') + "\r\n"),
               431);
  EXPECT_EQ(ApiClient(*access).Get("/readyz").status, 200);
}

TEST_F(BadInputTest, NotHttpAtAll) {
  for (const char* bytes :
       {"GET\r\n\r\n", "\r\n\r\nGET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\x16\x03\x01\x02\x00\x01",
        "POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "GET / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc"}) {
    ApiClient client(*access);
    ASSERT_TRUE(client.Connect());
    client.Write(bytes);
    const ApiAnswer answer = client.ReadAnswer();
    EXPECT_TRUE(answer.closed || (answer.status >= 400 && answer.status < 500))
        << bytes << ": " << answer.status << " " << answer.error;
  }
  // Empty lines are let pass (RFC 9112, 2.2): what follows them is a request as any other.
  ApiClient empty_lines(*access);
  ASSERT_TRUE(empty_lines.Connect());
  empty_lines.Write("\r\n\r\n\r\n");
  EXPECT_EQ(empty_lines.Get("/readyz").status, 200);
  EXPECT_EQ(ApiClient(*access).Get("/readyz").status, 200);
}

TEST_F(BadInputTest, SlowAndHalfOpenClientsAreLetGo) {
  ApiClient half_a_head(*access);
  ASSERT_TRUE(half_a_head.Connect());
  ASSERT_TRUE(half_a_head.Write("GET /api/v1/pods HTTP/1.1\r\nHost: x\r\nX-Slow"));
  ApiClient half_a_body(*access);
  ASSERT_TRUE(half_a_body.Connect());
  ASSERT_TRUE(
      half_a_body.Write(fmt::format("POST {} HTTP/1.1\r\nHost: x\r\nContent-Type: "
                                    "application/json\r\nContent-Length: 1000\r\n\r\n{{",
                                    kConfigMaps)));
  EXPECT_EQ(ApiClient(*access).Get("/readyz").status, 200);
  for (ApiClient* const client : {&half_a_head, &half_a_body}) {
    EXPECT_TRUE(client->WaitClosed(seconds(75)));
    ExpectStatus(client->ReadAnswer(), 408);  // what it said before it closed
  }
}

TEST_F(BadInputTest, AWatchThatNobodyReads) {
  const std::string path = std::string(kConfigMaps) + "/much-changed";
  const auto body = [](const std::string& mark) {
    return Json{{"apiVersion", "v1"},
                {"kind", "ConfigMap"},
                {"metadata", {{"name", "much-changed"}}},
                {"data", {{"filling", std::string(256 << 10, 'x')}, {"mark", mark}}}};
  };
  ApiClient client(*access);
  ASSERT_EQ(client.Post(kConfigMaps, body("made")).status, 201);
  ApiClient unread(*access);
  ASSERT_TRUE(unread.Connect());
  ASSERT_TRUE(unread.Write(WatchRequest()));
  ASSERT_TRUE(unread.ReadUntil("\"ADDED\""));
  ApiClient read(*access);
  ASSERT_TRUE(read.Connect());
  ASSERT_TRUE(read.Write(WatchRequest()));
  ASSERT_TRUE(read.ReadUntil("\"made\""));

  const long long before = ResidentMiB();
  // 40 MiB in all: the connection's buffers (about 10 MiB) are full long before the end.
  for (int i = 0; i < 160; ++i) {
    const std::string mark = fmt::format("mark-{}.", i);
    ASSERT_EQ(client.Send("PUT", path, body(mark).dump(), "application/json").status, 200) << i;
    ASSERT_TRUE(read.ReadUntil(mark)) << "the other watch stands still";
  }
  fmt::print("enclave tests: unread watch takes {} MiB of {}\n", ResidentMiB() - before, before);
  // What waits for the unread watch is what the store's history holds as well, text and parsed
  // value, and not a copy for each watcher.
  EXPECT_LT(ResidentMiB() - before, 160);
  EXPECT_EQ(client.Send("DELETE", path).status, 200);
}

TEST_F(BadInputTest, TenThousandIdleConnections) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  constexpr int kConnections = 10'000;
  if (files.rlim_cur < kConnections + 200)
    GTEST_SKIP() << "only " << files.rlim_cur << " descriptors are allowed here";
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(access->port));
  ::inet_pton(AF_INET, access->host.c_str(), &to.sin_addr);
  ApiClient watcher(*access);
  ASSERT_TRUE(watcher.Connect());
  ASSERT_TRUE(watcher.Write(WatchRequest()));
  ASSERT_TRUE(watcher.ReadUntil("\"ADDED\""));
  const long long before = ResidentMiB();
  std::vector<int> idle;
  int refused = 0;
  for (int i = 0; i < kConnections; ++i) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval limit{.tv_sec = 5, .tv_usec = 0};
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0)
      idle.push_back(fd);
    else
      ::close(fd), ++refused;
    if (refused > 20) break;
  }
  // A hundred more have shaken hands and fallen silent.
  std::vector<std::unique_ptr<ApiClient>> silent;
  for (int i = 0; i < 100; ++i) {
    silent.push_back(std::make_unique<ApiClient>(*access));
    silent.back()->Connect();
  }
  EXPECT_LE(refused, 20);
  // The others are served meanwhile, and what they write is kept.
  ApiClient client(*access);
  const ApiAnswer made = client.Post(
      kConfigMaps,
      {{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", {{"name", "in-the-crowd"}}}});
  EXPECT_EQ(made.status, 201) << made.error << made.body;
  EXPECT_TRUE(watcher.ReadUntil("\"in-the-crowd\"")) << "a watch of before the crowd is cut off";
  fmt::print("enclave tests: {} idle connections take {} MiB\n", idle.size() + silent.size(),
             ResidentMiB() - before);
  // 16 KiB for each, about twice what it is: a buffer of TLS (2 x 16 KiB) or of a request's header
  // (64 KiB) for every connection that says nothing would be seen.
  EXPECT_LT(ResidentMiB() - before, 160);
  for (const int fd : idle) ::close(fd);
  silent.clear();
  EXPECT_EQ(ApiClient(*access).Get(std::string(kConfigMaps) + "/in-the-crowd").status, 200);
}

}  // namespace
}  // namespace enclave::system_test
