// The services behind the front end, for its tests: real gRPC servers with answers as simple as can
// be, each of which can be made to fail.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include "hipstershop/demo.grpc.pb.h"
#include "lab/boutique/frontend_backends.h"

namespace enclave::lab::boutique {

// Prices: a mug for USD 8.99 and a watch for USD 109.99, shipping USD 5.00; one USD is two of any
// other currency. Thread-safe.
class FakeServices {
 public:
  FakeServices() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&catalog_);
    builder.RegisterService(&currency_);
    builder.RegisterService(&cart_);
    builder.RegisterService(&recommendation_);
    builder.RegisterService(&shipping_);
    builder.RegisterService(&checkout_);
    builder.RegisterService(&ad_);
    server_ = builder.BuildAndStart();
  }
  ~FakeServices() { server_->Shutdown(std::chrono::system_clock::time_point()); }

  BackendAddresses addresses() const {
    const std::string address = "127.0.0.1:" + std::to_string(port_);
    return {address, address, address, address, address, address, address};
  }

  // "GetQuote" and the like: answers with that status from now on.
  void Fail(const std::string& method, grpc::StatusCode code = grpc::StatusCode::INTERNAL) {
    const std::lock_guard lock(mutex_);
    failing_[method] = code;
  }
  // The traceparent of the last call of each method.
  std::map<std::string, std::string> traceparents() {
    const std::lock_guard lock(mutex_);
    return traceparents_;
  }
  hipstershop::PlaceOrderRequest last_order() {
    const std::lock_guard lock(mutex_);
    return last_order_;
  }
  int calls(const std::string& method) {
    const std::lock_guard lock(mutex_);
    return calls_[method];
  }

 private:
  static void SetMoney(hipstershop::Money& money, const std::string& currency, std::int64_t units,
                       std::int32_t nanos) {
    money.set_currency_code(currency);
    money.set_units(units);
    money.set_nanos(nanos);
  }
  static void SetProduct(hipstershop::Product& product, bool mug) {
    product.set_id(mug ? "6E92ZMYYFZ" : "1YMWWN1N4O");
    product.set_name(mug ? "Mug & More" : "Watch");
    product.set_description(mug ? "Keeps <hot>." : "Tells the time.");
    product.add_categories(mug ? "kitchen" : "accessories");
    SetMoney(*product.mutable_price_usd(), "USD", mug ? 8 : 109, 990'000'000);
  }

  grpc::Status Note(const std::string& method, grpc::ServerContext* context) {
    const std::lock_guard lock(mutex_);
    ++calls_[method];
    const auto found = context->client_metadata().find("traceparent");
    if (found != context->client_metadata().end())
      traceparents_[method] = std::string(found->second.data(), found->second.size());
    const auto failing = failing_.find(method);
    return failing == failing_.end() ? grpc::Status::OK
                                     : grpc::Status(failing->second, method + " is <broken>");
  }

  struct Catalog final : hipstershop::ProductCatalogService::Service {
    explicit Catalog(FakeServices& the_all) : all(the_all) {}
    grpc::Status ListProducts(grpc::ServerContext* context, const hipstershop::ListProductsRequest*,
                              hipstershop::ListProductsResponse* response) override {
      SetProduct(*response->add_products(), true);
      SetProduct(*response->add_products(), false);
      return all.Note("ListProducts", context);
    }
    grpc::Status GetProduct(grpc::ServerContext* context,
                            const hipstershop::GetProductRequest* request,
                            hipstershop::Product* response) override {
      const bool mug = request->id() == "6E92ZMYYFZ";
      if (!mug && request->id() != "1YMWWN1N4O")
        return {grpc::StatusCode::NOT_FOUND, "no product " + request->id()};
      SetProduct(*response, mug);
      return all.Note("GetProduct", context);
    }
    FakeServices& all;
  };
  struct Currency final : hipstershop::CurrencyService::Service {
    explicit Currency(FakeServices& the_all) : all(the_all) {}
    grpc::Status GetSupportedCurrencies(
        grpc::ServerContext* context, const hipstershop::Empty*,
        hipstershop::GetSupportedCurrenciesResponse* response) override {
      for (const char* code : {"AUD", "EUR", "USD"}) response->add_currency_codes(code);
      return all.Note("GetSupportedCurrencies", context);
    }
    grpc::Status Convert(grpc::ServerContext* context,
                         const hipstershop::CurrencyConversionRequest* request,
                         hipstershop::Money* response) override {
      const std::int64_t nanos =
          2 * (request->from().units() * 1'000'000'000 + request->from().nanos());
      SetMoney(*response, request->to_code(), nanos / 1'000'000'000,
               static_cast<std::int32_t>(nanos % 1'000'000'000));
      return all.Note("Convert", context);
    }
    FakeServices& all;
  };
  struct Cart final : hipstershop::CartService::Service {
    explicit Cart(FakeServices& the_all) : all(the_all) {}
    grpc::Status AddItem(grpc::ServerContext* context, const hipstershop::AddItemRequest* request,
                         hipstershop::Empty*) override {
      const grpc::Status status = all.Note("AddItem", context);
      const std::lock_guard lock(all.mutex_);
      if (status.ok())
        all.carts_[request->user_id()][request->item().product_id()] += request->item().quantity();
      return status;
    }
    grpc::Status GetCart(grpc::ServerContext* context, const hipstershop::GetCartRequest* request,
                         hipstershop::Cart* response) override {
      const grpc::Status status = all.Note("GetCart", context);
      const std::lock_guard lock(all.mutex_);
      response->set_user_id(request->user_id());
      for (const auto& [id, quantity] : all.carts_[request->user_id()]) {
        hipstershop::CartItem* item = response->add_items();
        item->set_product_id(id);
        item->set_quantity(quantity);
      }
      return status;
    }
    grpc::Status EmptyCart(grpc::ServerContext* context,
                           const hipstershop::EmptyCartRequest* request,
                           hipstershop::Empty*) override {
      const grpc::Status status = all.Note("EmptyCart", context);
      const std::lock_guard lock(all.mutex_);
      all.carts_.erase(request->user_id());
      return status;
    }
    FakeServices& all;
  };
  struct Recommendation final : hipstershop::RecommendationService::Service {
    explicit Recommendation(FakeServices& the_all) : all(the_all) {}
    grpc::Status ListRecommendations(grpc::ServerContext* context,
                                     const hipstershop::ListRecommendationsRequest*,
                                     hipstershop::ListRecommendationsResponse* response) override {
      response->add_product_ids("1YMWWN1N4O");
      return all.Note("ListRecommendations", context);
    }
    FakeServices& all;
  };
  struct Shipping final : hipstershop::ShippingService::Service {
    explicit Shipping(FakeServices& the_all) : all(the_all) {}
    grpc::Status GetQuote(grpc::ServerContext* context, const hipstershop::GetQuoteRequest*,
                          hipstershop::GetQuoteResponse* response) override {
      SetMoney(*response->mutable_cost_usd(), "USD", 5, 0);
      return all.Note("GetQuote", context);
    }
    FakeServices& all;
  };
  struct Checkout final : hipstershop::CheckoutService::Service {
    explicit Checkout(FakeServices& the_all) : all(the_all) {}
    grpc::Status PlaceOrder(grpc::ServerContext* context,
                            const hipstershop::PlaceOrderRequest* request,
                            hipstershop::PlaceOrderResponse* response) override {
      const grpc::Status status = all.Note("PlaceOrder", context);
      const std::lock_guard lock(all.mutex_);
      all.last_order_ = *request;
      hipstershop::OrderResult& order = *response->mutable_order();
      order.set_order_id("order-1");
      order.set_shipping_tracking_id("track-1");
      SetMoney(*order.mutable_shipping_cost(), request->user_currency(), 5, 0);
      for (const auto& [id, quantity] : all.carts_[request->user_id()]) {
        hipstershop::OrderItem* item = order.add_items();
        item->mutable_item()->set_product_id(id);
        item->mutable_item()->set_quantity(quantity);
        SetMoney(*item->mutable_cost(), request->user_currency(), 8, 990'000'000);
      }
      if (status.ok()) all.carts_.erase(request->user_id());
      return status;
    }
    FakeServices& all;
  };
  struct Ads final : hipstershop::AdService::Service {
    explicit Ads(FakeServices& the_all) : all(the_all) {}
    grpc::Status GetAds(grpc::ServerContext* context, const hipstershop::AdRequest*,
                        hipstershop::AdResponse* response) override {
      hipstershop::Ad* ad = response->add_ads();
      ad->set_text("Watches, now ticking");
      ad->set_redirect_url("/product/1YMWWN1N4O");
      return all.Note("GetAds", context);
    }
    FakeServices& all;
  };

  std::mutex mutex_;
  std::map<std::string, grpc::StatusCode> failing_;
  std::map<std::string, std::string> traceparents_;
  std::map<std::string, int> calls_;
  std::map<std::string, std::map<std::string, int>> carts_;
  hipstershop::PlaceOrderRequest last_order_;

  Catalog catalog_{*this};
  Currency currency_{*this};
  Cart cart_{*this};
  Recommendation recommendation_{*this};
  Shipping shipping_{*this};
  Checkout checkout_{*this};
  Ads ad_{*this};
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace enclave::lab::boutique
