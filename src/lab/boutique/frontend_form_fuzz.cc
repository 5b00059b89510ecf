// Forms and cookies from outside: whatever comes is refused, or within the bounds that are
// promised; and no text that a page shows becomes markup.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "lab/boutique/frontend_form.h"
#include "lab/boutique/page_html.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave;
  using namespace enclave::lab::boutique;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (const auto form = Form::Parse(input)) {
    CHECK(form->size() <= kMaxFormFields, "fields are bounded");
    CHECK(form->Get("email").size() <= kMaxFieldBytes, "a field is bounded");
    CHECK(IsPlainText(form->Get("email")), "a field is plain text");
    if (const auto addition = ReadCartAddition(*form))
      CHECK(addition->quantity >= 1 && addition->quantity <= kMaxAddition, "a quantity is bounded");
    if (const auto checkout = ReadCheckout(*form)) {
      CHECK(checkout->card_month >= 1 && checkout->card_month <= 12, "a month is one");
      CHECK(checkout->email.contains('@'), "an address has an @");
    }
  }
  const std::string escaped = EscapeHtml(input);
  CHECK(escaped.find_first_of("<>\"'") == std::string::npos, "escaped text has no markup");
  for (std::string_view rest = escaped; !rest.empty(); rest.remove_prefix(Utf8Length(rest)))
    CHECK(Utf8Length(rest) > 0, "escaped text is UTF-8");

  net::Request request;
  request.headers["Cookie"] = input;
  if (const auto session = Cookie(request, kSessionCookie))
    CHECK(session->size() <= size, "a cookie is part of its header");
  if (const auto product = ProductOfPath(input))
    CHECK("/product/" + *product == input, "a path is its prefix and the product");
  return 0;
}
