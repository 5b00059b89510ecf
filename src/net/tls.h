// TLS by OpenSSL 3: configuration as values (PEM texts), a small certificate authority, JSON-free.
// TLS 1.2 and 1.3 only. Private keys are ECDSA P-256.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace enclave::net {

struct KeyPair {
  std::string certificate_pem;  // leaf first, then its chain
  std::string private_key_pem;
};

struct TlsServerConfig {
  KeyPair identity;
  // When set, clients may (or, if required, must) show a certificate of this CA; its subject is in
  // Peer.
  std::string client_ca_pem;
  bool require_client_certificate = false;
};

struct TlsClientConfig {
  std::string ca_pem;       // empty: the system's CAs
  KeyPair identity;         // empty: none
  std::string server_name;  // checked instead of the URL's host when set
  bool insecure_skip_verify = false;
};

struct CertificateRequest {
  std::string common_name;
  std::vector<std::string> organizations;
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;
  std::chrono::hours validity{24 * 365 * 10};
  bool for_server = false;  // else for client authentication
};

// A self-signed authority: made once, then kept as PEM by its owner.
base::Result<KeyPair> CreateCertificateAuthority(const std::string& common_name,
                                                 std::chrono::hours validity);
base::Result<KeyPair> IssueCertificate(const KeyPair& authority, const CertificateRequest& request);

// Signatures for tokens: ES256 (ECDSA P-256, SHA-256), raw r||s as in RFC 7518, 3.4.
base::Result<std::string> GenerateEcKeyPem();
base::Result<std::string> SignEs256(const std::string& private_key_pem, std::string_view data);
bool VerifyEs256(const std::string& key_pem, std::string_view data, std::string_view signature);

std::string Sha256Hex(std::string_view data);
std::string Base64Encode(std::string_view data);
std::string Base64UrlEncode(std::string_view data);  // no padding
base::Result<std::string> Base64Decode(
    std::string_view text);  // standard alphabet, padding required
base::Result<std::string> Base64UrlDecode(std::string_view text);  // no padding

}  // namespace enclave::net
