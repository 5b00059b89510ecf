#include "cluster/kubelet/cri_log.h"

#include <chrono>

namespace enclave::cluster {
namespace {

std::optional<int> Digits(std::string_view text, std::size_t at, std::size_t count) {
  int value = 0;
  for (std::size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

// RFC 3339 in UTC with up to nine digits of fraction.
std::optional<std::int64_t> ParseTime(std::string_view text) {
  // 0123456789012345678
  // 2026-01-02T03:04:05
  if (text.size() < 20 || text.size() > 30 || text.back() != 'Z') return std::nullopt;
  if (text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':') {
    return std::nullopt;
  }
  auto year = Digits(text, 0, 4);
  auto month = Digits(text, 5, 2);
  auto day = Digits(text, 8, 2);
  auto hour = Digits(text, 11, 2);
  auto minute = Digits(text, 14, 2);
  auto second = Digits(text, 17, 2);
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  // Nanoseconds in 64 bits reach from 1678 to 2261.
  if (*year < 1700 || *year > 2200 || *hour > 23 || *minute > 59 || *second > 60) {
    return std::nullopt;
  }
  std::chrono::year_month_day date{std::chrono::year(*year),
                                   std::chrono::month(static_cast<unsigned>(*month)),
                                   std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  std::int64_t nanos = 0;
  if (text.size() > 20) {
    if (text[19] != '.' || text.size() == 21) return std::nullopt;
    std::size_t digits = text.size() - 21;
    auto fraction = Digits(text, 20, digits);
    if (!fraction) return std::nullopt;
    nanos = *fraction;
    for (std::size_t i = digits; i < 9; ++i) nanos *= 10;
  }
  std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  std::int64_t seconds = days * 86'400 + *hour * 3'600 + *minute * 60 + *second;
  return seconds * 1'000'000'000 + nanos;
}

}  // namespace

std::optional<CriLine> ParseCriLine(std::string_view line) {
  CriLine parsed;
  std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  parsed.timestamp = line.substr(0, space);
  auto time = ParseTime(parsed.timestamp);
  if (!time) return std::nullopt;
  parsed.time_ns = *time;
  line.remove_prefix(space + 1);
  if (line.starts_with("stdout ")) {
    parsed.is_stderr = false;
  } else if (line.starts_with("stderr ")) {
    parsed.is_stderr = true;
  } else {
    return std::nullopt;
  }
  line.remove_prefix(7);
  // The tag may hold more, separated by colons: "P:...".
  if (line.empty() || (line[0] != 'F' && line[0] != 'P')) return std::nullopt;
  parsed.partial = line[0] == 'P';
  std::size_t end = line.find(' ');
  if (end == std::string_view::npos || (end > 1 && line[1] != ':')) return std::nullopt;
  parsed.text = line.substr(end + 1);
  return parsed;
}

}  // namespace enclave::cluster
