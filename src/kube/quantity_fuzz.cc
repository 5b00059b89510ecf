// Quantities: the canonical text is the same amount; rounding up never loses; order is that of
// amounts.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "kube/quantity.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using enclave::kube::Quantity;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto quantity = Quantity::Parse(text);
  if (!quantity) return 0;
  const auto again = Quantity::Parse(quantity->ToString());
  CHECK(again, "the canonical text parses");
  // A binary amount is whole bytes: its text is rounded away from zero.
  const bool whole = *quantity == Quantity::FromBytes(quantity->Value());
  if (whole) CHECK(again->Value() == quantity->Value(), "the canonical text is the same amount");
  // A number without a suffix does not tell the format it was written in, so texts may differ once.
  CHECK(*Quantity::Parse(again->ToString()) == *again, "the canonical amount is stable");
  const bool saturated = quantity->MilliValue() == INT64_MAX || quantity->MilliValue() == INT64_MIN;
  if (!saturated) {
    CHECK(quantity->Value() >= quantity->MilliValue() / 1000, "whole units round up");
  }
  if (!quantity->negative()) CHECK(*quantity <= *again, "text never loses");
  CHECK((*quantity - *quantity).is_zero(), "differences are exact");
  const Quantity zero;
  CHECK((*quantity < zero) == quantity->negative(), "the order is that of amounts");
  return 0;
}
