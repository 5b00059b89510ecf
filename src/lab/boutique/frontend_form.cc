#include "lab/boutique/frontend_form.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/quote.h"
#include "lab/boutique/page_html.h"

namespace enclave::lab::boutique {
namespace {

constexpr std::size_t kMaxProductIdBytes = 64;

template <typename N>
std::optional<N> NumberIn(std::string_view text, N low, N high) {
  N number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < low || number > high)
    return std::nullopt;
  return number;
}

// Without spaces around; kUnprocessable when nothing is left or it is longer than `most`.
base::Result<std::string> Required(const Form& form, std::string_view field, std::string_view what,
                                   std::size_t most) {
  std::string_view value = form.Get(field);
  while (value.starts_with(' ')) value.remove_prefix(1);
  while (value.ends_with(' ')) value.remove_suffix(1);
  if (value.empty())
    return base::Fail(base::ErrorKind::kUnprocessable, fmt::format("{} is missing.", what));
  if (value.size() > most)
    return base::Fail(base::ErrorKind::kUnprocessable,
                      fmt::format("{} is longer than {} characters.", what, most));
  return std::string(value);
}

base::Result<std::int32_t> RequiredNumber(const Form& form, std::string_view field,
                                          std::string_view what, std::int32_t low,
                                          std::int32_t high) {
  const auto number = NumberIn<std::int32_t>(form.Get(field), low, high);
  if (!number)
    return base::Fail(base::ErrorKind::kUnprocessable,
                      fmt::format("{} is to be a number from {} to {}, not {}.", what, low, high,
                                  base::Quote(form.Get(field))));
  return *number;
}

bool IsProductId(std::string_view id) {
  return !id.empty() && id.size() <= kMaxProductIdBytes && std::ranges::all_of(id, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
           c == '_';
  });
}

}  // namespace

base::Result<Form> Form::Parse(std::string_view body) {
  if (body.size() > kMaxFormBytes)
    return base::Fail(base::ErrorKind::kTooLarge, fmt::format("the form has {} bytes, more than {}",
                                                              body.size(), kMaxFormBytes));
  Form form;
  while (!body.empty()) {
    const std::size_t end = body.find('&');
    const std::string_view pair = body.substr(0, end);
    body.remove_prefix(end == std::string_view::npos ? body.size() : end + 1);
    if (pair.empty()) continue;
    if (form.fields_.size() == kMaxFormFields)
      return base::Fail(base::ErrorKind::kTooLarge,
                        fmt::format("the form has more than {} fields", kMaxFormFields));
    const std::size_t equals = pair.find('=');
    std::string name = net::PercentDecode(pair.substr(0, equals), true);
    std::string value = equals == std::string_view::npos
                            ? std::string()
                            : net::PercentDecode(pair.substr(equals + 1), true);
    if (name.size() > kMaxFieldBytes || value.size() > kMaxFieldBytes)
      return base::Fail(base::ErrorKind::kTooLarge,
                        fmt::format("a field of the form has more than {} bytes", kMaxFieldBytes));
    if (!IsPlainText(name) || !IsPlainText(value))
      return base::Fail(base::ErrorKind::kInvalidArgument,
                        fmt::format("field {} of the form is no plain text", base::Quote(name)));
    form.fields_.emplace_back(std::move(name), std::move(value));
  }
  return form;
}

std::string_view Form::Get(std::string_view name) const {
  const auto found = std::ranges::find(fields_, name, &std::pair<std::string, std::string>::first);
  return found == fields_.end() ? std::string_view() : std::string_view(found->second);
}

base::Result<CartAddition> ReadCartAddition(const Form& form) {
  CartAddition addition;
  addition.product_id = form.Get("product_id");
  if (!IsProductId(addition.product_id))
    return base::Fail(base::ErrorKind::kUnprocessable, "There is no such product.");
  ASSIGN_OR_RETURN(addition.quantity,
                   RequiredNumber(form, "quantity", "The quantity", 1, kMaxAddition));
  return addition;
}

base::Result<CheckoutForm> ReadCheckout(const Form& form) {
  CheckoutForm checkout;
  ASSIGN_OR_RETURN(checkout.email, Required(form, "email", "The e-mail address", 254));
  const std::size_t at = checkout.email.find('@');
  if (at == 0 || at == std::string::npos || at + 1 == checkout.email.size() ||
      checkout.email.contains(' '))
    return base::Fail(base::ErrorKind::kUnprocessable, "The e-mail address is not one.");
  ASSIGN_OR_RETURN(checkout.street_address, Required(form, "street_address", "The street", 200));
  ASSIGN_OR_RETURN(checkout.city, Required(form, "city", "The city", 100));
  ASSIGN_OR_RETURN(checkout.state, Required(form, "state", "The state", 100));
  ASSIGN_OR_RETURN(checkout.country, Required(form, "country", "The country", 100));
  ASSIGN_OR_RETURN(checkout.zip_code,
                   RequiredNumber(form, "zip_code", "The zip code", 0, 999'999'999));
  ASSIGN_OR_RETURN(checkout.card_number,
                   Required(form, "credit_card_number", "The card number", 24));
  if (!std::ranges::all_of(checkout.card_number,
                           [](char c) { return (c >= '0' && c <= '9') || c == '-' || c == ' '; }))
    return base::Fail(base::ErrorKind::kUnprocessable,
                      "The card number has something other than digits.");
  ASSIGN_OR_RETURN(checkout.card_month, RequiredNumber(form, "credit_card_expiration_month",
                                                       "The month of expiry", 1, 12));
  ASSIGN_OR_RETURN(checkout.card_year, RequiredNumber(form, "credit_card_expiration_year",
                                                      "The year of expiry", 2000, 2200));
  ASSIGN_OR_RETURN(checkout.card_cvv, RequiredNumber(form, "credit_card_cvv", "The CVV", 0, 9999));
  return checkout;
}

const std::vector<std::string>& OfferedCurrencies() {
  static const std::vector<std::string> currencies = {"USD", "EUR", "CAD", "JPY", "GBP", "TRY"};
  return currencies;
}

bool IsOffered(std::string_view currency) {
  return std::ranges::find(OfferedCurrencies(), currency) != OfferedCurrencies().end();
}

std::optional<std::string> Cookie(const net::Request& request, std::string_view name) {
  // Fields that come twice are joined with a comma by the server, which RFC 6265 never writes.
  std::string_view rest = request.Header("Cookie");
  while (!rest.empty()) {
    const std::size_t end = rest.find_first_of(";,");
    std::string_view pair = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    while (pair.starts_with(' ')) pair.remove_prefix(1);
    while (pair.ends_with(' ')) pair.remove_suffix(1);
    const std::size_t equals = pair.find('=');
    if (equals != std::string_view::npos && pair.substr(0, equals) == name)
      return std::string(pair.substr(equals + 1));
  }
  return std::nullopt;
}

bool IsSessionId(std::string_view id) {
  constexpr std::string_view kForm = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  if (id.size() != kForm.size()) return false;
  for (std::size_t i = 0; i < id.size(); ++i) {
    const char c = id[i];
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    if (kForm[i] == '-' ? c != '-' : !hex) return false;
  }
  return true;
}

std::optional<std::string> ProductOfPath(std::string_view path) {
  constexpr std::string_view kPrefix = "/product/";
  if (!path.starts_with(kPrefix)) return std::nullopt;
  path.remove_prefix(kPrefix.size());
  if (!IsProductId(path)) return std::nullopt;
  return std::string(path);
}

}  // namespace enclave::lab::boutique
