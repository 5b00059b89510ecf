#include "observatory/text/humanize.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <cstdint>

namespace enclave::observatory::text {
namespace {

// %.4g as Go prints it.
std::string FourDigits(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Inf" : "+Inf";
  return fmt::format("{:.4g}", value);
}

constexpr std::string_view kLargePrefixes[] = {"k", "M", "G", "T", "P", "E", "Z", "Y"};
constexpr std::string_view kSmallPrefixes[] = {"m", "u", "n", "p", "f", "a", "z", "y"};
constexpr std::string_view kBinaryPrefixes[] = {"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"};

// `value` made small by `step` with the prefix of the last step.
template <std::size_t N>
std::string Reduced(double value, double step, const std::string_view (&prefixes)[N]) {
  std::string_view prefix;
  for (const std::string_view next : prefixes) {
    if (std::abs(value) < step) break;
    prefix = next;
    value /= step;
  }
  return FourDigits(value).append(prefix);
}

std::string Enlarged(double value) {
  std::string_view prefix;
  for (const std::string_view next : kSmallPrefixes) {
    if (std::abs(value) >= 1) break;
    prefix = next;
    value *= 1000;
  }
  return FourDigits(value).append(prefix);
}

bool IsPlain(double value) {
  return value == 0 || std::isnan(value) || std::isinf(value);
}

}  // namespace

std::string Humanize(double value) {
  if (IsPlain(value)) return FourDigits(value);
  return std::abs(value) >= 1 ? Reduced(value, 1000, kLargePrefixes) : Enlarged(value);
}

std::string Humanize1024(double value) {
  if (std::abs(value) <= 1 || IsPlain(value)) return FourDigits(value);
  return Reduced(value, 1024, kBinaryPrefixes);
}

std::string HumanizeDuration(double seconds) {
  if (std::isnan(seconds) || std::isinf(seconds)) return FourDigits(seconds);
  if (seconds == 0) return "0s";
  if (std::abs(seconds) < 1) return Enlarged(seconds) + "s";
  const std::string_view sign = seconds < 0 ? "-" : "";
  const double size = std::abs(seconds);
  if (size < 60) return fmt::format("{}s", FourDigits(seconds));
  if (size > 9e15) return FourDigits(seconds) + "s";
  const auto whole = static_cast<std::int64_t>(size);
  const std::int64_t days = whole / 86'400;
  const std::int64_t hours = whole / 3600 % 24;
  const std::int64_t minutes = whole / 60 % 60;
  const std::int64_t rest = whole % 60;
  if (days != 0) return fmt::format("{}{}d {}h {}m {}s", sign, days, hours, minutes, rest);
  if (hours != 0) return fmt::format("{}{}h {}m {}s", sign, hours, minutes, rest);
  return fmt::format("{}{}m {}s", sign, minutes, rest);
}

std::string HumanizePercentage(double ratio) {
  return FourDigits(ratio * 100) + "%";
}

std::string HumanizeTimestamp(double seconds) {
  constexpr double kMost = 2.5e11;  // years of four digits
  if (std::isnan(seconds) || std::isinf(seconds) || std::abs(seconds) > kMost) {
    return FourDigits(seconds);
  }
  const std::chrono::milliseconds since(std::llround(seconds * 1e3));
  const auto day = std::chrono::floor<std::chrono::days>(since);
  const std::chrono::year_month_day date{std::chrono::sys_days(day)};
  const std::chrono::hh_mm_ss time(since - day);
  std::string text =
      fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                  time.hours().count(), time.minutes().count(), time.seconds().count());
  if (const auto millis = time.subseconds().count(); millis != 0) {
    std::string fraction = fmt::format(".{:03}", millis);
    while (fraction.ends_with('0')) fraction.pop_back();
    text += fraction;
  }
  return text + " +0000 UTC";
}

std::string FormatGoFloat(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Inf" : "+Inf";
  const double size = std::abs(value);
  if (size == 0 || (size >= 1e-4 && size < 1e21)) {
    std::string plain = fmt::format("{}", value);
    // The shortest digits may come with an exponent; then they are written out.
    if (plain.find('e') != std::string::npos) plain = fmt::format("{:f}", value);
    if (plain.find('.') != std::string::npos) {
      while (plain.ends_with('0')) plain.pop_back();
      if (plain.ends_with('.')) plain.pop_back();
    }
    return plain;
  }
  std::string text = fmt::format("{:e}", value);
  const std::string shortest = fmt::format("{}", value);
  if (shortest.find('e') != std::string::npos) text = shortest;
  return text;
}

}  // namespace enclave::observatory::text
