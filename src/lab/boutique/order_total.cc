#include "lab/boutique/order_total.h"

#include "lab/boutique/money.h"

namespace enclave::lab::boutique {

base::Result<hipstershop::Money> TotalByLines(const OrderItems& items,
                                              const hipstershop::Money& shipping) {
  hipstershop::Money total = shipping;
  for (const hipstershop::OrderItem& item : items) {
    ASSIGN_OR_RETURN(const hipstershop::Money line, Multiply(item.cost(), item.item().quantity()));
    ASSIGN_OR_RETURN(total, Add(total, line));
  }
  return total;
}

}  // namespace enclave::lab::boutique
