// What a cart costs. Pure functions; any thread.
#pragma once

#include <vector>

#include "base/result.h"
#include "hipstershop/demo.pb.h"
#include "lab/boutique/page.h"

namespace enclave::lab::boutique {

// Of `quantity` pieces. kInvalidArgument for money that is none (nanos out of range or of another
// sign than the units) and for a result that no Money can hold.
base::Result<hipstershop::Money> LineSum(const hipstershop::Money& price, int quantity);
// Shipping and the sums of all lines; kInvalidArgument as above and for different currencies.
base::Result<hipstershop::Money> CartTotal(const std::vector<CartLine>& lines,
                                           const hipstershop::Money& shipping);

}  // namespace enclave::lab::boutique
