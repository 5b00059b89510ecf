// The parts of the shop's pages that several of them share (frontend_visit.h).
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "lab/boutique/frontend_form.h"
#include "lab/boutique/frontend_totals.h"
#include "lab/boutique/frontend_visit.h"
#include "otel/exception.h"

namespace enclave::lab::boutique {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kMostRecommendations = 4;

}  // namespace

PageFrame Visit::EmptyFrame() const {
  return {.currency = currency_, .currencies = {}, .basket_items = 0, .trace_id = trace_id()};
}

Visit::FrameCalls Visit::StartFrame() {
  return {.currencies = backends_.GetCurrencies(scope_),
          .cart = backends_.GetCart(scope_, session_)};
}

Visit::Waited<PageFrame> Visit::FinishFrame(FrameCalls calls, hipstershop::Cart* cart) {
  PageFrame frame = EmptyFrame();
  const auto currencies = co_await calls.currencies.Get();
  if (!currencies) co_return base::Fail(currencies.error());
  // The shop's own order, of those that the service can convert to.
  for (const std::string& code : OfferedCurrencies())
    if (std::ranges::find(currencies->currency_codes(), code) != currencies->currency_codes().end())
      frame.currencies.push_back(code);
  auto kept = co_await calls.cart.Get();
  if (!kept) co_return base::Fail(kept.error());
  for (const hipstershop::CartItem& item : kept->items()) frame.basket_items += item.quantity();
  if (cart != nullptr) *cart = std::move(*kept);
  co_return frame;
}

Visit::Waited<Offer> Visit::FinishOffer(hipstershop::Product product,
                                        Pending<hipstershop::Money> price) {
  auto converted = co_await price.Get();
  if (!converted) co_return base::Fail(converted.error());
  co_return Offer{.id = product.id(), .name = product.name(), .price = std::move(*converted)};
}

Visit::Waited<std::vector<Offer>> Visit::OffersOf(std::vector<hipstershop::Product> products) {
  std::vector<Pending<hipstershop::Money>> prices;
  prices.reserve(products.size());
  for (const hipstershop::Product& product : products)
    prices.push_back(backends_.Convert(scope_, product.price_usd(), currency_));
  std::vector<Offer> offers;
  offers.reserve(products.size());
  for (std::size_t i = 0; i < products.size(); ++i) {
    auto offer = co_await FinishOffer(std::move(products[i]), prices[i]);
    if (!offer) co_return base::Fail(offer.error());
    offers.push_back(std::move(*offer));
  }
  co_return offers;
}

Visit::Waited<std::vector<CartLine>> Visit::LinesOf(hipstershop::Cart cart) {
  std::vector<Pending<hipstershop::Product>> calls;
  for (const hipstershop::CartItem& item : cart.items())
    calls.push_back(backends_.GetProduct(scope_, item.product_id()));
  std::vector<hipstershop::Product> products;
  for (const auto& call : calls) {
    auto product = co_await call.Get();
    if (!product) co_return base::Fail(product.error());
    products.push_back(std::move(*product));
  }
  auto offers = co_await OffersOf(std::move(products));
  if (!offers) co_return base::Fail(offers.error());
  std::vector<CartLine> lines;
  for (std::size_t i = 0; i < offers->size(); ++i) {
    CartLine& line = lines.emplace_back();
    line.offer = std::move((*offers)[i]);
    line.quantity = cart.items(static_cast<int>(i)).quantity();
    auto sum = LineSum(line.offer.price, line.quantity);
    if (!sum) co_return base::Fail(sum.error());
    line.sum = std::move(*sum);
  }
  co_return lines;
}

Visit::Waited<hipstershop::Money> Visit::FinishShipping(
    Pending<hipstershop::GetQuoteResponse> quote) {
  const auto cost = co_await quote.Get();
  if (!cost) co_return base::Fail(cost.error());
  co_return co_await backends_.Convert(scope_, cost->cost_usd(), currency_).Get();
}

asio::awaitable<std::vector<Offer>> Visit::Recommended(
    Pending<hipstershop::ListRecommendationsResponse> call) {
  const auto recommended = co_await call.Get();
  if (!recommended) {
    Note(otel::Severity::kWarn, "the page is shown without recommendations",
         {{"error", recommended.error().ToString()}});
    co_return std::vector<Offer>();
  }
  std::vector<Pending<hipstershop::Product>> calls;
  for (const std::string& id : recommended->product_ids()) {
    if (calls.size() == kMostRecommendations) break;
    calls.push_back(backends_.GetProduct(scope_, id));
  }
  std::vector<hipstershop::Product> products;
  for (const auto& product_call : calls) {
    auto product = co_await product_call.Get();
    if (product)
      products.push_back(std::move(*product));
    else
      Note(otel::Severity::kWarn, "a recommended product is left out",
           {{"error", product.error().ToString()}});
  }
  auto offers = co_await OffersOf(std::move(products));
  if (offers) co_return std::move(*offers);
  Note(otel::Severity::kWarn, "the page is shown without recommendations",
       {{"error", offers.error().ToString()}});
  co_return std::vector<Offer>();
}

asio::awaitable<std::optional<Advert>> Visit::Advertised(Pending<hipstershop::AdResponse> call) {
  const auto ads = co_await call.Get();
  if (!ads) {
    Note(otel::Severity::kWarn, "the page is shown without an advertisement",
         {{"error", ads.error().ToString()}});
    co_return std::nullopt;
  }
  if (ads->ads().empty()) co_return std::nullopt;
  const auto count = static_cast<std::uint64_t>(ads->ads_size());
  const hipstershop::Ad& ad = ads->ads(static_cast<int>(random_.Below(count)));
  co_return Advert{.text = ad.text(), .url = ad.redirect_url()};
}

asio::awaitable<std::vector<CartLine>> Visit::Ordered(hipstershop::OrderResult order) {
  std::vector<Pending<hipstershop::Product>> calls;
  for (const hipstershop::OrderItem& item : order.items())
    calls.push_back(backends_.GetProduct(scope_, item.item().product_id()));
  std::vector<CartLine> lines;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const hipstershop::OrderItem& item = order.items(static_cast<int>(i));
    const auto product = co_await calls[i].Get();
    CartLine& line = lines.emplace_back();
    line.offer = {.id = item.item().product_id(),
                  .name = product ? product->name() : item.item().product_id(),
                  .price = item.cost()};
    line.quantity = item.item().quantity();
    // What cannot be summed shows up in the total, which then fails.
    if (auto sum = LineSum(item.cost(), line.quantity)) line.sum = std::move(*sum);
  }
  co_return lines;
}

net::Response Visit::Page(std::string html, int status) {
  net::Response response;
  response.status = status;
  response.headers["Content-Type"] = "text/html; charset=utf-8";
  response.headers["Cache-Control"] = "no-store";
  response.headers["Content-Security-Policy"] =
      "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
      "form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
  response.headers["X-Content-Type-Options"] = "nosniff";
  response.headers["Referrer-Policy"] = "same-origin";
  if (is_new_)
    response.headers["Set-Cookie"] = fmt::format(
        "{}={}; Path=/; Max-Age=172800; HttpOnly; SameSite=Lax", kSessionCookie, session_);
  response.body = std::move(html);
  return response;
}

net::Response Visit::Redirect(std::string target) {
  net::Response response = Page("", 302);
  response.headers["Location"] = std::move(target);
  return response;
}

net::Response Visit::Sorry(const base::Error& error, std::string_view doing) {
  if (error.kind() != base::ErrorKind::kCancelled) {  // else nobody is there to see it
    call_.span().RecordError(error.While(doing));
    Note(otel::Severity::kError, doing, {{"error", error.ToString()}});
  }
  return Page(
      ErrorPage(EmptyFrame(), {.status = 500,
                               .title = "Something is broken on our side",
                               .advice = "It is not you. Trying again in a moment often helps.",
                               .detail = fmt::format("{}: {}", doing, error.ToString())}),
      500);
}

net::Response Visit::Refused(const base::Error& error) {
  Note(otel::Severity::kInfo, "what a visitor sent was refused", {{"error", error.ToString()}});
  const int status = error.kind() == base::ErrorKind::kTooLarge          ? 413
                     : error.kind() == base::ErrorKind::kInvalidArgument ? 400
                                                                         : 422;
  return Page(ErrorPage(EmptyFrame(), {.status = status,
                                       .title = "That cannot be right",
                                       .advice = "Please go back, have a look and try again.",
                                       .detail = error.message()}),
              status);
}

net::Response Visit::NotFound() {
  return Page(ErrorPage(EmptyFrame(), {.status = 404,
                                       .title = "There is nothing here",
                                       .advice = "What you look for may have been sold out, or "
                                                 "the address has a slip in it.",
                                       .detail = ""}),
              404);
}

net::Response Visit::WrongMethod(std::string_view allowed) {
  net::Response response =
      Page(ErrorPage(EmptyFrame(), {.status = 405,
                                    .title = "This is not how to ask",
                                    .advice = "The address is right, the way to use it is not.",
                                    .detail = fmt::format("allowed: {}", allowed)}),
           405);
  response.headers["Allow"] = allowed;
  return response;
}

net::Response Visit::Broken() {
  return Page(
      ErrorPage(EmptyFrame(), {.status = 500,
                               .title = "Something is broken on our side",
                               .advice = "It is not you. Trying again in a moment often helps.",
                               .detail = ""}),
      500);
}

}  // namespace enclave::lab::boutique
