#include "parameters.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>

#include "base/quote.h"

namespace enclave::observatory::api {
namespace {

using base::ErrorKind;
using base::Fail;
using base::Quote;

std::optional<double> ParseNumber(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value))
    return std::nullopt;
  return value;
}

// Exactly `count` digits from the front of `text`.
bool TakeDigits(std::string_view* text, std::size_t count, int* value) {
  if (text->size() < count) return false;
  const auto [end, error] = std::from_chars(text->data(), text->data() + count, *value);
  if (error != std::errc() || end != text->data() + count || text->front() == '-') return false;
  text->remove_prefix(count);
  return true;
}

bool Take(std::string_view* text, char c) {
  if (!text->starts_with(c)) return false;
  text->remove_prefix(1);
  return true;
}

struct Unit {
  std::string_view name;
  std::int64_t size;
};

// Seconds as a double to a count of 1/`per_second`, if it fits.
std::optional<std::int64_t> Scale(double seconds, double per_second) {
  const double scaled = std::round(seconds * per_second);
  if (!(std::fabs(scaled) < 9.2e18)) return std::nullopt;
  return static_cast<std::int64_t>(scaled);
}

}  // namespace

Parameters Parameters::Of(const net::Request& request) {
  Parameters parameters;
  if (request.Header("Content-Type").starts_with("application/x-www-form-urlencoded")) {
    std::string ignored;
    net::ParseTarget("/?" + request.body, &ignored, &parameters.values_);
  }
  parameters.values_.insert(parameters.values_.end(), request.query.begin(), request.query.end());
  return parameters;
}

std::string Parameters::Get(std::string_view name) const {
  for (const auto& [key, value] : values_)
    if (key == name) return value;
  return "";
}

std::vector<std::string> Parameters::All(std::string_view name) const {
  std::vector<std::string> all;
  for (const auto& [key, value] : values_)
    if (key == name) all.push_back(value);
  return all;
}

std::optional<std::int64_t> ParseRfc3339(std::string_view text) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  if (!TakeDigits(&text, 4, &year) || !Take(&text, '-') || !TakeDigits(&text, 2, &month) ||
      !Take(&text, '-') || !TakeDigits(&text, 2, &day) || !(Take(&text, 'T') || Take(&text, 't')) ||
      !TakeDigits(&text, 2, &hour) || !Take(&text, ':') || !TakeDigits(&text, 2, &minute) ||
      !Take(&text, ':') || !TakeDigits(&text, 2, &second))
    return std::nullopt;
  std::int64_t nanos = 0;
  if (Take(&text, '.')) {
    std::int64_t unit = 100'000'000;
    std::size_t digits = 0;
    for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits) {
      nanos += (text[digits] - '0') * unit;
      unit /= 10;
    }
    if (digits == 0) return std::nullopt;
    text.remove_prefix(digits);
  }
  std::int64_t offset_s = 0;
  if (!Take(&text, 'Z') && !Take(&text, 'z')) {
    const bool west = text.starts_with('-');
    int zone_hours = 0, zone_minutes = 0;
    if (!(Take(&text, '+') || Take(&text, '-')) || !TakeDigits(&text, 2, &zone_hours) ||
        !Take(&text, ':') || !TakeDigits(&text, 2, &zone_minutes))
      return std::nullopt;
    offset_s = (zone_hours * 60 + zone_minutes) * 60 * (west ? -1 : 1);
  }
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!text.empty() || !date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  const std::int64_t seconds = std::chrono::sys_days(date).time_since_epoch().count() * 86400LL +
                               hour * 3600 + minute * 60 + second - offset_s;
  // What nanoseconds of 64 bits reach: the years 1678 to 2261.
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max() / 1'000'000'000 - 1;
  if (seconds > kMost || seconds < -kMost) return std::nullopt;
  return seconds * 1'000'000'000 + nanos;
}

std::string FormatRfc3339(std::int64_t time_ms) {
  const std::int64_t rest = ((time_ms % 1000) + 1000) % 1000;
  const std::int64_t seconds = (time_ms - rest) / 1000;
  const auto days = std::chrono::floor<std::chrono::days>(
      std::chrono::sys_seconds(std::chrono::seconds(seconds)));
  const std::chrono::year_month_day date(days);
  const std::int64_t of_day = seconds - days.time_since_epoch().count() * 86400LL;
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     of_day / 3600, of_day / 60 % 60, of_day % 60, rest);
}

base::Result<std::int64_t> ParsePrometheusTime(std::string_view text) {
  if (const auto seconds = ParseNumber(text)) {
    if (const auto ms = Scale(*seconds, 1000)) return *ms;
  } else if (const auto nanos = ParseRfc3339(text)) {
    return *nanos / 1'000'000 - (*nanos % 1'000'000 < 0 ? 1 : 0);
  }
  return Fail(ErrorKind::kInvalidArgument,
              fmt::format("cannot parse {} to a valid timestamp", Quote(text)));
}

std::optional<std::int64_t> ParseDurationMs(std::string_view text) {
  static constexpr Unit kUnits[] = {
      {"y", 31'536'000'000}, {"w", 604'800'000}, {"d", 86'400'000}, {"h", 3'600'000},
      {"m", 60'000},         {"s", 1'000},       {"ms", 1}};
  if (text == "0") return 0;
  if (text.empty()) return std::nullopt;
  std::int64_t total = 0;
  std::size_t next = 0;  // units come once and largest first
  while (!text.empty()) {
    std::int64_t count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc() || text.front() == '-') return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    std::size_t letters = 0;
    while (letters < text.size() && text[letters] >= 'a' && text[letters] <= 'z') ++letters;
    while (next < std::size(kUnits) && kUnits[next].name != text.substr(0, letters)) ++next;
    if (next == std::size(kUnits)) return std::nullopt;
    if (__builtin_mul_overflow(count, kUnits[next].size, &count) ||
        __builtin_add_overflow(total, count, &total))
      return std::nullopt;
    ++next;
    text.remove_prefix(letters);
  }
  return total;
}

base::Result<std::int64_t> ParsePrometheusDuration(std::string_view text) {
  if (const auto seconds = ParseNumber(text)) {
    if (const auto ms = Scale(*seconds, 1000)) return *ms;
    return Fail(
        ErrorKind::kInvalidArgument,
        fmt::format("cannot parse {} to a valid duration. It overflows int64", Quote(text)));
  }
  if (const auto ms = ParseDurationMs(text)) return *ms;
  return Fail(ErrorKind::kInvalidArgument,
              fmt::format("cannot parse {} to a valid duration", Quote(text)));
}

base::Result<std::int64_t> ParseLokiTime(std::string_view text) {
  std::int64_t whole = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), whole);
  if (error == std::errc() && end == text.data() + text.size()) {
    if (text.size() > 10) return whole;
    return whole * 1'000'000'000;
  }
  if (const auto seconds = ParseNumber(text)) {
    if (const auto nanos = Scale(*seconds, 1e9)) return *nanos;
  } else if (const auto nanos = ParseRfc3339(text)) {
    return *nanos;
  }
  return Fail(
      ErrorKind::kInvalidArgument,
      fmt::format("cannot parse {} as a time: use Unix nanoseconds, Unix seconds or RFC 3339",
                  Quote(text)));
}

base::Result<std::int64_t> ParseGoDuration(std::string_view text) {
  static constexpr Unit kUnits[] = {{"ns", 1},
                                    {"us", 1'000},
                                    {"\u00b5s", 1'000},
                                    {"ms", 1'000'000},
                                    {"s", 1'000'000'000},
                                    {"m", 60'000'000'000},
                                    {"h", 3'600'000'000'000},
                                    {"d", 86'400'000'000'000},
                                    {"w", 604'800'000'000'000},
                                    {"y", 31'536'000'000'000'000}};
  const auto bad = [&] {
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("cannot parse {} as a duration: use for example 1.5s, 300ms or 1h30m",
                            Quote(text)));
  };
  if (const auto seconds = ParseNumber(text)) {
    if (const auto nanos = Scale(*seconds, 1e9)) return *nanos;
    return bad();
  }
  std::string_view rest = text;
  if (rest.empty()) return bad();
  double total = 0;
  while (!rest.empty()) {
    std::size_t digits = 0;
    while (digits < rest.size() &&
           ((rest[digits] >= '0' && rest[digits] <= '9') || rest[digits] == '.'))
      ++digits;
    const auto count = ParseNumber(rest.substr(0, digits));
    if (!count) return bad();
    rest.remove_prefix(digits);
    std::size_t letters = 0;
    while (letters < rest.size() && rest[letters] != '.' &&
           (rest[letters] < '0' || rest[letters] > '9'))
      ++letters;
    const Unit* unit = nullptr;
    for (const Unit& candidate : kUnits)
      if (candidate.name == rest.substr(0, letters)) unit = &candidate;
    if (unit == nullptr) return bad();
    total += *count * static_cast<double>(unit->size);
    rest.remove_prefix(letters);
  }
  const auto nanos = Scale(total, 1);
  if (!nanos) return bad();
  return *nanos;
}

std::int64_t NanosOf(std::int64_t time_ms) {
  std::int64_t nanos = 0;
  if (!__builtin_mul_overflow(time_ms, std::int64_t{1'000'000}, &nanos)) return nanos;
  return time_ms < 0 ? std::numeric_limits<std::int64_t>::min()
                     : std::numeric_limits<std::int64_t>::max();
}

base::Result<std::optional<std::size_t>> ParseLimit(std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("limit must be a whole number, got {}", Quote(text)));
  if (value < 0) return Fail(ErrorKind::kInvalidArgument, "limit must be non-negative");
  return static_cast<std::size_t>(value);
}

}  // namespace enclave::observatory::api
