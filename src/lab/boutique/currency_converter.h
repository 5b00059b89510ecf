// Converts money from one currency to another, by way of the euro. The releases of the currency
// service differ in it.
//
// Thread safety: any thread.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "hipstershop/demo.pb.h"

namespace enclave::lab::boutique {

class CurrencyConverter {
 public:
  virtual ~CurrencyConverter() = default;
  // kInvalidArgument for an unknown currency, and for an amount that is not valid or becomes too
  // large.
  virtual base::Result<hipstershop::Money> Convert(const hipstershop::Money& from,
                                                   const std::string& to_code) const = 0;
};

// v1: keeps all nine digits after the point.
std::unique_ptr<CurrencyConverter> MakeExactConverter();
// v2: rounds to the coins that the currency has, so that no price ends in fractions of a cent.
std::unique_ptr<CurrencyConverter> MakeRoundingConverter();

// The exchange itself, shared by both; rounded to the nearest nano.
base::Result<hipstershop::Money> Exchange(const hipstershop::Money& from,
                                          const std::string& to_code);

}  // namespace enclave::lab::boutique
