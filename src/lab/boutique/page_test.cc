#include "lab/boutique/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "lab/boutique/catalogue_art.h"
#include "lab/boutique/catalogue_art_drawings.h"

namespace enclave::lab::boutique {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kEvil = "<script>alert('x')</script>\" onload=\"";

hipstershop::Money PageMoney(std::int64_t units, std::int32_t nanos,
                             const std::string& currency = "USD") {
  hipstershop::Money money;
  money.set_currency_code(currency);
  money.set_units(units);
  money.set_nanos(nanos);
  return money;
}

PageFrame UsdFrame() {
  return {.currency = "USD",
          .currencies = {"USD", "EUR"},
          .basket_items = 3,
          .trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"};
}

TEST(EscapeHtmlTest, LeavesNoMarkupAndNoBrokenBytes) {
  EXPECT_EQ(EscapeHtml("a<b>&\"'"), "a&lt;b&gt;&amp;&quot;&#39;");
  EXPECT_EQ(EscapeHtml("Gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x8E\x81"),
            "Gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x8E\x81");
  // A lone continuation, an overlong slash, a surrogate, a cut sequence, a control.
  EXPECT_EQ(EscapeHtml("\x80"), "\xEF\xBF\xBD");
  EXPECT_EQ(EscapeHtml("\xC0\xAF"), "\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(EscapeHtml("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(EscapeHtml("a\xE2\x82"), "a\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(EscapeHtml(std::string_view("a\0b", 3)),
            "a\xEF\xBF\xBD"
            "b");
  EXPECT_TRUE(IsPlainText("Gr\xC3\xBC\xC3\x9F"));
  EXPECT_FALSE(IsPlainText("a\nb"));
  EXPECT_FALSE(IsPlainText("a\xFF"));
}

TEST(HtmlTest, GapsAreEscapedAndHtmlIsNot) {
  Html inner;
  inner.Add("<b>{}</b>", "a<b");
  Html outer;
  outer.Add("{}|{}|{:02}", inner, std::string("&"), 7);
  EXPECT_EQ(outer.text(), "<b>a&lt;b</b>|&amp;|07");
}

TEST(ShownMoneyTest, IsShownAsPeopleWriteIt) {
  EXPECT_EQ(ShownMoney(PageMoney(1'234'567, 500'000'000)), "$1,234,567.50");
  EXPECT_EQ(ShownMoney(PageMoney(19, 990'000'000, "EUR")),
            "\xE2\x82\xAC"
            "19.99");
  EXPECT_EQ(ShownMoney(PageMoney(2'790, 499'999'999, "JPY")),
            "\xC2\xA5"
            "2,790");
  EXPECT_EQ(ShownMoney(PageMoney(2'790, 500'000'000, "JPY")),
            "\xC2\xA5"
            "2,791");
  EXPECT_EQ(ShownMoney(PageMoney(0, 995'000'000)), "$1.00");
  EXPECT_EQ(ShownMoney(PageMoney(0, -250'000'000)), "-$0.25");
  EXPECT_EQ(ShownMoney(PageMoney(5, 0, "XAU")), "XAU 5.00");
  EXPECT_THAT(ShownMoney(PageMoney(std::numeric_limits<std::int64_t>::min(), -999'999'999)),
              HasSubstr("-$9,223,372,036,854,775,80"));
}

TEST(ShownMoneyTest, IsHeldExactly) {
  EXPECT_EQ(ExactMoney(PageMoney(19, 990'000'000)), "USD 19.99");
  EXPECT_EQ(ExactMoney(PageMoney(19, 0)), "USD 19.00");
  EXPECT_EQ(ExactMoney(PageMoney(0, 1)), "USD 0.000000001");
  EXPECT_EQ(ExactMoney(PageMoney(-1, -750'000'000)), "USD -1.75");
}

TEST(PageTest, NoTextBecomesMarkup) {
  const std::string evil(kEvil);
  const Offer offer{.id = "MUG\"><i>", .name = evil, .price = PageMoney(8, 990'000'000, "<u>")};
  const CartLine line{.offer = offer, .quantity = 2, .sum = PageMoney(17, 980'000'000)};
  PageFrame frame = UsdFrame();
  frame.currencies.push_back(evil);
  frame.trace_id = evil;
  const std::vector<std::string> pages = {
      HomePage(frame, {.offers = {offer}, .advert = Advert{.text = evil, .url = evil}}),
      ProductPage(frame, {.offer = offer,
                          .description = evil,
                          .categories = {evil},
                          .recommendations = {offer},
                          .advert = Advert{.text = evil, .url = "/\"><script>"}}),
      CartPage(frame, {.lines = {line},
                       .shipping = PageMoney(1, 0, evil),
                       .total = PageMoney(1, 0, evil),
                       .recommendations = {offer},
                       .year = 2026}),
      OrderPage(frame, {.order_id = evil,
                        .tracking_id = evil,
                        .email = evil,
                        .lines = {line},
                        .shipping = PageMoney(1, 0),
                        .paid = PageMoney(1, 0),
                        .recommendations = {offer}}),
      ErrorPage(frame, {.status = 500, .title = evil, .advice = evil, .detail = evil})};
  for (const std::string& page : pages) {
    EXPECT_THAT(page, AllOf(Not(HasSubstr("<script>")), Not(HasSubstr("\" onload")),
                            Not(HasSubstr("<i>")), Not(HasSubstr("<u>"))));
    EXPECT_THAT(page, HasSubstr("&lt;script&gt;"));
  }
}

TEST(PageTest, TheFrameShowsCurrencyBasketAndTrace) {
  const std::string page = HomePage(UsdFrame(), {.offers = {}, .advert = std::nullopt});
  EXPECT_THAT(page, HasSubstr("<option selected>USD</option><option>EUR</option>"));
  EXPECT_THAT(page, HasSubstr(R"(<b data-of="basket">3</b>)"));
  EXPECT_THAT(page, HasSubstr("4bf92f3577b34da6a3ce929d0e0e4736"));
  EXPECT_THAT(page, Not(HasSubstr("http://")));
  EXPECT_THAT(page, Not(HasSubstr("https://")));
  EXPECT_THAT(page, Not(HasSubstr("Advertisement")));
}

TEST(PageTest, WithoutCurrenciesThereIsNoChoice) {
  PageFrame frame = UsdFrame();
  frame.currencies.clear();
  EXPECT_THAT(HomePage(frame, {.offers = {}, .advert = std::nullopt}),
              Not(HasSubstr("setCurrency")));
}

TEST(PageTest, AProductShowsItsPriceAndCanBeBought) {
  const std::string page = ProductPage(
      UsdFrame(), {.offer = {.id = "6E92ZMYYFZ", .name = "Mug", .price = PageMoney(8, 990'000'000)},
                   .description = "Keeps warm.",
                   .categories = {"kitchen"},
                   .recommendations = {},
                   .advert = std::nullopt});
  EXPECT_THAT(page, HasSubstr(R"(<h1 data-of="name">Mug</h1>)"));
  EXPECT_THAT(page, HasSubstr(R"(data-of="price" value="USD 8.99">$8.99</data>)"));
  EXPECT_THAT(page, HasSubstr(R"(name="product_id" value="6E92ZMYYFZ")"));
  EXPECT_THAT(page, HasSubstr("<option>10</option>"));
  EXPECT_THAT(page, HasSubstr("A steaming two-tone mug"));
  EXPECT_THAT(page, Not(HasSubstr("You may also like")));
}

TEST(PageTest, AnAdvertisementLeadsOnlyIntoTheShop) {
  for (const char* url :
       {"https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil"})
    EXPECT_THAT(AdvertLink(Advert{.text = "x", .url = url}).text(), HasSubstr("href=\"/\"")) << url;
  EXPECT_THAT(AdvertLink(Advert{.text = "x", .url = "/product/A"}).text(),
              HasSubstr("href=\"/product/A\""));
}

TEST(PageTest, ACartShowsLinesAndTotals) {
  const CartLine line{
      .offer = {.id = "6E92ZMYYFZ", .name = "Mug", .price = PageMoney(8, 990'000'000)},
      .quantity = 2,
      .sum = PageMoney(17, 980'000'000)};
  const std::string page = CartPage(UsdFrame(), {.lines = {line},
                                                 .shipping = PageMoney(5, 0),
                                                 .total = PageMoney(22, 980'000'000),
                                                 .recommendations = {},
                                                 .year = 2031});
  EXPECT_THAT(page, HasSubstr(R"(data-product="6E92ZMYYFZ" data-quantity="2")"));
  EXPECT_THAT(page, HasSubstr(R"(data-of="sum" value="USD 17.98")"));
  EXPECT_THAT(page, HasSubstr(R"(data-of="shipping" value="USD 5.00")"));
  EXPECT_THAT(page, HasSubstr(R"(data-of="total" value="USD 22.98")"));
  EXPECT_THAT(page, HasSubstr("<option>2031</option>"));
  EXPECT_THAT(page, HasSubstr("<option>2040</option>"));
  EXPECT_THAT(page, HasSubstr("[0-9]{4,10}"));
  EXPECT_THAT(CartPage(UsdFrame(), {}), HasSubstr("Your cart is empty"));
}

TEST(PageTest, AnErrorShowsItsTrace) {
  const std::string page =
      ErrorPage(UsdFrame(), {.status = 500, .title = "Broken", .advice = "Again", .detail = ""});
  EXPECT_THAT(page, HasSubstr(R"(<code class="trace">4bf92f3577b34da6a3ce929d0e0e4736</code>)"));
  EXPECT_THAT(page, HasSubstr(R"(data-page="error")"));
}

TEST(CatalogueArtTest, EveryDrawingIsAPictureAndHasItsText) {
  for (const Drawing& drawing : kDrawings) {
    const std::string art = ProductArt(drawing.product_id);
    EXPECT_THAT(art, testing::StartsWith("<svg xmlns="));
    EXPECT_THAT(art, HasSubstr("</svg>"));
    EXPECT_THAT(art, Not(HasSubstr("href=\"http")));
    EXPECT_FALSE(ProductArtText(drawing.product_id).empty());
  }
  EXPECT_NE(ProductArt("A"), ProductArt("B"));
  EXPECT_EQ(ProductArt("A"), ProductArt("A"));
  EXPECT_EQ(ProductArtText("A"), "");
  EXPECT_THAT(ShelfArt(), HasSubstr("</svg>"));
}

}  // namespace
}  // namespace enclave::lab::boutique
