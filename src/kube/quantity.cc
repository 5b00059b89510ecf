#include "kube/quantity.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>

namespace enclave::kube {
namespace {

using Wide = __int128;

constexpr Wide kUnit = 1'000'000'000;  // nano units in one
constexpr Wide kMax = Wide{std::numeric_limits<std::int64_t>::max()} * kUnit;
constexpr Wide kWideMax = static_cast<Wide>(~static_cast<unsigned __int128>(0) >> 1);

struct Scale {
  int ten;     // power of ten
  int binary;  // power of 1024
  Quantity::Format format;
};

constexpr std::string_view kBinarySuffixes = "KMGTPE";

std::optional<Scale> ParseSuffix(std::string_view suffix) {
  using enum Quantity::Format;
  if (suffix.empty()) return Scale{0, 0, kDecimalSi};
  if (suffix.size() == 2 && suffix[1] == 'i') {
    const std::size_t power = kBinarySuffixes.find(suffix[0]);
    if (power == std::string_view::npos) return std::nullopt;
    return Scale{0, static_cast<int>(power) + 1, kBinarySi};
  }
  if (suffix.size() == 1) {
    switch (suffix[0]) {
      case 'n':
        return Scale{-9, 0, kDecimalSi};
      case 'u':
        return Scale{-6, 0, kDecimalSi};
      case 'm':
        return Scale{-3, 0, kDecimalSi};
      case 'k':
        return Scale{3, 0, kDecimalSi};
      case 'M':
        return Scale{6, 0, kDecimalSi};
      case 'G':
        return Scale{9, 0, kDecimalSi};
      case 'T':
        return Scale{12, 0, kDecimalSi};
      case 'P':
        return Scale{15, 0, kDecimalSi};
      case 'E':
        return Scale{18, 0, kDecimalSi};
      default:
        return std::nullopt;
    }
  }
  if (suffix[0] != 'e' && suffix[0] != 'E') return std::nullopt;
  suffix.remove_prefix(1);
  const bool negative = suffix[0] == '-';
  if (suffix[0] == '-' || suffix[0] == '+') suffix.remove_prefix(1);
  if (suffix.empty()) return std::nullopt;
  int exponent = 0;
  for (const char c : suffix) {
    if (c < '0' || c > '9') return std::nullopt;
    // Beyond this every non-zero number is out of range or rounds to one nano unit.
    exponent = std::min(exponent * 10 + (c - '0'), 1'000'000);
  }
  return Scale{negative ? -exponent : exponent, 0, kDecimalExponent};
}

Wide CeilDivide(Wide value, Wide by) {
  const Wide quotient = value / by;
  return value % by > 0 ? quotient + 1 : quotient;
}

std::int64_t Saturate(Wide value) {
  constexpr Wide kLow = std::numeric_limits<std::int64_t>::min();
  constexpr Wide kHigh = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(std::clamp(value, kLow, kHigh));
}

std::string WideText(Wide value) {
  if (value == 0) return "0";
  const bool negative = value < 0;
  std::string digits;
  for (; value != 0; value /= 10) {
    const int digit = static_cast<int>(value % 10);
    digits += static_cast<char>('0' + (digit < 0 ? -digit : digit));
  }
  if (negative) digits += '-';
  std::ranges::reverse(digits);
  return digits;
}

}  // namespace

base::Result<Quantity> Quantity::Parse(std::string_view text) {
  const auto fail = [&](std::string_view why) {
    return base::Fail(base::ErrorKind::kInvalidArgument,
                      fmt::format("\"{}\" is not a quantity: {} (e.g. \"250m\", \"1.5Gi\", \"2\")",
                                  text.substr(0, 64), why));
  };
  if (text.empty()) return fail("it is empty");
  if (text.size() > 1024) return fail("it is longer than 1024 characters");
  std::size_t at = 0;
  const bool negative = text[0] == '-';
  if (text[0] == '-' || text[0] == '+') ++at;

  // The digits as one integer of at most 37 places; what lies beyond only counts as "not zero".
  std::string digits;
  int point = 0;  // digits after the decimal point
  bool seen_point = false;
  bool seen_digit = false;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '.' && !seen_point) {
      seen_point = true;
    } else if (c >= '0' && c <= '9') {
      seen_digit = true;
      if (!digits.empty() || c != '0') digits += c;
      point += seen_point ? 1 : 0;
    } else {
      break;
    }
  }
  if (!seen_digit) return fail("expected digits");
  const auto scale = ParseSuffix(text.substr(at));
  if (!scale) {
    return fail(fmt::format("unknown suffix \"{}\" at position {}", text.substr(at, 16), at));
  }
  while (!digits.empty() && digits.back() == '0') {  // keeps the integer small
    digits.pop_back();
    --point;
  }
  if (digits.empty()) return Quantity(0, scale->format);

  // value = digits * 10^(ten - point) * 1024^binary, wanted in units of 10^-9.
  int power = scale->ten - point + 9;
  constexpr std::string_view kTooLarge = "its magnitude is beyond 2^63-1";
  if (static_cast<int>(digits.size()) + power > 29) return fail(kTooLarge);
  bool inexact = false;
  // Digits far below a nano unit even after the binary factor (at most 10^18.1) cannot matter.
  const int drop = static_cast<int>(digits.size()) - 36;
  if (drop > 0) {
    inexact = true;  // trailing zeros are gone, so something is lost
    digits.resize(36);
    power += drop;
  }
  Wide value = 0;
  for (const char c : digits) value = value * 10 + (c - '0');

  for (int i = 0; i < scale->binary; ++i) {
    // Multiplies by 1024 within 127 bits: lowers the decimal precision first where needed.
    while (value > kWideMax / 1024) {
      inexact |= value % 10 != 0;
      value /= 10;
      ++power;
    }
    value *= 1024;
  }
  for (; power < 0 && value != 0; ++power) {
    inexact |= value % 10 != 0;
    value /= 10;
  }
  for (; power > 0; --power) {
    if (value > kMax) return fail(kTooLarge);
    value *= 10;
  }
  if (inexact) ++value;
  if (value > kMax) return fail(kTooLarge);
  return Quantity(negative ? -value : value, scale->format);
}

base::Result<Quantity> Quantity::FromJson(const Json& value) {
  if (value.is_string()) return Parse(value.get_ref<const std::string&>());
  if (value.is_number()) return Parse(value.dump());
  return base::Fail(base::ErrorKind::kInvalidArgument,
                    fmt::format("a quantity must be a string or a number, not {}",
                                std::string_view(value.type_name())));
}

Quantity Quantity::At(const Json& value, std::string_view dotted_path, const Quantity& fallback) {
  const auto parsed = FromJson(kube::At(value, dotted_path));
  return parsed ? *parsed : fallback;
}

Quantity Quantity::At(const Json& value, std::string_view dotted_path) {
  return At(value, dotted_path, Quantity());
}

Quantity Quantity::FromMilli(std::int64_t milli) {
  return Quantity(Wide{milli} * 1'000'000, Format::kDecimalSi);
}

Quantity Quantity::FromBytes(std::int64_t bytes) {
  return Quantity(std::max(Wide{bytes} * kUnit, -kMax), Format::kBinarySi);
}

std::int64_t Quantity::Value() const {
  return Saturate(CeilDivide(nano_, kUnit));
}

std::int64_t Quantity::MilliValue() const {
  return Saturate(CeilDivide(nano_, 1'000'000));
}

std::string Quantity::ToString() const {
  if (nano_ == 0) return "0";
  const Wide magnitude = nano_ < 0 ? -nano_ : nano_;
  if (format_ == Format::kBinarySi && magnitude >= 1024 * kUnit) {
    // Away from zero: binary amounts are whole bytes.
    Wide value = CeilDivide(magnitude, kUnit);
    std::size_t power = 0;
    while (value % 1024 == 0 && power < kBinarySuffixes.size()) {
      value /= 1024;
      ++power;
    }
    std::string text = (nano_ < 0 ? "-" : "") + WideText(value);
    if (power > 0) {
      text += kBinarySuffixes[power - 1];
      text += 'i';
    }
    return text;
  }
  constexpr std::array<std::string_view, 10> kSuffixes = {"n", "u", "m", "",  "k",
                                                          "M", "G", "T", "P", "E"};
  Wide value = nano_;
  std::size_t power = 0;
  while (value % 1000 == 0 && power + 1 < kSuffixes.size()) {
    value /= 1000;
    ++power;
  }
  if (format_ == Format::kDecimalExponent) {
    const int exponent = (static_cast<int>(power) - 3) * 3;
    return exponent == 0 ? WideText(value) : fmt::format("{}e{}", WideText(value), exponent);
  }
  return WideText(value) + std::string(kSuffixes[power]);
}

Quantity Quantity::operator+(const Quantity& other) const {
  return Quantity(std::clamp(nano_ + other.nano_, -kMax, kMax), format_);
}

Quantity Quantity::operator-(const Quantity& other) const {
  return Quantity(std::clamp(nano_ - other.nano_, -kMax, kMax), format_);
}

}  // namespace enclave::kube
