#include <gtest/gtest.h>

#include <filesystem>

#include "base/random.h"
#include "base/simulated_executor.h"
#include "cluster/api/authenticator.h"
#include "cluster/api/pki.h"
#include "cluster/api/service_account_tokens.h"
#include "cluster/store/memory_store.h"

namespace enclave::cluster {
namespace {

namespace fs = std::filesystem;
using base::ErrorKind;
using std::chrono::hours;
using std::chrono::seconds;

class IdentityTest : public testing::Test {
 protected:
  IdentityTest()
      : directory_(fs::temp_directory_path() / ("enclave-pki-" + base::SystemRandom().Uuid())) {
    auto pki = LoadOrCreatePki({.directory = directory_, .server_addresses = {"127.9.240.1"}});
    EXPECT_TRUE(pki.has_value());
    pki_ = std::move(*pki);
    tokens_ = std::make_unique<ServiceAccountTokens>(pki_.token_key_pem, clock_, random_);
  }
  ~IdentityTest() override { fs::remove_all(directory_); }

  void PutObject(const std::string& resource, const std::string& name, const std::string& uid) {
    const auto put = ApplyAndWait(store_, {resource, "shop", name}, [&](const auto&) {
      return Put{{{"metadata", {{"name", name}, {"namespace", "shop"}, {"uid", uid}}}}};
    });
    ASSERT_TRUE(put.has_value());
  }

  ServiceAccountClaims Claims() const {
    return {.ns = "shop",
            .name = "cart",
            .uid = "uid-1",
            .pod_name = "",
            .pod_uid = "",
            .audiences = {}};
  }

  static net::Request WithToken(const std::string& token) {
    net::Request request;
    request.headers["Authorization"] = "Bearer " + token;
    return request;
  }

  base::SimulatedExecutor clock_;
  base::SeededRandom random_{7};
  MemoryStore store_{{}};
  fs::path directory_;
  Pki pki_;
  std::unique_ptr<ServiceAccountTokens> tokens_;
};

TEST_F(IdentityTest, KeysAreMadeOnceAndForTheirOwnerOnly) {
  const auto again =
      LoadOrCreatePki({.directory = directory_, .server_addresses = {"127.9.240.1"}});
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->authority.certificate_pem, pki_.authority.certificate_pem);
  EXPECT_EQ(again->admin.private_key_pem, pki_.admin.private_key_pem);
  EXPECT_EQ(again->admin_token, pki_.admin_token);
  EXPECT_EQ(again->token_key_pem, pki_.token_key_pem);
  EXPECT_NE(again->server.certificate_pem, pki_.server.certificate_pem);
  for (const auto& file : fs::directory_iterator(directory_)) {
    EXPECT_EQ(file.status().permissions() & (fs::perms::group_all | fs::perms::others_all),
              fs::perms::none)
        << file.path();
  }
}

TEST_F(IdentityTest, AnIssuedTokenIsVerified) {
  const auto issued = tokens_->Issue(Claims(), hours(1));
  ASSERT_TRUE(issued.has_value());
  const auto claims = tokens_->Verify(issued->token);
  ASSERT_TRUE(claims.has_value()) << claims.error().message();
  EXPECT_EQ(claims->ns, "shop");
  EXPECT_EQ(claims->name, "cart");
  EXPECT_EQ(claims->uid, "uid-1");
}

TEST_F(IdentityTest, AnyChangedByteMakesATokenInvalid) {
  const std::string token = tokens_->Issue(Claims(), hours(1))->token;
  for (std::size_t i = 0; i < token.size(); i += 7) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    const auto verified = tokens_->Verify(changed);
    // The last character of a part may carry unused bits; a decoder that takes it reads the same
    // bytes.
    if (verified)
      EXPECT_EQ(verified->name, "cart");
    else
      EXPECT_EQ(verified.error().kind(), ErrorKind::kUnauthenticated);
  }
  EXPECT_FALSE(tokens_->Verify(token.substr(0, token.rfind('.')) + ".").has_value());
}

TEST_F(IdentityTest, ATokenExpires) {
  const std::string token = tokens_->Issue(Claims(), hours(1))->token;
  clock_.RunFor(seconds(3601));
  const auto verified = tokens_->Verify(token);
  ASSERT_FALSE(verified.has_value());
  EXPECT_NE(verified.error().message().find("expired"), std::string::npos);
}

TEST_F(IdentityTest, ATokenIsForItsAudienceOnly) {
  ServiceAccountClaims claims = Claims();
  claims.audiences = {"vault"};
  const std::string token = tokens_->Issue(claims, hours(1))->token;
  EXPECT_FALSE(tokens_->Verify(token).has_value());
  EXPECT_TRUE(tokens_->Verify(token, {"vault"}).has_value());
}

TEST_F(IdentityTest, ATooShortLifeIsRefused) {
  const auto issued = tokens_->Issue(Claims(), seconds(60));
  ASSERT_FALSE(issued.has_value());
  EXPECT_EQ(issued.error().kind(), ErrorKind::kInvalidArgument);
}

TEST_F(IdentityTest, AnUnsignedTokenIsRefused) {
  const std::string header = net::Base64UrlEncode(R"({"alg":"none"})");
  const std::string token = tokens_->Issue(Claims(), hours(1))->token;
  const std::string body = token.substr(token.find('.'), token.rfind('.') - token.find('.'));
  EXPECT_FALSE(tokens_->Verify(header + body + ".").has_value());
}

TEST_F(IdentityTest, NobodyIsAnonymous) {
  const Authenticator authenticator(store_, *tokens_, pki_.admin_token);
  const auto nobody = authenticator.Authenticate(net::Request{});
  ASSERT_FALSE(nobody.has_value());
  EXPECT_EQ(nobody.error().kind(), ErrorKind::kUnauthenticated);
  EXPECT_FALSE(authenticator.Authenticate(WithToken("wrong")).has_value());
}

TEST_F(IdentityTest, CertificatesAndTheAdminTokenNameTheirSubject) {
  const Authenticator authenticator(store_, *tokens_, pki_.admin_token);
  net::Request with_certificate;
  with_certificate.peer.common_name = "alice";
  with_certificate.peer.organizations = {"sre"};
  const auto alice = authenticator.Authenticate(with_certificate);
  ASSERT_TRUE(alice.has_value());
  EXPECT_EQ(alice->name, "alice");
  EXPECT_EQ(alice->groups, (std::vector<std::string>{"sre", "system:authenticated"}));
  const auto admin = authenticator.Authenticate(WithToken(pki_.admin_token));
  ASSERT_TRUE(admin.has_value());
  EXPECT_EQ(admin->groups.front(), "system:masters");
  // A wrong token is not saved by a right certificate.
  with_certificate.headers["authorization"] = "bearer wrong";
  EXPECT_FALSE(authenticator.Authenticate(with_certificate).has_value());
}

TEST_F(IdentityTest, AServiceAccountsTokenEndsWithTheAccountAndThePod) {
  const Authenticator authenticator(store_, *tokens_, pki_.admin_token);
  const std::string token = tokens_->Issue(Claims(), hours(1))->token;
  EXPECT_FALSE(authenticator.Authenticate(WithToken(token)).has_value()) << "no such account";
  PutObject("serviceaccounts", "cart", "uid-1");
  const auto cart = authenticator.Authenticate(WithToken(token));
  ASSERT_TRUE(cart.has_value());
  EXPECT_EQ(cart->name, "system:serviceaccount:shop:cart");

  ServiceAccountClaims bound = Claims();
  bound.pod_name = "cart-1";
  bound.pod_uid = "pod-uid";
  const std::string bound_token = tokens_->Issue(bound, hours(1))->token;
  EXPECT_FALSE(authenticator.Authenticate(WithToken(bound_token)).has_value()) << "no such pod";
  PutObject("pods", "cart-1", "pod-uid");
  EXPECT_TRUE(authenticator.Authenticate(WithToken(bound_token)).has_value());

  PutObject("serviceaccounts", "cart", "another-uid");
  EXPECT_FALSE(authenticator.Authenticate(WithToken(token)).has_value()) << "made anew";
}

}  // namespace
}  // namespace enclave::cluster
