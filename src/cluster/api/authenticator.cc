#include "cluster/api/authenticator.h"

#include <openssl/crypto.h>

#include <strings.h>

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using base::Fail;
using base::Result;

constexpr std::string_view kAuthenticated = "system:authenticated";

bool EqualInConstantTime(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

// The token of "Authorization: Bearer TOKEN"; empty without one.
std::string_view BearerToken(const net::Request& request) {
  constexpr std::string_view kScheme = "Bearer ";
  std::string_view header = request.Header("Authorization");
  if (header.size() <= kScheme.size() ||
      ::strncasecmp(header.data(), kScheme.data(), kScheme.size()) != 0) {
    return {};
  }
  header.remove_prefix(kScheme.size());
  while (header.starts_with(' ')) header.remove_prefix(1);
  return header;
}

}  // namespace

Result<Requester> Authenticator::Authenticate(const net::Request& request) const {
  if (const std::string_view token = BearerToken(request); !token.empty()) {
    return AuthenticateToken(token);
  }
  if (!request.peer.common_name.empty()) {
    Requester who{
        .name = request.peer.common_name, .groups = request.peer.organizations, .uid = ""};
    who.groups.emplace_back(kAuthenticated);
    return who;
  }
  return Fail(ErrorKind::kUnauthenticated, "Unauthorized");
}

Result<Requester> Authenticator::AuthenticateToken(std::string_view token) const {
  if (EqualInConstantTime(token, admin_token_)) {
    return Requester{.name = "kubernetes-admin",
                     .groups = {"system:masters", std::string(kAuthenticated)},
                     .uid = ""};
  }
  const auto claims = tokens_.Verify(token);
  // The client learns only that it is not let in, as with Kubernetes.
  const auto refused = [] { return Fail(ErrorKind::kUnauthenticated, "Unauthorized"); };
  if (!claims) return refused();
  const auto account = store_.Get({"serviceaccounts", claims->ns, claims->name});
  if (account == nullptr || account->uid() != claims->uid) return refused();
  if (!claims->pod_name.empty()) {
    const auto pod = store_.Get({"pods", claims->ns, claims->pod_name});
    if (pod == nullptr || pod->uid() != claims->pod_uid) return refused();
  }
  return Requester{.name = "system:serviceaccount:" + claims->ns + ":" + claims->name,
                   .groups = {"system:serviceaccounts", "system:serviceaccounts:" + claims->ns,
                              std::string(kAuthenticated)},
                   .uid = claims->uid};
}

}  // namespace enclave::cluster
