#include "observatory/logql/units.h"

#include <charconv>
#include <cmath>
#include <string>

namespace enclave::observatory::logql {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

// The digits and dots at the front, as a number.
std::optional<double> TakeNumber(std::string_view& text) {
  const std::size_t end = std::min(text.find_first_not_of("0123456789."), text.size());
  double value = 0;
  const auto [at, error] =
      std::from_chars(text.data(), text.data() + end, value, std::chars_format::fixed);
  if (end == 0 || error != std::errc() || at != text.data() + end) return std::nullopt;
  text.remove_prefix(end);
  return value;
}

}  // namespace

std::optional<double> ParseNumber(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<double> ParseDuration(std::string_view text) {
  static constexpr Unit kUnits[] = {{"ns", 1},          {"us", 1e3},         {"µs", 1e3},
                                    {"μs", 1e3},        {"ms", 1e6},         {"s", 1e9},
                                    {"m", 60e9},        {"h", 3600e9},       {"d", 86400e9},
                                    {"w", 7 * 86400e9}, {"y", 365 * 86400e9}};
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text == "0") return 0;
  if (text.empty()) return std::nullopt;
  double total = 0;
  while (!text.empty()) {
    const std::optional<double> number = TakeNumber(text);
    if (!number) return std::nullopt;
    const std::string_view name =
        text.substr(0, std::min(text.find_first_of("0123456789."), text.size()));
    const Unit* found = nullptr;
    for (const Unit& unit : kUnits)
      if (unit.name == name) found = &unit;
    if (found == nullptr) return std::nullopt;
    total += *number * found->factor;
    text.remove_prefix(name.size());
  }
  return negative ? -total : total;
}

std::optional<double> ParseBytes(std::string_view text) {
  static constexpr Unit kUnits[] = {{"b", 1},
                                    {"kb", 1e3},
                                    {"mb", 1e6},
                                    {"gb", 1e9},
                                    {"tb", 1e12},
                                    {"pb", 1e15},
                                    {"kib", 1024.0},
                                    {"mib", 1048576.0},
                                    {"gib", 1073741824.0},
                                    {"tib", 1099511627776.0},
                                    {"pib", 1125899906842624.0},
                                    {"k", 1e3},
                                    {"m", 1e6},
                                    {"g", 1e9},
                                    {"t", 1e12},
                                    {"ki", 1024.0},
                                    {"mi", 1048576.0},
                                    {"gi", 1073741824.0}};
  const std::optional<double> number = TakeNumber(text);
  if (!number) return std::nullopt;
  while (text.starts_with(' ')) text.remove_prefix(1);
  if (text.empty()) return number;
  std::string small;
  for (const char c : text) small += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  for (const Unit& unit : kUnits)
    if (unit.name == small) return std::floor(*number * unit.factor);
  return std::nullopt;
}

}  // namespace enclave::observatory::logql
