// Carts, in Redis where REDIS_ADDR names one, else in memory.
#include <fmt/format.h>

#include <charconv>

#include "base/quote.h"
#include "hipstershop/demo.pb.h"
#include "lab/boutique/cart_store.h"
#include "lab/boutique/service.h"

namespace enclave::lab::boutique {
namespace {

using hipstershop::AddItemRequest;
using hipstershop::Cart;
using hipstershop::Empty;
using hipstershop::EmptyCartRequest;
using hipstershop::GetCartRequest;

constexpr const char* kCartService = "hipstershop.CartService";

base::Result<> CheckUser(const std::string& user_id) {
  constexpr std::size_t kMaxUserBytes = 256;
  if (!user_id.empty() && user_id.size() <= kMaxUserBytes) return {};
  return base::Fail(base::ErrorKind::kInvalidArgument,
                    fmt::format("a user id has 1 to {} bytes", kMaxUserBytes));
}

class CartService final : public Service {
 public:
  CartService(const Setup& setup, std::unique_ptr<CartStore> store)
      : telemetry_(setup.telemetry), store_(std::move(store)) {}

  void Register(otel::GrpcServer& server) override {
    server.Handle<Empty, AddItemRequest>(
        kCartService, "AddItem",
        [this](const AddItemRequest& request) { return AddItem(request); });
    server.Handle<Cart, GetCartRequest>(
        kCartService, "GetCart", [this](const GetCartRequest& request) -> base::Result<Cart> {
          RETURN_IF_ERROR(CheckUser(request.user_id()));
          return store_->GetCart(request.user_id());
        });
    server.Handle<Empty, EmptyCartRequest>(
        kCartService, "EmptyCart",
        [this](const EmptyCartRequest& request) { return EmptyCart(request); });
  }

 private:
  base::Result<Empty> AddItem(const AddItemRequest& request) {
    RETURN_IF_ERROR(CheckUser(request.user_id()));
    const hipstershop::CartItem& item = request.item();
    if (item.product_id().empty() || item.product_id().size() > 64)
      return base::Fail(base::ErrorKind::kInvalidArgument, "a product id has 1 to 64 bytes");
    if (item.quantity() < 1 || item.quantity() > kMaxQuantity)
      return base::Fail(base::ErrorKind::kInvalidArgument,
                        fmt::format("a quantity of {} cannot be added: 1 to {} can",
                                    item.quantity(), kMaxQuantity));
    RETURN_IF_ERROR(store_->AddItem(request.user_id(), item.product_id(), item.quantity()));
    telemetry_.logger().Info("item added to cart",
                             {{"app.user.id", request.user_id()},
                              {"app.product.id", item.product_id()},
                              {"app.product.quantity", std::int64_t{item.quantity()}}});
    return Empty();
  }

  base::Result<Empty> EmptyCart(const EmptyCartRequest& request) {
    RETURN_IF_ERROR(CheckUser(request.user_id()));
    RETURN_IF_ERROR(store_->EmptyCart(request.user_id()));
    telemetry_.logger().Info("cart emptied", {{"app.user.id", request.user_id()}});
    return Empty();
  }

  otel::Telemetry& telemetry_;
  const std::unique_ptr<CartStore> store_;
};

}  // namespace

base::Result<std::unique_ptr<Service>> MakeCartService(const Setup& setup) {
  const std::string address = setup.environment("REDIS_ADDR").value_or("");
  if (address.empty()) return std::make_unique<CartService>(setup, MakeMemoryCartStore());
  // Shop and store are often started together: calls come once the carts can be had.
  RedisOptions options{.host = address.substr(0, address.rfind(':')),
                       .start_patience = std::chrono::seconds(10)};
  if (const std::size_t colon = address.rfind(':'); colon != std::string::npos) {
    const auto [end, error] =
        std::from_chars(address.data() + colon + 1, address.data() + address.size(), options.port);
    if (error != std::errc() || end != address.data() + address.size() || options.port < 1 ||
        options.port > 65535)
      return base::Fail(base::ErrorKind::kInvalidArgument,
                        fmt::format("REDIS_ADDR is {}: give HOST:PORT", base::Quote(address)));
  }
  return std::make_unique<CartService>(setup, MakeRedisCartStore(setup.telemetry, options));
}

}  // namespace enclave::lab::boutique
