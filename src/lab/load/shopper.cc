#include "lab/load/shopper.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "base/check.h"
#include "otel/http_instrumentation.h"

namespace enclave::lab::load {
namespace {

namespace asio = boost::asio;

constexpr int kMostRedirects = 5;
constexpr std::size_t kMostCookies = 16;
constexpr std::size_t kMostCookieBytes = 512;
constexpr std::uint64_t kMostOfOneProduct = 10;

int YearOf(base::WallTime time) {
  return int(std::chrono::year_month_day(std::chrono::floor<std::chrono::days>(time)).year());
}

}  // namespace

struct Shopper::Run {
  otel::Span span;
  otel::SpanContext context;  // of the span
  std::uint64_t requests = 0;
  std::optional<std::string> wrong{};

  // The first complaint is the one that counts.
  void Complain(std::optional<std::string> what) {
    if (!wrong && what) wrong = std::move(what);
  }
};

Shopper::Shopper(ShopperPorts ports, std::uint64_t seed, std::string name)
    : ports_(std::move(ports)), random_(seed), name_(std::move(name)) {}

Action Shopper::Next() {
  if (!std::exchange(has_entered_, true)) return Action::kIndex;
  return ChooseAction(random_);
}

asio::awaitable<Outcome> Shopper::Act(Action action) {
  otel::Span span = ports_.telemetry.tracer().StartSpan(
      fmt::format("shopper {}", NameOf(action)),
      {.new_trace = true,
       .attributes = {{"shopper.action", std::string(NameOf(action))}, {"shopper.name", name_}}});
  CHECK(span.context() != nullptr, "a span that was just started has a context");
  const otel::SpanContext context = *span.context();
  Run run{.span = std::move(span), .context = context};
  const base::MonoTime begin = ports_.telemetry.clock().Now();
  switch (action) {
    case Action::kIndex:
      co_await SeeFrontPage(run);
      break;
    case Action::kSetCurrency:
      co_await ChangeCurrency(run);
      break;
    case Action::kBrowseProduct:
      co_await SeeProduct(run);
      break;
    case Action::kAddToCart:
      co_await AddToCart(run);
      break;
    case Action::kViewCart:
      co_await SeeCart(run);
      break;
    case Action::kCheckout:
      co_await CheckOut(run);
      break;
  }
  const base::Duration latency = ports_.telemetry.clock().Now() - begin;
  if (run.wrong) run.span.SetStatus(otel::SpanStatus::kError, *run.wrong);
  run.span.End();
  co_return Outcome{.action = action,
                    .span = context,
                    .latency = latency,
                    .requests = run.requests,
                    .wrong = std::move(run.wrong)};
}

asio::awaitable<void> Shopper::SeeFrontPage(Run& run) {
  if (const auto page = co_await Get(run, "/")) run.Complain(memory_.SeeHome(*page));
}

asio::awaitable<void> Shopper::ChangeCurrency(Run& run) {
  const auto& currencies = TriedCurrencies();
  const std::string& currency = currencies[random_.Below(currencies.size())];
  const auto page = co_await Post(run, "/setCurrency", "currency_code=" + currency);
  if (!page) {
    memory_.DoubtCurrency();
    co_return;
  }
  memory_.UseCurrency(currency);
  run.Complain(memory_.SeeHome(*page));
}

asio::awaitable<std::string> Shopper::SeeProduct(Run& run) {
  std::string id = PickProduct();
  if (const auto page = co_await Get(run, "/product/" + net::PercentEncode(id)))
    run.Complain(memory_.SeeProduct(*page, id));
  co_return id;
}

asio::awaitable<void> Shopper::AddToCart(Run& run) {
  const std::string id = co_await SeeProduct(run);
  const int quantity = static_cast<int>(1 + random_.Below(kMostOfOneProduct));
  const auto page = co_await Post(
      run, "/cart", fmt::format("product_id={}&quantity={}", net::PercentEncode(id), quantity));
  if (!page) {
    memory_.DoubtCart();
    co_return;
  }
  memory_.PutInCart(id, quantity);
  run.Complain(memory_.SeeCart(*page));
}

asio::awaitable<void> Shopper::SeeCart(Run& run) {
  if (const auto page = co_await Get(run, "/cart")) run.Complain(memory_.SeeCart(*page));
}

asio::awaitable<void> Shopper::CheckOut(Run& run) {
  co_await AddToCart(run);
  const int year = YearOf(ports_.telemetry.clock().WallNow());
  const auto page = co_await Post(run, "/cart/checkout", ChooseCheckoutForm(random_, year));
  if (page)
    run.Complain(memory_.SeeOrder(*page));
  else
    memory_.DoubtCart();
}

asio::awaitable<std::optional<PageFacts>> Shopper::Get(Run& run, std::string target) {
  net::ClientRequest request;
  request.target = std::move(target);
  co_return co_await Follow(run, std::move(request));
}

asio::awaitable<std::optional<PageFacts>> Shopper::Post(Run& run, std::string target,
                                                        std::string form) {
  net::ClientRequest request;
  request.method = "POST";
  request.target = std::move(target);
  request.headers["Content-Type"] = "application/x-www-form-urlencoded";
  request.body = std::move(form);
  co_return co_await Follow(run, std::move(request));
}

asio::awaitable<std::optional<PageFacts>> Shopper::Follow(Run& run, net::ClientRequest request) {
  for (int redirects = 0;; ++redirects) {
    const auto response = co_await Send(run, request);
    if (!response) {
      run.Complain(
          fmt::format("{} {}: {}", request.method, request.target, response.error().ToString()));
      co_return std::nullopt;
    }
    KeepCookies(*response);
    if (response->status >= 500) {
      run.Complain(fmt::format("{} {} was answered with {}", request.method, request.target,
                               response->status));
      co_return std::nullopt;
    }
    if (response->status < 300 || response->status >= 400) co_return ReadPage(response->body);
    const auto location = response->headers.find("Location");
    if (location == response->headers.end() || !location->second.starts_with('/') ||
        redirects == kMostRedirects) {
      run.Complain(fmt::format("{} {} leads nowhere", request.method, request.target));
      co_return std::nullopt;
    }
    std::string target = location->second;
    request = net::ClientRequest{};
    request.target = std::move(target);
  }
}

asio::awaitable<base::Result<net::Response>> Shopper::Send(Run& run,
                                                           const net::ClientRequest& request) {
  net::ClientRequest sent = request;
  sent.timeout = ports_.timeout;
  sent.headers["User-Agent"] = "enclave-load";
  std::string cookies;
  for (const auto& [name, value] : cookies_)
    cookies += fmt::format("{}{}={}", cookies.empty() ? "" : "; ", name, value);
  if (!cookies.empty()) sent.headers["Cookie"] = std::move(cookies);

  ++run.requests;
  otel::HttpClientSpan span(ports_.telemetry, ports_.base_url, sent, {},
                            {.parent = otel::ToTraceContext(run.context)});
  auto response = co_await ports_.http.Send(std::move(sent));
  span.End(response);
  co_return response;
}

void Shopper::KeepCookies(const net::Response& response) {
  const auto header = response.headers.find("Set-Cookie");
  if (header == response.headers.end()) return;
  // Several are joined with a comma; the shop gives ages instead of dates, which would have one
  // too.
  std::string_view rest = header->second;
  while (!rest.empty()) {
    const std::size_t end = rest.find(',');
    std::string_view cookie = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    const bool ended = cookie.contains("Max-Age=0");
    cookie = cookie.substr(0, cookie.find(';'));
    while (cookie.starts_with(' ')) cookie.remove_prefix(1);
    const std::size_t equals = cookie.find('=');
    if (equals == std::string_view::npos || cookie.size() > kMostCookieBytes) continue;
    const std::string name(cookie.substr(0, equals));
    if (ended)
      cookies_.erase(name);
    else if (cookies_.contains(name) || cookies_.size() < kMostCookies)
      cookies_[name] = cookie.substr(equals + 1);
  }
}

std::string Shopper::PickProduct() {
  const auto& products = memory_.products().empty() ? PublishedProducts() : memory_.products();
  return products[random_.Below(products.size())];
}

}  // namespace enclave::lab::load
