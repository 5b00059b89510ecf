// The keys of one cluster: its certificate authority, the API server's and the administrator's
// certificates, the key that signs service account tokens. Made at the first start under one
// directory, readable by its owner only; the server's certificate is issued anew at each start, so
// it always names the addresses that are served.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/tls.h"

namespace enclave::cluster {

struct PkiOptions {
  std::filesystem::path directory;            // STATE/pki
  std::vector<std::string> server_addresses;  // IP addresses the API is reached at
};

// Whom the administrator's certificate and token name.
inline constexpr const char* kAdminUser = "kubernetes-admin";
inline constexpr const char* kAdminGroup = "system:masters";

struct Pki {
  net::KeyPair authority;
  net::KeyPair server;
  net::KeyPair admin;         // CN kubernetes-admin, O system:masters
  std::string admin_token;    // the same identity as a bearer token
  std::string token_key_pem;  // signs service account tokens
};

base::Result<Pki> LoadOrCreatePki(const PkiOptions& options);

// A kubeconfig with the administrator's certificate (context "enclave") and token (context
// "enclave-token"), for its owner's eyes only. Replaces the file at once and whole.
base::Result<> WriteAdminKubeconfig(const std::filesystem::path& path,
                                    const std::string& server_url, const Pki& pki);

}  // namespace enclave::cluster
