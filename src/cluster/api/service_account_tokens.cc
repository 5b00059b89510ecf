#include "cluster/api/service_account_tokens.h"

#include <algorithm>

#include "kube/object.h"
#include "net/tls.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using base::Fail;
using base::Result;
using kube::Json;
using std::chrono::duration_cast;
using std::chrono::seconds;

constexpr std::size_t kLongestToken = 16 << 10;
constexpr seconds kShortestLife = std::chrono::minutes(10);
constexpr seconds kLongestLife = std::chrono::hours(24 * 365);
constexpr std::string_view kHeader = R"({"alg":"ES256","typ":"JWT"})";

std::int64_t Seconds(base::WallTime time) {
  return duration_cast<seconds>(time.time_since_epoch()).count();
}

std::unexpected<base::Error> Refuse(std::string why) {
  return Fail(ErrorKind::kUnauthenticated, "service account token refused: " + std::move(why));
}

// A part of the token as JSON; not JSON or not an object: null.
Json DecodePart(std::string_view part) {
  const auto text = net::Base64UrlDecode(part);
  if (!text) return nullptr;
  Json value = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  return value.is_object() ? value : Json(nullptr);
}

std::vector<std::string> Audiences(const Json& claims) {
  const Json& aud = kube::At(claims, "aud");
  std::vector<std::string> audiences;
  if (aud.is_string()) audiences.push_back(aud.get<std::string>());
  if (aud.is_array()) {
    for (const Json& one : aud) {
      if (one.is_string()) audiences.push_back(one.get<std::string>());
    }
  }
  return audiences;
}

}  // namespace

Result<IssuedToken> ServiceAccountTokens::Issue(const ServiceAccountClaims& claims,
                                                seconds lifetime) const {
  if (lifetime < kShortestLife) {
    return Fail(ErrorKind::kInvalidArgument,
                "expirationSeconds: may not specify a duration less than 10 minutes");
  }
  const base::WallTime now = clock_.WallNow();
  const base::WallTime expires_at = now + std::min(lifetime, kLongestLife);
  Json kubernetes = {{"namespace", claims.ns},
                     {"serviceaccount", {{"name", claims.name}, {"uid", claims.uid}}}};
  if (!claims.pod_name.empty()) {
    kubernetes["pod"] = {{"name", claims.pod_name}, {"uid", claims.pod_uid}};
  }
  Json audiences = Json::array();
  for (const std::string& audience : claims.audiences) audiences.push_back(audience);
  if (audiences.empty()) audiences.push_back(kIssuer);
  const Json body = {{"iss", kIssuer},
                     {"sub", "system:serviceaccount:" + claims.ns + ":" + claims.name},
                     {"aud", std::move(audiences)},
                     {"iat", Seconds(now)},
                     {"nbf", Seconds(now)},
                     {"exp", Seconds(expires_at)},
                     {"jti", random_.Uuid()},
                     {"kubernetes.io", std::move(kubernetes)}};
  std::string signed_part = net::Base64UrlEncode(kHeader) + "." + net::Base64UrlEncode(body.dump());
  ASSIGN_OR_RETURN(const std::string signature, net::SignEs256(key_pem_, signed_part));
  return IssuedToken{signed_part + "." + net::Base64UrlEncode(signature), expires_at};
}

Result<ServiceAccountClaims> ServiceAccountTokens::Verify(std::string_view token) const {
  return Verify(token, {std::string(kIssuer)});
}

Result<ServiceAccountClaims> ServiceAccountTokens::Verify(
    std::string_view token, const std::vector<std::string>& audiences) const {
  const std::size_t first = token.find('.');
  const std::size_t last = token.rfind('.');
  if (token.size() > kLongestToken || first == std::string_view::npos || first == last) {
    return Refuse("not a JSON Web Token");
  }
  // The algorithm is ours, whatever the header says: a token cannot choose a weaker one.
  if (kube::StringAt(DecodePart(token.substr(0, first)), "alg") != "ES256") {
    return Refuse("not signed with ES256");
  }
  const auto signature = net::Base64UrlDecode(token.substr(last + 1));
  if (!signature || !net::VerifyEs256(key_pem_, token.substr(0, last), *signature)) {
    return Refuse("the signature is not this cluster's");
  }
  const Json body = DecodePart(token.substr(first + 1, last - first - 1));
  if (kube::StringAt(body, "iss") != kIssuer) return Refuse("another issuer's");
  const std::int64_t now = Seconds(clock_.WallNow());
  if (kube::IntAt(body, "exp") <= now) return Refuse("it has expired");
  if (kube::IntAt(body, "nbf") > now + 60) return Refuse("it is not valid yet");
  const std::vector<std::string> named = Audiences(body);
  if (std::ranges::find_first_of(named, audiences) == named.end()) {
    return Refuse("it is meant for another audience");
  }
  // The key holds a dot, so it is read by itself.
  const auto kubernetes = body.find("kubernetes.io");
  if (kubernetes == body.end()) return Refuse("it names no service account");
  ServiceAccountClaims claims;
  claims.ns = kube::StringAt(*kubernetes, "namespace");
  claims.name = kube::StringAt(*kubernetes, "serviceaccount.name");
  claims.uid = kube::StringAt(*kubernetes, "serviceaccount.uid");
  claims.pod_name = kube::StringAt(*kubernetes, "pod.name");
  claims.pod_uid = kube::StringAt(*kubernetes, "pod.uid");
  claims.audiences = named;
  claims.id = kube::StringAt(body, "jti");
  claims.expires_at = base::WallTime(seconds(kube::IntAt(body, "exp")));
  if (claims.ns.empty() || claims.name.empty()) return Refuse("it names no service account");
  return claims;
}

}  // namespace enclave::cluster
