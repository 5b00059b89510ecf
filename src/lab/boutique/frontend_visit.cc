#include "lab/boutique/frontend_visit.h"

#include <fmt/format.h>

#include <utility>

#include "lab/boutique/frontend_form.h"
#include "lab/boutique/frontend_totals.h"

namespace enclave::lab::boutique {
namespace {

namespace asio = boost::asio;

constexpr std::string_view kDefaultCurrency = "USD";
// Longer than any page waits for its calls one after the other.
constexpr std::chrono::seconds kPagePatience{25};
// A session and the choice of a currency last two days.
constexpr std::string_view kCookieAttributes = "Path=/; Max-Age=172800; HttpOnly; SameSite=Lax";

int YearOfWall(base::WallTime time) {
  return int(std::chrono::year_month_day(std::chrono::floor<std::chrono::days>(time)).year());
}

// Where the visitor comes from, as a path of this shop; "/" when that is not known.
std::string PathBack(const net::Request& request) {
  const std::string_view referer = request.Header("Referer");
  for (const std::string_view scheme : {"http", "https"}) {
    const std::string origin = fmt::format("{}://{}", scheme, request.Header("Host"));
    if (!referer.starts_with(origin + "/")) continue;
    const std::string_view path = referer.substr(origin.size());
    // Not what a browser takes for another host, and no page that answered a form.
    if (path.starts_with("//") || path.contains('\\') || path.starts_with("/cart/")) return "/";
    return IsPlainText(path) ? std::string(path) : "/";
  }
  return "/";
}

}  // namespace

Visit::Visit(Backends& backends, otel::Telemetry& telemetry, base::Random& random,
             const net::Request& request, otel::HttpServerSpan& call,
             const asio::any_io_executor& executor)
    : backends_(backends),
      telemetry_(telemetry),
      random_(random),
      request_(request),
      call_(call),
      scope_{.executor = executor, .context = call.context()},
      session_(Cookie(request, kSessionCookie).value_or("")),
      currency_(Cookie(request, kCurrencyCookie).value_or("")) {
  scope_.context.deadline = telemetry.clock().Now() + kPagePatience;
  if (!IsSessionId(session_)) {
    session_ = random_.Uuid();
    is_new_ = true;
  }
  if (!IsOffered(currency_)) currency_ = kDefaultCurrency;
  call_.span().SetAttribute("session.id", session_);
  call_.span().SetAttribute("app.currency", currency_);
}

std::string Visit::trace_id() const {
  return scope_.context.span ? scope_.context.span->trace_id.ToString() : std::string();
}

void Visit::Note(otel::Severity severity, std::string_view message,
                 telemetry::Attributes attributes) {
  telemetry_.logger().Log(severity, message, std::move(attributes),
                          scope_.context.span ? &*scope_.context.span : nullptr);
}

asio::awaitable<net::Response> Visit::Home() {
  FrameCalls frame_calls = StartFrame();
  const auto products_call = backends_.ListProducts(scope_);
  const auto ad_call = backends_.GetAds(scope_, {});
  auto products = co_await products_call.Get();
  if (!products) co_return Sorry(products.error(), "the catalogue could not be read");
  HomeView view;
  auto offers = co_await OffersOf({products->products().begin(), products->products().end()});
  if (!offers) co_return Sorry(offers.error(), "the prices could not be converted");
  view.offers = std::move(*offers);
  const auto frame = co_await FinishFrame(std::move(frame_calls), nullptr);
  if (!frame) co_return Sorry(frame.error(), "the front page could not be made");
  view.advert = co_await Advertised(ad_call);
  co_return Page(HomePage(*frame, view));
}

asio::awaitable<net::Response> Visit::Product() {
  const auto id = ProductOfPath(request_.path);
  if (!id) co_return NotFound();
  call_.span().SetAttribute("app.product.id", *id);
  FrameCalls frame_calls = StartFrame();
  const auto recommendations = backends_.Recommend(scope_, session_, {*id});
  auto product = co_await backends_.GetProduct(scope_, *id).Get();
  if (!product && product.error().kind() == base::ErrorKind::kNotFound) co_return NotFound();
  if (!product) co_return Sorry(product.error(), "the product could not be read");
  ProductView view;
  view.description = product->description();
  view.categories.assign(product->categories().begin(), product->categories().end());
  const auto ad_call = backends_.GetAds(scope_, view.categories);
  auto offer =
      co_await FinishOffer(*product, backends_.Convert(scope_, product->price_usd(), currency_));
  if (!offer) co_return Sorry(offer.error(), "the price could not be converted");
  view.offer = std::move(*offer);
  const auto frame = co_await FinishFrame(std::move(frame_calls), nullptr);
  if (!frame) co_return Sorry(frame.error(), "the page of the product could not be made");
  view.recommendations = co_await Recommended(recommendations);
  view.advert = co_await Advertised(ad_call);
  co_return Page(ProductPage(*frame, view));
}

asio::awaitable<net::Response> Visit::Cart() {
  hipstershop::Cart cart;
  const auto frame = co_await FinishFrame(StartFrame(), &cart);
  if (!frame) co_return Sorry(frame.error(), "the cart could not be read");
  std::vector<std::string> ids;
  for (const hipstershop::CartItem& item : cart.items()) ids.push_back(item.product_id());
  const auto recommendations = backends_.Recommend(scope_, session_, ids);
  CartView view;
  view.year = YearOfWall(telemetry_.clock().WallNow());
  if (!ids.empty()) {
    const auto quote = backends_.GetQuote(scope_, cart);
    auto lines = co_await LinesOf(cart);
    if (!lines) co_return Sorry(lines.error(), "the cart could not be priced");
    view.lines = std::move(*lines);
    auto shipping = co_await FinishShipping(quote);
    if (!shipping) co_return Sorry(shipping.error(), "there is no quote for shipping");
    view.shipping = std::move(*shipping);
    auto total = CartTotal(view.lines, view.shipping);
    if (!total) co_return Sorry(total.error(), "the cart could not be summed up");
    view.total = std::move(*total);
  }
  view.recommendations = co_await Recommended(recommendations);
  co_return Page(CartPage(*frame, view));
}

asio::awaitable<net::Response> Visit::AddToCart() {
  const auto form = Form::Parse(request_.body);
  if (!form) co_return Refused(form.error());
  const auto addition = ReadCartAddition(*form);
  if (!addition) co_return Refused(addition.error());
  call_.span().SetAttribute("app.product.id", addition->product_id);
  call_.span().SetAttribute("app.product.quantity", std::int64_t{addition->quantity});
  const auto product = co_await backends_.GetProduct(scope_, addition->product_id).Get();
  if (!product && product.error().kind() == base::ErrorKind::kNotFound)
    co_return Refused(base::Error(base::ErrorKind::kUnprocessable, "There is no such product."));
  if (!product) co_return Sorry(product.error(), "the product could not be read");
  const auto added =
      co_await backends_.AddItem(scope_, session_, product->id(), addition->quantity).Get();
  if (!added) co_return Sorry(added.error(), "the product could not be put into the cart");
  co_return Redirect("/cart");
}

asio::awaitable<net::Response> Visit::EmptyCart() {
  const auto emptied = co_await backends_.EmptyCart(scope_, session_).Get();
  if (!emptied) co_return Sorry(emptied.error(), "the cart could not be emptied");
  co_return Redirect("/");
}

asio::awaitable<net::Response> Visit::Checkout() {
  const auto form = Form::Parse(request_.body);
  if (!form) co_return Refused(form.error());
  const auto checkout = ReadCheckout(*form);
  if (!checkout) co_return Refused(checkout.error());
  hipstershop::PlaceOrderRequest order;
  order.set_user_id(session_);
  order.set_user_currency(currency_);
  order.set_email(checkout->email);
  hipstershop::Address& address = *order.mutable_address();
  address.set_street_address(checkout->street_address);
  address.set_city(checkout->city);
  address.set_state(checkout->state);
  address.set_country(checkout->country);
  address.set_zip_code(checkout->zip_code);
  hipstershop::CreditCardInfo& card = *order.mutable_credit_card();
  card.set_credit_card_number(checkout->card_number);
  card.set_credit_card_cvv(checkout->card_cvv);
  card.set_credit_card_expiration_month(checkout->card_month);
  card.set_credit_card_expiration_year(checkout->card_year);
  const auto placed = co_await backends_.PlaceOrder(scope_, order).Get();
  if (!placed && placed.error().kind() == base::ErrorKind::kInvalidArgument)
    co_return Refused(base::Error(base::ErrorKind::kUnprocessable, placed.error().message()));
  if (!placed) co_return Sorry(placed.error(), "the order could not be placed");

  const hipstershop::OrderResult& result = placed->order();
  call_.span().SetAttribute("app.order.id", result.order_id());
  Note(otel::Severity::kInfo, "order placed", {{"app.order.id", result.order_id()}});
  // The cart is empty now, whatever it says about itself.
  const auto currencies = backends_.GetCurrencies(scope_);
  const auto recommendations = backends_.Recommend(scope_, session_, {});
  OrderView view{.order_id = result.order_id(),
                 .tracking_id = result.shipping_tracking_id(),
                 .email = checkout->email,
                 .lines = {},
                 .shipping = result.shipping_cost(),
                 .paid = {},
                 .recommendations = {}};
  view.lines = co_await Ordered(result);
  // What was charged; a checkout service that does not say so leaves us to add it up.
  auto paid = result.has_charged() ? base::Result<hipstershop::Money>(result.charged())
                                   : CartTotal(view.lines, view.shipping);
  if (!paid) co_return Sorry(paid.error(), "the order was placed, but could not be summed up");
  view.paid = std::move(*paid);
  view.recommendations = co_await Recommended(recommendations);
  PageFrame frame = EmptyFrame();
  if (const auto known = co_await currencies.Get())
    for (const std::string& code : known->currency_codes())
      if (IsOffered(code)) frame.currencies.push_back(code);
  co_return Page(OrderPage(frame, view));
}

net::Response Visit::SetCurrency() {
  const auto form = Form::Parse(request_.body);
  if (!form) return Refused(form.error());
  const std::string_view currency = form->Get("currency_code");
  if (!IsOffered(currency))
    return Refused(
        base::Error(base::ErrorKind::kUnprocessable, "The shop has no prices in this currency."));
  net::Response response = Redirect(PathBack(request_));
  // One answer sets one cookie; a visitor who has no session yet gets it with the next page.
  response.headers["Set-Cookie"] =
      fmt::format("{}={}; {}", kCurrencyCookie, currency, kCookieAttributes);
  return response;
}

net::Response Visit::Logout() {
  net::Response response = Redirect("/");
  response.headers["Set-Cookie"] =
      fmt::format("{}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax", kSessionCookie);
  return response;
}

}  // namespace enclave::lab::boutique
