// The front page and the page of a product.
#include "lab/boutique/catalogue_art.h"
#include "lab/boutique/page.h"
#include "net/http.h"

namespace enclave::lab::boutique {
namespace {

constexpr int kMostOfOneProduct = 10;

}  // namespace

std::string HomePage(const PageFrame& frame, const HomeView& view) {
  Html cards;
  for (const Offer& offer : view.offers) cards.Add("{}", OfferCard(offer));
  Html content;
  content.Add(
      R"(<section class="hero"><div class="wrap"><div class="words"><h1>Small things<br>for good days</h1>
<p>Things to wear, to pour from and to light up an evening: chosen one by one, wrapped with care, sent the day you order.</p>
<a class="button" href="#goods">Look around</a></div><img src="/static/shelf.svg" alt="A shelf with a jar, a mug, shakers, candles, loafers and sunglasses" width="640" height="440"></div></section>
<div class="wrap"><div class="promises"><div><strong>Sent the same day</strong> with a number to follow it by</div><div><strong>Your currency</strong> prices as you think of them</div><div><strong>No account needed</strong> pick, pay, done</div></div>
<section class="section" id="goods"><h2>In the shop today</h2><ul class="grid">
{}</ul>{}</section></div>)",
      cards, AdvertLink(view.advert));
  return WholePage(frame, "home", "Home", content);
}

std::string ProductPage(const PageFrame& frame, const ProductView& view) {
  Html categories;
  for (const std::string& category : view.categories) categories.Add("<li>{}</li>", category);
  Html quantities;
  for (int quantity = 1; quantity <= kMostOfOneProduct; ++quantity)
    quantities.Add("<option>{}</option>", quantity);
  Html content;
  content.Add(
      R"(<div class="wrap"><article class="product" data-product="{}"><img src="/static/products/{}.svg" alt="{}" width="400" height="400">
<div><p class="crumbs"><a href="/">All products</a> / {}</p><h1 data-of="name">{}</h1><p class="price">{}</p><p>{}</p><ul class="tags">{}</ul>
<form class="buy" action="/cart" method="post"><input type="hidden" name="product_id" value="{}"><label>Quantity<select name="quantity">{}</select></label><button class="button">Add to cart</button></form></div></article>
{}{}</div>)",
      view.offer.id, net::PercentEncode(view.offer.id), ProductArtText(view.offer.id),
      view.offer.name, view.offer.name, MoneyElement(view.offer.price, "price"), view.description,
      categories, view.offer.id, quantities, OfferCards("You may also like", view.recommendations),
      AdvertLink(view.advert));
  return WholePage(frame, "product", view.offer.name, content);
}

}  // namespace enclave::lab::boutique
