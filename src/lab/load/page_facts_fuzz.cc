// Pages from outside: whatever comes, reading ends, and an amount that was read is written the
// same.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "lab/load/page_facts.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave::lab::load;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const PageFacts page = ReadPage(input);
  CHECK(page.products.size() <= kMaxProducts, "products are bounded");
  if (const auto amount = Amount::Parse(input)) {
    const auto again = Amount::Parse(amount->ToString());
    CHECK(again && *again == *amount, "an amount survives being written");
    const Amount twice = amount->Times(2);
    CHECK(twice == amount->Plus(*amount), "twice is once and once more");
    CHECK(twice.Plus(amount->Times(-2)).units == 0, "what is taken away is gone");
  }
  return 0;
}
