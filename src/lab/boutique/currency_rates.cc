#include "lab/boutique/currency_rates.h"

#include <algorithm>
#include <array>

namespace enclave::lab::boutique {
namespace {

constexpr std::array kRates = {
    CurrencyRate{"AUD", 1.6451}, CurrencyRate{"BGN", 1.9558},  CurrencyRate{"BRL", 5.4172},
    CurrencyRate{"CAD", 1.4733}, CurrencyRate{"CHF", 0.9582},  CurrencyRate{"CNY", 7.8124},
    CurrencyRate{"CZK", 24.617}, CurrencyRate{"DKK", 7.4568},  CurrencyRate{"EUR", 1.0},
    CurrencyRate{"GBP", 0.8574}, CurrencyRate{"HKD", 8.5036},  CurrencyRate{"HRK", 7.5345},
    CurrencyRate{"HUF", 381.25}, CurrencyRate{"IDR", 16890.0}, CurrencyRate{"ILS", 4.0215},
    CurrencyRate{"INR", 90.372}, CurrencyRate{"ISK", 149.3},   CurrencyRate{"JPY", 161.84},
    CurrencyRate{"KRW", 1431.6}, CurrencyRate{"MXN", 18.462},  CurrencyRate{"MYR", 5.1287},
    CurrencyRate{"NOK", 11.418}, CurrencyRate{"NZD", 1.7714},  CurrencyRate{"PHP", 61.034},
    CurrencyRate{"PLN", 4.3165}, CurrencyRate{"RON", 4.9703},  CurrencyRate{"RUB", 98.61},
    CurrencyRate{"SEK", 11.247}, CurrencyRate{"SGD", 1.4598},  CurrencyRate{"THB", 38.915},
    CurrencyRate{"TRY", 33.572}, CurrencyRate{"USD", 1.0876},  CurrencyRate{"ZAR", 20.184},
};
static_assert(std::ranges::is_sorted(kRates, {}, &CurrencyRate::code));

}  // namespace

std::span<const CurrencyRate> CurrencyRates() {
  return kRates;
}

std::optional<double> RatePerEuro(std::string_view code) {
  const auto found = std::ranges::lower_bound(kRates, code, {}, &CurrencyRate::code);
  if (found == kRates.end() || found->code != code) return std::nullopt;
  return found->per_euro;
}

}  // namespace enclave::lab::boutique
