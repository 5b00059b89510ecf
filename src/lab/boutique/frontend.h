// The shop's front end: HTML over HTTP for people, gRPC to the services behind it.
//
//   GET  /                 the products           GET  /product/ID     one product
//   GET  /cart             cart and checkout      POST /cart           adds to it
//   POST /cart/empty       empties it             POST /cart/checkout  places the order
//   POST /setCurrency      by cookie              GET  /logout         ends the session
//   GET  /static/...       style and pictures     GET  /_healthz       for probes
//
// Each request has a server span (W3C and B3 headers accepted), a log line and its part in
// http.server.request.duration; the answer names its trace in X-B3-TraceId. Advertisements and
// recommendations are left out when their services fail; without any other the visitor gets a page
// that says so, with the TraceID.
//
// Threading: handlers are coroutines on the loop and never block. Ownership: loop and telemetry
// outlive the front end.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/random.h"
#include "base/result.h"
#include "lab/boutique/frontend_backends.h"
#include "lab/boutique/service.h"
#include "net/event_loop.h"
#include "otel/telemetry.h"

namespace enclave::lab::boutique {

struct FrontendOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8080;  // 0: the system chooses
  BackendAddresses backends;
  // How long the services behind it are waited for before it listens, so that who comes first to a
  // shop that is being started finds it whole.
  std::chrono::milliseconds start_patience{0};
};

// The addresses as Online Boutique's manifests name them (PRODUCT_CATALOG_SERVICE_ADDR, ...);
// kInvalidArgument, naming the variable, when one is not set.
base::Result<BackendAddresses> BackendsFromEnvironment(const Setup& setup);

class Frontend {
 public:
  // Blocks for at most `start_patience`. kUnavailable when the address cannot be bound. `random`
  // makes session ids.
  static base::Result<std::unique_ptr<Frontend>> Start(net::EventLoop& loop,
                                                       otel::Telemetry& telemetry,
                                                       const FrontendOptions& options,
                                                       base::Random& random);
  // As Drain with no grace. Not on the loop.
  virtual ~Frontend() = default;
  virtual std::uint16_t port() const = 0;
  // From now on /_healthz says 503 and connections are closed after their answer; returns once no
  // request is under way, or after `grace`. Not on the loop.
  virtual void Drain(std::chrono::milliseconds grace) = 0;
};

}  // namespace enclave::lab::boutique
