#include "cluster/api/pki.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iterator>
#include <system_error>

#include <nlohmann/json.hpp>

#include "base/random.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using base::Fail;
using base::Result;
namespace fs = std::filesystem;

constexpr std::chrono::hours kTenYears{24 * 3650};
constexpr std::string_view kTokenAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

// Writes `content` for the owner only; the file appears whole and durable, or not at all.
Result<> WritePrivately(const fs::path& path, std::string_view content) {
  const fs::path next = path.string() + ".next";
  const int fd = ::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  bool written = fd >= 0;
  for (std::string_view rest = content; written && !rest.empty();) {
    const ssize_t n = ::write(fd, rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    written = n > 0;
    if (written) rest.remove_prefix(static_cast<std::size_t>(n));
  }
  written = written && ::fsync(fd) == 0;
  const int error = errno;
  if (fd >= 0) ::close(fd);
  if (written && ::rename(next.c_str(), path.c_str()) == 0) return {};
  return Fail(ErrorKind::kUnavailable, fmt::format("cannot write {}: {}", path.string(),
                                                   std::strerror(written ? errno : error)));
}

Result<std::string> Read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string content((std::istreambuf_iterator<char>(file)), {});
  if (!file.good() && !file.eof())
    return Fail(ErrorKind::kUnavailable, fmt::format("cannot read {}", path.string()));
  if (content.empty())
    return Fail(
        ErrorKind::kInternal,
        fmt::format("{} is empty: restore it, or delete the directory {} to start with new keys",
                    path.string(), path.parent_path().string()));
  return content;
}

// What stands in the file, made by `make` at the first start.
template <typename Make>
Result<std::string> LoadOrCreate(const fs::path& path, const Make& make) {
  std::error_code error;
  if (fs::exists(path, error)) return Read(path);
  ASSIGN_OR_RETURN(std::string content, make());
  RETURN_IF_ERROR(WritePrivately(path, content));
  return content;
}

// Key and certificate lie in one file each, the key first: a crash in between leaves a key without
// a certificate, and the pair is made again.
template <typename Make>
Result<net::KeyPair> LoadOrCreatePair(const fs::path& stem, const Make& make) {
  const fs::path certificate = stem.string() + ".crt";
  const fs::path key = stem.string() + ".key";
  std::error_code error;
  net::KeyPair pair;
  if (!fs::exists(certificate, error)) {
    ASSIGN_OR_RETURN(pair, make());
    RETURN_IF_ERROR(WritePrivately(key, pair.private_key_pem));
    RETURN_IF_ERROR(WritePrivately(certificate, pair.certificate_pem));
    return pair;
  }
  ASSIGN_OR_RETURN(pair.certificate_pem, Read(certificate));
  ASSIGN_OR_RETURN(pair.private_key_pem, Read(key));
  return pair;
}

net::CertificateRequest ServerRequest(const std::vector<std::string>& addresses) {
  net::CertificateRequest request;
  request.common_name = "kube-apiserver";
  request.dns_names = {"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
                       "kubernetes.default.svc.cluster.local"};
  request.ip_addresses = addresses;
  request.ip_addresses.emplace_back("127.0.0.1");
  request.validity = kTenYears;
  request.for_server = true;
  return request;
}

}  // namespace

Result<Pki> LoadOrCreatePki(const PkiOptions& options) {
  std::error_code error;
  fs::create_directories(options.directory, error);
  if (!error) fs::permissions(options.directory, fs::perms::owner_all, error);
  if (error)
    return Fail(ErrorKind::kUnavailable,
                fmt::format("cannot create {}: {}", options.directory.string(), error.message()));
  Pki pki;
  ASSIGN_OR_RETURN(pki.authority, LoadOrCreatePair(options.directory / "ca", [] {
                     return net::CreateCertificateAuthority("enclave-ca", kTenYears);
                   }));
  ASSIGN_OR_RETURN(pki.admin, LoadOrCreatePair(options.directory / "admin", [&pki] {
                     net::CertificateRequest request;
                     request.common_name = kAdminUser;
                     request.organizations = {kAdminGroup};
                     request.validity = kTenYears;
                     return net::IssueCertificate(pki.authority, request);
                   }));
  ASSIGN_OR_RETURN(pki.server,
                   net::IssueCertificate(pki.authority, ServerRequest(options.server_addresses)));
  ASSIGN_OR_RETURN(pki.token_key_pem, LoadOrCreate(options.directory / "service-account.key",
                                                   [] { return net::GenerateEcKeyPem(); }));
  ASSIGN_OR_RETURN(pki.admin_token,
                   LoadOrCreate(options.directory / "admin.token", []() -> Result<std::string> {
                     return base::SystemRandom().Text(kTokenAlphabet, 43);
                   }));
  return pki;
}

Result<> WriteAdminKubeconfig(const fs::path& path, const std::string& server_url, const Pki& pki) {
  using nlohmann::json;
  // JSON is YAML, and every reader of kubeconfigs takes it.
  const json config = {
      {"apiVersion", "v1"},
      {"kind", "Config"},
      {"clusters", json::array({{{"name", "enclave"},
                                 {"cluster",
                                  {{"server", server_url},
                                   {"certificate-authority-data",
                                    net::Base64Encode(pki.authority.certificate_pem)}}}}})},
      {"users",
       json::array({{{"name", "admin"},
                     {"user",
                      {{"client-certificate-data", net::Base64Encode(pki.admin.certificate_pem)},
                       {"client-key-data", net::Base64Encode(pki.admin.private_key_pem)}}}},
                    {{"name", "admin-token"}, {"user", {{"token", pki.admin_token}}}}})},
      {"contexts",
       json::array({{{"name", "enclave"}, {"context", {{"cluster", "enclave"}, {"user", "admin"}}}},
                    {{"name", "enclave-token"},
                     {"context", {{"cluster", "enclave"}, {"user", "admin-token"}}}}})},
      {"current-context", "enclave"}};
  return WritePrivately(path, config.dump(2) + "\n");
}

}  // namespace enclave::cluster
