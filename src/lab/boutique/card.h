// What the payment service asks of a credit card: a number that is one, of a network that the shop
// takes, not expired. The releases differ in which cards they take.
//
// Pure functions; any thread.
#pragma once

#include <expected>
#include <source_location>
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
// Why a card is not taken, and which line of the program decided so.
struct CardRefusal {
  std::string type;     // "InvalidCreditCard", "UnacceptedCreditCard", "ExpiredCreditCard"
  std::string message;  // fit for the buyer; never with the number
  std::source_location where;
};
using CardVerdict = std::expected<AcceptedCard, CardRefusal>;
std::unexpected<CardRefusal> RefuseCard(
    std::string type, std::string message,
    std::source_location where = std::source_location::current());

using CardCheck = CardVerdict (*)(const hipstershop::CreditCardInfo& card, base::WallTime now);
// v1: Visa and Mastercard.
CardVerdict CheckCard(const hipstershop::CreditCardInfo& card, base::WallTime now);
// v2: the same without Visa Electron, which cannot be charged without its chip.
CardVerdict CheckCardNoElectron(const hipstershop::CreditCardInfo& card, base::WallTime now);

}  // namespace enclave::lab::boutique
