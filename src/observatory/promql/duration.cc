#include "observatory/promql/duration.h"

#include <fmt/format.h>

#include <array>

#include "base/quote.h"

namespace enclave::observatory::promql {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t ms;
  bool only_even;  // not shown when something would be left over
};
constexpr std::int64_t kDayMs = std::int64_t{24} * 3600 * 1000;
constexpr std::array<Unit, 7> kUnits = {{{"y", 365 * kDayMs, true},
                                         {"w", 7 * kDayMs, true},
                                         {"d", kDayMs, false},
                                         {"h", 3600 * 1000, false},
                                         {"m", 60 * 1000, false},
                                         {"s", 1000, false},
                                         {"ms", 1, false}}};
// What a count of nanoseconds in 64 bits can hold, as upstream does.
constexpr std::int64_t kMaxDurationMs = INT64_MAX / 1000000;

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

base::Result<std::int64_t> ParseDurationMs(std::string_view text) {
  if (text == "0") return 0;
  if (text.empty()) return base::Fail(base::ErrorKind::kInvalidArgument, "empty duration string");
  const auto refused = [&] {
    return base::Fail(base::ErrorKind::kInvalidArgument,
                      fmt::format("not a valid duration string: {}", base::Quote(text)));
  };
  std::int64_t total = 0;
  std::size_t next_unit = 0;
  std::string_view rest = text;
  while (!rest.empty()) {
    std::size_t digits = 0;
    std::int64_t count = 0;
    while (digits < rest.size() && IsDigit(rest[digits])) {
      if (count > kMaxDurationMs / 10)
        return base::Fail(base::ErrorKind::kInvalidArgument, "duration out of range");
      count = count * 10 + (rest[digits] - '0');
      ++digits;
    }
    if (digits == 0) return refused();
    rest.remove_prefix(digits);
    std::size_t letters = 0;
    while (letters < rest.size() && !IsDigit(rest[letters])) ++letters;
    const std::string_view name = rest.substr(0, letters);
    std::size_t unit = next_unit;
    while (unit < kUnits.size() && kUnits[unit].name != name) ++unit;
    if (unit == kUnits.size()) return refused();
    rest.remove_prefix(letters);
    next_unit = unit + 1;
    if (count > (kMaxDurationMs - total) / kUnits[unit].ms)
      return base::Fail(base::ErrorKind::kInvalidArgument, "duration out of range");
    total += count * kUnits[unit].ms;
  }
  return total;
}

std::string FormatDurationMs(std::int64_t duration_ms) {
  if (duration_ms == 0) return "0s";
  std::string text;
  // Unsigned, so that the smallest number has an opposite.
  std::uint64_t left = static_cast<std::uint64_t>(duration_ms);
  if (duration_ms < 0) {
    text = "-";
    left = 0 - left;
  }
  for (const Unit& unit : kUnits) {
    const auto size = static_cast<std::uint64_t>(unit.ms);
    if (unit.only_even && left % size != 0) continue;
    if (left >= size) {
      text += fmt::format("{}{}", left / size, unit.name);
      left %= size;
    }
  }
  return text;
}

}  // namespace enclave::observatory::promql
