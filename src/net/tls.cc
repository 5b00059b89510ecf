#include "net/tls.h"

#include <openssl/ecdsa.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include "base/check.h"
#include "net/openssl.h"

namespace enclave::net {
namespace {

using base::ErrorKind;
using base::Result;

// r and s of a P-256 signature, each 32 bytes (RFC 7518, 3.4).
constexpr int kScalarBytes = 32;

Result<std::string> TakeText(const BioPtr& bio, const std::string& doing) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  if (data == nullptr || size <= 0) return OpensslFail(ErrorKind::kInternal, doing);
  return std::string(data, static_cast<std::size_t>(size));
}

Result<std::string> CertificateToPem(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_X509(bio.get(), certificate) != 1) {
    return OpensslFail(ErrorKind::kInternal, "writing a certificate");
  }
  return TakeText(bio, "writing a certificate");
}

Result<std::string> KeyToPem(EVP_PKEY* key) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (!bio ||
      PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return OpensslFail(ErrorKind::kInternal, "writing a private key");
  }
  return TakeText(bio, "writing a private key");
}

Result<KeyPtr> GenerateKey() {
  KeyPtr key(EVP_EC_gen("P-256"));
  if (!key) return OpensslFail(ErrorKind::kInternal, "making a P-256 key");
  return key;
}

bool AddName(X509_NAME* name, const char* field, const std::string& value) {
  return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(value.data()),
                                    static_cast<int>(value.size()), -1, 0) == 1;
}

// A positive serial of 127 random bits: unique without a counter to keep (CA/B BR 7.1).
bool SetRandomSerial(X509* certificate) {
  const BignumPtr serial(BN_new());
  return serial && BN_rand(serial.get(), 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
         BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool AddExtension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
  if (extension == nullptr) return false;
  const bool added = X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

// Built from values, not from OpenSSL's configuration syntax, in which a comma in a name would
// start another entry.
bool AddAlternativeNames(X509* certificate, const CertificateRequest& request) {
  if (request.dns_names.empty() && request.ip_addresses.empty()) return true;
  const OpensslPtr<GENERAL_NAMES, GENERAL_NAMES_free> names(GENERAL_NAMES_new());
  if (!names) return false;
  const auto add = [&names](int type, auto* value) {
    GENERAL_NAME* const name = GENERAL_NAME_new();
    if (name == nullptr) return false;
    GENERAL_NAME_set0_value(name, type, value);
    return sk_GENERAL_NAME_push(names.get(), name) > 0;
  };
  for (const std::string& dns : request.dns_names) {
    ASN1_IA5STRING* const text = ASN1_IA5STRING_new();
    if (text == nullptr || ASN1_STRING_set(text, dns.data(), static_cast<int>(dns.size())) != 1 ||
        !add(GEN_DNS, text)) {
      return false;
    }
  }
  for (const std::string& address : request.ip_addresses) {
    ASN1_OCTET_STRING* const octets = a2i_IPADDRESS(address.c_str());
    if (octets == nullptr || !add(GEN_IPADD, octets)) return false;
  }
  return X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, X509V3_ADD_APPEND) ==
         1;
}

// What every certificate has; starts an hour ago, for machines whose clocks differ a little.
Result<CertificatePtr> StartCertificate(EVP_PKEY* key, std::chrono::hours validity) {
  CertificatePtr certificate(X509_new());
  const long seconds =
      static_cast<long>(std::chrono::duration_cast<std::chrono::seconds>(validity).count());
  if (!certificate || X509_set_version(certificate.get(), X509_VERSION_3) != 1 ||
      !SetRandomSerial(certificate.get()) ||
      X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600) == nullptr ||
      X509_gmtime_adj(X509_getm_notAfter(certificate.get()), seconds) == nullptr ||
      X509_set_pubkey(certificate.get(), key) != 1) {
    return OpensslFail(ErrorKind::kInternal, "preparing a certificate");
  }
  return certificate;
}

}  // namespace

std::string OpensslError() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  if (code == 0) return "no reason given";
  char text[256];
  ERR_error_string_n(code, text, sizeof text);
  return text;
}

std::unexpected<base::Error> OpensslFail(ErrorKind kind, const std::string& doing) {
  return base::Fail(kind, doing + ": " + OpensslError());
}

BioPtr ReadFrom(std::string_view text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

CertificatePtr ParseCertificate(std::string_view pem) {
  const BioPtr bio = ReadFrom(pem);
  return CertificatePtr(bio ? PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr) : nullptr);
}

KeyPtr ParsePrivateKey(std::string_view pem) {
  const BioPtr bio = ReadFrom(pem);
  // An empty passphrase instead of OpenSSL's prompt on the terminal for an encrypted key.
  char none[] = "";
  return KeyPtr(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, none) : nullptr);
}

Result<KeyPair> CreateCertificateAuthority(const std::string& common_name,
                                           std::chrono::hours validity) {
  ASSIGN_OR_RETURN(const KeyPtr key, GenerateKey());
  ASSIGN_OR_RETURN(const CertificatePtr certificate, StartCertificate(key.get(), validity));
  X509* const x509 = certificate.get();
  X509_NAME* const name = X509_get_subject_name(x509);
  if (!AddName(name, "CN", common_name) || X509_set_issuer_name(x509, name) != 1 ||
      !AddExtension(x509, x509, NID_basic_constraints, "critical,CA:TRUE") ||
      !AddExtension(x509, x509, NID_key_usage, "critical,keyCertSign,cRLSign,digitalSignature") ||
      !AddExtension(x509, x509, NID_subject_key_identifier, "hash") ||
      X509_sign(x509, key.get(), EVP_sha256()) == 0) {
    return OpensslFail(ErrorKind::kInvalidArgument,
                       "making the certificate authority '" + common_name + "'");
  }
  KeyPair pair;
  ASSIGN_OR_RETURN(pair.certificate_pem, CertificateToPem(x509));
  ASSIGN_OR_RETURN(pair.private_key_pem, KeyToPem(key.get()));
  return pair;
}

Result<KeyPair> IssueCertificate(const KeyPair& authority, const CertificateRequest& request) {
  const std::string doing = "issuing a certificate for '" + request.common_name + "'";
  for (const std::string& address : request.ip_addresses) {
    const OpensslPtr<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free> octets(
        a2i_IPADDRESS(address.c_str()));
    if (!octets) {
      return base::Fail(ErrorKind::kInvalidArgument,
                        doing + ": '" + address + "' is not an IP address");
    }
  }
  const CertificatePtr issuer = ParseCertificate(authority.certificate_pem);
  const KeyPtr issuer_key = ParsePrivateKey(authority.private_key_pem);
  if (!issuer || !issuer_key) {
    return OpensslFail(ErrorKind::kInvalidArgument, doing + ": the authority is not readable");
  }
  ASSIGN_OR_RETURN(const KeyPtr key, GenerateKey());
  ASSIGN_OR_RETURN(const CertificatePtr certificate, StartCertificate(key.get(), request.validity));
  X509* const x509 = certificate.get();
  X509_NAME* const name = X509_get_subject_name(x509);
  bool named = true;
  for (const std::string& organization : request.organizations) {
    named = named && AddName(name, "O", organization);
  }
  if (!named || !AddName(name, "CN", request.common_name) ||
      X509_set_issuer_name(x509, X509_get_subject_name(issuer.get())) != 1 ||
      !AddExtension(x509, issuer.get(), NID_basic_constraints, "critical,CA:FALSE") ||
      !AddExtension(x509, issuer.get(), NID_key_usage, "critical,digitalSignature") ||
      !AddExtension(x509, issuer.get(), NID_ext_key_usage,
                    request.for_server ? "serverAuth" : "clientAuth") ||
      !AddExtension(x509, issuer.get(), NID_subject_key_identifier, "hash") ||
      !AddExtension(x509, issuer.get(), NID_authority_key_identifier, "keyid") ||
      !AddAlternativeNames(x509, request) || X509_sign(x509, issuer_key.get(), EVP_sha256()) == 0) {
    return OpensslFail(ErrorKind::kInvalidArgument, doing);
  }
  KeyPair pair;
  ASSIGN_OR_RETURN(pair.certificate_pem, CertificateToPem(x509));
  ASSIGN_OR_RETURN(pair.private_key_pem, KeyToPem(key.get()));
  return pair;
}

Result<std::string> GenerateEcKeyPem() {
  ASSIGN_OR_RETURN(const KeyPtr key, GenerateKey());
  return KeyToPem(key.get());
}

Result<std::string> SignEs256(const std::string& private_key_pem, std::string_view data) {
  const KeyPtr key = ParsePrivateKey(private_key_pem);
  const DigestPtr digest(EVP_MD_CTX_new());
  if (!key || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_EC || !digest) {
    return OpensslFail(ErrorKind::kInvalidArgument, "signing: the key is not readable");
  }
  const auto* bytes = reinterpret_cast<const unsigned char*>(data.data());
  std::size_t size = 0;
  if (EVP_DigestSignInit(digest.get(), nullptr, EVP_sha256(), nullptr, key.get()) != 1 ||
      EVP_DigestSign(digest.get(), nullptr, &size, bytes, data.size()) != 1) {
    return OpensslFail(ErrorKind::kInternal, "signing");
  }
  std::string der(size, '\0');
  if (EVP_DigestSign(digest.get(), reinterpret_cast<unsigned char*>(der.data()), &size, bytes,
                     data.size()) != 1) {
    return OpensslFail(ErrorKind::kInternal, "signing");
  }
  const auto* cursor = reinterpret_cast<const unsigned char*>(der.data());
  const OpensslPtr<ECDSA_SIG, ECDSA_SIG_free> signature(
      d2i_ECDSA_SIG(nullptr, &cursor, static_cast<long>(size)));
  std::string raw(2 * kScalarBytes, '\0');
  auto* out = reinterpret_cast<unsigned char*>(raw.data());
  if (!signature ||
      BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), out, kScalarBytes) != kScalarBytes ||
      BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), out + kScalarBytes, kScalarBytes) !=
          kScalarBytes) {
    return OpensslFail(ErrorKind::kInvalidArgument, "signing: the key is not of the curve P-256");
  }
  return raw;
}

bool VerifyEs256(const std::string& key_pem, std::string_view data, std::string_view signature) {
  if (signature.size() != 2 * kScalarBytes) return false;
  KeyPtr key = ParsePrivateKey(key_pem);
  if (!key) {
    const BioPtr bio = ReadFrom(key_pem);
    key.reset(bio ? PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr) : nullptr);
  }
  const auto* in = reinterpret_cast<const unsigned char*>(signature.data());
  const OpensslPtr<ECDSA_SIG, ECDSA_SIG_free> parsed(ECDSA_SIG_new());
  BignumPtr r(BN_bin2bn(in, kScalarBytes, nullptr));
  BignumPtr s(BN_bin2bn(in + kScalarBytes, kScalarBytes, nullptr));
  bool valid = false;
  if (key && parsed && r && s && ECDSA_SIG_set0(parsed.get(), r.get(), s.get()) == 1) {
    static_cast<void>(r.release());  // owned by the signature now
    static_cast<void>(s.release());
    unsigned char* der = nullptr;
    const int size = i2d_ECDSA_SIG(parsed.get(), &der);
    const DigestPtr digest(EVP_MD_CTX_new());
    valid = size > 0 && digest &&
            EVP_DigestVerifyInit(digest.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1 &&
            EVP_DigestVerify(digest.get(), der, static_cast<std::size_t>(size),
                             reinterpret_cast<const unsigned char*>(data.data()), data.size()) == 1;
    OPENSSL_free(der);
  }
  ERR_clear_error();
  return valid;
}

std::string Sha256Hex(std::string_view data) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  unsigned int size = 0;
  CHECK(EVP_Digest(data.data(), data.size(), digest, &size, EVP_sha256(), nullptr) == 1,
        "SHA-256 of a text in memory cannot fail");
  constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * sizeof digest);
  for (const unsigned char byte : digest) {
    text += kHex[byte >> 4];
    text += kHex[byte & 15];
  }
  return text;
}

}  // namespace enclave::net
