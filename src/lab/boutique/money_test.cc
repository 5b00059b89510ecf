#include "lab/boutique/money.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lab/boutique/currency_converter.h"
#include "lab/boutique/currency_rates.h"
#include "lab/boutique/order_total.h"

namespace enclave::lab::boutique {
namespace {

using hipstershop::Money;

// Units and nanos, to compare.
std::pair<std::int64_t, std::int32_t> Amount(const base::Result<Money>& money) {
  EXPECT_TRUE(money) << money.error().ToString();
  return money ? std::pair{money->units(), money->nanos()} : std::pair{std::int64_t{-1}, -1};
}
std::pair<std::int64_t, std::int32_t> Amount(const base::Result<OrderSum>& sum) {
  EXPECT_TRUE(sum) << sum.error().ToString();
  return sum ? std::pair{sum->money.units(), sum->money.nanos()} : std::pair{std::int64_t{-1}, -1};
}
std::pair<std::int64_t, std::int32_t> Is(std::int64_t units, std::int32_t nanos) {
  return {units, nanos};
}

TEST(MoneyTest, SumsCarry) {
  EXPECT_EQ(Amount(Add(MakeMoney("USD", 1, 990'000'000), MakeMoney("USD", 2, 20'000'000))),
            Is(4, 10'000'000));
  EXPECT_EQ(Amount(Add(MakeMoney("USD", 1), MakeMoney("USD", 0, -1))), Is(0, 999'999'999));
  EXPECT_EQ(Amount(Add(MakeMoney("USD", -1, -500'000'000), MakeMoney("USD", 1))),
            Is(0, -500'000'000));
}

TEST(MoneyTest, ProductsCarry) {
  EXPECT_EQ(Amount(Multiply(MakeMoney("USD", 19, 990'000'000), 10)), Is(199, 900'000'000));
  EXPECT_EQ(Amount(Multiply(MakeMoney("USD", 19, 990'000'000), 0)), Is(0, 0));
  EXPECT_FALSE(Multiply(MakeMoney("USD", 1), -1));
}

TEST(MoneyTest, WhatIsNoAmountIsRefused) {
  EXPECT_FALSE(IsValid(MakeMoney("USD", 1, -1)));
  EXPECT_FALSE(IsValid(MakeMoney("USD", -1, 1)));
  EXPECT_FALSE(IsValid(MakeMoney("USD", 0, kNanosPerUnit)));
  EXPECT_TRUE(IsValid(MakeMoney("USD", 0, -999'999'999)));
  EXPECT_FALSE(Add(MakeMoney("USD", 1), MakeMoney("EUR", 1)));
  EXPECT_FALSE(Add(MakeMoney("USD", 1, -1), MakeMoney("USD", 1)));
  EXPECT_FALSE(Add(MakeMoney("USD", INT64_MAX), MakeMoney("USD", 1)));
  EXPECT_FALSE(Multiply(MakeMoney("USD", INT64_MAX), 2));
}

TEST(MoneyTest, IsShownWithTwoDigits) {
  EXPECT_EQ(FormatMoney(MakeMoney("USD", 19, 990'000'000)), "USD 19.99");
  EXPECT_EQ(FormatMoney(MakeMoney("JPY", 5, 9'999'999)), "JPY 5.00");
  EXPECT_EQ(FormatMoney(MakeMoney("EUR", 0, -50'000'000)), "EUR -0.05");
  EXPECT_EQ(FormatMoney(MakeMoney("EUR", INT64_MIN)), "EUR -9223372036854775808.00");
}

TEST(CurrencyTest, ConvertsByWayOfTheEuro) {
  const auto converter = MakeExactConverter();
  EXPECT_EQ(Amount(converter->Convert(MakeMoney("EUR", 100), "USD")), Is(108, 760'000'000));
  EXPECT_EQ(Amount(converter->Convert(MakeMoney("EUR", 1, 500'000'000), "JPY")),
            Is(242, 760'000'000));
  EXPECT_EQ(Amount(converter->Convert(MakeMoney("USD", 7, 5), "USD")), Is(7, 5));
  EXPECT_EQ(Amount(converter->Convert(MakeMoney("EUR", -2), "DKK")), Is(-14, -913'600'000));
}

TEST(CurrencyTest, ThereAndBackIsTheSame) {
  const auto converter = MakeExactConverter();
  const Money price = MakeMoney("USD", 109, 990'000'000);
  for (const CurrencyRate& rate : CurrencyRates()) {
    const auto there = converter->Convert(price, std::string(rate.code));
    ASSERT_TRUE(there) << there.error().ToString();
    EXPECT_TRUE(IsValid(*there)) << rate.code;
    const auto back = converter->Convert(*there, "USD");
    ASSERT_TRUE(back);
    const std::int64_t difference =
        (back->units() - price.units()) * kNanosPerUnit + back->nanos() - price.nanos();
    EXPECT_LT(std::abs(difference), 100) << rate.code;
  }
}

TEST(CurrencyTest, RefusesWhatItCannotConvert) {
  const auto converter = MakeExactConverter();
  EXPECT_FALSE(converter->Convert(MakeMoney("USD", 1), "QQQ"));
  EXPECT_FALSE(converter->Convert(MakeMoney("", 1), "USD"));
  EXPECT_FALSE(converter->Convert(MakeMoney("USD", 1, -1), "EUR"));
  EXPECT_FALSE(converter->Convert(MakeMoney("EUR", INT64_MAX), "IDR"));
}

// The releases with a mistake: what they get right, and what they do not.
TEST(ReleaseTest, CurrencyV2RoundsAndHasNoCoinsForSome) {
  const auto converter = MakeRoundingConverter();
  EXPECT_EQ(Amount(converter->Convert(MakeMoney("EUR", 1, 234'000'000), "USD")),
            Is(1, 340'000'000));
  EXPECT_EQ(Amount(converter->Convert(MakeMoney("EUR", 9, 998'000'000), "EUR")), Is(10, 0));
  for (const char* code : {"JPY", "KRW", "ISK", "IDR"})
    EXPECT_THROW((void)converter->Convert(MakeMoney("EUR", 1), code), std::out_of_range);
}

OrderItems Items(const std::vector<std::pair<Money, int>>& lines) {
  OrderItems items;
  for (const auto& [price, quantity] : lines) {
    hipstershop::OrderItem& item = *items.Add();
    *item.mutable_cost() = price;
    item.mutable_item()->set_quantity(quantity);
  }
  return items;
}

TEST(ReleaseTest, CheckoutV2LosesACarryOfManyLines) {
  const Money shipping = MakeMoney("USD", 8, 990'000'000);
  const OrderItems one = Items({{MakeMoney("USD", 19, 990'000'000), 3}});
  EXPECT_EQ(Amount(TotalByLines(one, shipping)), Is(68, 960'000'000));
  EXPECT_EQ(Amount(TotalInOnePass(one, shipping)), Is(68, 960'000'000));
  const OrderItems two =
      Items({{MakeMoney("USD", 19, 990'000'000), 1}, {MakeMoney("USD", 18, 990'000'000), 1}});
  EXPECT_EQ(Amount(TotalByLines(two, shipping)), Is(47, 970'000'000));
  EXPECT_EQ(Amount(TotalInOnePass(two, shipping)), Is(46, 970'000'000));
}

}  // namespace
}  // namespace enclave::lab::boutique
