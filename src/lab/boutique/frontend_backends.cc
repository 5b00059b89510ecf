#include "lab/boutique/frontend_backends.h"

#include <condition_variable>
#include <mutex>
#include <set>
#include <utility>

#include <grpc/support/time.h>
#include <grpcpp/client_context.h>

#include "otel/grpc_client.h"

namespace enclave::lab::boutique {
namespace {

using std::chrono::milliseconds;

// How long a page waits for each. An advertisement is not worth waiting for; an order is.
constexpr milliseconds kPatience{3'000};
constexpr milliseconds kRecommendationPatience{1'500};
constexpr milliseconds kAdPatience{600};
constexpr milliseconds kOrderPatience{15'000};

}  // namespace

struct Backends::Impl {
  Impl(otel::Telemetry& the_telemetry, const BackendAddresses& addresses)
      : telemetry(the_telemetry),
        catalog(hipstershop::ProductCatalogService::NewStub(
            Channel(addresses.catalog, {"hipstershop.ProductCatalogService"}))),
        currency(hipstershop::CurrencyService::NewStub(
            Channel(addresses.currency, {"hipstershop.CurrencyService"}))),
        cart(hipstershop::CartService::NewStub(
            Channel(addresses.cart,
                    {"hipstershop.CartService/GetCart", "hipstershop.CartService/EmptyCart"}))),
        recommendation(hipstershop::RecommendationService::NewStub(
            Channel(addresses.recommendation, {"hipstershop.RecommendationService"}))),
        shipping(hipstershop::ShippingService::NewStub(
            Channel(addresses.shipping, {"hipstershop.ShippingService/GetQuote"}))),
        checkout(hipstershop::CheckoutService::NewStub(Channel(addresses.checkout, {}))),
        ad(hipstershop::AdService::NewStub(Channel(addresses.ad, {"hipstershop.AdService"}))) {}

  ~Impl() {
    std::unique_lock lock(mutex);
    const std::set<std::shared_ptr<grpc::ClientContext>> calls = under_way;
    lock.unlock();
    for (const auto& context : calls) context->TryCancel();
    lock.lock();
    ended.wait(lock, [&] { return under_way.empty(); });
  }

  std::shared_ptr<grpc::Channel> Channel(const std::string& address,
                                         std::vector<std::string> idempotent) {
    return channels.emplace_back(
        otel::MakeChannel(telemetry, {.address = address, .idempotent = std::move(idempotent)}));
  }

  // `start` hands the call to its stub: start(context, request, response, done).
  template <typename Response, typename Request, typename StartCall>
  Pending<Response> Start(const CallScope& scope, milliseconds patience, Request request,
                          const StartCall& start) {
    struct Call {
      grpc::ClientContext context;
      Request request;
      Response response;
    };
    const Pending<Response> pending(scope.executor);
    const auto call = std::make_shared<Call>();
    const std::shared_ptr<grpc::ClientContext> context(call, &call->context);
    call->request = std::move(request);
    // The interceptor of the channel takes the parent from the thread.
    const otel::ScopedContext current(scope.context);
    otel::SetDeadline(telemetry.clock(), patience, call->context);
    {
      const std::lock_guard lock(mutex);
      under_way.insert(context);
    }
    start(&call->context, &call->request, &call->response,
          [this, call, context, pending](const grpc::Status& status) {
            if (status.ok())
              pending.Complete(std::move(call->response));
            else
              pending.Complete(base::Fail(otel::ToError(status)));
            const std::lock_guard lock(mutex);
            under_way.erase(context);
            // Under the lock: the destructor goes on as soon as it sees none.
            if (under_way.empty()) ended.notify_all();
          });
    return pending;
  }

  otel::Telemetry& telemetry;
  std::mutex mutex;
  std::condition_variable ended;
  std::set<std::shared_ptr<grpc::ClientContext>> under_way;

  std::vector<std::shared_ptr<grpc::Channel>> channels;  // of the stubs, which follow
  std::unique_ptr<hipstershop::ProductCatalogService::Stub> catalog;
  std::unique_ptr<hipstershop::CurrencyService::Stub> currency;
  std::unique_ptr<hipstershop::CartService::Stub> cart;
  std::unique_ptr<hipstershop::RecommendationService::Stub> recommendation;
  std::unique_ptr<hipstershop::ShippingService::Stub> shipping;
  std::unique_ptr<hipstershop::CheckoutService::Stub> checkout;
  std::unique_ptr<hipstershop::AdService::Stub> ad;
};

Backends::Backends(otel::Telemetry& telemetry, const BackendAddresses& addresses)
    : impl_(std::make_unique<Impl>(telemetry, addresses)) {}
Backends::~Backends() = default;

bool Backends::AwaitAll(std::chrono::milliseconds patience) {
  const gpr_timespec until = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                          gpr_time_from_millis(patience.count(), GPR_TIMESPAN));
  // All connect at once; then each is looked at.
  for (const auto& channel : impl_->channels) channel->GetState(/*try_to_connect=*/true);
  bool all = true;
  for (const auto& channel : impl_->channels) all &= channel->WaitForConnected(until);
  return all;
}

Pending<hipstershop::ListProductsResponse> Backends::ListProducts(const CallScope& scope) {
  return impl_->Start<hipstershop::ListProductsResponse>(
      scope, kPatience, hipstershop::ListProductsRequest(),
      [&](auto* context, auto* request, auto* response, auto done) {
        impl_->catalog->async()->ListProducts(context, request, response, std::move(done));
      });
}

Pending<hipstershop::Product> Backends::GetProduct(const CallScope& scope, const std::string& id) {
  hipstershop::GetProductRequest product;
  product.set_id(id);
  return impl_->Start<hipstershop::Product>(
      scope, kPatience, std::move(product),
      [&](auto* context, auto* request, auto* response, auto done) {
        impl_->catalog->async()->GetProduct(context, request, response, std::move(done));
      });
}

Pending<hipstershop::GetSupportedCurrenciesResponse> Backends::GetCurrencies(
    const CallScope& scope) {
  return impl_->Start<hipstershop::GetSupportedCurrenciesResponse>(
      scope, kPatience, hipstershop::Empty(),
      [&](auto* context, auto* request, auto* response, auto done) {
        impl_->currency->async()->GetSupportedCurrencies(context, request, response,
                                                         std::move(done));
      });
}

Pending<hipstershop::Money> Backends::Convert(const CallScope& scope,
                                              const hipstershop::Money& money,
                                              const std::string& currency) {
  if (money.currency_code() == currency) {
    Pending<hipstershop::Money> known(scope.executor);
    known.Complete(money);
    return known;
  }
  hipstershop::CurrencyConversionRequest conversion;
  *conversion.mutable_from() = money;
  conversion.set_to_code(currency);
  return impl_->Start<hipstershop::Money>(
      scope, kPatience, std::move(conversion),
      [&](auto* context, auto* request, auto* response, auto done) {
        impl_->currency->async()->Convert(context, request, response, std::move(done));
      });
}

Pending<hipstershop::Cart> Backends::GetCart(const CallScope& scope, const std::string& user) {
  hipstershop::GetCartRequest cart;
  cart.set_user_id(user);
  return impl_->Start<hipstershop::Cart>(
      scope, kPatience, std::move(cart),
      [&](auto* context, auto* request, auto* response, auto done) {
        impl_->cart->async()->GetCart(context, request, response, std::move(done));
      });
}

Pending<hipstershop::Empty> Backends::AddItem(const CallScope& scope, const std::string& user,
                                              const std::string& product_id, int quantity) {
  hipstershop::AddItemRequest item;
  item.set_user_id(user);
  item.mutable_item()->set_product_id(product_id);
  item.mutable_item()->set_quantity(quantity);
  return impl_->Start<hipstershop::Empty>(
      scope, kPatience, std::move(item),
      [&](auto* context, auto* request, auto* response, auto done) {
        impl_->cart->async()->AddItem(context, request, response, std::move(done));
      });
}

Pending<hipstershop::Empty> Backends::EmptyCart(const CallScope& scope, const std::string& user) {
  hipstershop::EmptyCartRequest cart;
  cart.set_user_id(user);
  return impl_->Start<hipstershop::Empty>(
      scope, kPatience, std::move(cart),
      [&](auto* context, auto* request, auto* response, auto done) {
        impl_->cart->async()->EmptyCart(context, request, response, std::move(done));
      });
}

Pending<hipstershop::ListRecommendationsResponse> Backends::Recommend(
    const CallScope& scope, const std::string& user, const std::vector<std::string>& product_ids) {
  hipstershop::ListRecommendationsRequest wanted;
  wanted.set_user_id(user);
  for (const std::string& id : product_ids) wanted.add_product_ids(id);
  return impl_->Start<hipstershop::ListRecommendationsResponse>(
      scope, kRecommendationPatience, std::move(wanted),
      [&](auto* context, auto* request, auto* response, auto done) {
        impl_->recommendation->async()->ListRecommendations(context, request, response,
                                                            std::move(done));
      });
}

Pending<hipstershop::GetQuoteResponse> Backends::GetQuote(const CallScope& scope,
                                                          const hipstershop::Cart& cart) {
  hipstershop::GetQuoteRequest quote;
  *quote.mutable_items() = cart.items();
  return impl_->Start<hipstershop::GetQuoteResponse>(
      scope, kPatience, std::move(quote),
      [&](auto* context, auto* request, auto* response, auto done) {
        impl_->shipping->async()->GetQuote(context, request, response, std::move(done));
      });
}

Pending<hipstershop::PlaceOrderResponse> Backends::PlaceOrder(
    const CallScope& scope, const hipstershop::PlaceOrderRequest& order) {
  return impl_->Start<hipstershop::PlaceOrderResponse>(
      scope, kOrderPatience, order, [&](auto* context, auto* request, auto* response, auto done) {
        impl_->checkout->async()->PlaceOrder(context, request, response, std::move(done));
      });
}

Pending<hipstershop::AdResponse> Backends::GetAds(const CallScope& scope,
                                                  const std::vector<std::string>& context_keys) {
  hipstershop::AdRequest wanted;
  for (const std::string& key : context_keys) wanted.add_context_keys(key);
  return impl_->Start<hipstershop::AdResponse>(
      scope, kAdPatience, std::move(wanted),
      [&](auto* context, auto* request, auto* response, auto done) {
        impl_->ad->async()->GetAds(context, request, response, std::move(done));
      });
}

}  // namespace enclave::lab::boutique
