#include <fmt/format.h>

#include <list>
#include <map>
#include <mutex>
#include <unordered_map>

#include "lab/boutique/cart_store.h"

namespace enclave::lab::boutique {
namespace {

class MemoryCartStore final : public CartStore {
 public:
  explicit MemoryCartStore(std::size_t max_carts) : max_carts_(max_carts) {}

  base::Result<> AddItem(const std::string& user_id, const std::string& product_id,
                         std::int32_t quantity) override {
    const std::lock_guard lock(mutex_);
    auto found = carts_.find(user_id);
    if (found == carts_.end()) {
      if (carts_.size() >= max_carts_) {
        carts_.erase(by_use_.back());
        by_use_.pop_back();
      }
      by_use_.push_front(user_id);
      found = carts_.emplace(user_id, Kept{{}, by_use_.begin()}).first;
    } else {
      by_use_.splice(by_use_.begin(), by_use_, found->second.place);
    }
    std::map<std::string, std::int32_t>& items = found->second.items;
    const auto item = items.find(product_id);
    if (item == items.end() && items.size() >= kMaxCartItems)
      return base::Fail(base::ErrorKind::kInvalidArgument,
                        fmt::format("a cart holds at most {} products", kMaxCartItems));
    const std::int32_t before = item == items.end() ? 0 : item->second;
    if (quantity > kMaxQuantity - before)
      return base::Fail(base::ErrorKind::kInvalidArgument,
                        fmt::format("a cart holds at most {} of a product", kMaxQuantity));
    items[product_id] = before + quantity;
    return {};
  }

  base::Result<hipstershop::Cart> GetCart(const std::string& user_id) override {
    hipstershop::Cart cart;
    cart.set_user_id(user_id);
    const std::lock_guard lock(mutex_);
    const auto found = carts_.find(user_id);
    if (found == carts_.end()) return cart;
    by_use_.splice(by_use_.begin(), by_use_, found->second.place);
    for (const auto& [product_id, quantity] : found->second.items) {
      hipstershop::CartItem& item = *cart.add_items();
      item.set_product_id(product_id);
      item.set_quantity(quantity);
    }
    return cart;
  }

  base::Result<> EmptyCart(const std::string& user_id) override {
    const std::lock_guard lock(mutex_);
    const auto found = carts_.find(user_id);
    if (found == carts_.end()) return {};
    by_use_.erase(found->second.place);
    carts_.erase(found);
    return {};
  }

 private:
  struct Kept {
    std::map<std::string, std::int32_t> items;
    std::list<std::string>::iterator place;
  };
  const std::size_t max_carts_;
  std::mutex mutex_;
  std::unordered_map<std::string, Kept> carts_;
  std::list<std::string> by_use_;  // the last one used first
};

}  // namespace

std::unique_ptr<CartStore> MakeMemoryCartStore(std::size_t max_carts) {
  return std::make_unique<MemoryCartStore>(max_carts);
}

}  // namespace enclave::lab::boutique
