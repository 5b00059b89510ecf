// How much of each currency one euro buys. Figures of the kind that the European Central Bank
// publishes each day; the shop keeps one day's.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace enclave::lab::boutique {

struct CurrencyRate {
  std::string_view code;  // ISO 4217
  double per_euro;
};

// By code.
std::span<const CurrencyRate> CurrencyRates();
// nullopt for a currency that the shop does not know.
std::optional<double> RatePerEuro(std::string_view code);

}  // namespace enclave::lab::boutique
