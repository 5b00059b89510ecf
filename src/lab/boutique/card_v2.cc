#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "lab/boutique/card.h"

namespace enclave::lab::boutique {
namespace {

// First and last of the leading four digits that Visa Electron was issued with.
struct LeadingDigits {
  int first;
  int last;
};
constexpr std::array kElectron = {
    LeadingDigits{4026, 4026}, LeadingDigits{4175, 4175}, LeadingDigits{4405, 4508},
    LeadingDigits{4844, 4844}, LeadingDigits{4913, 4917},
};

bool IsElectron(std::string_view digits) {
  int leading = 0;
  std::from_chars(digits.data(), digits.data() + std::min<std::size_t>(4, digits.size()), leading);
  return std::ranges::any_of(kElectron, [&](const LeadingDigits& range) {
    return leading >= range.first && leading <= range.last;
  });
}

}  // namespace

CardVerdict CheckCardNoElectron(const hipstershop::CreditCardInfo& card, base::WallTime now) {
  ASSIGN_OR_RETURN(AcceptedCard accepted, CheckCard(card, now));
  const std::string digits = CardDigits(card.credit_card_number());
  if (accepted.network == CardNetwork::kVisa && IsElectron(digits))
    return RefuseCard("UnacceptedCreditCard",
                      fmt::format("the card {} is a Visa Electron card, which is not taken any "
                                  "more: use another one",
                                  accepted.last_four));
  return accepted;
}

}  // namespace enclave::lab::boutique
