#include "net/tls_context.h"

#include <arpa/inet.h>

#include <string_view>

#include <openssl/x509_vfy.h>

namespace enclave::net {
namespace {

using base::ErrorKind;
using base::Result;

constexpr unsigned char kAlpn[] = "\x08http/1.1";

int SelectAlpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
               unsigned int in_size, void*) {
  unsigned char* selected = nullptr;
  if (SSL_select_next_proto(&selected, out_size, kAlpn, sizeof kAlpn - 1, in, in_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = selected;
  return SSL_TLSEXT_ERR_OK;
}

// Accepts any chain; SSL_get_verify_result still tells what was wrong with it.
int GoOnAnyway(int, X509_STORE_CTX*) {
  return 1;
}

Result<> AddAuthorities(X509_STORE* store, std::string_view pem, SSL_CTX* names_shown_in) {
  const BioPtr bio = ReadFrom(pem);
  int count = 0;
  while (bio) {
    const CertificatePtr authority(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (!authority) break;
    ++count;
    if (X509_STORE_add_cert(store, authority.get()) != 1 ||
        (names_shown_in != nullptr &&
         SSL_CTX_add_client_CA(names_shown_in, authority.get()) != 1)) {
      return OpensslFail(ErrorKind::kInvalidArgument, "reading a CA certificate");
    }
  }
  if (count == 0) return OpensslFail(ErrorKind::kInvalidArgument, "reading CA certificates");
  ERR_clear_error();  // the end of the text is an error of PEM_read
  return {};
}

Result<> SetIdentity(SSL_CTX* context, const KeyPair& identity) {
  const BioPtr bio = ReadFrom(identity.certificate_pem);
  const CertificatePtr leaf(bio ? PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)
                                : nullptr);
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1) {
    return OpensslFail(ErrorKind::kInvalidArgument, "reading our certificate");
  }
  while (true) {
    const CertificatePtr link(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (!link) break;
    if (SSL_CTX_add1_chain_cert(context, link.get()) != 1) {
      return OpensslFail(ErrorKind::kInvalidArgument, "reading the chain of our certificate");
    }
  }
  ERR_clear_error();
  const KeyPtr key = ParsePrivateKey(identity.private_key_pem);
  if (!key || SSL_CTX_use_PrivateKey(context, key.get()) != 1 ||
      SSL_CTX_check_private_key(context) != 1) {
    return OpensslFail(ErrorKind::kInvalidArgument,
                       "reading our private key, which must belong to our certificate");
  }
  return {};
}

Result<SslContextPtr> MakeContext(const SSL_METHOD* method) {
  SslContextPtr context(SSL_CTX_new(method));
  if (!context || SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1) {
    return OpensslFail(ErrorKind::kInternal, "making a TLS context");
  }
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // One system call takes in all that has arrived, not a record header, then a record.
  SSL_CTX_set_read_ahead(context.get(), 1);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  return context;
}

}  // namespace

Result<SslContextPtr> MakeServerContext(const TlsServerConfig& config) {
  ASSIGN_OR_RETURN(SslContextPtr context, MakeContext(TLS_server_method()));
  SSL_CTX* const ctx = context.get();
  RETURN_IF_ERROR(SetIdentity(ctx, config.identity));
  SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_num_tickets(ctx, 0);
  SSL_CTX_set_alpn_select_cb(ctx, SelectAlpn, nullptr);
  if (!config.client_ca_pem.empty()) {
    RETURN_IF_ERROR(AddAuthorities(SSL_CTX_get_cert_store(ctx), config.client_ca_pem, ctx));
    if (config.require_client_certificate) {
      SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    } else {
      SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, GoOnAnyway);
    }
  } else if (config.require_client_certificate) {
    return base::Fail(ErrorKind::kInvalidArgument,
                      "making a TLS server: client certificates are required but there is no CA "
                      "to check them against");
  }
  return context;
}

Result<SslContextPtr> MakeClientContext(const TlsClientConfig& config) {
  ASSIGN_OR_RETURN(SslContextPtr context, MakeContext(TLS_client_method()));
  SSL_CTX* const ctx = context.get();
  if (!config.identity.certificate_pem.empty()) RETURN_IF_ERROR(SetIdentity(ctx, config.identity));
  if (config.insecure_skip_verify) {
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, nullptr);
  } else {
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
    if (!config.ca_pem.empty()) {
      RETURN_IF_ERROR(AddAuthorities(SSL_CTX_get_cert_store(ctx), config.ca_pem, nullptr));
    } else if (SSL_CTX_set_default_verify_paths(ctx) != 1) {
      return OpensslFail(ErrorKind::kUnavailable, "reading the system's CA certificates");
    }
  }
  // Returns 0 on success, unlike its neighbours.
  if (SSL_CTX_set_alpn_protos(ctx, kAlpn, sizeof kAlpn - 1) != 0) {
    return OpensslFail(ErrorKind::kInternal, "making a TLS context");
  }
  return context;
}

Result<> ExpectServerName(SSL* ssl, const std::string& host) {
  unsigned char address[sizeof(in6_addr)];
  const bool is_address = inet_pton(AF_INET, host.c_str(), address) == 1 ||
                          inet_pton(AF_INET6, host.c_str(), address) == 1;
  const bool set = is_address
                       ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) == 1
                       : SSL_set1_host(ssl, host.c_str()) == 1 &&
                             SSL_set_tlsext_host_name(ssl, host.c_str()) == 1;
  if (!set) {
    return OpensslFail(ErrorKind::kInvalidArgument, "expecting the server name '" + host + "'");
  }
  return {};
}

void ReadPeerSubject(SSL* ssl, Peer* peer) {
  const X509* const certificate = SSL_get0_peer_certificate(ssl);
  if (certificate == nullptr || SSL_get_verify_result(ssl) != X509_V_OK) return;
  const X509_NAME* const subject = X509_get_subject_name(certificate);
  const auto text = [subject](int index) {
    unsigned char* utf8 = nullptr;
    const int size =
        ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index)));
    if (size < 0) return std::string();
    std::string value(reinterpret_cast<char*>(utf8), static_cast<std::size_t>(size));
    OPENSSL_free(utf8);
    return value;
  };
  const int name = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (name >= 0) peer->common_name = text(name);
  for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, NID_organizationName, at)) >= 0;) {
    peer->organizations.push_back(text(at));
  }
}

}  // namespace enclave::net
