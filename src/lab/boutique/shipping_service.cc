// What it costs to ship a cart, and the tracking id once it is shipped.
#include <fmt/format.h>

#include "hipstershop/demo.pb.h"
#include "lab/boutique/money.h"
#include "lab/boutique/service.h"

namespace enclave::lab::boutique {
namespace {

using hipstershop::GetQuoteRequest;
using hipstershop::GetQuoteResponse;
using hipstershop::ShipOrderRequest;
using hipstershop::ShipOrderResponse;

constexpr const char* kShippingService = "hipstershop.ShippingService";

// One price for any parcel: USD 8.99. An empty cart ships for nothing.
constexpr std::int64_t kParcelUnits = 8;
constexpr std::int32_t kParcelNanos = 990'000'000;

class ShippingService final : public Service {
 public:
  explicit ShippingService(const Setup& setup)
      : telemetry_(setup.telemetry), random_(setup.random) {}

  void Register(otel::GrpcServer& server) override {
    server.Handle<GetQuoteResponse, GetQuoteRequest>(
        kShippingService, "GetQuote",
        [this](const GetQuoteRequest& request) { return GetQuote(request); });
    server.Handle<ShipOrderResponse, ShipOrderRequest>(
        kShippingService, "ShipOrder",
        [this](const ShipOrderRequest& request) { return ShipOrder(request); });
  }

 private:
  base::Result<GetQuoteResponse> GetQuote(const GetQuoteRequest& request) {
    otel::ScopedSpan span(telemetry_.tracer(), "quote");
    std::int64_t pieces = 0;
    for (const hipstershop::CartItem& item : request.items()) pieces += item.quantity();
    span->SetAttribute("app.shipping.pieces", pieces);
    GetQuoteResponse response;
    *response.mutable_cost_usd() =
        pieces > 0 ? MakeMoney("USD", kParcelUnits, kParcelNanos) : MakeMoney("USD", 0);
    telemetry_.logger().Info(
        "shipping quoted",
        {{"app.shipping.pieces", pieces}, {"app.shipping.cost", FormatMoney(response.cost_usd())}});
    return response;
  }

  base::Result<ShipOrderResponse> ShipOrder(const ShipOrderRequest& request) {
    const otel::ScopedSpan span(telemetry_.tracer(), "ship");
    ShipOrderResponse response;
    response.set_tracking_id(MakeTrackingId());
    telemetry_.logger().Info("order shipped",
                             {{"app.shipping.tracking_id", response.tracking_id()},
                              {"app.shipping.city", request.address().city()},
                              {"app.shipping.country", request.address().country()}});
    return response;
  }

  // Two letters, then three and seven digits: "KQ-314-5926535".
  std::string MakeTrackingId() {
    return fmt::format("{}-{}-{}", random_.Text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 2),
                       random_.Text("0123456789", 3), random_.Text("0123456789", 7));
  }

  otel::Telemetry& telemetry_;
  base::Random& random_;
};

}  // namespace

base::Result<std::unique_ptr<Service>> MakeShippingService(const Setup& setup) {
  return std::make_unique<ShippingService>(setup);
}

}  // namespace enclave::lab::boutique
