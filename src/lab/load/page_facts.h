// What a page of the shop says, read as a visitor reads it: from its elements with `data-page`,
// `data-product`, `data-quantity` and `data-of` (an element's `value`, or else its text). Knows no
// more of HTML than tags, attributes and character references, and takes any bytes.
//
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace enclave::lab::load {

inline constexpr std::int64_t kMostTimes = 1'000'000;

// An amount of money, exact to 10^-9 as the shop's services count it.
struct Amount {
  std::string currency;
  std::int64_t units = 0;
  std::int64_t nanos = 0;  // in (-10^9, 10^9), with the sign of the units
  bool operator==(const Amount&) const = default;

  // "USD 19.99"; nullopt for anything else and for more than 10^9 units, so that sums of a page
  // stay within 64 bits.
  static std::optional<Amount> Parse(std::string_view text);
  std::string ToString() const;
  // Of the same currency.
  Amount Plus(const Amount& other) const;
  Amount Times(std::int64_t count) const;  // |count| up to kMostTimes
};

struct ProductFacts {
  std::string id;
  std::string name;
  std::optional<int> quantity;  // of lines of a cart or an order
  std::optional<Amount> price;
  std::optional<Amount> sum;
};

struct PageFacts {
  std::string
      page;  // "home", "product", "cart", "order", "error"; "" for what is no page of the shop
  std::vector<ProductFacts> products;
  std::map<std::string, std::string> facts;  // basket, shipping, total, paid, order, trace

  // "" when the page does not say.
  std::string Get(const std::string& fact) const;
  std::optional<Amount> GetAmount(const std::string& fact) const;
};

// At most kMaxProducts are read, the rest of the page is left out.
inline constexpr std::size_t kMaxProducts = 500;
PageFacts ReadPage(std::string_view html);

}  // namespace enclave::lab::load
