// Amounts of money as the protocol has them: whole units and billionths of one, of one sign
// (hipstershop/demo.proto).
//
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "hipstershop/demo.pb.h"

namespace enclave::lab::boutique {

inline constexpr std::int32_t kNanosPerUnit = 1'000'000'000;

hipstershop::Money MakeMoney(std::string_view currency, std::int64_t units, std::int32_t nanos = 0);

// Whether nanos are in range and of the sign of the units.
bool IsValid(const hipstershop::Money& money);

// kInvalidArgument for amounts that are not valid, of two currencies, or too large together.
base::Result<hipstershop::Money> Add(const hipstershop::Money& a, const hipstershop::Money& b);
// `factor` times the amount; kInvalidArgument as above and for a negative factor.
base::Result<hipstershop::Money> Multiply(const hipstershop::Money& money, std::int32_t factor);

// "USD 19.99": two digits after the point, cut off.
std::string FormatMoney(const hipstershop::Money& money);

}  // namespace enclave::lab::boutique
