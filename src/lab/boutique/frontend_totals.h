// What a cart costs. Pure functions; any thread.
#pragma once

#include <vector>

#include "base/result.h"
#include "hipstershop/demo.pb.h"
#include "lab/boutique/page.h"

namespace enclave::lab::boutique {

// Of `quantity` pieces; kInvalidArgument as of Multiply (money.h).
base::Result<hipstershop::Money> LineSum(const hipstershop::Money& price, int quantity);
// Shipping and the sums of all lines; kInvalidArgument as of Add (money.h).
base::Result<hipstershop::Money> CartTotal(const std::vector<CartLine>& lines,
                                           const hipstershop::Money& shipping);

}  // namespace enclave::lab::boutique
