// Makes OpenSSL contexts from the configuration values of tls.h, for the .cc files of this folder
// only. All policy about TLS stands here: versions, verification, what is offered.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "net/http.h"
#include "net/openssl.h"
#include "net/tls.h"

namespace enclave::net {

// TLS 1.2 and 1.3, no tickets, no renegotiation, buffers released when idle, ALPN "http/1.1".
// Unless a client certificate is required, one of a foreign CA counts as none: the handshake goes
// on and the handler decides, as the Kubernetes API server does.
base::Result<SslContextPtr> MakeServerContext(const TlsServerConfig& config);

base::Result<SslContextPtr> MakeClientContext(const TlsClientConfig& config);
// Sets what the server must prove (a DNS name or an IP address) on one connection.
base::Result<> ExpectServerName(SSL* ssl, const std::string& host);

// Common name and organizations of a verified client certificate; empty when there is none.
void ReadPeerSubject(SSL* ssl, Peer* peer);

}  // namespace enclave::net
