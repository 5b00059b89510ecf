// The services together: every one on a port of its own, in this process, with telemetry of its
// own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "hipstershop/demo.grpc.pb.h"
#include "lab/boutique/money.h"
#include "lab/boutique/service.h"
#include "otel/grpc_client.h"
#include "otel/test_collector.h"

namespace enclave::lab::boutique {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;

class CheckoutTest : public ::testing::Test {
 protected:
  struct Running {
    std::unique_ptr<otel::Telemetry> telemetry;
    std::unique_ptr<Service> service;
    std::unique_ptr<otel::GrpcServer> server;
  };

  void SetUp() override {
    telemetry_ = MakeTelemetry("client");
    for (const char* name : {"cart", "productcatalog", "currency", "shipping", "payment", "email"})
      Start(name);
  }
  void TearDown() override {
    for (auto& [name, running] : running_) running.server->Stop(std::chrono::seconds(5));
  }

  std::unique_ptr<otel::Telemetry> MakeTelemetry(const std::string& name) {
    auto telemetry =
        otel::Telemetry::Create(loop_,
                                {.service_name = name,
                                 .exporter = {.endpoint = collector_.endpoint(),
                                              .flush_interval = std::chrono::minutes(10),
                                              .metric_interval = std::chrono::minutes(10)},
                                 .log_fd = -1},
                                base::SystemRandom());
    EXPECT_TRUE(telemetry) << telemetry.error().ToString();
    return std::move(*telemetry);
  }

  // Its address goes into the environment of those started later.
  void Start(const std::string& name, const std::string& release = "v1") {
    static const std::map<std::string, std::string> kVariables = {
        {"productcatalog", "PRODUCT_CATALOG_SERVICE_ADDR"},
        {"cart", "CART_SERVICE_ADDR"},
        {"currency", "CURRENCY_SERVICE_ADDR"},
        {"shipping", "SHIPPING_SERVICE_ADDR"},
        {"payment", "PAYMENT_SERVICE_ADDR"},
        {"email", "EMAIL_SERVICE_ADDR"},
        {"checkout", "CHECKOUT_SERVICE_ADDR"},
        {"recommendation", "RECOMMENDATION_SERVICE_ADDR"},
        {"ad", "AD_SERVICE_ADDR"}};
    if (const auto old = running_.find(name); old != running_.end()) {
      old->second.server->Stop({});
      running_.erase(old);
    }
    Running running;
    running.telemetry = MakeTelemetry(name);
    auto service = MakeService(
        name, {.telemetry = *running.telemetry,
               .executor = loop_,
               .random = base::SystemRandom(),
               .environment = [this](const std::string& variable) -> std::optional<std::string> {
                 const auto found = environment_.find(variable);
                 return found == environment_.end() ? std::nullopt : std::optional(found->second);
               },
               .release = release});
    ASSERT_TRUE(service) << service.error().ToString();
    running.service = std::move(*service);
    running.server = std::make_unique<otel::GrpcServer>(*running.telemetry,
                                                        otel::GrpcServerOptions{.threads = 2});
    running.service->Register(*running.server);
    const auto started = running.server->Start();
    ASSERT_TRUE(started) << started.error().ToString();
    environment_[kVariables.at(name)] = fmt::format("127.0.0.1:{}", running.server->port());
    running_[name] = std::move(running);
  }

  template <typename Rpc>
  otel::GrpcClient<Rpc> Client(const std::string& variable) {
    return otel::GrpcClient<Rpc>(
        *telemetry_, {.address = environment_.at(variable), .timeout = otel::kLongTime});
  }

  void PutIntoCart(const std::string& product_id, int quantity) {
    auto cart = Client<hipstershop::CartService>("CART_SERVICE_ADDR");
    hipstershop::AddItemRequest request;
    request.set_user_id("ada");
    request.mutable_item()->set_product_id(product_id);
    request.mutable_item()->set_quantity(quantity);
    const auto added = cart.Call(&hipstershop::CartService::Stub::AddItem, request);
    ASSERT_TRUE(added) << added.error().ToString();
  }

  static hipstershop::PlaceOrderRequest Order(const std::string& currency = "EUR") {
    hipstershop::PlaceOrderRequest request;
    request.set_user_id("ada");
    request.set_user_currency(currency);
    request.set_email("ada@example.com");
    request.mutable_address()->set_city("Turku");
    request.mutable_credit_card()->set_credit_card_number("4432-8015-6152-0454");
    request.mutable_credit_card()->set_credit_card_expiration_year(2039);
    request.mutable_credit_card()->set_credit_card_expiration_month(1);
    return request;
  }

  base::Result<hipstershop::PlaceOrderResponse> Place(
      const hipstershop::PlaceOrderRequest& request) {
    auto checkout = Client<hipstershop::CheckoutService>("CHECKOUT_SERVICE_ADDR");
    const otel::ScopedSpan span(telemetry_->tracer(), "visitor places an order",
                                {.new_trace = true});
    trace_ = otel::Current().span->trace_id.ToString();
    return checkout.Call(&hipstershop::CheckoutService::Stub::PlaceOrder, request);
  }
  void FlushAll() {
    ASSERT_TRUE(telemetry_->Flush(otel::kLongTime));
    for (auto& [name, running] : running_)
      ASSERT_TRUE(running.telemetry->Flush(otel::kLongTime)) << name;
  }

  static std::string Hex(const std::string& bytes) {
    std::string hex;
    for (const char c : bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
    return hex;
  }
  // The spans of the last order's trace.
  std::vector<otel::ReceivedSpan> TraceOfOrder() {
    FlushAll();
    std::vector<otel::ReceivedSpan> spans;
    for (const otel::ReceivedSpan& span : collector_.spans())
      if (Hex(span.span.trace_id()) == trace_) spans.push_back(span);
    return spans;
  }

  otel::TestCollector collector_;
  net::EventLoop loop_{"boutique-test"};
  std::map<std::string, std::string> environment_;
  std::unique_ptr<otel::Telemetry> telemetry_;
  std::map<std::string, Running> running_;
  std::string trace_;
};

TEST_F(CheckoutTest, AnOrderIsOneTraceWithoutAGap) {
  Start("checkout");
  PutIntoCart("OLJCESPC7Z", 2);
  PutIntoCart("6E92ZMYYFZ", 1);
  const auto placed = Place(Order());
  ASSERT_TRUE(placed) << placed.error().ToString();
  const hipstershop::OrderResult& order = placed->order();
  EXPECT_EQ(order.items_size(), 2);
  EXPECT_EQ(order.shipping_address().city(), "Turku");
  EXPECT_THAT(order.shipping_tracking_id(), ::testing::MatchesRegex("[A-Z]+-[0-9]+-[0-9]+"));
  EXPECT_EQ(order.items(0).cost().currency_code(), "EUR");
  EXPECT_GT(order.charged().units(), 0);

  const auto spans = TraceOfOrder();
  std::set<std::string> ids;
  std::set<std::string> services;
  std::multiset<std::string> servers;
  for (const otel::ReceivedSpan& span : spans) {
    ids.insert(span.span.span_id());
    services.insert(span.service);
    if (span.span.kind() == opentelemetry::proto::trace::v1::Span::SPAN_KIND_SERVER)
      servers.insert(span.span.name());
  }
  EXPECT_EQ(ids.size(), spans.size());
  std::size_t roots = 0;
  for (const otel::ReceivedSpan& span : spans) {
    if (span.span.parent_span_id().empty())
      ++roots;
    else
      EXPECT_TRUE(ids.contains(span.span.parent_span_id())) << span.service << span.span.name();
  }
  EXPECT_EQ(roots, 1u);
  EXPECT_THAT(services, ::testing::ElementsAre("cart", "checkout", "client", "currency", "email",
                                               "payment", "productcatalog", "shipping"));
  EXPECT_EQ(servers.count("hipstershop.CheckoutService/PlaceOrder"), 1u);
  EXPECT_EQ(servers.count("hipstershop.CartService/GetCart"), 1u);
  EXPECT_EQ(servers.count("hipstershop.ProductCatalogService/GetProduct"), 2u);
  EXPECT_EQ(servers.count("hipstershop.CurrencyService/Convert"), 3u);
  EXPECT_EQ(servers.count("hipstershop.ShippingService/GetQuote"), 1u);
  EXPECT_EQ(servers.count("hipstershop.PaymentService/Charge"), 1u);
  EXPECT_EQ(servers.count("hipstershop.ShippingService/ShipOrder"), 1u);
  EXPECT_EQ(servers.count("hipstershop.CartService/EmptyCart"), 1u);
  EXPECT_EQ(servers.count("hipstershop.EmailService/SendOrderConfirmation"), 1u);
  // Every line that was logged for the order is found by its trace.
  std::set<std::string> messages;
  for (const auto& log : collector_.logs())
    if (Hex(log.trace_id()) == trace_) messages.insert(log.body().string_value());
  for (const char* message : {"order begun", "converted", "shipping quoted", "card charged",
                              "order shipped", "cart emptied", "confirmation sent", "order placed"})
    EXPECT_TRUE(messages.contains(message)) << message;
}

TEST_F(CheckoutTest, TheConfirmationMayFail) {
  Start("checkout");
  PutIntoCart("6E92ZMYYFZ", 1);
  hipstershop::PlaceOrderRequest order = Order();
  order.set_email("nobody");
  EXPECT_TRUE(Place(order).has_value());
  FlushAll();
  bool warned = false;
  for (const auto& log : collector_.logs())
    warned |= log.body().string_value() == "the confirmation of an order was not sent";
  EXPECT_TRUE(warned);
}

TEST_F(CheckoutTest, WhatFailsBeforeTheChargeFailsTheOrder) {
  Start("checkout");
  const auto empty = Place(Order());
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().kind(), base::ErrorKind::kUnprocessable);
  PutIntoCart("6E92ZMYYFZ", 1);
  hipstershop::PlaceOrderRequest order = Order();
  order.mutable_credit_card()->set_credit_card_number("4432801561520455");
  const auto refused = Place(order);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("charging the card: the credit card number"));
  const auto unknown = Place(Order("QQQ"));
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().message(), HasSubstr("converting a price"));
  // The cart is still there to try again.
  EXPECT_TRUE(Place(Order()).has_value());
}

TEST_F(CheckoutTest, TheCurrencyReleaseFailsInTheTraceAtItsLine) {
  Start("currency", "v2");
  Start("checkout");
  PutIntoCart("6E92ZMYYFZ", 1);
  EXPECT_FALSE(Place(Order("JPY")).has_value());
  bool seen = false;
  for (const otel::ReceivedSpan& span : TraceOfOrder()) {
    if (span.Text("code.filepath") != "src/lab/boutique/currency_converter_v2.cc") continue;
    seen = true;
    EXPECT_EQ(span.service, "currency");
    EXPECT_EQ(span.Text("error.type"), "std::out_of_range");
    EXPECT_THAT(span.Text("code.function"), HasSubstr("RoundToCoins"));
    EXPECT_GT(span.Number("code.lineno"), 0);
  }
  EXPECT_TRUE(seen);
  // Most requests do not meet it.
  EXPECT_TRUE(Place(Order("USD")).has_value());
}

TEST_F(CheckoutTest, ThePaymentReleaseRefusesInTheTraceAtItsLine) {
  Start("payment", "v2");
  Start("checkout");
  PutIntoCart("6E92ZMYYFZ", 1);
  const auto refused = Place(Order());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), base::ErrorKind::kInvalidArgument);
  bool seen = false;
  for (const otel::ReceivedSpan& span : TraceOfOrder()) {
    if (span.Text("error.type") != "UnacceptedCreditCard") continue;
    seen = true;
    EXPECT_EQ(span.service, "payment");
    EXPECT_EQ(span.span.status().code(),
              opentelemetry::proto::trace::v1::Status::STATUS_CODE_ERROR);
    EXPECT_EQ(span.Text("code.filepath"), "src/lab/boutique/card_v2.cc");
    EXPECT_EQ(span.Text("code.function"), "enclave::lab::boutique::CheckCardNoElectron");
    EXPECT_GT(span.Number("code.lineno"), 0);
    ASSERT_EQ(span.span.events_size(), 1);
    EXPECT_EQ(span.span.events(0).name(), "exception");
    EXPECT_THAT(
        otel::ReceivedSpan::TextIn(span.span.events(0).attributes(), "exception.stacktrace"),
        HasSubstr("card_v2.cc:"));
  }
  EXPECT_TRUE(seen);
}

TEST_F(CheckoutTest, AWrongTotalIsFoundAtTheLineThatMadeIt) {
  Start("checkout", "v2");
  const auto mismatches = [&] {
    std::size_t count = 0;
    for (const otel::ReceivedSpan& span : TraceOfOrder())
      if (span.Text("error.type") == "OrderTotalMismatch") {
        ++count;
        EXPECT_EQ(span.service, "checkout");
        EXPECT_EQ(span.Text("code.filepath"), "src/lab/boutique/order_total_v2.cc");
        EXPECT_EQ(span.Text("code.function"), "enclave::lab::boutique::TotalInOnePass");
        EXPECT_GT(span.Number("code.lineno"), 0);
      }
    return count;
  };
  // One line: the total is right.
  PutIntoCart("OLJCESPC7Z", 1);
  const auto right = Place(Order("USD"));
  ASSERT_TRUE(right);
  EXPECT_EQ(mismatches(), 0u);
  // Many lines with nearly a unit of nanos each: the buyer is charged too little, and is told.
  for (const char* id : {"OLJCESPC7Z", "6E92ZMYYFZ", "LS4PSXUNUM", "66VCHSJNUP"})
    PutIntoCart(id, 1);
  const auto wrong = Place(Order("USD"));
  ASSERT_TRUE(wrong) << "the order stands";
  EXPECT_EQ(mismatches(), 1u);
  EXPECT_TRUE(wrong->order().has_charged());
}

TEST_F(CheckoutTest, CallsAndInternalSpansNameTheirLine) {
  Start("recommendation", "v2");
  auto client = Client<hipstershop::RecommendationService>("RECOMMENDATION_SERVICE_ADDR");
  hipstershop::ListRecommendationsRequest request;
  for (const char* id : {"OLJCESPC7Z", "6E92ZMYYFZ"}) request.add_product_ids(id);
  ASSERT_TRUE(client.Call(&hipstershop::RecommendationService::Stub::ListRecommendations, request));
  FlushAll();
  std::map<std::string, int> callers;  // of GetProduct, by their line
  for (const otel::ReceivedSpan& span : collector_.SpansOf("recommendation")) {
    if (span.span.name() == "choose recommendations")
      EXPECT_EQ(span.Text("code.filepath"), "src/lab/boutique/recommendation_service.cc");
    if (span.span.name() == "hipstershop.ProductCatalogService/GetProduct")
      ++callers[fmt::format("{} {}", span.Text("code.filepath"), span.Number("code.lineno"))];
  }
  // Seven others with two at hand: the best of 7, 6, 5, 4 and 3, asked from two lines of the loop.
  ASSERT_EQ(callers.size(), 2u) << ::testing::PrintToString(callers);
  for (const auto& [place, calls] : callers) {
    EXPECT_EQ(calls, (7 + 6 + 5 + 4 + 3) * 2) << place;
    EXPECT_THAT(place, HasSubstr("src/lab/boutique/recommender_v2.cc"));
  }
}

TEST_F(CheckoutTest, RecommendationsLeaveOutWhatIsAtHand) {
  Start("recommendation");
  hipstershop::ListRecommendationsRequest request;
  for (const char* id : {"OLJCESPC7Z", "6E92ZMYYFZ", "LS4PSXUNUM"}) request.add_product_ids(id);
  const auto calls = [&] {
    FlushAll();
    return collector_.SpansOf("productcatalog").size();
  };
  const auto check = [&] {
    auto client = Client<hipstershop::RecommendationService>("RECOMMENDATION_SERVICE_ADDR");
    const auto response =
        client.Call(&hipstershop::RecommendationService::Stub::ListRecommendations, request);
    ASSERT_TRUE(response) << response.error().ToString();
    EXPECT_EQ(response->product_ids_size(), 5);
    const std::set<std::string> ids(response->product_ids().begin(), response->product_ids().end());
    EXPECT_EQ(ids.size(), 5u);
    EXPECT_THAT(ids, Each(AllOf(::testing::Ne("OLJCESPC7Z"), ::testing::Ne("6E92ZMYYFZ"),
                                ::testing::Ne("LS4PSXUNUM"))));
  };
  check();
  const std::size_t first = calls();
  // The later release asks the catalogue twice for each pair.
  Start("recommendation", "v2");
  check();
  EXPECT_GE(calls() - first, 2u * 6 * 3);
}

TEST_F(CheckoutTest, AdsFitTheirContext) {
  Start("ad");
  auto client = Client<hipstershop::AdService>("AD_SERVICE_ADDR");
  hipstershop::AdRequest request;
  request.add_context_keys("kitchen");
  const auto targeted = client.Call(&hipstershop::AdService::Stub::GetAds, request);
  ASSERT_TRUE(targeted);
  EXPECT_EQ(targeted->ads_size(), 2);
  EXPECT_EQ(targeted->ads(0).redirect_url(), "/product/9SIQT8TOJO");
  request.clear_context_keys();
  EXPECT_EQ(client.Call(&hipstershop::AdService::Stub::GetAds, request)->ads_size(), 2);
}

TEST_F(CheckoutTest, ExtraLatencyDelaysTheCatalogue) {
  environment_["EXTRA_LATENCY"] = "20ms";
  Start("productcatalog");
  auto client = Client<hipstershop::ProductCatalogService>("PRODUCT_CATALOG_SERVICE_ADDR");
  EXPECT_EQ(client
                .Call(&hipstershop::ProductCatalogService::Stub::ListProducts,
                      hipstershop::ListProductsRequest())
                ->products_size(),
            9);
  FlushAll();
  for (const otel::ReceivedSpan& span : collector_.SpansOf("productcatalog"))
    EXPECT_GE(span.span.end_time_unix_nano() - span.span.start_time_unix_nano(), 20'000'000u);
}

TEST_F(CheckoutTest, WhatCannotBeStartedSaysWhy) {
  const boutique::Setup setup{.telemetry = *telemetry_,
                              .executor = loop_,
                              .random = base::SystemRandom(),
                              .environment = [](const std::string&) { return std::nullopt; }};
  EXPECT_THAT(MakeService("checkout", setup).error().message(), HasSubstr("CART_SERVICE_ADDR"));
  EXPECT_THAT(MakeService("nothing", setup).error().message(), HasSubstr("productcatalog"));
  boutique::Setup unknown = setup;
  unknown.release = "v9";
  EXPECT_THAT(MakeService("ad", unknown).error().message(), HasSubstr("v9"));
  EXPECT_EQ(FindService("currency")->port, 7000);
}

}  // namespace
}  // namespace enclave::lab::boutique
