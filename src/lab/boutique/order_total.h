// What an order costs in all. The releases of the checkout service differ in it.
//
// Pure functions; any thread.
#pragma once

#include <google/protobuf/repeated_field.h>

#include "base/result.h"
#include "hipstershop/demo.pb.h"

namespace enclave::lab::boutique {

using OrderItems = google::protobuf::RepeatedPtrField<hipstershop::OrderItem>;

// kInvalidArgument for prices that are no amounts or of different currencies.
using OrderTotal = base::Result<hipstershop::Money> (*)(const OrderItems& items,
                                                        const hipstershop::Money& shipping);

// v1: line by line.
base::Result<hipstershop::Money> TotalByLines(const OrderItems& items,
                                              const hipstershop::Money& shipping);
// v2: units and nanos summed apart, in one pass and without an amount in between.
base::Result<hipstershop::Money> TotalInOnePass(const OrderItems& items,
                                                const hipstershop::Money& shipping);

}  // namespace enclave::lab::boutique
