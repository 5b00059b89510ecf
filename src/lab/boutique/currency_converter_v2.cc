#include <map>

#include "lab/boutique/currency_converter.h"
#include "lab/boutique/money.h"

namespace enclave::lab::boutique {
namespace {

using hipstershop::Money;

// The smallest coin of each currency, in nanos of a unit.
const std::map<std::string, std::int32_t>& CoinNanos() {
  constexpr std::int32_t kCent = 10'000'000;
  constexpr std::int32_t kFiveCents = 50'000'000;
  static const std::map<std::string, std::int32_t> coins = {
      {"AUD", kFiveCents}, {"BGN", kCent}, {"BRL", kCent}, {"CAD", kFiveCents}, {"CHF", kFiveCents},
      {"CNY", kCent},      {"CZK", kCent}, {"DKK", kCent}, {"EUR", kCent},      {"GBP", kCent},
      {"HKD", kCent},      {"HRK", kCent}, {"HUF", kCent}, {"ILS", kCent},      {"INR", kCent},
      {"MXN", kCent},      {"MYR", kCent}, {"NOK", kCent}, {"NZD", kFiveCents}, {"PHP", kCent},
      {"PLN", kCent},      {"RON", kCent}, {"RUB", kCent}, {"SEK", kCent},      {"SGD", kCent},
      {"THB", kCent},      {"TRY", kCent}, {"USD", kCent}, {"ZAR", kCent},
  };
  return coins;
}

// To the nearest coin; half a coin goes up.
Money RoundToCoins(const Money& amount) {
  const std::int32_t coin = CoinNanos().at(amount.currency_code());
  const std::int64_t coins = (std::int64_t{amount.nanos()} + coin / 2) / coin;
  const std::int64_t nanos = coins * coin;
  return MakeMoney(amount.currency_code(), amount.units() + nanos / kNanosPerUnit,
                   static_cast<std::int32_t>(nanos % kNanosPerUnit));
}

class RoundingConverter final : public CurrencyConverter {
 public:
  base::Result<Money> Convert(const Money& from, const std::string& to_code) const override {
    ASSIGN_OR_RETURN(const Money exact, Exchange(from, to_code));
    return RoundToCoins(exact);
  }
};

}  // namespace

std::unique_ptr<CurrencyConverter> MakeRoundingConverter() {
  return std::make_unique<RoundingConverter>();
}

}  // namespace enclave::lab::boutique
