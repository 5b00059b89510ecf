// The port through which the scraper gets expositions: over HTTP in the program, by hand in tests.
//
// Thread safety: Open and Get are called from the scraper's executor; `done` may be called from any
// thread, once, also within Get.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "kube/kubeconfig.h"
#include "net/event_loop.h"
#include "net/http.h"
#include "net/http_client.h"
#include "observatory/scrape/target.h"

namespace enclave::observatory::scrape {

class Endpoint {
 public:
  using Done = std::function<void(base::Result<net::Response>)>;
  virtual ~Endpoint() = default;
  // Asks for the target's exposition; any status is a value. Ends within the target's timeout.
  virtual void Get(Done done) = 0;
};

class Fetcher {
 public:
  virtual ~Fetcher() = default;
  virtual base::Result<std::unique_ptr<Endpoint>> Open(const Target& target) = 0;
};

// Targets that share origin and credentials share a client and its connections. Token files are
// read again at each scrape, certificates when a target is opened.
class HttpFetcher final : public Fetcher {
 public:
  // `cluster`: for jobs with cluster_access; without it their targets cannot be opened. The loop
  // outlives the fetcher and its endpoints.
  HttpFetcher(net::EventLoop& loop, std::optional<kube::ClientConfig> cluster);
  base::Result<std::unique_ptr<Endpoint>> Open(const Target& target) override;

 private:
  base::Result<std::shared_ptr<net::HttpClient>> ClientFor(const net::HttpClientOptions& options);

  net::EventLoop& loop_;
  const std::optional<kube::ClientConfig> cluster_;
  std::map<std::string, std::weak_ptr<net::HttpClient>> clients_;  // by all that makes them differ
};

}  // namespace enclave::observatory::scrape
