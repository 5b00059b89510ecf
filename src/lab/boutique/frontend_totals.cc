#include "lab/boutique/frontend_totals.h"

#include <fmt/format.h>

#include <cstdint>
#include <limits>
#include <string>

#include "base/quote.h"

namespace enclave::lab::boutique {
namespace {

constexpr std::int64_t kNanosOfUnit = 1'000'000'000;

using WideNanos = __int128;

base::Result<WideNanos> NanosOfMoney(const hipstershop::Money& money) {
  const bool in_range = money.nanos() > -kNanosOfUnit && money.nanos() < kNanosOfUnit;
  const bool one_sign =
      money.units() == 0 || money.nanos() == 0 || (money.units() < 0) == (money.nanos() < 0);
  if (!in_range || !one_sign)
    return base::Fail(
        base::ErrorKind::kInvalidArgument,
        fmt::format("{} units and {} nanos are no amount of money", money.units(), money.nanos()));
  return static_cast<WideNanos>(money.units()) * kNanosOfUnit + money.nanos();
}

base::Result<hipstershop::Money> MoneyOfNanos(const std::string& currency, WideNanos nanos) {
  const WideNanos units = nanos / kNanosOfUnit;
  if (units > std::numeric_limits<std::int64_t>::max() ||
      units < std::numeric_limits<std::int64_t>::min())
    return base::Fail(base::ErrorKind::kInvalidArgument, "the cart costs more than can be counted");
  hipstershop::Money money;
  money.set_currency_code(currency);
  money.set_units(static_cast<std::int64_t>(units));
  money.set_nanos(static_cast<std::int32_t>(nanos % kNanosOfUnit));
  return money;
}

}  // namespace

base::Result<hipstershop::Money> LineSum(const hipstershop::Money& price, int quantity) {
  ASSIGN_OR_RETURN(const WideNanos nanos, NanosOfMoney(price));
  return MoneyOfNanos(price.currency_code(), nanos * quantity);
}

base::Result<hipstershop::Money> CartTotal(const std::vector<CartLine>& lines,
                                           const hipstershop::Money& shipping) {
  ASSIGN_OR_RETURN(WideNanos total, NanosOfMoney(shipping));
  for (const CartLine& line : lines) {
    if (line.sum.currency_code() != shipping.currency_code())
      return base::Fail(base::ErrorKind::kInvalidArgument,
                        fmt::format("{} costs {} and its shipping {}", base::Quote(line.offer.name),
                                    base::Quote(line.sum.currency_code()),
                                    base::Quote(shipping.currency_code())));
    ASSIGN_OR_RETURN(const WideNanos sum, NanosOfMoney(line.sum));
    total += sum;
  }
  return MoneyOfNanos(shipping.currency_code(), total);
}

}  // namespace enclave::lab::boutique
