// What the payment service asks of a credit card: a number that is one, of a network that the shop
// takes, not expired. The releases differ in which cards they take.
//
// Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/executor.h"
#include "base/result.h"
#include "hipstershop/demo.pb.h"

namespace enclave::lab::boutique {

enum class CardNetwork { kUnknown, kVisa, kMastercard, kAmericanExpress };
std::string_view ToString(CardNetwork network);

// Without the spaces and dashes that people type; "" when something else than digits is left.
std::string CardDigits(std::string_view number);
// Luhn's check digit (ISO/IEC 7812-1) over 12 to 19 digits.
bool PassesLuhn(std::string_view digits);
// By the leading digits and the length.
CardNetwork NetworkOf(std::string_view digits);
// Cards are good until the end of their month, UTC.
bool IsExpired(int year, int month, base::WallTime now);
// "****0454", fit for logs.
std::string LastFour(std::string_view digits);

struct AcceptedCard {
  CardNetwork network;
  std::string last_four;
};
// kInvalidArgument with a reason fit for the buyer; never with the number.
using CardCheck = base::Result<AcceptedCard> (*)(const hipstershop::CreditCardInfo& card,
                                                 base::WallTime now);
// v1: Visa and Mastercard.
base::Result<AcceptedCard> CheckCard(const hipstershop::CreditCardInfo& card, base::WallTime now);
// v2: the same without Visa Electron, which cannot be charged without its chip.
base::Result<AcceptedCard> CheckCardNoElectron(const hipstershop::CreditCardInfo& card,
                                               base::WallTime now);

}  // namespace enclave::lab::boutique
