#include "lab/boutique/frontend.h"

#include <fmt/format.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string_view>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>

#include "lab/boutique/frontend_static.h"
#include "lab/boutique/frontend_visit.h"
#include "net/http_server.h"
#include "otel/exception.h"
#include "otel/http_instrumentation.h"

namespace enclave::lab::boutique {
namespace {

namespace asio = boost::asio;

enum class Route : std::uint8_t {
  kHome,
  kProduct,
  kCart,
  kAddToCart,
  kEmptyCart,
  kCheckout,
  kSetCurrency,
  kLogout,
  kStatic,
  kHealth,
  kWrongMethod,
  kNotFound
};

struct Routed {
  Route route;
  std::string_view pattern;  // one of few: the name of the span and of the metric
  std::string_view allowed{};
};

Routed RouteOf(const net::Request& request) {
  const bool reads = request.method == "GET" || request.method == "HEAD";
  const bool posts = request.method == "POST";
  const std::string_view path = request.path;
  const auto reading = [&](Route route, std::string_view pattern) -> Routed {
    return reads ? Routed{route, pattern} : Routed{Route::kWrongMethod, pattern, "GET, HEAD"};
  };
  const auto posting = [&](Route route, std::string_view pattern) -> Routed {
    return posts ? Routed{route, pattern} : Routed{Route::kWrongMethod, pattern, "POST"};
  };
  if (path == "/") return reading(Route::kHome, "/");
  if (path == "/_healthz") return reading(Route::kHealth, "/_healthz");
  if (path == "/cart" && posts) return {Route::kAddToCart, "/cart"};
  if (path == "/cart")
    return reads ? Routed{Route::kCart, "/cart"}
                 : Routed{Route::kWrongMethod, "/cart", "GET, HEAD, POST"};
  if (path == "/cart/empty") return posting(Route::kEmptyCart, path);
  if (path == "/cart/checkout") return posting(Route::kCheckout, "/cart/checkout");
  if (path == "/setCurrency") return posting(Route::kSetCurrency, "/setCurrency");
  if (path == "/logout") return reading(Route::kLogout, "/logout");
  if (path.starts_with("/static/")) return reading(Route::kStatic, "/static/*");
  if (path.starts_with("/product/")) return reading(Route::kProduct, "/product/{id}");
  return {Route::kNotFound, "/*"};
}

class Shop final : public Frontend {
 public:
  Shop(otel::Telemetry& telemetry, const FrontendOptions& options, base::Random& random)
      : telemetry_(telemetry), random_(random), backends_(telemetry, options.backends) {}

  base::Result<> Listen(net::EventLoop& loop, const FrontendOptions& options) {
    if (options.start_patience.count() > 0 && !backends_.AwaitAll(options.start_patience))
      telemetry_.logger().Warn("not every service behind the shop can be reached yet");
    net::HttpServerOptions server;
    server.address = options.address;
    server.port = options.port;
    server.max_header_bytes = 32 << 10;
    server.max_body_bytes = 64 << 10;
    ASSIGN_OR_RETURN(
        server_, net::HttpServer::Start(loop, std::move(server),
                                        [this](net::Request& request, net::ResponseWriter& writer) {
                                          return Serve(request, writer);
                                        }));
    return {};
  }

  std::uint16_t port() const override { return server_->port(); }

  void Drain(std::chrono::milliseconds grace) override {
    draining_.store(true);
    std::unique_lock lock(mutex_);
    idle_.wait_for(lock, grace, [&] { return under_way_ == 0; });
  }

 private:
  // Counts a request as under way while it lives.
  class Guest {
   public:
    explicit Guest(Shop& shop) : shop_(shop) {
      const std::lock_guard lock(shop_.mutex_);
      ++shop_.under_way_;
    }
    ~Guest() {
      const std::lock_guard lock(shop_.mutex_);
      if (--shop_.under_way_ == 0) shop_.idle_.notify_all();
    }
    Guest(const Guest&) = delete;
    Guest& operator=(const Guest&) = delete;

   private:
    Shop& shop_;
  };

  asio::awaitable<void> Serve(net::Request& request, net::ResponseWriter& writer) {
    const Routed routed = RouteOf(request);
    if (routed.route == Route::kHealth) {
      // Not traced: probes come all the time and say nothing about visitors.
      co_await Send(writer, Health());
      co_return;
    }
    const Guest guest(*this);
    otel::HttpServerSpan call(telemetry_, request, routed.pattern);
    Visit visit(backends_, telemetry_, random_, request, call, co_await asio::this_coro::executor);
    const otel::Context context = call.context();  // the span ends before the log line
    const base::MonoTime begin = telemetry_.clock().Now();
    net::Response response = co_await Answer(routed, request, visit, call);
    response.headers["X-B3-TraceId"] = visit.trace_id();
    const int status = response.status;
    co_await Send(writer, std::move(response));
    call.End(status);
    LogRequest(request, routed, status, telemetry_.clock().Now() - begin, context);
  }

  asio::awaitable<void> Send(net::ResponseWriter& writer, net::Response response) {
    if (draining_.load()) response.headers["Connection"] = "close";
    // A visitor who is gone misses nothing.
    [[maybe_unused]] const auto sent = co_await writer.Send(std::move(response));
  }

  // Whatever is thrown on the way is recorded and becomes a page.
  asio::awaitable<net::Response> Answer(const Routed& routed, const net::Request& request,
                                        Visit& visit, otel::HttpServerSpan& call) {
    try {
      co_return co_await Dispatch(routed, request, visit);
    } catch (const boost::system::system_error& error) {
      // The visitor went away: there is nobody to answer.
      if (error.code() == asio::error::operation_aborted) throw;
      RecordException(routed, call);
    } catch (...) {
      RecordException(routed, call);
    }
    co_return visit.Broken();
  }

  void RecordException(const Routed& routed, otel::HttpServerSpan& call) {
    const otel::ExceptionInfo exception = otel::DescribeCurrentException();
    const otel::ScopedContext scope(call.context());
    call.span().RecordException(exception);
    telemetry_.logger().Exception("a request broke off", exception,
                                  {{"http.route", std::string(routed.pattern)}});
  }

  asio::awaitable<net::Response> Dispatch(const Routed& routed, const net::Request& request,
                                          Visit& visit) {
    switch (routed.route) {
      case Route::kHome:
        co_return co_await visit.Home();
      case Route::kProduct:
        co_return co_await visit.Product();
      case Route::kCart:
        co_return co_await visit.Cart();
      case Route::kAddToCart:
        co_return co_await visit.AddToCart();
      case Route::kEmptyCart:
        co_return co_await visit.EmptyCart();
      case Route::kCheckout:
        co_return co_await visit.Checkout();
      case Route::kSetCurrency:
        co_return visit.SetCurrency();
      case Route::kLogout:
        co_return visit.Logout();
      case Route::kStatic:
        co_return files_.Answer(request);
      case Route::kHealth:
        co_return Health();
      case Route::kWrongMethod:
        co_return visit.WrongMethod(routed.allowed);
      case Route::kNotFound:
        co_return visit.NotFound();
    }
    co_return visit.NotFound();
  }

  net::Response Health() const {
    net::Response response;
    response.status = draining_.load() ? 503 : 200;
    response.headers["Content-Type"] = "text/plain; charset=utf-8";
    response.body = draining_.load() ? "draining\n" : "ok\n";
    return response;
  }

  void LogRequest(const net::Request& request, const Routed& routed, int status,
                  base::Duration elapsed, const otel::Context& context) {
    if (routed.route == Route::kStatic) return;
    const double ms = std::chrono::duration<double, std::milli>(elapsed).count();
    telemetry_.logger().Log(status >= 500 ? otel::Severity::kError : otel::Severity::kInfo,
                            fmt::format("{} {} {}", request.method, routed.pattern, status),
                            {{"http.request.method", request.method},
                             {"http.route", std::string(routed.pattern)},
                             {"url.path", request.path},
                             {"http.response.status_code", std::int64_t{status}},
                             {"duration_ms", ms}},
                            context.span ? &*context.span : nullptr);
  }

  otel::Telemetry& telemetry_;
  base::Random& random_;
  const StaticFiles files_;
  std::atomic<bool> draining_ = false;
  std::mutex mutex_;
  std::condition_variable idle_;
  int under_way_ = 0;  // guarded by mutex_
  Backends backends_;
  std::unique_ptr<net::HttpServer> server_;  // ends first: its handlers use all above
};

}  // namespace

base::Result<BackendAddresses> BackendsFromEnvironment(const Setup& setup) {
  BackendAddresses backends;
  ASSIGN_OR_RETURN(backends.catalog, RequiredAddress(setup, "PRODUCT_CATALOG_SERVICE_ADDR"));
  ASSIGN_OR_RETURN(backends.currency, RequiredAddress(setup, "CURRENCY_SERVICE_ADDR"));
  ASSIGN_OR_RETURN(backends.cart, RequiredAddress(setup, "CART_SERVICE_ADDR"));
  ASSIGN_OR_RETURN(backends.recommendation, RequiredAddress(setup, "RECOMMENDATION_SERVICE_ADDR"));
  ASSIGN_OR_RETURN(backends.shipping, RequiredAddress(setup, "SHIPPING_SERVICE_ADDR"));
  ASSIGN_OR_RETURN(backends.checkout, RequiredAddress(setup, "CHECKOUT_SERVICE_ADDR"));
  ASSIGN_OR_RETURN(backends.ad, RequiredAddress(setup, "AD_SERVICE_ADDR"));
  return backends;
}

base::Result<std::unique_ptr<Frontend>> Frontend::Start(net::EventLoop& loop,
                                                        otel::Telemetry& telemetry,
                                                        const FrontendOptions& options,
                                                        base::Random& random) {
  auto shop = std::make_unique<Shop>(telemetry, options, random);
  RETURN_IF_ERROR(shop->Listen(loop, options));
  return shop;
}

}  // namespace enclave::lab::boutique
