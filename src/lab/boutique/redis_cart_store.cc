// A cart is the hash "cart:USER" from product id to quantity. HINCRBY adds atomically, so two
// requests of one user at once lose nothing.
#include <fmt/format.h>
#include <hiredis/hiredis.h>

#include <algorithm>
#include <charconv>

#include "lab/boutique/cart_store.h"
#include "lab/boutique/redis_client.h"

namespace enclave::lab::boutique {
namespace {

std::string CartKey(const std::string& user_id) {
  return "cart:" + user_id;
}

std::string_view TextOf(const redisReply& reply) {
  return {reply.str, static_cast<std::size_t>(reply.len)};
}

class RedisCartStore final : public CartStore {
 public:
  RedisCartStore(otel::Telemetry& telemetry, const RedisOptions& options)
      : client_(telemetry, options), lifetime_s_(std::to_string(options.cart_lifetime.count())) {
    if (options.start_patience.count() > 0 && !client_.AwaitServer(options.start_patience))
      telemetry.logger().Warn("the store of the carts does not answer yet",
                              {{"server.address", options.host}});
  }

  base::Result<> AddItem(const std::string& user_id, const std::string& product_id,
                         std::int32_t quantity) override {
    const std::string key = CartKey(user_id);
    // Sent twice it would count twice.
    ASSIGN_OR_RETURN(const auto replies,
                     client_.Run("HINCRBY",
                                 {{"HINCRBY", key, product_id, std::to_string(quantity)},
                                  {"HLEN", key},
                                  {"EXPIRE", key, lifetime_s_}},
                                 Repeat::kNever));
    if (replies[0]->integer <= kMaxQuantity &&
        replies[1]->integer <= static_cast<long long>(kMaxCartItems))
      return {};
    // What was one too many is taken back.
    std::vector<std::vector<std::string>> undo = {
        {"HINCRBY", key, product_id, std::to_string(-quantity)}};
    if (replies[0]->integer == quantity) undo = {{"HDEL", key, product_id}};
    RETURN_IF_ERROR(client_.Run(undo[0][0], undo, Repeat::kNever));
    return base::Fail(base::ErrorKind::kInvalidArgument,
                      fmt::format("a cart holds at most {} products and {} of each", kMaxCartItems,
                                  kMaxQuantity));
  }

  base::Result<hipstershop::Cart> GetCart(const std::string& user_id) override {
    ASSIGN_OR_RETURN(const auto replies,
                     client_.Run("HGETALL", {{"HGETALL", CartKey(user_id)}}, Repeat::kOnce));
    hipstershop::Cart cart;
    cart.set_user_id(user_id);
    const redisReply& fields = *replies[0];
    for (std::size_t i = 0; i + 1 < fields.elements; i += 2) {
      const std::string_view text = TextOf(*fields.element[i + 1]);
      std::int32_t quantity = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), quantity);
      if (error != std::errc() || end != text.data() + text.size())
        return base::Fail(base::ErrorKind::kInternal,
                          fmt::format("the cart of {} has a quantity that is no number", user_id));
      hipstershop::CartItem& item = *cart.add_items();
      item.set_product_id(std::string(TextOf(*fields.element[i])));
      item.set_quantity(quantity);
    }
    // Redis has no order of its own; people expect their cart to look the same each time.
    std::ranges::sort(*cart.mutable_items(), {},
                      [](const auto& item) { return item.product_id(); });
    return cart;
  }

  base::Result<> EmptyCart(const std::string& user_id) override {
    RETURN_IF_ERROR(client_.Run("DEL", {{"DEL", CartKey(user_id)}}, Repeat::kOnce));
    return {};
  }

 private:
  RedisClient client_;
  const std::string lifetime_s_;
};

}  // namespace

std::unique_ptr<CartStore> MakeRedisCartStore(otel::Telemetry& telemetry,
                                              const RedisOptions& options) {
  return std::make_unique<RedisCartStore>(telemetry, options);
}

}  // namespace enclave::lab::boutique
