#include "lab/load/page_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace enclave::lab::load {
namespace {

Amount Usd(std::int64_t units, std::int64_t nanos) {
  return {.currency = "USD", .units = units, .nanos = nanos};
}

TEST(AmountTest, IsReadExactly) {
  EXPECT_EQ(Amount::Parse("USD 19.99"), Usd(19, 990'000'000));
  EXPECT_EQ(Amount::Parse("USD 0.000000001"), Usd(0, 1));
  EXPECT_EQ(Amount::Parse("USD -0.50"), Usd(0, -500'000'000));
  EXPECT_EQ(Amount::Parse("USD 7"), Usd(7, 0));
}

TEST(AmountTest, RefusesWhatIsNone) {
  for (const char* text : {"", "USD", "USD ", " 5.00", "USD 5.", "USD 5.0000000001", "USD x",
                           "USD 1,000.00", "USD --5", "USD 5.-1", "USD 1000000001", "5.00"})
    EXPECT_FALSE(Amount::Parse(text)) << text;
}

TEST(AmountTest, AddsAndMultipliesWithCarry) {
  EXPECT_EQ(Usd(1, 990'000'000).Plus(Usd(0, 20'000'000)), Usd(2, 10'000'000));
  EXPECT_EQ(Usd(1, 0).Plus(Usd(-1, -500'000'000)), Usd(0, -500'000'000));
  EXPECT_EQ(Usd(18, 490'000'000).Times(3), Usd(55, 470'000'000));
  EXPECT_EQ(Usd(2, 10'000'000).ToString(), "USD 2.01");
  EXPECT_EQ(Usd(0, -1).ToString(), "USD -0.000000001");
}

TEST(ReadPageTest, FindsProductsAndFacts) {
  const PageFacts page = ReadPage(
      R"(<body class="x" data-page="cart"><a title="a > b"><b data-of="basket">3</b></a>
<li data-product="A&amp;1" data-quantity="3"><h3><a data-of="name" href="/">Salt &amp; Pepper</a></h3>
<data class="money" data-of="price" value="USD 18.49">$18.49</data><data data-of="sum" value="USD 55.47">x</data></li>
<dd><data data-of="total" value="USD 60.00">$60.00</data></dd>
<li data-product="B"><h3 data-of="name">Mug</h3></li></body>)");
  EXPECT_EQ(page.page, "cart");
  EXPECT_EQ(page.Get("basket"), "3");
  EXPECT_EQ(page.GetAmount("total"), Usd(60, 0));
  EXPECT_EQ(page.Get("shipping"), "");
  ASSERT_EQ(page.products.size(), 2u);
  EXPECT_EQ(page.products[0].id, "A&1");
  EXPECT_EQ(page.products[0].name, "Salt & Pepper");
  EXPECT_EQ(page.products[0].quantity, 3);
  EXPECT_EQ(page.products[0].price, Usd(18, 490'000'000));
  EXPECT_EQ(page.products[0].sum, Usd(55, 470'000'000));
  EXPECT_EQ(page.products[1].name, "Mug");
  EXPECT_FALSE(page.products[1].quantity);
}

TEST(ReadPageTest, TextAboutMarkupIsNoMarkup) {
  const PageFacts page = ReadPage(R"(<p>&lt;li data-product="x"&gt; data-page="home"</p>)");
  EXPECT_EQ(page.page, "");
  EXPECT_TRUE(page.products.empty());
}

}  // namespace
}  // namespace enclave::lab::load
