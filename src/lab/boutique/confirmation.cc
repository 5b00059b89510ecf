#include "lab/boutique/confirmation.h"

#include <fmt/format.h>

#include "base/quote.h"
#include "lab/boutique/money.h"

namespace enclave::lab::boutique {
namespace {

constexpr std::string_view kConfirmation = R"(Subject: Your order {{order_id}} is on its way

Thank you for shopping with us.

{{items}}
  Shipping: {{shipping_cost}}

It goes to
  {{street}}
  {{city}}, {{state}} {{zip}}
  {{country}}

Follow it under the tracking number {{tracking_id}}.
)";

}  // namespace

base::Result<std::string> RenderTemplate(std::string_view text,
                                         const std::map<std::string, std::string>& values) {
  std::string out;
  while (true) {
    const std::size_t open = text.find("{{");
    out += text.substr(0, open);
    if (open == std::string_view::npos) return out;
    const std::size_t close = text.find("}}", open);
    if (close == std::string_view::npos)
      return base::Fail(base::ErrorKind::kInvalidArgument,
                        fmt::format("rendering a template: {} is not closed",
                                    base::Quote(text.substr(open, 20))));
    const std::string name(text.substr(open + 2, close - open - 2));
    const auto found = values.find(name);
    if (found == values.end())
      return base::Fail(base::ErrorKind::kInvalidArgument,
                        fmt::format("rendering a template: {} has no value", base::Quote(name)));
    out += found->second;
    text.remove_prefix(close + 2);
  }
}

base::Result<std::string> RenderConfirmation(const hipstershop::OrderResult& order) {
  std::string items;
  for (const hipstershop::OrderItem& item : order.items())
    items += fmt::format("  {} x {} at {} each\n", item.item().quantity(), item.item().product_id(),
                         FormatMoney(item.cost()));
  const hipstershop::Address& address = order.shipping_address();
  return RenderTemplate(kConfirmation, {{"order_id", order.order_id()},
                                        {"items", items},
                                        {"shipping_cost", FormatMoney(order.shipping_cost())},
                                        {"street", address.street_address()},
                                        {"city", address.city()},
                                        {"state", address.state()},
                                        {"zip", std::to_string(address.zip_code())},
                                        {"country", address.country()},
                                        {"tracking_id", order.shipping_tracking_id()}});
}

bool IsMailAddress(std::string_view address) {
  const std::size_t at = address.find('@');
  if (at == std::string_view::npos || at == 0 || address.find_first_of(" \t\r\n") != address.npos)
    return false;
  const std::string_view domain = address.substr(at + 1);
  const std::size_t dot = domain.rfind('.');
  return dot != std::string_view::npos && dot > 0 && dot + 1 < domain.size() &&
         !domain.contains('@');
}

}  // namespace enclave::lab::boutique
