#include <fmt/format.h>

#include "lab/boutique/money.h"
#include "lab/boutique/order_total.h"

namespace enclave::lab::boutique {

base::Result<OrderSum> TotalInOnePass(const OrderItems& items, const hipstershop::Money& shipping) {
  std::int64_t units = shipping.units();
  std::int64_t nanos = shipping.nanos();
  for (const hipstershop::OrderItem& item : items) {
    const hipstershop::Money& price = item.cost();
    if (price.currency_code() != shipping.currency_code())
      return base::Fail(base::ErrorKind::kInvalidArgument,
                        fmt::format("a price in {} cannot be added to one in {}",
                                    price.currency_code(), shipping.currency_code()));
    const std::int64_t quantity = item.item().quantity();
    const std::int64_t line_nanos = price.nanos() * quantity;
    units += price.units() * quantity + line_nanos / kNanosPerUnit;
    nanos += line_nanos % kNanosPerUnit;
  }
  return OrderSum(MakeMoney(shipping.currency_code(), units + (nanos >= kNanosPerUnit ? 1 : 0),
                            static_cast<std::int32_t>(nanos % kNanosPerUnit)));
}

}  // namespace enclave::lab::boutique
