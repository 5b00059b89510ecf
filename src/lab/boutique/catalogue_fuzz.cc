// Catalogues come from a file that operators write, templates and durations from settings. What is
// taken is sound.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "lab/boutique/catalogue.h"
#include "lab/boutique/confirmation.h"
#include "lab/boutique/go_duration.h"
#include "lab/boutique/money.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto catalogue = lab::boutique::Catalogue::Parse(text)) {
    for (const hipstershop::Product& product : catalogue->products()) {
      CHECK(lab::boutique::IsValid(product.price_usd()), "prices are amounts");
      CHECK(catalogue->Find(product.id()) == &product, "ids are unique");
    }
    (void)catalogue->Search(text);
  }
  if (const auto duration = lab::boutique::ParseGoDuration(text))
    CHECK(*duration >= base::Duration::zero() && *duration <= std::chrono::hours(24),
          "durations are bounded");
  (void)lab::boutique::RenderTemplate(text, {{"a", "value"}});
  return 0;
}
