#include "lab/load/memory.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace enclave::lab::load {
namespace {

using testing::HasSubstr;
using testing::Optional;

ProductFacts Mug(const std::string& price = "USD 8.99") {
  return {.id = "MUG", .name = "Mug", .quantity = {}, .price = Amount::Parse(price), .sum = {}};
}

PageFacts Home(ProductFacts product) {
  return {.page = "home", .products = {std::move(product)}, .facts = {}};
}

PageFacts Lines(const std::string& page, int quantity, const std::string& sum,
                const std::string& total) {
  ProductFacts line = Mug();
  line.quantity = quantity;
  line.sum = Amount::Parse(sum);
  return {.page = page,
          .products = {line},
          .facts = {{"basket", fmt::to_string(quantity)},
                    {"shipping", "USD 5.00"},
                    {"total", total},
                    {"paid", total},
                    {"order", "o-1"},
                    {"tracking", "t-1"}}};
}

TEST(MemoryTest, WhatIsRightIsNoComplaint) {
  Memory memory;
  EXPECT_EQ(memory.SeeHome(Home(Mug())), std::nullopt);
  EXPECT_THAT(memory.products(), testing::ElementsAre("MUG"));
  PageFacts product = Home(Mug());
  product.page = "product";
  EXPECT_EQ(memory.SeeProduct(product, "MUG"), std::nullopt);
  memory.PutInCart("MUG", 2);
  EXPECT_EQ(memory.SeeCart(Lines("cart", 2, "USD 17.98", "USD 22.98")), std::nullopt);
  EXPECT_EQ(memory.SeeOrder(Lines("order", 2, "USD 17.98", "USD 22.98")), std::nullopt);
  PageFacts empty{.page = "cart", .products = {}, .facts = {{"basket", "0"}}};
  EXPECT_EQ(memory.SeeCart(empty), std::nullopt);
}

TEST(MemoryTest, OnePriceThatChangedIsOneComplaint) {
  Memory memory;
  EXPECT_EQ(memory.SeeHome(Home(Mug())), std::nullopt);
  EXPECT_THAT(memory.SeeHome(Home(Mug("USD 8.98"))), Optional(HasSubstr("was USD 8.99")));
  EXPECT_EQ(memory.SeeHome(Home(Mug("USD 8.98"))), std::nullopt);
}

TEST(MemoryTest, APriceMayChangeFromOneVisitToAnother) {
  Memory memory;
  EXPECT_EQ(memory.SeeHome(Home(Mug())), std::nullopt);
  ProductFacts cup = Mug();
  cup.id = "CUP";
  for (int page = 0; page < 4; ++page) EXPECT_EQ(memory.SeeHome(Home(cup)), std::nullopt);
  EXPECT_EQ(memory.SeeHome(Home(Mug("USD 8.98"))), std::nullopt);
  EXPECT_THAT(memory.SeeHome(Home(Mug())), Optional(HasSubstr("was USD 8.98")));
}

TEST(MemoryTest, ANameOrACurrencyThatChangedIsNoticed) {
  Memory memory;
  EXPECT_EQ(memory.SeeHome(Home(Mug())), std::nullopt);
  ProductFacts renamed = Mug();
  renamed.name = "Cup";
  EXPECT_THAT(memory.SeeHome(Home(renamed)), Optional(HasSubstr("was called \"Mug\"")));
  memory.UseCurrency("EUR");
  EXPECT_THAT(memory.SeeHome(Home(renamed)), Optional(HasSubstr("instead of EUR")));
  EXPECT_THAT(memory.SeeHome(Home(Mug("EUR 0.00"))), Optional(HasSubstr("called")));
}

TEST(MemoryTest, PricesOfZeroAndProductsWithoutAreNoticed) {
  Memory memory;
  EXPECT_THAT(memory.SeeHome(Home(Mug("USD 0.00"))), Optional(HasSubstr("is USD 0.00")));
  EXPECT_THAT(memory.SeeHome(Home(Mug("nothing"))), Optional(HasSubstr("has no price")));
  EXPECT_THAT(memory.SeeHome({.page = "home", .products = {}, .facts = {}}),
              Optional(HasSubstr("no products")));
  EXPECT_THAT(memory.SeeHome({.page = "error", .products = {}, .facts = {}}),
              Optional(HasSubstr("\"error\" page")));
}

TEST(MemoryTest, TheProductThatWasAskedForHasToCome) {
  Memory memory;
  PageFacts product = Home(Mug());
  product.page = "product";
  EXPECT_THAT(memory.SeeProduct(product, "WATCH"), Optional(HasSubstr("another one")));
}

TEST(MemoryTest, ACartHoldsWhatWasPutIn) {
  Memory memory;
  memory.PutInCart("MUG", 3);
  EXPECT_THAT(memory.SeeCart(Lines("cart", 2, "USD 17.98", "USD 22.98")),
              Optional(HasSubstr("instead of 3")));
  // Once said, the shop's word counts.
  EXPECT_EQ(memory.SeeCart(Lines("cart", 2, "USD 17.98", "USD 22.98")), std::nullopt);
  memory.DoubtCart();
  EXPECT_EQ(memory.SeeCart(Lines("cart", 5, "USD 44.95", "USD 49.95")), std::nullopt);
}

TEST(MemoryTest, SumsAreCheckedToTheLastNano) {
  Memory memory;
  memory.PutInCart("MUG", 2);
  EXPECT_THAT(memory.SeeCart(Lines("cart", 2, "USD 17.97", "USD 22.97")),
              Optional(HasSubstr("2 times USD 8.99")));
  EXPECT_THAT(memory.SeeCart(Lines("cart", 2, "USD 17.98", "USD 22.980000001")),
              Optional(HasSubstr("the total says USD 22.980000001")));
}

TEST(MemoryTest, AnOrderCostsWhatTheCartSaidAndHasWhatItHeld) {
  Memory memory;
  memory.PutInCart("MUG", 2);
  EXPECT_EQ(memory.SeeCart(Lines("cart", 2, "USD 17.98", "USD 22.98")), std::nullopt);
  PageFacts order = Lines("order", 2, "USD 17.98", "USD 23.98");
  order.facts["shipping"] = "USD 6.00";
  EXPECT_THAT(memory.SeeOrder(order), Optional(HasSubstr("paid were USD 23.98")));

  memory.PutInCart("MUG", 2);
  EXPECT_EQ(memory.SeeCart(Lines("cart", 2, "USD 17.98", "USD 22.98")), std::nullopt);
  EXPECT_THAT(memory.SeeOrder(Lines("order", 1, "USD 8.99", "USD 13.99")),
              Optional(HasSubstr("the order has 1")));
}

TEST(MemoryTest, AnOrderThatIsRefusedIsAFailure) {
  Memory memory;
  EXPECT_THAT(memory.SeeOrder({.page = "error", .products = {}, .facts = {}}),
              Optional(HasSubstr("instead of the order page")));
}

TEST(MemoryTest, AQuantityThatIsNoneIsNoticed) {
  Memory memory;
  memory.PutInCart("MUG", -1);
  PageFacts cart = Lines("cart", -1, "USD -8.99", "USD -3.99");
  EXPECT_THAT(memory.SeeCart(cart), Optional(HasSubstr("quantity of -1")));
}

}  // namespace
}  // namespace enclave::lab::load
