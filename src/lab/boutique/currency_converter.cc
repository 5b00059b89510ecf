#include "lab/boutique/currency_converter.h"

#include <fmt/format.h>

#include <cmath>

#include "base/quote.h"
#include "lab/boutique/currency_rates.h"
#include "lab/boutique/money.h"

namespace enclave::lab::boutique {
namespace {

using hipstershop::Money;

base::Result<double> KnownRate(const std::string& code) {
  if (const auto rate = RatePerEuro(code)) return *rate;
  return base::Fail(
      base::ErrorKind::kInvalidArgument,
      fmt::format("the currency {} is not known: ask GetSupportedCurrencies", base::Quote(code)));
}

class ExactConverter final : public CurrencyConverter {
 public:
  base::Result<Money> Convert(const Money& from, const std::string& to_code) const override {
    return Exchange(from, to_code);
  }
};

}  // namespace

base::Result<Money> Exchange(const Money& from, const std::string& to_code) {
  ASSIGN_OR_RETURN(const double from_rate, KnownRate(from.currency_code()));
  ASSIGN_OR_RETURN(const double to_rate, KnownRate(to_code));
  if (!IsValid(from))
    return base::Fail(
        base::ErrorKind::kInvalidArgument,
        fmt::format("{} units and {} nanos are no amount", from.units(), from.nanos()));
  if (from.currency_code() == to_code) return from;
  // Units and nanos apart: together they have more digits than a double. What the units leave
  // behind the point is carried into the nanos, and what these make of whole units back.
  const double rate = to_rate / from_rate;
  const double units = static_cast<double>(from.units()) * rate;
  const double whole = std::trunc(units);
  const double nanos = (units - whole) * kNanosPerUnit + static_cast<double>(from.nanos()) * rate;
  const double carried = std::trunc(nanos / kNanosPerUnit);
  constexpr double kMostUnits = 9.0e18;
  if (std::abs(whole + carried) >= kMostUnits)
    return base::Fail(base::ErrorKind::kInvalidArgument,
                      fmt::format("the amount in {} is larger than can be handled", to_code));
  auto result_units = static_cast<std::int64_t>(whole) + static_cast<std::int64_t>(carried);
  auto result_nanos =
      static_cast<std::int64_t>(std::llround(nanos - carried * static_cast<double>(kNanosPerUnit)));
  if (result_nanos >= kNanosPerUnit || result_nanos <= -kNanosPerUnit) {
    result_units += result_nanos > 0 ? 1 : -1;
    result_nanos = 0;
  }
  return MakeMoney(to_code, result_units, static_cast<std::int32_t>(result_nanos));
}

std::unique_ptr<CurrencyConverter> MakeExactConverter() {
  return std::make_unique<ExactConverter>();
}

}  // namespace enclave::lab::boutique
