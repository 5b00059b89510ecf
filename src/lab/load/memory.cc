#include "lab/load/memory.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "base/quote.h"

namespace enclave::lab::load {
namespace {

constexpr std::size_t kMostRemembered = 2000;
// A price may change from one visit to another, not while somebody looks: from one page to the next
// but one.
constexpr std::uint64_t kOneLook = 2;

std::optional<std::string> WrongPage(const PageFacts& page, std::string_view wanted) {
  if (page.page == wanted) return std::nullopt;
  if (page.page.empty()) return fmt::format("the answer is not the {} page", wanted);
  return fmt::format("the {} page came instead of the {} page", base::Quote(page.page), wanted);
}

std::string Describe(const std::map<std::string, int>& quantities) {
  std::string text;
  for (const auto& [id, quantity] : quantities)
    text += fmt::format("{}{} of {}", text.empty() ? "" : ", ", quantity, id);
  return text.empty() ? "nothing" : text;
}

// Lines of a cart or an order; recommendations have no quantity.
std::map<std::string, int> LinesOf(const PageFacts& page) {
  std::map<std::string, int> quantities;
  for (const ProductFacts& product : page.products)
    if (product.quantity) quantities[product.id] = *product.quantity;
  return quantities;
}

}  // namespace

std::optional<std::string> Memory::SeeOffer(const ProductFacts& product) {
  std::optional<std::string> wrong;
  const auto complain = [&](std::string what) {
    if (!wrong) wrong = std::move(what);
  };
  if (names_.size() > kMostRemembered) names_.clear();
  if (prices_.size() > kMostRemembered) prices_.clear();
  if (product.name.empty())
    complain(fmt::format("product {} has no name", base::Quote(product.id)));
  std::string& name = names_[product.id];
  if (!name.empty() && name != product.name)
    complain(fmt::format("product {} was called {} and is now called {}", product.id,
                         base::Quote(name), base::Quote(product.name)));
  name = product.name;

  if (!product.price) {
    complain(fmt::format("product {} has no price", base::Quote(product.id)));
    return wrong;
  }
  const Amount& price = *product.price;
  if (currency_.empty()) currency_ = price.currency;
  if (price.currency != currency_)
    complain(fmt::format("the price of {} is in {} instead of {}", base::Quote(product.name),
                         base::Quote(price.currency), currency_));
  if (price.units < 0 || price.nanos < 0 || (price.units == 0 && price.nanos == 0))
    complain(fmt::format("the price of {} is {}", base::Quote(product.name), price.ToString()));
  const SeenPrice now{price, pages_};
  const auto [known, is_new] = prices_.try_emplace({product.id, price.currency}, now);
  const SeenPrice& before = known->second;
  if (!is_new && before.amount != price && pages_ - before.page <= kOneLook)
    complain(fmt::format("the price of {} was {} and is now {}", base::Quote(product.name),
                         before.amount.ToString(), price.ToString()));
  known->second = now;
  return wrong;
}

std::optional<std::string> Memory::SeeHome(const PageFacts& page) {
  if (auto wrong = WrongPage(page, "home")) return wrong;
  if (page.products.empty()) return "the front page shows no products";
  ++pages_;
  std::optional<std::string> wrong;
  std::vector<std::string> products;
  for (const ProductFacts& product : page.products) {
    products.push_back(product.id);
    if (auto mistake = SeeOffer(product); mistake && !wrong) wrong = std::move(mistake);
  }
  products_ = std::move(products);
  return wrong;
}

std::optional<std::string> Memory::SeeProduct(const PageFacts& page, const std::string& id) {
  if (auto wrong = WrongPage(page, "product")) return wrong;
  if (page.products.empty() || page.products[0].id != id)
    return fmt::format("the page of product {} shows another one", id);
  ++pages_;
  std::optional<std::string> wrong;
  for (const ProductFacts& product : page.products)
    if (auto mistake = SeeOffer(product); mistake && !wrong) wrong = std::move(mistake);
  return wrong;
}

std::optional<std::string> Memory::SeeLines(const PageFacts& page, const std::string& total_name) {
  const auto shipping = page.GetAmount("shipping");
  const auto total = page.GetAmount(total_name);
  if (!shipping) return "the cost of shipping is missing";
  if (!total) return "the total is missing";
  Amount sum = *shipping;
  for (const ProductFacts& line : page.products) {
    if (!line.quantity) continue;
    if (!line.price || !line.sum) return fmt::format("the line of {} has no price", line.id);
    if (*line.quantity < 1 || *line.quantity > kMostTimes)
      return fmt::format("the line of {} has a quantity of {}", line.id, *line.quantity);
    if (line.price->Times(*line.quantity) != *line.sum)
      return fmt::format("{} times {} of {} make {}", *line.quantity, line.price->ToString(),
                         base::Quote(line.name), line.sum->ToString());
    if (line.sum->currency != sum.currency)
      return fmt::format("one cart has prices in {} and in {}", sum.currency, line.sum->currency);
    sum = sum.Plus(*line.sum);
  }
  if (sum != *total)
    return fmt::format("the lines and the shipping of {} make {}, the total says {}",
                       shipping->ToString(), sum.ToString(), total->ToString());
  return std::nullopt;
}

std::optional<std::string> Memory::SeeCart(const PageFacts& page) {
  total_.reset();
  if (auto wrong = WrongPage(page, "cart")) return wrong;
  std::optional<std::string> wrong;
  const Quantities lines = LinesOf(page);
  if (cart_known_ && lines != cart_)
    wrong = fmt::format("the cart holds {} instead of {}", Describe(lines), Describe(cart_));
  cart_ = lines;
  cart_known_ = true;
  ++pages_;
  for (const ProductFacts& product : page.products)
    if (auto mistake = SeeOffer(product); mistake && !wrong) wrong = std::move(mistake);
  int items = 0;
  for (const auto& [id, quantity] : lines) items += quantity;
  if (page.Get("basket") != fmt::to_string(items) && !wrong)
    wrong = fmt::format("the basket says {} and the cart holds {}", base::Quote(page.Get("basket")),
                        items);
  if (lines.empty()) return wrong;
  total_ = page.GetAmount("total");
  if (auto mistake = SeeLines(page, "total"); mistake && !wrong) wrong = std::move(mistake);
  return wrong;
}

std::optional<std::string> Memory::SeeOrder(const PageFacts& page) {
  const std::optional<Amount> total = std::exchange(total_, std::nullopt);
  if (auto wrong = WrongPage(page, "order")) {
    cart_known_ = false;
    return wrong;
  }
  const Quantities ordered = std::exchange(cart_, {});
  const bool order_known = std::exchange(cart_known_, true);
  if (page.Get("order").empty()) return "the order has no number";
  if (page.Get("tracking").empty()) return "the order has no tracking number";
  if (const Quantities lines = LinesOf(page); order_known && lines != ordered)
    return fmt::format("ordered were {}, the order has {}", Describe(ordered), Describe(lines));
  if (auto mistake = SeeLines(page, "paid")) return mistake;
  const auto paid = page.GetAmount("paid");
  if (total && paid && *total != *paid)
    return fmt::format("the cart's total was {}, paid were {}", total->ToString(),
                       paid->ToString());
  return std::nullopt;
}

void Memory::PutInCart(const std::string& id, int quantity) {
  cart_[id] += quantity;
}

}  // namespace enclave::lab::load
