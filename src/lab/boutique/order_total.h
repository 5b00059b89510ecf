// What an order costs in all. The releases of the checkout service differ in it.
//
// Pure functions; any thread.
#pragma once

#include <source_location>
#include <utility>

#include <google/protobuf/repeated_field.h>

#include "base/result.h"
#include "hipstershop/demo.pb.h"

namespace enclave::lab::boutique {

using OrderItems = google::protobuf::RepeatedPtrField<hipstershop::OrderItem>;

// A total with the line of the program that made it, for whoever finds it to be wrong.
struct OrderSum {
  explicit OrderSum(hipstershop::Money sum,
                    std::source_location made_at = std::source_location::current())
      : money(std::move(sum)), where(made_at) {}
  hipstershop::Money money;
  std::source_location where;
};

// kInvalidArgument for prices that are no amounts or of different currencies.
using OrderTotal = base::Result<OrderSum> (*)(const OrderItems& items,
                                              const hipstershop::Money& shipping);

// v1: line by line.
base::Result<OrderSum> TotalByLines(const OrderItems& items, const hipstershop::Money& shipping);
// v2: units and nanos summed apart, in one pass and without an amount in between.
base::Result<OrderSum> TotalInOnePass(const OrderItems& items, const hipstershop::Money& shipping);

// The books: what the receipt of an order adds up to, counted apart from its total.
base::Result<hipstershop::Money> ReceiptSum(const hipstershop::OrderResult& order);

}  // namespace enclave::lab::boutique
