// Places an order: the cart and its prices, the shipping, the charge, the parcel, the confirmation.
// The charge is the point of no return: what fails before it fails the order; what fails after it
// is logged and, but for the parcel, lived with.
#include <fmt/format.h>

#include <utility>

#include "hipstershop/demo.grpc.pb.h"
#include "lab/boutique/money.h"
#include "lab/boutique/order_total.h"
#include "lab/boutique/service.h"
#include "otel/grpc_client.h"

namespace enclave::lab::boutique {
namespace {

using hipstershop::Money;
using hipstershop::OrderItem;
using hipstershop::OrderResult;
using hipstershop::PlaceOrderRequest;
using hipstershop::PlaceOrderResponse;

struct CheckoutAddresses {
  std::string cart;
  std::string catalog;
  std::string currency;
  std::string shipping;
  std::string payment;
  std::string email;
};

struct PreparedOrder {
  hipstershop::Cart cart;
  OrderItems items;  // with prices in the user's currency
  Money shipping;    // in the user's currency
};

class CheckoutService final : public Service {
 public:
  CheckoutService(const Setup& setup, const CheckoutAddresses& addresses, OrderTotal total)
      : telemetry_(setup.telemetry),
        random_(setup.random),
        total_(total),
        cart_(setup.telemetry, {.address = addresses.cart,
                                .idempotent = {"hipstershop.CartService/GetCart",
                                               "hipstershop.CartService/EmptyCart"}}),
        catalog_(setup.telemetry, {.address = addresses.catalog,
                                   .idempotent = {"hipstershop.ProductCatalogService"}}),
        currency_(setup.telemetry,
                  {.address = addresses.currency, .idempotent = {"hipstershop.CurrencyService"}}),
        shipping_(setup.telemetry, {.address = addresses.shipping,
                                    .idempotent = {"hipstershop.ShippingService/GetQuote"}}),
        // A charge or a parcel sent twice would be one too many.
        payment_(setup.telemetry, {.address = addresses.payment}),
        email_(setup.telemetry,
               {.address = addresses.email, .timeout = std::chrono::milliseconds(2'000)}),
        orders_(setup.telemetry.meter().CreateCounter(
            {"app.checkout.orders", "{order}", "Orders by outcome"})),
        reconciliations_(
            setup.telemetry.meter().CreateCounter({"app.checkout.reconciliations", "{order}",
                                                   "Placed orders by whether their charge "
                                                   "is what their receipt adds up to"})) {}

  void Register(otel::GrpcServer& server) override {
    server.Handle<PlaceOrderResponse, PlaceOrderRequest>(
        "hipstershop.CheckoutService", "PlaceOrder",
        [this](const PlaceOrderRequest& request) -> base::Result<PlaceOrderResponse> {
          auto response = PlaceOrder(request);
          orders_.Add(1, {{"app.order.outcome", response ? "placed" : "failed"}});
          return response;
        });
  }

 private:
  base::Result<PlaceOrderResponse> PlaceOrder(const PlaceOrderRequest& request) {
    OrderResult order;
    order.set_order_id(random_.Uuid());
    telemetry_.logger().Info("order begun", {{"app.order.id", order.order_id()},
                                             {"app.user.id", request.user_id()},
                                             {"app.user.currency", request.user_currency()}});
    ASSIGN_OR_RETURN(const PreparedOrder prepared, Prepare(request));
    ASSIGN_OR_RETURN(const OrderSum total, total_(prepared.items, prepared.shipping));
    ASSIGN_OR_RETURN(const std::string transaction_id, Charge(total.money, request));
    ASSIGN_OR_RETURN(const std::string tracking_id, Ship(request, prepared.cart));
    EmptyCart(request.user_id());
    order.set_shipping_tracking_id(tracking_id);
    *order.mutable_shipping_cost() = prepared.shipping;
    *order.mutable_shipping_address() = request.address();
    *order.mutable_items() = prepared.items;
    *order.mutable_charged() = total.money;
    Reconcile(order, total.where);
    Confirm(request.email(), order);
    telemetry_.logger().Info("order placed", {{"app.order.id", order.order_id()},
                                              {"app.order.total", FormatMoney(total.money)},
                                              {"app.order.items", std::int64_t{order.items_size()}},
                                              {"app.payment.transaction_id", transaction_id},
                                              {"app.shipping.tracking_id", tracking_id}});
    PlaceOrderResponse response;
    *response.mutable_order() = std::move(order);
    return response;
  }

  // Everything that has to be known before the charge.
  base::Result<PreparedOrder> Prepare(const PlaceOrderRequest& request) {
    otel::ScopedSpan span(telemetry_.tracer(), "prepare order");
    PreparedOrder prepared;
    hipstershop::GetCartRequest cart_request;
    cart_request.set_user_id(request.user_id());
    ASSIGN_OR_RETURN(prepared.cart,
                     Named("reading the cart",
                           cart_.Call(&hipstershop::CartService::Stub::GetCart, cart_request)));
    span->SetAttribute("app.cart.items", std::int64_t{prepared.cart.items_size()});
    if (prepared.cart.items().empty())
      return base::Fail(base::ErrorKind::kUnprocessable,
                        "the cart is empty: put something into it before checking out");
    for (const hipstershop::CartItem& item : prepared.cart.items()) {
      ASSIGN_OR_RETURN(*prepared.items.Add(), Price(item, request.user_currency()));
    }
    hipstershop::GetQuoteRequest quote;
    *quote.mutable_address() = request.address();
    *quote.mutable_items() = prepared.cart.items();
    ASSIGN_OR_RETURN(const hipstershop::GetQuoteResponse quoted,
                     Named("asking for the shipping cost",
                           shipping_.Call(&hipstershop::ShippingService::Stub::GetQuote, quote)));
    ASSIGN_OR_RETURN(prepared.shipping, Convert(quoted.cost_usd(), request.user_currency()));
    return prepared;
  }

  base::Result<OrderItem> Price(const hipstershop::CartItem& item, const std::string& currency) {
    hipstershop::GetProductRequest request;
    request.set_id(item.product_id());
    ASSIGN_OR_RETURN(
        const hipstershop::Product product,
        Named("reading a product",
              catalog_.Call(&hipstershop::ProductCatalogService::Stub::GetProduct, request)));
    OrderItem priced;
    *priced.mutable_item() = item;
    ASSIGN_OR_RETURN(*priced.mutable_cost(), Convert(product.price_usd(), currency));
    return priced;
  }

  base::Result<Money> Convert(const Money& from, const std::string& currency) {
    hipstershop::CurrencyConversionRequest request;
    *request.mutable_from() = from;
    request.set_to_code(currency);
    return Named("converting a price",
                 currency_.Call(&hipstershop::CurrencyService::Stub::Convert, request));
  }

  base::Result<std::string> Charge(const Money& total, const PlaceOrderRequest& request) {
    hipstershop::ChargeRequest charge;
    *charge.mutable_amount() = total;
    *charge.mutable_credit_card() = request.credit_card();
    ASSIGN_OR_RETURN(const hipstershop::ChargeResponse charged,
                     Named("charging the card",
                           payment_.Call(&hipstershop::PaymentService::Stub::Charge, charge)));
    return charged.transaction_id();
  }

  base::Result<std::string> Ship(const PlaceOrderRequest& request, const hipstershop::Cart& cart) {
    hipstershop::ShipOrderRequest ship;
    *ship.mutable_address() = request.address();
    *ship.mutable_items() = cart.items();
    ASSIGN_OR_RETURN(const hipstershop::ShipOrderResponse shipped,
                     Named("shipping the order",
                           shipping_.Call(&hipstershop::ShippingService::Stub::ShipOrder, ship)));
    return shipped.tracking_id();
  }

  // The books, once the money has moved: a charge that is not what the receipt adds up to is
  // recorded as an error of the line that summed up. The order stands.
  void Reconcile(const OrderResult& order, const std::source_location& summed_up_at) {
    otel::ScopedSpan span(telemetry_.tracer(), "reconcile order",
                          {.attributes = {{"app.order.id", order.order_id()},
                                          {"app.order.charged", FormatMoney(order.charged())}}});
    const auto owed = ReceiptSum(order);
    const bool balanced = owed && owed->currency_code() == order.charged().currency_code() &&
                          owed->units() == order.charged().units() &&
                          owed->nanos() == order.charged().nanos();
    reconciliations_.Add(1, {{"app.reconciliation.outcome", balanced ? "balanced" : "mismatch"}});
    if (balanced) return;
    const otel::ExceptionInfo exception = otel::ExceptionAt(
        "OrderTotalMismatch",
        owed ? fmt::format("{} were charged for an order whose receipt adds up to {}",
                           FormatMoney(order.charged()), FormatMoney(*owed))
             : fmt::format("{} were charged for an order whose receipt does not add up: {}",
                           FormatMoney(order.charged()), owed.error().message()),
        summed_up_at);
    span->RecordException(exception);
    telemetry_.logger().Exception("the charge of an order is not what its receipt adds up to",
                                  exception, {{"app.order.id", order.order_id()}});
  }

  void EmptyCart(const std::string& user_id) {
    hipstershop::EmptyCartRequest request;
    request.set_user_id(user_id);
    const auto emptied = cart_.Call(&hipstershop::CartService::Stub::EmptyCart, request);
    if (!emptied)
      telemetry_.logger().Warn("the cart of a placed order was not emptied",
                               {{"app.user.id", user_id}, {"error", emptied.error().message()}});
  }

  void Confirm(const std::string& email, const OrderResult& order) {
    hipstershop::SendOrderConfirmationRequest request;
    request.set_email(email);
    *request.mutable_order() = order;
    const auto sent = email_.Call(&hipstershop::EmailService::Stub::SendOrderConfirmation, request);
    if (!sent)
      telemetry_.logger().Warn(
          "the confirmation of an order was not sent",
          {{"app.order.id", order.order_id()}, {"error", sent.error().message()}});
  }

  template <typename T>
  static base::Result<T> Named(std::string_view doing, base::Result<T> result) {
    if (!result) return base::Fail(result.error().While(doing));
    return result;
  }

  otel::Telemetry& telemetry_;
  base::Random& random_;
  const OrderTotal total_;
  otel::GrpcClient<hipstershop::CartService> cart_;
  otel::GrpcClient<hipstershop::ProductCatalogService> catalog_;
  otel::GrpcClient<hipstershop::CurrencyService> currency_;
  otel::GrpcClient<hipstershop::ShippingService> shipping_;
  otel::GrpcClient<hipstershop::PaymentService> payment_;
  otel::GrpcClient<hipstershop::EmailService> email_;
  otel::Counter& orders_;
  otel::Counter& reconciliations_;
};

}  // namespace

base::Result<std::unique_ptr<Service>> MakeCheckoutService(const Setup& setup) {
  CheckoutAddresses addresses;
  ASSIGN_OR_RETURN(addresses.cart, RequiredAddress(setup, "CART_SERVICE_ADDR"));
  ASSIGN_OR_RETURN(addresses.catalog, RequiredAddress(setup, "PRODUCT_CATALOG_SERVICE_ADDR"));
  ASSIGN_OR_RETURN(addresses.currency, RequiredAddress(setup, "CURRENCY_SERVICE_ADDR"));
  ASSIGN_OR_RETURN(addresses.shipping, RequiredAddress(setup, "SHIPPING_SERVICE_ADDR"));
  ASSIGN_OR_RETURN(addresses.payment, RequiredAddress(setup, "PAYMENT_SERVICE_ADDR"));
  ASSIGN_OR_RETURN(addresses.email, RequiredAddress(setup, "EMAIL_SERVICE_ADDR"));
  return std::make_unique<CheckoutService>(setup, addresses,
                                           setup.release == "v2" ? &TotalInOnePass : &TotalByLines);
}

}  // namespace enclave::lab::boutique
