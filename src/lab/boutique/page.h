// The pages of the shop, as HTML. Pure functions of what they show; any thread.
//
// What people read, programs can read as well: an element with `data-of` holds a fact, its `value`
// or else its text. Facts of the page: basket, shipping, total, paid, order, tracking, trace. Facts
// of a product stand within the element with `data-product`: name, price, sum; in a cart or an
// order that element has `data-quantity`. `data-page` of the body names the page.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hipstershop/demo.pb.h"
#include "lab/boutique/page_html.h"

namespace enclave::lab::boutique {

// What stands around every page.
struct PageFrame {
  std::string currency;                 // the visitor's
  std::vector<std::string> currencies;  // what there is to choose; empty when that is not known
  int basket_items = 0;
  std::string trace_id;  // of the request that the page answers
};

struct Offer {
  std::string id;
  std::string name;
  hipstershop::Money price;
};

struct Advert {
  std::string text;
  std::string url;  // a path of the shop; anything else leads to the front page
};

struct HomeView {
  std::vector<Offer> offers;
  std::optional<Advert> advert;
};

struct ProductView {
  Offer offer;
  std::string description;
  std::vector<std::string> categories;
  std::vector<Offer> recommendations;
  std::optional<Advert> advert;
};

struct CartLine {
  Offer offer;
  int quantity = 0;
  hipstershop::Money sum;
};

struct CartView {
  std::vector<CartLine> lines;
  hipstershop::Money shipping;
  hipstershop::Money total;
  std::vector<Offer> recommendations;
  int year = 0;  // the first that a card may expire in
};

struct OrderView {
  std::string order_id;
  std::string tracking_id;
  std::string email;
  std::vector<CartLine> lines;  // without a sum when the price is not known
  hipstershop::Money shipping;
  hipstershop::Money paid;
  std::vector<Offer> recommendations;
};

struct ErrorView {
  int status = 500;
  std::string title;
  std::string advice;  // what the visitor can do
  std::string detail;  // what went wrong; "" when the visitor has no use for it
};

std::string HomePage(const PageFrame& frame, const HomeView& view);
std::string ProductPage(const PageFrame& frame, const ProductView& view);
std::string CartPage(const PageFrame& frame, const CartView& view);
std::string OrderPage(const PageFrame& frame, const OrderView& view);
std::string ErrorPage(const PageFrame& frame, const ErrorView& view);

// What the pages are made of.

// As people write it: "$1,234.50", "¥2,790", "€0.99"; a currency without a sign of its own goes by
// its code. Rounded to the smallest coin, half away from zero.
std::string ShownMoney(const hipstershop::Money& money);
// Exactly: "USD 19.99", "JPY 2790.5"; at least two decimals, at most nine.
std::string ExactMoney(const hipstershop::Money& money);
// The money as an element that shows the one and holds the other.
Html MoneyElement(const hipstershop::Money& money, std::string_view of);
// A product as a card that leads to its page, with a heading of level 3.
Html OfferCard(const Offer& offer);
Html OfferCards(std::string_view heading, const std::vector<Offer>& offers);
Html AdvertLink(const std::optional<Advert>& advert);
// The whole document around `content`.
std::string WholePage(const PageFrame& frame, std::string_view page, std::string_view title,
                      const Html& content);

}  // namespace enclave::lab::boutique
