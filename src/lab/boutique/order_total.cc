#include "lab/boutique/order_total.h"

#include "lab/boutique/money.h"

namespace enclave::lab::boutique {

base::Result<OrderSum> TotalByLines(const OrderItems& items, const hipstershop::Money& shipping) {
  hipstershop::Money total = shipping;
  for (const hipstershop::OrderItem& item : items) {
    ASSIGN_OR_RETURN(const hipstershop::Money line, Multiply(item.cost(), item.item().quantity()));
    ASSIGN_OR_RETURN(total, Add(total, line));
  }
  return OrderSum(std::move(total));
}

base::Result<hipstershop::Money> ReceiptSum(const hipstershop::OrderResult& order) {
  hipstershop::Money sum = order.shipping_cost();
  for (const hipstershop::OrderItem& item : order.items()) {
    ASSIGN_OR_RETURN(const hipstershop::Money line, Multiply(item.cost(), item.item().quantity()));
    ASSIGN_OR_RETURN(sum, Add(sum, line));
  }
  return sum;
}

}  // namespace enclave::lab::boutique
