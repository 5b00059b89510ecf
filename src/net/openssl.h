// Owning handles and errors for OpenSSL, for the .cc files of this folder only.
#pragma once

#include <memory>
#include <string>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/result.h"

namespace enclave::net {

template <auto kFree>
struct OpensslDeleter {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
template <typename T, auto kFree>
using OpensslPtr = std::unique_ptr<T, OpensslDeleter<kFree>>;

using BioPtr = OpensslPtr<BIO, BIO_free_all>;
using BignumPtr = OpensslPtr<BIGNUM, BN_free>;
using KeyPtr = OpensslPtr<EVP_PKEY, EVP_PKEY_free>;
using DigestPtr = OpensslPtr<EVP_MD_CTX, EVP_MD_CTX_free>;
using CertificatePtr = OpensslPtr<X509, X509_free>;
using SslPtr = OpensslPtr<SSL, SSL_free>;
using SslContextPtr = OpensslPtr<SSL_CTX, SSL_CTX_free>;

// The newest error of this thread's queue as text; empties the queue.
std::string OpensslError();
// "doing: <newest OpenSSL error>".
std::unexpected<base::Error> OpensslFail(base::ErrorKind kind, const std::string& doing);

// A read-only memory BIO over `text`, which outlives it.
BioPtr ReadFrom(std::string_view text);
// The first certificate or key of a PEM text; null when there is none.
CertificatePtr ParseCertificate(std::string_view pem);
KeyPtr ParsePrivateKey(std::string_view pem);

}  // namespace enclave::net
