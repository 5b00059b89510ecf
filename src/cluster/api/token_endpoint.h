// serviceaccounts/NAME/token: a TokenRequest (authentication.k8s.io/v1) answered with a token, and
// the same for the kubelet, which mounts tokens into pods.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cluster/api/resource_handler.h"
#include "cluster/api/service_account_tokens.h"

namespace enclave::cluster {

struct TokenOrder {
  std::string ns;
  std::string service_account;
  std::string pod_name;  // bound to this pod when not empty
  std::string pod_uid;
  std::vector<std::string> audiences;  // empty: the API server's own
  std::int64_t expiration_seconds = 3600;
};

// kNotFound without the account (or pod), kConflict when the pod has another uid,
// kInvalidArgument for a lifetime under ten minutes.
base::Result<IssuedToken> IssueToken(const Store& store, const ServiceAccountTokens& tokens,
                                     const TokenOrder& order);

// The store and the tokens outlive the handler's use.
ConnectHandler ServeTokenRequests(const Store& store, const ServiceAccountTokens& tokens);

}  // namespace enclave::cluster
