// A whole API server for tests, benchmarks and fuzzers: memory store (or another one), keys in a
// directory of its own, an address of its own.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "base/check.h"
#include "base/random.h"
#include "cluster/api/api_server.h"
#include "cluster/api/audit_log.h"
#include "cluster/api/pki.h"
#include "cluster/api/reviews.h"
#include "cluster/api/service_account_tokens.h"
#include "cluster/api/service_addresses.h"
#include "cluster/api/token_endpoint.h"
#include "cluster/store/memory_store.h"
#include "net/http_client.h"

namespace enclave::cluster {

// The built-in kinds, Services with addresses out of `range`.
inline std::unique_ptr<Registry> RegistryWithAddresses(const std::string& range) {
  auto registry = Registry::WithBuiltIns();
  Resource services = *registry->Find(kube::kService);
  auto addresses = ServiceAddresses::Make(range);
  CHECK(addresses.has_value(), "the test's range is one");
  services.claims = *addresses;
  registry->Add(std::move(services));
  return registry;
}

class ServerFixture {
 public:
  explicit ServerFixture(std::unique_ptr<Store> with = std::make_unique<MemoryStore>(),
                         ApiServer::Options options = {.port = 0}, int threads = 2,
                         bool audited = false)
      : directory(std::filesystem::temp_directory_path() /
                  ("enclave-api-" + base::SystemRandom().Uuid())),
        store(std::move(with)),
        registry(RegistryWithAddresses("127.77.240.0/20")),
        machinery(*store, *registry, base::SystemClock(), base::SystemRandom()),
        loop("api-test", threads),
        client_loop("api-client", 1) {
    auto made = LoadOrCreatePki({.directory = directory, .server_addresses = {}});
    CHECK(made.has_value(), "keys can be made");
    pki = std::move(*made);
    tokens = std::make_unique<ServiceAccountTokens>(pki.token_key_pem, base::SystemClock(),
                                                    base::SystemRandom());
    authenticator = std::make_unique<Authenticator>(*store, *tokens, pki.admin_token);
    AddReviewResources(*registry, authorizer, *authenticator);
    options.certificate = pki.server;
    options.client_ca_pem = pki.authority.certificate_pem;
    if (audited) {
      auto opened = AuditLog::Open(AuditPath().string());
      CHECK(opened.has_value(), "the test's directory can be written to");
      audit = std::move(*opened);
    }
    auto started = ApiServer::Start(
        std::move(options),
        {loop, machinery, *authenticator, authorizer, metrics, base::SystemRandom(), audit.get()});
    CHECK(started.has_value(), "the server listens");
    server = std::move(*started);
    server->Connect("serviceaccounts/token", ServeTokenRequests(*store, *tokens));
  }
  ~ServerFixture() {
    server.reset();
    client_loop.Stop();
    loop.Stop();
    std::error_code ignored;
    std::filesystem::remove_all(directory, ignored);
  }
  ServerFixture(const ServerFixture&) = delete;
  ServerFixture& operator=(const ServerFixture&) = delete;

  std::string url() const { return "https://127.0.0.1:" + std::to_string(server->port()); }
  // With the administrator's certificate, or none.
  std::unique_ptr<net::HttpClient> Client(bool with_certificate = true) {
    net::HttpClientOptions options;
    options.base_url = url();
    options.tls.ca_pem = pki.authority.certificate_pem;
    if (with_certificate) options.tls.identity = pki.admin;
    auto client = net::HttpClient::Create(client_loop, std::move(options));
    CHECK(client.has_value(), "a client can be made");
    return std::move(*client);
  }

  std::filesystem::path AuditPath() const { return directory / "audit.log"; }

  const std::filesystem::path directory;
  std::unique_ptr<Store> store;
  std::unique_ptr<Registry> registry;
  Machinery machinery;
  Pki pki;
  std::unique_ptr<ServiceAccountTokens> tokens;
  std::unique_ptr<Authenticator> authenticator;
  AllowAuthenticated authorizer;
  ApiMetrics metrics;
  std::unique_ptr<AuditLog> audit;
  net::EventLoop loop;
  net::EventLoop client_loop;
  std::unique_ptr<ApiServer> server;
};

}  // namespace enclave::cluster
