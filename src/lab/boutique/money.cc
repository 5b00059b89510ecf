#include "lab/boutique/money.h"

#include <fmt/format.h>

#include <cstdlib>

namespace enclave::lab::boutique {
namespace {

using base::ErrorKind;
using hipstershop::Money;

// A currency that has as many nanos in all as fit in 128 bits has all amounts of 64-bit units.
using Nanos = __int128;

Nanos TotalNanos(const Money& money) {
  return static_cast<Nanos>(money.units()) * kNanosPerUnit + money.nanos();
}

base::Result<Money> FromNanos(const std::string& currency, Nanos total) {
  const Nanos units = total / kNanosPerUnit;
  if (units > INT64_MAX || units < INT64_MIN)
    return base::Fail(ErrorKind::kInvalidArgument,
                      fmt::format("an amount of {} is larger than can be handled", currency));
  return MakeMoney(currency, static_cast<std::int64_t>(units),
                   static_cast<std::int32_t>(total % kNanosPerUnit));
}

base::Result<> CheckValid(const Money& money) {
  if (IsValid(money)) return {};
  return base::Fail(ErrorKind::kInvalidArgument,
                    fmt::format("{} units and {} nanos of {} are no amount: nanos lie within a "
                                "unit and have its sign",
                                money.units(), money.nanos(), money.currency_code()));
}

}  // namespace

Money MakeMoney(std::string_view currency, std::int64_t units, std::int32_t nanos) {
  Money money;
  money.set_currency_code(std::string(currency));
  money.set_units(units);
  money.set_nanos(nanos);
  return money;
}

bool IsValid(const Money& money) {
  if (money.nanos() <= -kNanosPerUnit || money.nanos() >= kNanosPerUnit) return false;
  if (money.units() > 0) return money.nanos() >= 0;
  if (money.units() < 0) return money.nanos() <= 0;
  return true;
}

base::Result<Money> Add(const Money& a, const Money& b) {
  RETURN_IF_ERROR(CheckValid(a));
  RETURN_IF_ERROR(CheckValid(b));
  if (a.currency_code() != b.currency_code())
    return base::Fail(ErrorKind::kInvalidArgument,
                      fmt::format("{} and {} cannot be added: convert one of them first",
                                  a.currency_code(), b.currency_code()));
  return FromNanos(a.currency_code(), TotalNanos(a) + TotalNanos(b));
}

base::Result<Money> Multiply(const Money& money, std::int32_t factor) {
  RETURN_IF_ERROR(CheckValid(money));
  if (factor < 0)
    return base::Fail(ErrorKind::kInvalidArgument,
                      fmt::format("a quantity of {} is below zero", factor));
  return FromNanos(money.currency_code(), TotalNanos(money) * factor);
}

std::string FormatMoney(const Money& money) {
  const bool negative = money.units() < 0 || money.nanos() < 0;
  const auto magnitude = [](std::int64_t value) {
    return value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  };
  return fmt::format("{} {}{}.{:02}", money.currency_code(), negative ? "-" : "",
                     magnitude(money.units()), magnitude(money.nanos()) / 10'000'000);
}

}  // namespace enclave::lab::boutique
