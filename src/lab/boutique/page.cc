#include "lab/boutique/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "lab/boutique/catalogue_art.h"
#include "lab/boutique/page_style.h"
#include "net/http.h"

namespace enclave::lab::boutique {
namespace {

constexpr std::int64_t kNanos = 1'000'000'000;

struct CurrencySign {
  std::string_view code;
  std::string_view sign;
  int decimals;
};
constexpr std::array<CurrencySign, 12> kCurrencySigns = {{
    {"USD", "$", 2},
    {"EUR", "€", 2},
    {"JPY", "¥", 0},
    {"GBP", "£", 2},
    {"TRY", "₺", 2},
    {"CAD", "CA$", 2},
    {"AUD", "A$", 2},
    {"CNY", "CN¥", 2},
    {"INR", "₹", 2},
    {"KRW", "₩", 0},
    {"ILS", "₪", 2},
    {"PHP", "₱", 2},
}};

constexpr std::string_view kBasketIcon =
    R"(<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.9" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d="M4 8h16l-1.4 11.2a1 1 0 0 1-1 .8H6.4a1 1 0 0 1-1-.8z"/><path d="M8.5 11V7a3.5 3.5 0 0 1 7 0v4"/></svg>)";

bool IsNegative(const hipstershop::Money& money) {
  return money.units() < 0 || money.nanos() < 0;
}

// "1234567" -> "1,234,567"
std::string Grouped(std::uint64_t number) {
  std::string digits = fmt::to_string(number);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

// Without overflow for whatever a service sends.
std::uint64_t Magnitude(std::int64_t number) {
  return number < 0 ? ~static_cast<std::uint64_t>(number) + 1 : static_cast<std::uint64_t>(number);
}

Html CurrencyChoice(const PageFrame& frame) {
  Html choice;
  if (frame.currencies.empty()) return choice;
  Html options;
  for (const std::string& currency : frame.currencies) {
    if (currency == frame.currency)
      options.Add("<option selected>{}</option>", currency);
    else
      options.Add("<option>{}</option>", currency);
  }
  choice.Add(
      R"(<form class="currency" action="/setCurrency" method="post"><select name="currency_code" aria-label="Currency">{}</select><button>Set</button></form>)",
      options);
  return choice;
}

}  // namespace

std::string ShownMoney(const hipstershop::Money& money) {
  const auto* const found =
      std::ranges::find(kCurrencySigns, money.currency_code(), &CurrencySign::code);
  const int decimals = found == kCurrencySigns.end() ? 2 : found->decimals;
  const std::int64_t coin = decimals == 0 ? kNanos : kNanos / 100;
  std::uint64_t units = Magnitude(money.units());
  std::uint64_t nanos = Magnitude(money.nanos()) + static_cast<std::uint64_t>(coin) / 2;
  units += nanos / static_cast<std::uint64_t>(kNanos);
  nanos %= static_cast<std::uint64_t>(kNanos);
  std::string shown = IsNegative(money) ? "-" : "";
  if (found == kCurrencySigns.end())
    shown += money.currency_code() + " ";
  else
    shown += found->sign;
  shown += Grouped(units);
  if (decimals != 0) shown += fmt::format(".{:02}", nanos / static_cast<std::uint64_t>(coin));
  return shown;
}

std::string ExactMoney(const hipstershop::Money& money) {
  std::string exact =
      fmt::format("{} {}{}.{:09}", money.currency_code(), IsNegative(money) ? "-" : "",
                  Magnitude(money.units()), Magnitude(money.nanos()));
  const std::size_t shortest = exact.rfind('.') + 3;
  while (exact.size() > shortest && exact.back() == '0') exact.pop_back();
  return exact;
}

Html MoneyElement(const hipstershop::Money& money, std::string_view of) {
  Html element;
  element.Add(R"(<data class="money" data-of="{}" value="{}">{}</data>)", of, ExactMoney(money),
              ShownMoney(money));
  return element;
}

Html OfferCard(const Offer& offer) {
  const std::string path = net::PercentEncode(offer.id);
  Html card;
  card.Add(
      R"(<li class="card" data-product="{}"><a href="/product/{}"><img src="/static/products/{}.svg" alt="{}" width="400" height="400" loading="lazy"><div class="about"><h3 data-of="name">{}</h3>{}</div></a></li>
)",
      offer.id, path, path, ProductArtText(offer.id), offer.name,
      MoneyElement(offer.price, "price"));
  return card;
}

Html OfferCards(std::string_view heading, const std::vector<Offer>& offers) {
  Html section;
  if (offers.empty()) return section;
  Html cards;
  for (const Offer& offer : offers) cards.Add("{}", OfferCard(offer));
  section.Add(R"(<section class="section small"><h2>{}</h2><ul class="grid">
{}</ul></section>
)",
              heading, cards);
  return section;
}

Html AdvertLink(const std::optional<Advert>& advert) {
  Html link;
  if (!advert) return link;
  const bool ours =
      advert->url.starts_with('/') && !advert->url.starts_with("//") && !advert->url.contains('\\');
  link.Add(R"(<a class="ad" href="{}"><small>Advertisement</small><span>{}</span><b>See it</b></a>
)",
           ours ? std::string_view(advert->url) : std::string_view("/"), advert->text);
  return link;
}

std::string WholePage(const PageFrame& frame, std::string_view page, std::string_view title,
                      const Html& content) {
  Html icon;
  icon.Raw(kBasketIcon);
  Html document;
  document.Add(R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>{} · Online Boutique</title><link rel="icon" href="/static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/static/style.css?v={}"><script src="/static/shop.js?v={}" defer></script></head>
<body data-page="{}"><a class="skip" href="#content">To the content</a>
<div class="notice">A shop of the laboratory: nothing is really charged, and nothing is really shipped.</div>
<header class="bar"><div class="wrap"><a class="brand" href="/"><img src="/static/icon.svg" alt="" width="34" height="34"><span>Online Boutique</span></a>
{}<a class="basket" href="/cart" aria-label="Cart, {} items">{}Cart <b data-of="basket">{}</b></a></div></header>
<main id="content">{}</main>
<footer><div class="wrap"><span>Online Boutique, small things for good days</span><span>This page: trace <code data-of="trace">{}</code></span></div></footer>
</body></html>
)",
               title, StyleVersion(), StyleVersion(), page, CurrencyChoice(frame),
               frame.basket_items, icon, frame.basket_items, content, frame.trace_id);
  return std::move(document).Take();
}

}  // namespace enclave::lab::boutique
