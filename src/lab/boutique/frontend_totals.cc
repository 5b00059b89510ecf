#include "lab/boutique/frontend_totals.h"

#include "lab/boutique/money.h"

namespace enclave::lab::boutique {

base::Result<hipstershop::Money> LineSum(const hipstershop::Money& price, int quantity) {
  return Multiply(price, quantity);
}

base::Result<hipstershop::Money> CartTotal(const std::vector<CartLine>& lines,
                                           const hipstershop::Money& shipping) {
  hipstershop::Money total = shipping;
  for (const CartLine& line : lines) {
    ASSIGN_OR_RETURN(total, Add(total, line.sum));
  }
  return total;
}

}  // namespace enclave::lab::boutique
