// Who makes a request: a client certificate of the cluster's CA, the administrator's token, or a
// service account's token whose account (and pod, when bound to one) still exists. Nobody is
// anonymous.
//
// Thread safety: Authenticate may be called from any thread.
#pragma once

#include <string>

#include "base/result.h"
#include "cluster/api/resource.h"
#include "cluster/api/service_account_tokens.h"
#include "cluster/store/store.h"
#include "net/http.h"

namespace enclave::cluster {

class Authenticator {
 public:
  // The store and the tokens outlive it.
  Authenticator(const Store& store, const ServiceAccountTokens& tokens, std::string admin_token)
      : store_(store), tokens_(tokens), admin_token_(std::move(admin_token)) {}

  // kUnauthenticated without valid credentials. A wrong token is refused even beside a right
  // certificate.
  base::Result<Requester> Authenticate(const net::Request& request) const;
  // The same for a token alone (TokenReview).
  base::Result<Requester> AuthenticateToken(std::string_view token) const;

 private:
  const Store& store_;
  const ServiceAccountTokens& tokens_;
  const std::string admin_token_;
};

}  // namespace enclave::cluster
