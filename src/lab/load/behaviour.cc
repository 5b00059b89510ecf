#include "lab/load/behaviour.h"

#include <fmt/format.h>

#include <chrono>

#include "base/check.h"
#include "net/http.h"

namespace enclave::lab::load {
namespace {

constexpr std::string_view kDigits = "0123456789";

std::uint64_t SumOfWeights() {
  std::uint64_t sum = 0;
  for (const ActionKind& kind : kActions) sum += kind.weight;
  return sum;
}

template <std::size_t N>
std::string_view OneOf(const std::array<std::string_view, N>& list, base::Random& random) {
  return list[random.Below(N)];
}

// A Visa number: the leading digits of a card that shops are tried with (the first is the one of
// Online Boutique's own load generator, the others those of Visa and of Stripe), more by chance,
// and the digit that makes Luhn's sum a multiple of ten (ISO/IEC 7812-1).
std::string ChooseCardNumber(base::Random& random) {
  static constexpr std::array<std::string_view, 3> kLeading = {"4432", "4111", "4242"};
  std::string number = std::string(OneOf(kLeading, random)) + random.Text(kDigits, 11);
  int sum = 0;
  for (std::size_t i = 0; i < number.size(); ++i) {
    int digit = number[i] - '0';
    if (i % 2 == 0) digit = digit * 2 > 9 ? digit * 2 - 9 : digit * 2;
    sum += digit;
  }
  number += kDigits[static_cast<std::size_t>((10 - sum % 10) % 10)];
  return number;
}

}  // namespace

Action ChooseAction(base::Random& random) {
  std::uint64_t left = random.Below(SumOfWeights());
  for (const ActionKind& kind : kActions) {
    if (left < kind.weight) return kind.action;
    left -= kind.weight;
  }
  CHECK(false, "a number below the sum of the weights falls on one of them");
}

base::Duration ChooseWait(base::Random& random, double scale) {
  const std::chrono::duration<double> wait((1.0 + 9.0 * random.Unit()) * scale);
  return std::chrono::duration_cast<base::Duration>(wait);
}

const std::vector<std::string>& PublishedProducts() {
  static const std::vector<std::string> products = {"0PUK6V6EV0", "1YMWWN1N4O", "2ZYFJ3GM2N",
                                                    "66VCHSJNUP", "6E92ZMYYFZ", "9SIQT8TOJO",
                                                    "L9ECAV7KIM", "LS4PSXUNUM", "OLJCESPC7Z"};
  return products;
}

const std::vector<std::string>& TriedCurrencies() {
  static const std::vector<std::string> currencies = {"EUR", "USD", "JPY", "CAD", "GBP", "TRY"};
  return currencies;
}

std::string ChooseCheckoutForm(base::Random& random, int year) {
  static constexpr std::array<std::string_view, 8> kNames = {
      "ada", "grace", "barbara", "edsger", "radia", "leslie", "margaret", "donald"};
  static constexpr std::array<std::string_view, 6> kStreets = {
      "Harbour Lane", "Mill Road", "Station Street", "Elm Avenue", "Market Square", "Quay Walk"};
  static constexpr std::array<std::string_view, 6> kCities = {
      "Springfield", "Riverside", "Fairview", "Greenville", "Bristol", "Salem"};
  static constexpr std::array<std::string_view, 6> kStates = {"CA", "NY", "WA", "OR", "TX", "MA"};
  const std::string_view name = OneOf(kNames, random);
  const auto below = [&](std::uint64_t bound) { return random.Below(bound); };
  const std::string email = fmt::format("{}.{}@example.com", name, below(1000));
  const std::string street = fmt::format("{} {}", 1 + below(200), OneOf(kStreets, random));
  const std::string_view city = OneOf(kCities, random);
  const std::string_view state = OneOf(kStates, random);
  const std::string zip = "9" + random.Text(kDigits, 4);
  const std::string card = ChooseCardNumber(random);
  const std::uint64_t month = 1 + below(12);
  const std::uint64_t until = static_cast<std::uint64_t>(year) + 1 + below(8);
  const std::uint64_t cvv = 100 + below(900);
  return fmt::format(
      "email={}&street_address={}&zip_code={}&city={}&state={}&country=United+States&"
      "credit_card_number={}&credit_card_expiration_month={}&credit_card_expiration_year={}&"
      "credit_card_cvv={}",
      net::PercentEncode(email), net::PercentEncode(street), zip, net::PercentEncode(city), state,
      card, month, until, cvv);
}

}  // namespace enclave::lab::load
