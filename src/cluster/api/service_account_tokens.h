// Bearer tokens of service accounts: JSON Web Tokens (RFC 7519) signed with ES256, with the claims
// that Kubernetes puts into them (pkg/serviceaccount/claims.go).
//
// Thread safety: all methods may be called from any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/random.h"
#include "base/result.h"

namespace enclave::cluster {

struct ServiceAccountClaims {
  std::string ns;
  std::string name;
  std::string uid;
  std::string pod_name;  // empty: not bound to a pod
  std::string pod_uid;
  std::vector<std::string> audiences;  // empty: the API server's own
  std::string id;                      // jti; set by Issue
  base::WallTime expires_at{};         // set by Issue
};

struct IssuedToken {
  std::string token;
  base::WallTime expires_at;
};

class ServiceAccountTokens {
 public:
  static constexpr std::string_view kIssuer = "https://kubernetes.default.svc.cluster.local";

  ServiceAccountTokens(std::string key_pem, const base::Clock& clock, base::Random& random)
      : key_pem_(std::move(key_pem)), clock_(clock), random_(random) {}

  // kInvalidArgument for a lifetime under 10 minutes, as Kubernetes asks; over a year is cut to a
  // year.
  base::Result<IssuedToken> Issue(const ServiceAccountClaims& claims,
                                  std::chrono::seconds lifetime) const;
  // kUnauthenticated with the reason; the token itself never stands in a message.
  base::Result<ServiceAccountClaims> Verify(std::string_view token) const;
  // `audiences` names which of them are wanted; one match suffices.
  base::Result<ServiceAccountClaims> Verify(std::string_view token,
                                            const std::vector<std::string>& audiences) const;

 private:
  const std::string key_pem_;
  const base::Clock& clock_;
  base::Random& random_;
};

}  // namespace enclave::cluster
