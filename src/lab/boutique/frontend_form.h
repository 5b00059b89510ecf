// What visitors send: forms (application/x-www-form-urlencoded) and cookies, bounded and checked
// before anything is done with them. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "net/http.h"

namespace enclave::lab::boutique {

inline constexpr std::size_t kMaxFormBytes = 16 << 10;
inline constexpr std::size_t kMaxFormFields = 64;
inline constexpr std::size_t kMaxFieldBytes = 512;
// Of one product in one go, as the shop's front end allows.
inline constexpr int kMaxAddition = 10;

class Form {
 public:
  // kTooLarge past a bound; kInvalidArgument for values that are no plain UTF-8 text.
  static base::Result<Form> Parse(std::string_view body);
  // The first of that name; "" when there is none.
  std::string_view Get(std::string_view name) const;
  std::size_t size() const { return fields_.size(); }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

struct CartAddition {
  std::string product_id;
  int quantity = 0;
};
// kUnprocessable, with a sentence for the visitor, when a field is missing or out of its bounds.
base::Result<CartAddition> ReadCartAddition(const Form& form);

struct CheckoutForm {
  std::string email;
  std::string street_address;
  std::string city;
  std::string state;
  std::string country;
  std::int32_t zip_code = 0;
  std::string card_number;
  std::int32_t card_month = 0;
  std::int32_t card_year = 0;
  std::int32_t card_cvv = 0;
};
// kUnprocessable as above. Whether the card is any good is for the payment service to say.
base::Result<CheckoutForm> ReadCheckout(const Form& form);

// The currencies that the shop offers, in the order it shows them.
const std::vector<std::string>& OfferedCurrencies();
bool IsOffered(std::string_view currency);

// The value of a cookie; nullopt when the request has none of that name.
std::optional<std::string> Cookie(const net::Request& request, std::string_view name);

inline constexpr std::string_view kSessionCookie = "shop_session-id";
inline constexpr std::string_view kCurrencyCookie = "shop_currency";

// Whether `id` could have been made by base::Random::Uuid: a made-up session is not carried on.
bool IsSessionId(std::string_view id);
// The product in "/product/ID"; nullopt when it is no id the catalogue could have.
std::optional<std::string> ProductOfPath(std::string_view path);

}  // namespace enclave::lab::boutique
