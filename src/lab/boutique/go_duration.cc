#include "lab/boutique/go_duration.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>

#include "base/quote.h"

namespace enclave::lab::boutique {
namespace {

struct DurationUnit {
  std::string_view name;
  double nanoseconds;
};
// Longer names before those they begin with.
constexpr std::array kUnits = {DurationUnit{"ms", 1e6}, DurationUnit{"us", 1e3},
                               DurationUnit{"ns", 1},   DurationUnit{"h", 3600e9},
                               DurationUnit{"m", 60e9}, DurationUnit{"s", 1e9}};
constexpr double kMostNanoseconds = 24 * 3600e9;

}  // namespace

base::Result<base::Duration> ParseGoDuration(std::string_view text) {
  const auto fail = [whole = text] {
    return base::Fail(base::ErrorKind::kInvalidArgument,
                      fmt::format("{} is no duration: write 250ms, 5.5s or 1m30s, at most 24h",
                                  base::Quote(whole)));
  };
  if (text == "0") return base::Duration::zero();
  if (text.empty()) return fail();
  double total = 0;
  while (!text.empty()) {
    // No sign, and no exponent or word such as "inf".
    const std::string_view number = text.substr(0, text.find_first_not_of("0123456789."));
    double value = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value,
                                              std::chars_format::fixed);
    if (error != std::errc() || end != number.data() + number.size()) return fail();
    text.remove_prefix(number.size());
    const DurationUnit* unit = nullptr;
    for (const DurationUnit& candidate : kUnits) {
      if (unit == nullptr && text.starts_with(candidate.name)) unit = &candidate;
    }
    if (unit == nullptr) return fail();
    text.remove_prefix(unit->name.size());
    total += value * unit->nanoseconds;
    if (!(total <= kMostNanoseconds)) return fail();
  }
  return base::Duration(std::llround(total));
}

}  // namespace enclave::lab::boutique
