// Renders the confirmation of an order. A laboratory sends no mail: the message goes to the log.
#include <fmt/format.h>

#include "base/quote.h"
#include "hipstershop/demo.pb.h"
#include "lab/boutique/confirmation.h"
#include "lab/boutique/service.h"

namespace enclave::lab::boutique {
namespace {

using hipstershop::SendOrderConfirmationRequest;

class EmailService final : public Service {
 public:
  explicit EmailService(const Setup& setup) : telemetry_(setup.telemetry) {}

  void Register(otel::GrpcServer& server) override {
    server.Handle<hipstershop::Empty, SendOrderConfirmationRequest>(
        "hipstershop.EmailService", "SendOrderConfirmation",
        [this](const SendOrderConfirmationRequest& request) { return Send(request); });
  }

 private:
  base::Result<hipstershop::Empty> Send(const SendOrderConfirmationRequest& request) {
    if (!IsMailAddress(request.email()))
      return base::Fail(base::ErrorKind::kInvalidArgument,
                        fmt::format("{} is no mail address", base::Quote(request.email())));
    const otel::ScopedSpan span(telemetry_.tracer(), "render confirmation",
                                {.attributes = {{"app.order.id", request.order().order_id()}}});
    ASSIGN_OR_RETURN(const std::string text, RenderConfirmation(request.order()));
    telemetry_.logger().Info("confirmation sent", {{"app.order.id", request.order().order_id()},
                                                   {"app.email.text", text}});
    return hipstershop::Empty();
  }

  otel::Telemetry& telemetry_;
};

}  // namespace

base::Result<std::unique_ptr<Service>> MakeEmailService(const Setup& setup) {
  return std::make_unique<EmailService>(setup);
}

}  // namespace enclave::lab::boutique
