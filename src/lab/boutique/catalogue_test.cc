#include "lab/boutique/catalogue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lab/boutique/confirmation.h"
#include "lab/boutique/go_duration.h"
#include "lab/boutique/money.h"

namespace enclave::lab::boutique {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

Catalogue Shipped() {
  auto catalogue = Catalogue::Parse(ShippedCatalogue());
  EXPECT_TRUE(catalogue) << catalogue.error().ToString();
  return std::move(*catalogue);
}

TEST(CatalogueTest, TheShippedOneHasThePublishedProducts) {
  const Catalogue catalogue = Shipped();
  EXPECT_EQ(catalogue.products().size(), 9u);
  const hipstershop::Product* sunglasses = catalogue.Find("OLJCESPC7Z");
  ASSERT_NE(sunglasses, nullptr);
  EXPECT_EQ(sunglasses->name(), "Sunglasses");
  EXPECT_EQ(FormatMoney(sunglasses->price_usd()), "USD 19.99");
  EXPECT_EQ(sunglasses->picture(), "/static/products/OLJCESPC7Z.svg");
  EXPECT_EQ(catalogue.Find("none"), nullptr);
}

TEST(CatalogueTest, SearchWantsEveryWord) {
  const Catalogue catalogue = Shipped();
  const auto ids = [&](std::string_view query) {
    std::vector<std::string> found;
    for (const auto* product : catalogue.Search(query)) found.push_back(product->id());
    return found;
  };
  EXPECT_THAT(ids("MUG"), ::testing::ElementsAre("6E92ZMYYFZ"));
  EXPECT_THAT(ids("kitchen"), ::testing::ElementsAre("LS4PSXUNUM", "9SIQT8TOJO", "6E92ZMYYFZ"));
  EXPECT_THAT(ids("kitchen  bamboo "), ::testing::ElementsAre("9SIQT8TOJO"));
  EXPECT_TRUE(ids("").empty());
  EXPECT_TRUE(ids("submarine").empty());
}

TEST(CatalogueTest, WhatIsNoCatalogueIsNamed) {
  const auto message = [](std::string_view json) {
    const auto catalogue = Catalogue::Parse(json);
    EXPECT_FALSE(catalogue) << json;
    return catalogue ? std::string() : catalogue.error().message();
  };
  EXPECT_THAT(message("{"), HasSubstr("no JSON array"));
  EXPECT_THAT(message("[1]"), AllOf(HasSubstr("product 0"), HasSubstr("no JSON object")));
  EXPECT_THAT(message(R"([{"id":"a","name":3}])"), HasSubstr("name is no text"));
  const std::string whole =
      R"({"id":"a","name":"","description":"","picture":"","price_usd":{"units":1}})";
  EXPECT_THAT(message("[" + whole + "," + whole + "]"), HasSubstr("twice"));
  EXPECT_THAT(
      message(
          R"([{"id":"a","name":"","description":"","picture":"","price_usd":{"units":18446744073709551615}}])"),
      HasSubstr("whole number"));
}

TEST(GoDurationTest, ReadsWhatGoWrites) {
  using std::chrono::milliseconds;
  EXPECT_EQ(*ParseGoDuration("5.5s"), milliseconds(5500));
  EXPECT_EQ(*ParseGoDuration("250ms"), milliseconds(250));
  EXPECT_EQ(*ParseGoDuration("1m30s"), milliseconds(90'000));
  EXPECT_EQ(*ParseGoDuration("0"), milliseconds(0));
  for (const char* bad : {"", "5", "s", "-1s", "1e9s", "infs", "1x", "25h", "1s ", "1.2.3s"})
    EXPECT_FALSE(ParseGoDuration(bad)) << bad;
}

TEST(ConfirmationTest, NamesWhatWasBought) {
  hipstershop::OrderResult order;
  order.set_order_id("o-1");
  order.set_shipping_tracking_id("KQ-1");
  *order.mutable_shipping_cost() = MakeMoney("EUR", 8, 260'000'000);
  order.mutable_shipping_address()->set_city("Turku");
  hipstershop::OrderItem& item = *order.add_items();
  item.mutable_item()->set_product_id("MUG");
  item.mutable_item()->set_quantity(2);
  *item.mutable_cost() = MakeMoney("EUR", 9);
  const auto text = RenderConfirmation(order);
  ASSERT_TRUE(text) << text.error().ToString();
  EXPECT_THAT(*text, AllOf(HasSubstr("order o-1"), HasSubstr("2 x MUG at EUR 9.00 each"),
                           HasSubstr("EUR 8.26"), HasSubstr("Turku"), HasSubstr("KQ-1")));
}

TEST(ConfirmationTest, TemplatesWithMistakesAreRefused) {
  EXPECT_EQ(*RenderTemplate("{{a}}-{{b}}", {{"a", "1"}, {"b", "{{a}}"}}), "1-{{a}}");
  EXPECT_FALSE(RenderTemplate("{{a", {{"a", "1"}}));
  EXPECT_FALSE(RenderTemplate("{{b}}", {{"a", "1"}}));
}

TEST(ConfirmationTest, MailAddresses) {
  EXPECT_TRUE(IsMailAddress("ada.1@example.com"));
  for (const char* bad : {"", "@example.com", "ada", "ada@", "ada@com", "a b@example.com",
                          "ada@example.", "a@b@c.com"})
    EXPECT_FALSE(IsMailAddress(bad)) << bad;
}

}  // namespace
}  // namespace enclave::lab::boutique
