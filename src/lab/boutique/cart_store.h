// Where carts are kept: the port, a store in memory, and one in Redis.
//
// Thread safety: any thread; calls to Redis block, at most for the timeout.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/result.h"
#include "hipstershop/demo.pb.h"
#include "otel/telemetry.h"

namespace enclave::lab::boutique {

// Of one cart and of one item: what is beyond is a mistake or an attack.
inline constexpr std::size_t kMaxCartItems = 200;
inline constexpr std::int32_t kMaxQuantity = 10'000;

class CartStore {
 public:
  virtual ~CartStore() = default;
  // Adds to the quantity that is there. kInvalidArgument when a bound would be passed,
  // kUnavailable and kDeadlineExceeded when the store does not answer.
  virtual base::Result<> AddItem(const std::string& user_id, const std::string& product_id,
                                 std::int32_t quantity) = 0;
  // Items by product id; none for a user without a cart.
  virtual base::Result<hipstershop::Cart> GetCart(const std::string& user_id) = 0;
  virtual base::Result<> EmptyCart(const std::string& user_id) = 0;
};

// Bounded: with more than `max_carts` carts the one that was not used for longest goes.
std::unique_ptr<CartStore> MakeMemoryCartStore(std::size_t max_carts = 100'000);

struct RedisOptions {
  std::string host;
  int port = 6379;
  std::chrono::milliseconds connect_timeout{1'000};
  std::chrono::milliseconds command_timeout{1'000};
  std::size_t max_idle_connections = 4;
  // A cart that nobody touches is forgotten.
  std::chrono::seconds cart_lifetime{7 * 24 * 3600};
  // How long the store is waited for while it starts, so that the first carts asked for are there.
  std::chrono::milliseconds start_patience{0};
};
// Connects once within `start_patience`, else when first needed, and again after a failure. Each
// command is a client span with db.* attributes.
std::unique_ptr<CartStore> MakeRedisCartStore(otel::Telemetry& telemetry,
                                              const RedisOptions& options);

}  // namespace enclave::lab::boutique
