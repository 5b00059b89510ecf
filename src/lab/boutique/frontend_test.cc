#include "lab/boutique/frontend.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lab/boutique/frontend_fake_services.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "opentelemetry/trace_service.pb.h"

namespace enclave::lab::boutique {
namespace {

using namespace std::string_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::string_view kTraceId = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr std::string_view kOrderForm =
    "email=a%40b.c&street_address=1+Mill+Road&zip_code=94043&city=Salem&state=CA&country=US&"
    "credit_card_number=4432-8015-6152-0454&credit_card_expiration_month=1&"
    "credit_card_expiration_year=2039&credit_card_cvv=672";

// Keeps the spans that are sent to it.
class SpanCollector {
 public:
  SpanCollector() {
    auto server = net::HttpServer::Start(
        loop_, {}, [this](net::Request& request, net::ResponseWriter& writer) {
          return Take(request, writer);
        });
    EXPECT_TRUE(server);
    server_ = std::move(*server);
  }
  std::string url() const { return fmt::format("http://127.0.0.1:{}", server_->port()); }
  std::vector<opentelemetry::proto::trace::v1::Span> spans() {
    const std::lock_guard lock(mutex_);
    return spans_;
  }

 private:
  boost::asio::awaitable<void> Take(net::Request& request, net::ResponseWriter& writer) {
    if (request.path == "/v1/traces") {
      opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest sent;
      EXPECT_TRUE(sent.ParseFromString(request.body));
      const std::lock_guard lock(mutex_);
      for (const auto& resource : sent.resource_spans())
        for (const auto& scope : resource.scope_spans())
          spans_.insert(spans_.end(), scope.spans().begin(), scope.spans().end());
    }
    const auto answered = co_await writer.Send({});
    EXPECT_TRUE(answered);
  }

  net::EventLoop loop_{"collector"};
  std::mutex mutex_;
  std::vector<opentelemetry::proto::trace::v1::Span> spans_;
  std::unique_ptr<net::HttpServer> server_;
};

class FrontendTest : public testing::Test {
 protected:
  FrontendTest() {
    otel::TelemetryOptions options{
        .service_name = "frontend", .log_fd = -1, .runtime_metrics = false};
    options.exporter.endpoint = collector_.url();
    auto telemetry = otel::Telemetry::Create(loop_, options, random_);
    EXPECT_TRUE(telemetry);
    telemetry_ = std::move(*telemetry);
    auto frontend = Frontend::Start(
        loop_, *telemetry_, {.port = 0, .backends = services_.addresses()}, base::SystemRandom());
    EXPECT_TRUE(frontend) << frontend.error().ToString();
    frontend_ = std::move(*frontend);
    auto client = net::HttpClient::Create(
        client_loop_, {.base_url = fmt::format("http://127.0.0.1:{}", frontend_->port())});
    EXPECT_TRUE(client);
    client_ = std::move(*client);
  }

  net::Response Ask(const std::string& method, const std::string& target,
                    std::string_view form = "", net::Headers headers = {}) {
    net::ClientRequest request{.method = method, .target = target, .headers = std::move(headers)};
    request.body = form;
    if (!cookies_.empty()) request.headers["Cookie"] = cookies_;
    auto response = client_->SendAndWait(std::move(request));
    EXPECT_TRUE(response) << method << " " << target;
    if (!response) return {};
    if (const auto cookie = response->headers.find("Set-Cookie"); cookie != response->headers.end())
      cookies_ +=
          (cookies_.empty() ? "" : "; ") + cookie->second.substr(0, cookie->second.find(';'));
    return std::move(*response);
  }
  net::Response Get(const std::string& target, net::Headers headers = {}) {
    return Ask("GET", target, "", std::move(headers));
  }
  net::Response Post(const std::string& target, std::string_view form, net::Headers headers = {}) {
    return Ask("POST", target, form, std::move(headers));
  }

  SpanCollector collector_;
  FakeServices services_;
  net::EventLoop loop_{"frontend"};
  net::EventLoop client_loop_{"visitor"};
  base::SeededRandom random_{5};
  std::unique_ptr<otel::Telemetry> telemetry_;
  std::unique_ptr<Frontend> frontend_;
  std::unique_ptr<net::HttpClient> client_;
  std::string cookies_;
};

TEST_F(FrontendTest, TheFrontPageShowsWhatThereIs) {
  const net::Response home = Get("/");
  EXPECT_EQ(home.status, 200);
  EXPECT_EQ(home.headers.at("Content-Type"), "text/html; charset=utf-8");
  EXPECT_THAT(home.headers.at("Content-Security-Policy"), StartsWith("default-src 'none'"));
  EXPECT_THAT(home.headers.at("Set-Cookie"),
              AllOf(StartsWith("shop_session-id="), HasSubstr("HttpOnly")));
  EXPECT_THAT(home.body, HasSubstr(R"(<h3 data-of="name">Mug &amp; More</h3>)"));
  EXPECT_THAT(home.body, HasSubstr(R"(value="USD 109.99")"));
  EXPECT_THAT(home.body, HasSubstr("Watches, now ticking"));
  // Of what the service can convert to, the shop offers these.
  EXPECT_THAT(home.body, AllOf(HasSubstr("<option>EUR</option>"), Not(HasSubstr("AUD"))));
  EXPECT_EQ(services_.calls("Convert"), 0);
  EXPECT_FALSE(Get("/").headers.contains("Set-Cookie"));
}

TEST_F(FrontendTest, AProductHasItsPageWithRecommendations) {
  const net::Response product = Get("/product/6E92ZMYYFZ");
  EXPECT_EQ(product.status, 200);
  EXPECT_THAT(product.body, HasSubstr(R"(<h1 data-of="name">Mug &amp; More</h1>)"));
  EXPECT_THAT(product.body, HasSubstr("Keeps &lt;hot&gt;."));
  EXPECT_THAT(product.body, HasSubstr("You may also like"));
  EXPECT_EQ(Get("/product/NONE").status, 404);
  EXPECT_EQ(Get("/product/a%2Fb").status, 404);
}

TEST_F(FrontendTest, PricesComeInTheVisitorsCurrency) {
  const net::Response set = Post("/setCurrency", "currency_code=EUR");
  EXPECT_EQ(set.status, 302);
  EXPECT_EQ(set.headers.at("Location"), "/");
  EXPECT_THAT(set.headers.at("Set-Cookie"), StartsWith("shop_currency=EUR;"));
  const net::Response home = Get("/");
  EXPECT_THAT(home.body, HasSubstr(R"(value="EUR 17.98")"));
  EXPECT_THAT(home.body, HasSubstr("<option selected>EUR</option>"));
  EXPECT_EQ(Post("/setCurrency", "currency_code=QQQ").status, 422);
  EXPECT_EQ(Post("/setCurrency", "").status, 422);
}

TEST_F(FrontendTest, TheChoiceOfACurrencyLeadsBackIntoTheShopOnly) {
  const std::string host = fmt::format("127.0.0.1:{}", frontend_->port());
  const auto back = [&](const std::string& referer) {
    return Post("/setCurrency", "currency_code=EUR", {{"Referer", referer}, {"Host", host}})
        .headers.at("Location");
  };
  EXPECT_EQ(back("http://" + host + "/product/6E92ZMYYFZ"), "/product/6E92ZMYYFZ");
  EXPECT_EQ(back("http://evil.example/product/x"), "/");
  EXPECT_EQ(back("http://" + host + "//evil.example"), "/");
  EXPECT_EQ(back("http://" + host + "/\\evil.example"), "/");
  EXPECT_EQ(back("http://" + host + "/cart/checkout"), "/");
}

TEST_F(FrontendTest, ACartIsFilledPricedAndOrdered) {
  const net::Response added = Post("/cart", "product_id=6E92ZMYYFZ&quantity=2");
  EXPECT_EQ(added.status, 302);
  EXPECT_EQ(added.headers.at("Location"), "/cart");
  const net::Response cart = Get("/cart");
  EXPECT_THAT(cart.body, HasSubstr(R"(data-quantity="2")"));
  EXPECT_THAT(cart.body, HasSubstr(R"(data-of="sum" value="USD 17.98")"));
  EXPECT_THAT(cart.body, HasSubstr(R"(data-of="total" value="USD 22.98")"));
  EXPECT_THAT(cart.body, HasSubstr(R"(<b data-of="basket">2</b>)"));

  const net::Response order = Post("/cart/checkout", kOrderForm);
  EXPECT_EQ(order.status, 200);
  EXPECT_THAT(order.body, HasSubstr(R"(data-of="paid" value="USD 22.98")"));
  EXPECT_THAT(order.body, HasSubstr("order-1"));
  EXPECT_THAT(order.body, HasSubstr("Mug &amp; More"));
  const auto placed = services_.last_order();
  EXPECT_EQ(placed.email(), "a@b.c");
  EXPECT_EQ(placed.address().zip_code(), 94043);
  EXPECT_EQ(placed.credit_card().credit_card_number(), "4432-8015-6152-0454");
  EXPECT_EQ(placed.credit_card().credit_card_expiration_year(), 2039);
  EXPECT_THAT(Get("/cart").body, HasSubstr("Your cart is empty"));
}

TEST_F(FrontendTest, ACartCanBeEmptied) {
  Post("/cart", "product_id=6E92ZMYYFZ&quantity=2");
  EXPECT_EQ(Post("/cart/empty", "").headers.at("Location"), "/");
  EXPECT_THAT(Get("/cart").body, HasSubstr("Your cart is empty"));
}

TEST_F(FrontendTest, WhatMakesNoSenseIsRefused) {
  EXPECT_EQ(Post("/cart", "product_id=6E92ZMYYFZ&quantity=11").status, 422);
  EXPECT_EQ(Post("/cart", "product_id=NONE&quantity=1").status, 422);
  EXPECT_EQ(Post("/cart", "a=%FF").status, 400);
  EXPECT_EQ(Post("/cart", std::string(20'000, 'a')).status, 413);
  EXPECT_EQ(Post("/cart/checkout", "email=x").status, 422);
  EXPECT_EQ(services_.calls("AddItem"), 0);
  EXPECT_EQ(services_.calls("PlaceOrder"), 0);
  EXPECT_EQ(Get("/nothing").status, 404);
  const net::Response wrong = Get("/cart/checkout");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.headers.at("Allow"), "POST");
}

TEST_F(FrontendTest, ACardThatIsDeclinedIsNoFaultOfTheShop) {
  Post("/cart", "product_id=6E92ZMYYFZ&quantity=1");
  services_.Fail("PlaceOrder", grpc::StatusCode::INVALID_ARGUMENT);
  const net::Response declined = Post("/cart/checkout", kOrderForm);
  EXPECT_EQ(declined.status, 422);
  EXPECT_THAT(declined.body, HasSubstr("PlaceOrder is &lt;broken&gt;"));
}

TEST_F(FrontendTest, WithoutAdsAndRecommendationsThereIsStillAPage) {
  services_.Fail("GetAds");
  services_.Fail("ListRecommendations");
  const net::Response product = Get("/product/6E92ZMYYFZ");
  EXPECT_EQ(product.status, 200);
  EXPECT_THAT(product.body,
              AllOf(Not(HasSubstr("Advertisement")), Not(HasSubstr("You may also like"))));
}

TEST_F(FrontendTest, WithoutAnythingElseThePageSaysSoWithItsTrace) {
  const std::map<std::string, std::string> needed = {{"ListProducts", "/"},
                                                     {"GetSupportedCurrencies", "/"},
                                                     {"GetCart", "/product/6E92ZMYYFZ"},
                                                     {"GetProduct", "/product/6E92ZMYYFZ"}};
  for (const auto& [method, path] : needed) {
    services_.Fail(method);
    const net::Response broken = Get(path);
    EXPECT_EQ(broken.status, 500) << method;
    const std::string trace_id = broken.headers.at("X-B3-TraceId");
    EXPECT_EQ(trace_id.size(), 32u);
    EXPECT_THAT(broken.body, HasSubstr(R"(<code class="trace">)" + trace_id));
    EXPECT_THAT(broken.body, HasSubstr("&lt;broken&gt;"));
    services_.Fail(method, grpc::StatusCode::OK);
  }
  Post("/cart", "product_id=6E92ZMYYFZ&quantity=1");
  services_.Fail("GetQuote");
  EXPECT_EQ(Get("/cart").status, 500);
  services_.Fail("PlaceOrder");
  EXPECT_EQ(Post("/cart/checkout", kOrderForm).status, 500);
}

TEST_F(FrontendTest, ATraceGoesThroughWithoutAGap) {
  const net::Response answer = Get("/product/6E92ZMYYFZ", {{"X-B3-TraceId", std::string(kTraceId)},
                                                           {"X-B3-SpanId", "00f067aa0ba902b7"},
                                                           {"X-B3-Sampled", "1"}});
  EXPECT_EQ(answer.headers.at("X-B3-TraceId"), kTraceId);
  const auto traceparents = services_.traceparents();
  for (const char* method :
       {"GetProduct", "GetCart", "GetSupportedCurrencies", "GetAds", "ListRecommendations"})
    EXPECT_THAT(traceparents.at(method), HasSubstr(kTraceId)) << method;
  ASSERT_TRUE(telemetry_->Flush(std::chrono::seconds(30)));

  std::map<std::string, std::string> parents;  // by span id
  std::string server_id;
  for (const auto& span : collector_.spans()) {
    parents[span.span_id()] = span.parent_span_id();
    if (span.name() == "GET /product/{id}") server_id = span.span_id();
  }
  ASSERT_FALSE(server_id.empty());
  EXPECT_EQ(parents.at(server_id), "\x00\xf0\x67\xaa\x0b\xa9\x02\xb7"s);
  std::size_t calls = 0;
  for (const auto& [id, parent] : parents) {
    if (id == server_id) continue;
    EXPECT_EQ(parent, server_id);
    ++calls;
  }
  // The product twice (the one recommended, too), currencies, cart, recommendations, advertisement.
  EXPECT_EQ(calls, 6u);
}

TEST_F(FrontendTest, PicturesAndStyleAreKeptByBrowsers) {
  const net::Response style = Get("/static/style.css?v=1");
  EXPECT_EQ(style.headers.at("Content-Type"), "text/css; charset=utf-8");
  EXPECT_THAT(style.headers.at("Cache-Control"), HasSubstr("immutable"));
  const std::string etag = style.headers.at("ETag");
  EXPECT_EQ(Get("/static/style.css", {{"If-None-Match", etag}}).status, 304);
  EXPECT_THAT(Get("/static/products/6E92ZMYYFZ.svg").body, StartsWith("<svg"));
  EXPECT_EQ(Get("/static/products/anything.svg").status, 200);
  EXPECT_EQ(Get("/static/products/..%2F.svg").status, 404);
  EXPECT_EQ(Get("/static/none").status, 404);
}

TEST_F(FrontendTest, LoggingOutEndsTheSession) {
  Post("/cart", "product_id=6E92ZMYYFZ&quantity=1");
  const net::Response out = Get("/logout");
  EXPECT_EQ(out.status, 302);
  EXPECT_THAT(out.headers.at("Set-Cookie"),
              AllOf(StartsWith("shop_session-id=;"), HasSubstr("Max-Age=0")));
}

TEST_F(FrontendTest, ServicesThatStartAreWaitedForButNotForever) {
  const auto start = [&](BackendAddresses backends, std::chrono::milliseconds patience) {
    return Frontend::Start(loop_, *telemetry_,
                           {.port = 0, .backends = std::move(backends), .start_patience = patience},
                           base::SystemRandom());
  };
  const auto whole = std::chrono::hours(1);  // not waited out: all are there
  EXPECT_TRUE(start(services_.addresses(), whole));
  BackendAddresses without_cart = services_.addresses();
  without_cart.cart = "127.0.0.1:1";
  EXPECT_TRUE(start(without_cart, std::chrono::milliseconds(60)));
}

TEST_F(FrontendTest, DrainingIsSaidToProbesAndConnections) {
  EXPECT_EQ(Get("/_healthz").status, 200);
  frontend_->Drain(std::chrono::seconds(30));
  EXPECT_EQ(Get("/_healthz").status, 503);
  const net::Response last = Get("/");
  EXPECT_EQ(last.status, 200);
  EXPECT_EQ(last.headers.at("Connection"), "close");
}

}  // namespace
}  // namespace enclave::lab::boutique
