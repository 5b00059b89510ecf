// Which currencies there are, and what an amount is in another one.
#include "hipstershop/demo.pb.h"
#include "lab/boutique/currency_converter.h"
#include "lab/boutique/currency_rates.h"
#include "lab/boutique/money.h"
#include "lab/boutique/service.h"

namespace enclave::lab::boutique {
namespace {

using hipstershop::CurrencyConversionRequest;
using hipstershop::GetSupportedCurrenciesResponse;
using hipstershop::Money;

constexpr const char* kCurrencyService = "hipstershop.CurrencyService";

class CurrencyService final : public Service {
 public:
  CurrencyService(const Setup& setup, std::unique_ptr<CurrencyConverter> converter)
      : telemetry_(setup.telemetry),
        converter_(std::move(converter)),
        conversions_(setup.telemetry.meter().CreateCounter(
            {"app.currency.conversions", "{conversion}", "Conversions by target currency"})) {}

  void Register(otel::GrpcServer& server) override {
    server.Handle<GetSupportedCurrenciesResponse, hipstershop::Empty>(
        kCurrencyService, "GetSupportedCurrencies",
        [](const hipstershop::Empty&) -> base::Result<GetSupportedCurrenciesResponse> {
          GetSupportedCurrenciesResponse response;
          for (const CurrencyRate& rate : CurrencyRates())
            response.add_currency_codes(std::string(rate.code));
          return response;
        });
    server.Handle<Money, CurrencyConversionRequest>(
        kCurrencyService, "Convert",
        [this](const CurrencyConversionRequest& request) { return Convert(request); });
  }

 private:
  base::Result<Money> Convert(const CurrencyConversionRequest& request) {
    otel::ScopedSpan span(telemetry_.tracer(), "convert",
                          {.attributes = {{"app.currency.from", request.from().currency_code()},
                                          {"app.currency.to", request.to_code()}}});
    auto converted = converter_->Convert(request.from(), request.to_code());
    if (!converted) {
      span->RecordError(converted.error());
      return converted;
    }
    conversions_.Add(1, {{"app.currency.to", request.to_code()}});
    telemetry_.logger().Info("converted", {{"app.currency.from", FormatMoney(request.from())},
                                           {"app.currency.to", FormatMoney(*converted)}});
    return converted;
  }

  otel::Telemetry& telemetry_;
  const std::unique_ptr<CurrencyConverter> converter_;
  otel::Counter& conversions_;
};

}  // namespace

base::Result<std::unique_ptr<Service>> MakeCurrencyService(const Setup& setup) {
  return std::make_unique<CurrencyService>(
      setup, setup.release == "v2" ? MakeRoundingConverter() : MakeExactConverter());
}

}  // namespace enclave::lab::boutique
