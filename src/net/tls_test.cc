#include "net/tls.h"

#include <future>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/asio/awaitable.hpp>

#include "net/http_client.h"
#include "net/http_server.h"
#include "net/openssl.h"
#include "net/raw_client.h"

namespace enclave::net {
namespace {

using base::ErrorKind;
using testing::HasSubstr;

KeyPair MakeCa(const std::string& name = "test-ca") {
  auto made = CreateCertificateAuthority(name, std::chrono::hours(24));
  EXPECT_TRUE(made);
  return *made;
}

KeyPair Issue(const KeyPair& ca, CertificateRequest request) {
  auto made = IssueCertificate(ca, request);
  EXPECT_TRUE(made) << made.error().ToString();
  return *made;
}

class TlsTest : public testing::TestWithParam<int> {
 protected:
  void Serve(bool require_client_certificate = false, KeyPair identity = {}) {
    TlsServerConfig tls;
    tls.identity = identity.certificate_pem.empty()
                       ? Issue(ca_, {.common_name = "server",
                                     .dns_names = {"localhost", "api.test"},
                                     .ip_addresses = {"127.0.0.1", "::1"},
                                     .for_server = true})
                       : identity;
    tls.client_ca_pem = ca_.certificate_pem;
    tls.require_client_certificate = require_client_certificate;
    HttpServerOptions options;
    options.tls = &tls;
    options.handshake_timeout = std::chrono::milliseconds(200);
    auto server = HttpServer::Start(
        loop_, options,
        [](Request& request, ResponseWriter& writer) -> boost::asio::awaitable<void> {
          Response response;
          response.body = request.peer.common_name;
          for (const auto& organization : request.peer.organizations) {
            response.body += "|" + organization;
          }
          response.body += request.body;
          co_await writer.Send(std::move(response));
        });
    ASSERT_TRUE(server) << server.error().ToString();
    server_ = std::move(*server);
  }

  base::Result<Response> Get(TlsClientConfig tls, const std::string& host = "127.0.0.1",
                             std::string body = "") {
    HttpClientOptions options;
    options.base_url = fmt::format("https://{}:{}", host, server_->port());
    options.tls = std::move(tls);
    auto client = HttpClient::Create(loop_, options);
    if (!client) return base::Fail(client.error());
    ClientRequest request;
    request.body = std::move(body);
    // Twice: the second goes over the kept connection.
    auto first = (*client)->SendAndWait(request);
    if (!first) return first;
    return (*client)->SendAndWait(request);
  }

  const KeyPair ca_ = MakeCa();
  EventLoop loop_{"tls-test", GetParam()};
  std::unique_ptr<HttpServer> server_;
};

INSTANTIATE_TEST_SUITE_P(Threads, TlsTest, testing::Values(1, 2));

TEST_P(TlsTest, AClientCertificateTellsWhoIsThere) {
  Serve();
  const KeyPair admin =
      Issue(ca_, {.common_name = "admin", .organizations = {"system:masters", "a,b=c+\"d\""}});
  const auto answer = Get({.ca_pem = ca_.certificate_pem, .identity = admin});
  ASSERT_TRUE(answer) << answer.error().ToString();
  EXPECT_EQ(answer->body, "admin|system:masters|a,b=c+\"d\"");
}

TEST_P(TlsTest, WithoutACertificateNobodyIsThere) {
  Serve();
  for (const char* host : {"127.0.0.1", "localhost"}) {
    const auto answer = Get({.ca_pem = ca_.certificate_pem}, host);
    ASSERT_TRUE(answer) << answer.error().ToString();
    EXPECT_EQ(answer->body, "");
  }
}

TEST_P(TlsTest, BodiesLargerThanARecordGoBothWays) {
  Serve();
  const std::string body(2 << 20, 't');
  const auto answer = Get({.ca_pem = ca_.certificate_pem}, "127.0.0.1", body);
  ASSERT_TRUE(answer) << answer.error().ToString();
  EXPECT_EQ(answer->body, body);
}

TEST_P(TlsTest, AServerOfAForeignCaIsRefused) {
  Serve();
  const auto answer = Get({.ca_pem = MakeCa("other").certificate_pem});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind(), ErrorKind::kUnauthenticated);
  EXPECT_TRUE(Get({.ca_pem = MakeCa("other").certificate_pem, .insecure_skip_verify = true}));
}

TEST_P(TlsTest, AServerOfAnotherNameIsRefused) {
  Serve(false,
        Issue(ca_,
              {.common_name = "127.0.0.1", .dns_names = {"elsewhere.test"}, .for_server = true}));
  EXPECT_EQ(Get({.ca_pem = ca_.certificate_pem}).error().kind(), ErrorKind::kUnauthenticated);
  EXPECT_TRUE(Get({.ca_pem = ca_.certificate_pem, .server_name = "elsewhere.test"}));
}

TEST_P(TlsTest, ACertificateForClientsIsNoneForServers) {
  Serve(false, Issue(ca_, {.common_name = "client", .ip_addresses = {"127.0.0.1"}}));
  EXPECT_EQ(Get({.ca_pem = ca_.certificate_pem}).error().kind(), ErrorKind::kUnauthenticated);
}

TEST_P(TlsTest, AClientOfAForeignCaIsNobodyOrRefused) {
  const KeyPair stranger =
      Issue(MakeCa("other"), {.common_name = "admin", .organizations = {"system:masters"}});
  Serve();
  const auto answer = Get({.ca_pem = ca_.certificate_pem, .identity = stranger});
  ASSERT_TRUE(answer) << answer.error().ToString();
  EXPECT_EQ(answer->body, "");
  // A server's certificate does not make a client somebody either.
  const KeyPair server = Issue(ca_, {.common_name = "server", .for_server = true});
  EXPECT_EQ(Get({.ca_pem = ca_.certificate_pem, .identity = server})->body, "");
  Serve(true);
  EXPECT_FALSE(Get({.ca_pem = ca_.certificate_pem, .identity = stranger}));
  EXPECT_FALSE(Get({.ca_pem = ca_.certificate_pem}));
  const KeyPair friendly = Issue(ca_, {.common_name = "friend"});
  EXPECT_EQ(Get({.ca_pem = ca_.certificate_pem, .identity = friendly})->body, "friend");
}

TEST_P(TlsTest, ExpiredCertificatesAreRefused) {
  Serve(false, Issue(ca_, {.common_name = "old",
                           .ip_addresses = {"127.0.0.1"},
                           .validity = std::chrono::hours(-1) + std::chrono::hours(0),
                           .for_server = true}));
  EXPECT_EQ(Get({.ca_pem = ca_.certificate_pem}).error().kind(), ErrorKind::kUnauthenticated);
}

TEST_P(TlsTest, HandshakesThatStallOrMakeNoSenseEnd) {
  Serve();
  RawClient silent(server_->port());
  EXPECT_TRUE(silent.ClosedByServer());
  RawClient plain(server_->port());
  ASSERT_TRUE(plain.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  plain.ReadAll();  // an alert, then the end
  EXPECT_TRUE(Get({.ca_pem = ca_.certificate_pem}));
}

TEST(TlsConfigTest, UnusableIdentitiesAreToldAtStart) {
  EventLoop loop("tls-test");
  const KeyPair ca = MakeCa();
  const KeyPair one = Issue(ca, {.common_name = "one", .for_server = true});
  const KeyPair two = Issue(ca, {.common_name = "two", .for_server = true});
  for (const KeyPair& identity :
       {KeyPair{}, KeyPair{one.certificate_pem, two.private_key_pem}, KeyPair{"junk", "junk"}}) {
    TlsServerConfig tls{.identity = identity};
    HttpServerOptions options;
    options.tls = &tls;
    const auto server = HttpServer::Start(loop, options, {});
    ASSERT_FALSE(server);
    EXPECT_EQ(server.error().kind(), ErrorKind::kInvalidArgument);
  }
  EXPECT_EQ(
      HttpClient::Create(loop, {.base_url = "https://x", .tls = {.ca_pem = "junk"}}).error().kind(),
      ErrorKind::kInvalidArgument);
}

TEST(CertificateTest, AuthoritiesAndSerialsDiffer) {
  const KeyPair ca = MakeCa();
  const auto serial = [](const KeyPair& pair) {
    const CertificatePtr certificate = ParseCertificate(pair.certificate_pem);
    const BignumPtr number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate.get()), nullptr));
    char* const text = BN_bn2hex(number.get());
    std::string copy = text;
    OPENSSL_free(text);
    return copy;
  };
  const std::string first = serial(Issue(ca, {.common_name = "a"}));
  EXPECT_NE(first, serial(Issue(ca, {.common_name = "a"})));
  EXPECT_EQ(first.size(), 32u);
  EXPECT_NE(MakeCa().certificate_pem, ca.certificate_pem);
}

TEST(CertificateTest, BadRequestsAreErrors) {
  const KeyPair ca = MakeCa();
  const auto bad_address = IssueCertificate(ca, {.common_name = "x", .ip_addresses = {"1.2.3"}});
  ASSERT_FALSE(bad_address);
  EXPECT_THAT(bad_address.error().message(), HasSubstr("1.2.3"));
  EXPECT_FALSE(IssueCertificate(ca, {.common_name = std::string(65, 'x')}));
  EXPECT_FALSE(IssueCertificate({}, {.common_name = "x"}));
}

TEST(Es256Test, SignaturesVerifyWithTheirKeyOnly) {
  const std::string key = *GenerateEcKeyPem();
  const std::string other = *GenerateEcKeyPem();
  for (int i = 0; i < 50; ++i) {  // leading zeros of r and s come up by chance
    const std::string data = fmt::format("header.payload{}", i);
    const std::string signature = *SignEs256(key, data);
    EXPECT_EQ(signature.size(), 64u);
    EXPECT_TRUE(VerifyEs256(key, data, signature));
    EXPECT_FALSE(VerifyEs256(other, data, signature));
    EXPECT_FALSE(VerifyEs256(key, data + "x", signature));
    std::string changed = signature;
    changed[static_cast<std::size_t>(i)] ^= 1;
    EXPECT_FALSE(VerifyEs256(key, data, changed));
  }
  EXPECT_FALSE(VerifyEs256(key, "data", ""));
  EXPECT_FALSE(VerifyEs256(key, "data", std::string(64, '\0')));
  EXPECT_FALSE(VerifyEs256("junk", "data", std::string(64, 'a')));
  EXPECT_FALSE(SignEs256("junk", "data"));
}

TEST(Es256Test, VerifiesTheExampleOfRfc7515WithAPublicKey) {
  // RFC 7515, A.3, its key as SubjectPublicKeyInfo.
  const auto x = Base64UrlDecode("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU");
  const auto y = Base64UrlDecode("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
  const std::string prefix(
      "\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01"
      "\x07\x03\x42\x00\x04",
      27);
  const std::string pem = "-----BEGIN PUBLIC KEY-----\n" + Base64Encode(prefix + *x + *y) +
                          "\n-----END PUBLIC KEY-----\n";
  const auto signature = Base64UrlDecode(
      "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q");
  EXPECT_TRUE(VerifyEs256(pem,
                          "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogI"
                          "mh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
                          *signature));
}

TEST(DigestTest, Sha256OfTheStandardsExample) {
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Base64Test, ExamplesOfRfc4648) {
  const std::pair<std::string_view, std::string_view> examples[] = {{"", ""},
                                                                    {"f", "Zg=="},
                                                                    {"fo", "Zm8="},
                                                                    {"foo", "Zm9v"},
                                                                    {"foob", "Zm9vYg=="},
                                                                    {"fooba", "Zm9vYmE="},
                                                                    {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : examples) {
    EXPECT_EQ(Base64Encode(plain), encoded);
    EXPECT_EQ(Base64Decode(encoded).value(), plain);
    const std::string_view bare = encoded.substr(0, encoded.find('='));
    EXPECT_EQ(Base64UrlEncode(plain), bare);
    EXPECT_EQ(Base64UrlDecode(bare).value(), plain);
  }
  EXPECT_EQ(Base64UrlEncode("\xfb\xff\xbf"), "-_-_");
  EXPECT_EQ(Base64Encode("\xfb\xff\xbf"), "+/+/");
}

TEST(Base64Test, WhatIsNotExactlyRightIsRefused) {
  for (const char* text : {"Zg", "Zg=", "Zg===", "=", "====", "Z===", "Zm9v\n", "Zm 9v",
                           "Zh==", "Zm9=", "-_-_", "Zg==Zg==", "=Zg="}) {
    EXPECT_FALSE(Base64Decode(text)) << text;
  }
  for (const char* text : {"Zg==", "Z", "Zh", "+/+/", "Zm9vY"}) {
    EXPECT_FALSE(Base64UrlDecode(text)) << text;
  }
}

}  // namespace
}  // namespace enclave::net
