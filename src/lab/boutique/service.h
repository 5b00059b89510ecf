// A service of the boutique, as handlers on a gRPC server, and the list of them all.
//
// Threading: handlers run concurrently. Ownership: what Setup refers to outlives the service, and
// the service outlives the server that it is registered with.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/random.h"
#include "base/result.h"
#include "otel/grpc_server.h"
#include "otel/telemetry.h"

namespace enclave::lab::boutique {

class Service {
 public:
  virtual ~Service() = default;
  virtual void Register(otel::GrpcServer& server) = 0;
  // What an operator does by SIGUSR1 and SIGUSR2; nothing for most. Any thread.
  virtual void OnSignal(int /*signal*/) {}
};

struct Setup {
  otel::Telemetry& telemetry;
  base::Executor& executor;
  base::Random& random;  // of many threads at once
  otel::Environment environment;
  std::string release = "v1";
};

struct ServiceInfo {
  std::string_view name;       // "cart": the first argument of enclave-boutique
  std::string_view telemetry;  // "cartservice": service.name
  int port;                    // used when PORT is not set
  std::vector<std::string_view> releases;
};
// All gRPC services.
std::span<const ServiceInfo> Services();
// Null when there is none.
const ServiceInfo* FindService(std::string_view name);

// kInvalidArgument, naming the variable, the service or the release, for what cannot be used.
base::Result<std::unique_ptr<Service>> MakeService(std::string_view name, const Setup& setup);

// A variable that must be set: kInvalidArgument with its name and an example otherwise.
base::Result<std::string> RequiredAddress(const Setup& setup, const std::string& name);

// One maker per service; MakeService chooses among them.
base::Result<std::unique_ptr<Service>> MakeAdService(const Setup& setup);
base::Result<std::unique_ptr<Service>> MakeCartService(const Setup& setup);
base::Result<std::unique_ptr<Service>> MakeCheckoutService(const Setup& setup);
base::Result<std::unique_ptr<Service>> MakeCurrencyService(const Setup& setup);
base::Result<std::unique_ptr<Service>> MakeEmailService(const Setup& setup);
base::Result<std::unique_ptr<Service>> MakePaymentService(const Setup& setup);
base::Result<std::unique_ptr<Service>> MakeProductCatalogService(const Setup& setup);
base::Result<std::unique_ptr<Service>> MakeRecommendationService(const Setup& setup);
base::Result<std::unique_ptr<Service>> MakeShippingService(const Setup& setup);

}  // namespace enclave::lab::boutique
