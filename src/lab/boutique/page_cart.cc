// The cart with its checkout, the confirmation of an order, and the page for what goes wrong.
#include <fmt/format.h>

#include "lab/boutique/catalogue_art.h"
#include "lab/boutique/page.h"
#include "net/http.h"

namespace enclave::lab::boutique {
namespace {

// A card may be valid for so many years from now.
constexpr int kExpiryYears = 10;

Html LineItems(const std::vector<CartLine>& lines) {
  Html items;
  for (const CartLine& line : lines) {
    const std::string path = net::PercentEncode(line.offer.id);
    Html sum;
    if (!line.sum.currency_code().empty()) sum = MoneyElement(line.sum, "sum");
    Html each;
    if (!line.offer.price.currency_code().empty())
      each.Add(" × {}", MoneyElement(line.offer.price, "price"));
    items.Add(
        R"(<li data-product="{}" data-quantity="{}"><a href="/product/{}"><img src="/static/products/{}.svg" alt="{}" width="84" height="84"></a><div><h3><a data-of="name" href="/product/{}">{}</a></h3><small>{}{}</small></div>{}</li>
)",
        line.offer.id, line.quantity, path, path, ProductArtText(line.offer.id), path,
        line.offer.name, line.quantity, each, sum);
  }
  return items;
}

Html SumsOf(const hipstershop::Money& shipping, std::string_view total_name,
            const hipstershop::Money& total, std::string_view of) {
  Html sums;
  sums.Add(
      R"(<dl class="sums"><div><dt>Shipping</dt><dd>{}</dd></div><div class="total"><dt>{}</dt><dd>{}</dd></div></dl>)",
      MoneyElement(shipping, "shipping"), total_name, MoneyElement(total, of));
  return sums;
}

Html OrderForm(int year) {
  Html months;
  for (int month = 1; month <= 12; ++month)
    months.Add("<option value=\"{}\">{:02}</option>", month, month);
  Html years;
  // The next year is offered first: this year's January is long over for most of it.
  for (int i = 0; i < kExpiryYears; ++i) {
    if (i == 1)
      years.Add("<option selected>{}</option>", year + i);
    else
      years.Add("<option>{}</option>", year + i);
  }
  Html form;
  form.Add(R"(<form class="checkout" action="/cart/checkout" method="post"><h2>Where it goes</h2>
<label class="field">E-mail<input name="email" type="email" required maxlength="254" autocomplete="email" value="someone@example.com"></label>
<label class="field">Street<input name="street_address" required maxlength="200" autocomplete="street-address" value="1 Harbour Lane"></label>
<label class="field third">Zip code<input name="zip_code" required inputmode="numeric" pattern="[0-9]{{4,10}}" autocomplete="postal-code" value="94043"></label>
<label class="field third">City<input name="city" required maxlength="100" autocomplete="address-level2" value="Mountain View"></label>
<label class="field third">State<input name="state" required maxlength="100" autocomplete="address-level1" value="CA"></label>
<label class="field">Country<input name="country" required maxlength="100" autocomplete="country-name" value="United States"></label>
<h2>How you pay</h2>
<label class="field">Card number<input name="credit_card_number" required inputmode="numeric" maxlength="24" autocomplete="off" value="4432-8015-6152-0454"></label>
<label class="field third">Month<select name="credit_card_expiration_month">{}</select></label>
<label class="field third">Year<select name="credit_card_expiration_year">{}</select></label>
<label class="field third">CVV<input name="credit_card_cvv" type="password" required inputmode="numeric" pattern="[0-9]{{3,4}}" autocomplete="off" value="672"></label>
<button class="button wide">Place the order</button></form>)",
           months, years);
  return form;
}

}  // namespace

std::string CartPage(const PageFrame& frame, const CartView& view) {
  Html content;
  if (view.lines.empty()) {
    content.Add(
        R"(<div class="wrap"><div class="empty"><img src="/static/products/empty.svg" alt="" width="170" height="170"><h1>Your cart is empty</h1>
<p>What you pick waits for you here.</p><a class="button" href="/">Look around</a></div>{}</div>)",
        OfferCards("To begin with", view.recommendations));
    return WholePage(frame, "cart", "Cart", content);
  }
  content.Add(
      R"(<div class="wrap"><div class="split"><section><div class="head"><h1>Your cart</h1><form action="/cart/empty" method="post"><button class="button quiet">Empty it</button></form></div>
<div class="panel"><ul class="lines">
{}</ul>{}</div></section><section class="panel">{}</section></div>{}</div>)",
      LineItems(view.lines), SumsOf(view.shipping, "Total", view.total, "total"),
      OrderForm(view.year), OfferCards("Goes well with it", view.recommendations));
  return WholePage(frame, "cart", "Cart", content);
}

std::string OrderPage(const PageFrame& frame, const OrderView& view) {
  Html content;
  content.Add(
      R"(<div class="wrap"><div class="center"><div class="tick"><svg viewBox="0 0 24 24" width="34" height="34" fill="none" stroke="currentColor" stroke-width="2.6" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d="M5 12.5l4.5 4.5L19 7.5"/></svg></div>
<h1>Thank you, it is on its way</h1><p>We have written to {} with all that is below.</p>
<div class="panel"><dl class="facts"><dt>Order</dt><dd><code data-of="order">{}</code></dd><dt>Tracking</dt><dd><code data-of="tracking">{}</code></dd></dl></div>
<div class="panel"><ul class="lines">
{}</ul>{}</div><p><a class="button" href="/">Keep browsing</a></p></div>{}</div>)",
      view.email, view.order_id, view.tracking_id, LineItems(view.lines),
      SumsOf(view.shipping, "Paid", view.paid, "paid"),
      OfferCards("For the next time", view.recommendations));
  return WholePage(frame, "order", "Thank you", content);
}

std::string ErrorPage(const PageFrame& frame, const ErrorView& view) {
  Html detail;
  if (!view.detail.empty()) detail.Add("<p><code>{}</code></p>", view.detail);
  Html content;
  content.Add(
      R"(<div class="wrap"><div class="center"><div class="tick sorry">!</div><h1>{}</h1><p>{}</p>
{}<p>Whoever looks into it finds all about it by this TraceID:</p><p><code class="trace">{}</code></p>
<p><a class="button" href="/">Back to the shop</a></p></div></div>)",
      view.title, view.advice, detail, frame.trace_id);
  return WholePage(frame, "error", fmt::format("{} {}", view.status, view.title), content);
}

}  // namespace enclave::lab::boutique
