#include "observatory/promql/number_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>

namespace enclave::observatory::promql {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool EqualFold(std::string_view a, std::string_view lower) {
  return std::ranges::equal(a, lower, [](char x, char y) {
    return (x >= 'A' && x <= 'Z' ? static_cast<char>(x - 'A' + 'a') : x) == y;
  });
}

std::optional<double> ParseDecimal(std::string_view text) {
  // from_chars knows words as well: nan(x).
  if (text.empty() || (text[0] != '.' && (text[0] < '0' || text[0] > '9'))) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    // Too great is an error to most readers; too small is zero.
    const std::size_t e = text.find_first_of("eE");
    if (e != std::string_view::npos && text.substr(e + 1).starts_with('-')) return 0.0;
    return std::nullopt;
  }
  if (error != std::errc()) return std::nullopt;
  return value;
}

std::optional<double> ParseInteger(std::string_view digits, int base) {
  std::int64_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error != std::errc() || end != digits.data() + digits.size() || digits.starts_with('-'))
    return std::nullopt;
  return static_cast<double>(value);
}

// Shortest decimal digits without leading or trailing zeros, and where the point stands: the value
// is 0.DIGITS times ten to the power of `point`.
struct Decimal {
  bool negative = false;
  std::string digits{};
  int point = 0;
};

Decimal Digits(double value, int at_most) {
  std::array<char, 64> buffer{};
  const auto [end, error] = at_most > 0
                                ? std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                                std::chars_format::scientific, at_most - 1)
                                : std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                                std::chars_format::scientific);
  std::string_view text(buffer.data(), end);
  Decimal decimal;
  if (text.starts_with('-')) {
    decimal.negative = true;
    text.remove_prefix(1);
  }
  const std::size_t e = text.find('e');
  for (const char c : text.substr(0, e))
    if (c != '.') decimal.digits += c;
  std::string_view exponent = text.substr(e + 1);
  if (exponent.starts_with('+')) exponent.remove_prefix(1);
  std::from_chars(exponent.data(), exponent.data() + exponent.size(), decimal.point);
  ++decimal.point;
  while (decimal.digits.size() > 1 && decimal.digits.ends_with('0')) decimal.digits.pop_back();
  if (decimal.digits == "0") decimal.point = 1;
  return decimal;
}

std::string Fixed(const Decimal& decimal) {
  std::string text = decimal.negative ? "-" : "";
  const auto size = static_cast<int>(decimal.digits.size());
  if (decimal.point <= 0) {
    text += "0.";
    text.append(static_cast<std::size_t>(-decimal.point), '0');
    return text + decimal.digits;
  }
  if (size <= decimal.point) {
    text += decimal.digits;
    text.append(static_cast<std::size_t>(decimal.point - size), '0');
    return text;
  }
  const auto whole = static_cast<std::size_t>(decimal.point);
  return text + decimal.digits.substr(0, whole) + "." + decimal.digits.substr(whole);
}

std::optional<std::string> Special(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return std::nullopt;
}

std::string Compact(double value, int at_most, int exponent_from) {
  if (const auto special = Special(value)) return *special;
  const Decimal decimal = Digits(value, at_most);
  const int exponent = decimal.point - 1;
  if (exponent >= -4 && exponent < exponent_from) return Fixed(decimal);
  std::string text = decimal.negative ? "-" : "";
  text += decimal.digits.substr(0, 1);
  if (decimal.digits.size() > 1) text += "." + decimal.digits.substr(1);
  return text + fmt::format("e{}{:02}", exponent < 0 ? '-' : '+', std::abs(exponent));
}

}  // namespace

std::optional<double> ParseNumber(std::string_view text) {
  if (EqualFold(text, "inf")) return kInfinity;
  if (EqualFold(text, "nan")) return std::numeric_limits<double>::quiet_NaN();
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      plain += text[i];
      continue;
    }
    // Only between digits (of a base's prefix the letter counts as one).
    const auto alnum = [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    };
    if (i == 0 || i + 1 == text.size() || !alnum(text[i - 1]) || !alnum(text[i + 1]))
      return std::nullopt;
  }
  const std::string_view all = plain;
  if (all.size() > 2 && all[0] == '0') {
    const char base = static_cast<char>(all[1] | 0x20);
    if (base == 'x') return ParseInteger(all.substr(2), 16);
    if (base == 'o') return ParseInteger(all.substr(2), 8);
    if (base == 'b') return ParseInteger(all.substr(2), 2);
  }
  if (all.size() > 1 && all[0] == '0')
    if (const auto octal = ParseInteger(all.substr(1), 8)) return octal;
  return ParseDecimal(all);
}

std::optional<double> ParseBound(std::string_view text) {
  double sign = 1;
  if (text.starts_with('+') || text.starts_with('-')) {
    if (text[0] == '-') sign = -1;
    text.remove_prefix(1);
  }
  if (text.starts_with('-') || text.empty()) return std::nullopt;
  if (EqualFold(text, "inf") || EqualFold(text, "infinity")) return sign * kInfinity;
  if (EqualFold(text, "nan")) return std::numeric_limits<double>::quiet_NaN();
  const auto value = ParseDecimal(text);
  if (!value) return std::nullopt;
  return sign * *value;
}

std::string FormatFixed(double value) {
  if (const auto special = Special(value)) return *special;
  return Fixed(Digits(value, 0));
}

std::string FormatCompact(double value) {
  // As C's %g with the shortest digits: an exponent from 10^21 on, as Go prints.
  return Compact(value, 0, 21);
}

std::string FormatCompact(double value, int digits) {
  return Compact(value, digits, std::max(digits, 1));
}

}  // namespace enclave::observatory::promql
