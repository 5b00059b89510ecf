// The services behind the shop's pages, as calls that do not block: each method starts a call and
// returns at once. Calls have deadlines, and are traced as children of the visit's span.
//
// Thread safety: any thread. Ownership: Telemetry outlives the backends; the destructor cancels
// what is under way and waits for it.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "hipstershop/demo.grpc.pb.h"
#include "lab/boutique/frontend_pending.h"
#include "otel/context.h"
#include "otel/telemetry.h"

namespace enclave::lab::boutique {

// "HOST:PORT" of each service.
struct BackendAddresses {
  std::string catalog;
  std::string currency;
  std::string cart;
  std::string recommendation;
  std::string shipping;
  std::string checkout;
  std::string ad;
};

// For whom a call is made, and where its answer is awaited.
struct CallScope {
  boost::asio::any_io_executor executor;
  otel::Context context;
};

class Backends {
 public:
  Backends(otel::Telemetry& telemetry, const BackendAddresses& addresses);
  ~Backends();
  Backends(const Backends&) = delete;
  Backends& operator=(const Backends&) = delete;

  // Connects to all; whether each had accepted within `patience`. Blocks until then.
  bool AwaitAll(std::chrono::milliseconds patience);

  Pending<hipstershop::ListProductsResponse> ListProducts(const CallScope& scope);
  Pending<hipstershop::Product> GetProduct(const CallScope& scope, const std::string& id);
  Pending<hipstershop::GetSupportedCurrenciesResponse> GetCurrencies(const CallScope& scope);
  // Without a call when the money is in that currency already.
  Pending<hipstershop::Money> Convert(const CallScope& scope, const hipstershop::Money& money,
                                      const std::string& currency);
  Pending<hipstershop::Cart> GetCart(const CallScope& scope, const std::string& user);
  Pending<hipstershop::Empty> AddItem(const CallScope& scope, const std::string& user,
                                      const std::string& product_id, int quantity);
  Pending<hipstershop::Empty> EmptyCart(const CallScope& scope, const std::string& user);
  Pending<hipstershop::ListRecommendationsResponse> Recommend(
      const CallScope& scope, const std::string& user, const std::vector<std::string>& product_ids);
  Pending<hipstershop::GetQuoteResponse> GetQuote(const CallScope& scope,
                                                  const hipstershop::Cart& cart);
  Pending<hipstershop::PlaceOrderResponse> PlaceOrder(const CallScope& scope,
                                                      const hipstershop::PlaceOrderRequest& order);
  Pending<hipstershop::AdResponse> GetAds(const CallScope& scope,
                                          const std::vector<std::string>& context_keys);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace enclave::lab::boutique
