// Charges cards, as far as a laboratory can: the card is checked, and the charge gets an id.
#include <fmt/format.h>

#include "hipstershop/demo.pb.h"
#include "lab/boutique/card.h"
#include "lab/boutique/money.h"
#include "lab/boutique/service.h"

namespace enclave::lab::boutique {
namespace {

using hipstershop::ChargeRequest;
using hipstershop::ChargeResponse;

class PaymentService final : public Service {
 public:
  PaymentService(const Setup& setup, CardCheck check)
      : telemetry_(setup.telemetry),
        random_(setup.random),
        check_(check),
        charges_(setup.telemetry.meter().CreateCounter(
            {"app.payment.charges", "{charge}", "Charges by outcome"})) {}

  void Register(otel::GrpcServer& server) override {
    server.Handle<ChargeResponse, ChargeRequest>(
        "hipstershop.PaymentService", "Charge",
        [this](const ChargeRequest& request) { return Charge(request); });
  }

 private:
  base::Result<ChargeResponse> Charge(const ChargeRequest& request) {
    otel::ScopedSpan span(
        telemetry_.tracer(), "charge card",
        {.attributes = {{"app.payment.amount", FormatMoney(request.amount())},
                        {"app.payment.currency", request.amount().currency_code()}}});
    const CardVerdict accepted = Check(request);
    charges_.Add(1, {{"app.payment.outcome", accepted ? "charged" : "refused"}});
    if (!accepted) {
      // A refusal costs the shop a sale: it is recorded as the failure that it is for the buyer,
      // with the line that decided so. To the caller it is an argument that was not good.
      const CardRefusal& refusal = accepted.error();
      const otel::ExceptionInfo exception =
          otel::ExceptionAt(refusal.type, refusal.message, refusal.where);
      span->RecordException(exception);
      telemetry_.logger().Log(otel::Severity::kWarn, "card refused",
                              otel::ExceptionAttributes(exception));
      return base::Fail(base::ErrorKind::kInvalidArgument, refusal.message);
    }
    ChargeResponse response;
    response.set_transaction_id(random_.Uuid());
    span->SetAttribute("app.payment.network", std::string(ToString(accepted->network)));
    telemetry_.logger().Info("card charged",
                             {{"app.payment.transaction_id", response.transaction_id()},
                              {"app.payment.network", std::string(ToString(accepted->network))},
                              {"app.payment.card", accepted->last_four},
                              {"app.payment.amount", FormatMoney(request.amount())}});
    return response;
  }

  CardVerdict Check(const ChargeRequest& request) const {
    const hipstershop::Money& amount = request.amount();
    if (!IsValid(amount) || amount.units() < 0 || amount.nanos() < 0)
      return RefuseCard("InvalidAmount", fmt::format("{} units and {} nanos cannot be charged",
                                                     amount.units(), amount.nanos()));
    return check_(request.credit_card(), telemetry_.clock().WallNow());
  }

  otel::Telemetry& telemetry_;
  base::Random& random_;
  const CardCheck check_;
  otel::Counter& charges_;
};

}  // namespace

base::Result<std::unique_ptr<Service>> MakePaymentService(const Setup& setup) {
  return std::make_unique<PaymentService>(
      setup, setup.release == "v2" ? &CheckCardNoElectron : &CheckCard);
}

}  // namespace enclave::lab::boutique
