#include "observatory/scrape/exposition_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace enclave::observatory::scrape {
namespace {

bool IsNameChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= '0' && c <= '9');
}

}  // namespace

std::optional<double> ParseNumber(std::string_view text) {
  // Most values are short whole numbers.
  if (!text.empty() && text.size() <= 15) {
    std::uint64_t whole = 0;
    std::size_t i = 0;
    for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i) {
      whole = whole * 10 + static_cast<std::uint64_t>(text[i] - '0');
    }
    if (i == text.size()) return static_cast<double>(whole);
  }
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return std::nullopt;
  }
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size() || text.ends_with(')')) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    // from_chars leaves the value alone: too large is infinite, too small is zero.
    const bool negative = text.starts_with('-');
    const std::size_t exponent = text.find_first_of("eE");
    const bool small = exponent != std::string_view::npos && exponent + 1 < text.size() &&
                       text[exponent + 1] == '-';
    const double limit = small ? 0.0 : HUGE_VAL;
    return negative ? -limit : limit;
  }
  if (error != std::errc()) return std::nullopt;
  return value;
}

std::optional<std::int64_t> ParseMilliseconds(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::int64_t> ParseSeconds(std::string_view text) {
  const auto seconds = ParseNumber(text);
  constexpr double kMost = 9e15;  // what milliseconds in 64 bits hold, with room
  if (!seconds || !std::isfinite(*seconds) || std::abs(*seconds) > kMost / 1000) {
    return std::nullopt;
  }
  return std::llround(*seconds * 1000);
}

bool IsLabelName(std::string_view text) {
  return !text.empty() && !(text[0] >= '0' && text[0] <= '9') &&
         std::ranges::all_of(text, IsNameChar);
}

bool IsMetricName(std::string_view text) {
  return !text.empty() && !(text[0] >= '0' && text[0] <= '9') &&
         std::ranges::all_of(text, [](char c) { return IsNameChar(c) || c == ':'; });
}

std::size_t FindClosingQuote(std::string_view text, std::size_t from, bool* escaped) {
  std::size_t i = from + 1;
  while (true) {
    i = text.find('"', i);
    if (i == std::string_view::npos) return i;
    std::size_t backslashes = 0;
    while (text[i - 1 - backslashes] == '\\') ++backslashes;  // text[from] ends it at the latest
    if (backslashes % 2 == 0) break;
    ++i;
  }
  if (escaped != nullptr) {
    *escaped = text.substr(from, i - from).find('\\') != std::string_view::npos;
  }
  return i;
}

std::string Unescape(std::string_view text, bool quotes) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      result += text[i];
      continue;
    }
    const char next = text[++i];
    if (next == 'n') {
      result += '\n';
    } else if (next == '\\' || (next == '"' && quotes)) {
      result += next;
    } else {
      result += '\\';
      result += next;
    }
  }
  return result;
}

}  // namespace enclave::observatory::scrape
