#include "lab/boutique/frontend_totals.h"

#include <gtest/gtest.h>

#include <limits>

namespace enclave::lab::boutique {
namespace {

hipstershop::Money TotalsMoney(std::int64_t units, std::int32_t nanos,
                               const std::string& currency = "USD") {
  hipstershop::Money money;
  money.set_currency_code(currency);
  money.set_units(units);
  money.set_nanos(nanos);
  return money;
}

CartLine TotalsLine(const hipstershop::Money& price, int quantity) {
  return {.offer = {.id = "A", .name = "A", .price = price},
          .quantity = quantity,
          .sum = LineSum(price, quantity).value()};
}

TEST(CartTotalTest, AddsLinesAndShippingWithCarry) {
  const auto total = CartTotal(
      {TotalsLine(TotalsMoney(8, 990'000'000), 3), TotalsLine(TotalsMoney(109, 990'000'000), 1)},
      TotalsMoney(8, 990'000'000));
  ASSERT_TRUE(total);
  EXPECT_EQ(total->units(), 145);
  EXPECT_EQ(total->nanos(), 950'000'000);
  EXPECT_EQ(total->currency_code(), "USD");
  EXPECT_EQ(CartTotal({}, TotalsMoney(5, 0))->units(), 5);
}

TEST(CartTotalTest, RefusesWhatCannotBeSummed) {
  EXPECT_FALSE(CartTotal({TotalsLine(TotalsMoney(1, 0, "EUR"), 1)}, TotalsMoney(1, 0)));
  EXPECT_FALSE(LineSum(TotalsMoney(1, -1), 1));
  EXPECT_FALSE(LineSum(TotalsMoney(0, 1'000'000'000), 1));
  EXPECT_FALSE(LineSum(TotalsMoney(std::numeric_limits<std::int64_t>::max(), 0), 2));
}

}  // namespace
}  // namespace enclave::lab::boutique
