// What a visitor remembers of the shop, and the mistakes that show by it: a name or a price that
// was another a page or two ago, a cart that holds something else than was put in, a total that is
// not the sum of its lines. Nothing here knows how the shop works inside, so a release that answers
// wrongly shows as visitors would see it.
//
// A value; one thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lab/load/page_facts.h"

namespace enclave::lab::load {

class Memory {
 public:
  // Each looks at a page and remembers it. What is wrong with it is the value, in a sentence;
  // nullopt when nothing is. What was wrong is remembered as it was seen, so that one mistake is
  // one complaint.
  std::optional<std::string> SeeHome(const PageFacts& page);
  std::optional<std::string> SeeProduct(const PageFacts& page, const std::string& id);
  std::optional<std::string> SeeCart(const PageFacts& page);
  std::optional<std::string> SeeOrder(const PageFacts& page);

  void PutInCart(const std::string& id, int quantity);
  // Whether something arrived in the cart is not known: the next cart is believed.
  void DoubtCart() { cart_known_ = false; }
  // Prices are shown in this one from now on.
  void UseCurrency(const std::string& currency) { currency_ = currency; }
  // Whether it was changed is not known: the next page is believed.
  void DoubtCurrency() { currency_.clear(); }

  // What can be picked, as the front page showed it; empty before that.
  const std::vector<std::string>& products() const { return products_; }
  const std::string& currency() const { return currency_; }

 private:
  using Quantities = std::map<std::string, int>;
  struct SeenPrice {
    Amount amount;
    std::uint64_t page;  // number of it
  };

  std::optional<std::string> SeeOffer(const ProductFacts& product);
  // The amounts of lines with shipping against what the page calls their total.
  std::optional<std::string> SeeLines(const PageFacts& page, const std::string& total_name);

  std::string currency_ = "USD";
  std::vector<std::string> products_;
  std::map<std::string, std::string> names_;                         // by product
  std::map<std::pair<std::string, std::string>, SeenPrice> prices_;  // by product and currency
  std::uint64_t pages_ = 0;                                          // with offers, seen so far
  Quantities cart_;
  bool cart_known_ = true;
  std::optional<Amount> total_;  // as the cart last showed it
};

}  // namespace enclave::lab::load
