#include "lab/boutique/card.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace enclave::lab::boutique {
namespace {

// The number that the first `count` digits make.
int Leading(std::string_view digits, std::size_t count) {
  int value = 0;
  std::from_chars(digits.data(), digits.data() + std::min(count, digits.size()), value);
  return value;
}

}  // namespace

std::string_view ToString(CardNetwork network) {
  switch (network) {
    case CardNetwork::kVisa:
      return "visa";
    case CardNetwork::kMastercard:
      return "mastercard";
    case CardNetwork::kAmericanExpress:
      return "amex";
    case CardNetwork::kUnknown:
      return "unknown";
  }
  return "unknown";
}

std::string CardDigits(std::string_view number) {
  std::string digits;
  for (const char c : number) {
    if (c == ' ' || c == '-') continue;
    if (c < '0' || c > '9') return {};
    digits.push_back(c);
  }
  return digits;
}

bool PassesLuhn(std::string_view digits) {
  if (digits.size() < 12 || digits.size() > 19) return false;
  int sum = 0;
  bool doubled = false;  // every second digit, from the right
  for (std::size_t i = digits.size(); i-- > 0; doubled = !doubled) {
    int digit = digits[i] - '0';
    if (digit < 0 || digit > 9) return false;
    if (doubled) digit = digit * 2 > 9 ? digit * 2 - 9 : digit * 2;
    sum += digit;
  }
  return sum % 10 == 0;
}

CardNetwork NetworkOf(std::string_view digits) {
  const std::size_t length = digits.size();
  if (digits.starts_with('4') && (length == 13 || length == 16 || length == 19))
    return CardNetwork::kVisa;
  const int two = Leading(digits, 2);
  const int four = Leading(digits, 4);
  if (length == 16 && ((two >= 51 && two <= 55) || (four >= 2221 && four <= 2720)))
    return CardNetwork::kMastercard;
  if (length == 15 && (two == 34 || two == 37)) return CardNetwork::kAmericanExpress;
  return CardNetwork::kUnknown;
}

bool IsExpired(int year, int month, base::WallTime now) {
  const std::chrono::year_month_day today(std::chrono::floor<std::chrono::days>(now));
  const int this_year = static_cast<int>(today.year());
  const int this_month = static_cast<int>(static_cast<unsigned>(today.month()));
  return year < this_year || (year == this_year && month < this_month);
}

std::string LastFour(std::string_view digits) {
  return "****" + std::string(digits.substr(digits.size() < 4 ? 0 : digits.size() - 4));
}

std::unexpected<CardRefusal> RefuseCard(std::string type, std::string message,
                                        std::source_location where) {
  return std::unexpected(CardRefusal{std::move(type), std::move(message), where});
}

CardVerdict CheckCard(const hipstershop::CreditCardInfo& card, base::WallTime now) {
  const std::string digits = CardDigits(card.credit_card_number());
  if (!PassesLuhn(digits))
    return RefuseCard("InvalidCreditCard",
                      "the credit card number is not valid: check it for a slip");
  const CardNetwork network = NetworkOf(digits);
  if (network != CardNetwork::kVisa && network != CardNetwork::kMastercard)
    return RefuseCard("UnacceptedCreditCard",
                      fmt::format("cards of the network {} are not taken: use Visa or Mastercard",
                                  ToString(network)));
  const int month = card.credit_card_expiration_month();
  const int year = card.credit_card_expiration_year();
  if (month < 1 || month > 12)
    return RefuseCard("InvalidCreditCard", fmt::format("there is no month {}", month));
  if (IsExpired(year, month, now))
    return RefuseCard("ExpiredCreditCard",
                      fmt::format("the card {} expired in {:02}/{}: use another one",
                                  LastFour(digits), month, year));
  return AcceptedCard{network, LastFour(digits)};
}

}  // namespace enclave::lab::boutique
