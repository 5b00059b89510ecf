#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "observatory/promql/parser.h"

namespace enclave::observatory::promql {
namespace {

void AppendUtf8(std::string& text, std::uint32_t rune) {
  const auto put = [&](std::uint32_t byte) { text += static_cast<char>(byte); };
  if (rune < 0x80) {
    put(rune);
  } else if (rune < 0x800) {
    put(0xc0U | rune >> 6U);
    put(0x80U | (rune & 0x3fU));
  } else if (rune < 0x10000) {
    put(0xe0U | rune >> 12U);
    put(0x80U | (rune >> 6U & 0x3fU));
    put(0x80U | (rune & 0x3fU));
  } else {
    put(0xf0U | rune >> 18U);
    put(0x80U | (rune >> 12U & 0x3fU));
    put(0x80U | (rune >> 6U & 0x3fU));
    put(0x80U | (rune & 0x3fU));
  }
}

std::optional<std::uint32_t> EscapedNumber(std::string_view text, int base) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<std::string> Unquote(std::string_view literal) {
  if (literal.size() < 2 || literal.front() != literal.back()) return std::nullopt;
  const char quote = literal.front();
  const std::string_view inside = literal.substr(1, literal.size() - 2);
  if (quote == '`') return std::string(inside);
  if (quote != '"' && quote != '\'') return std::nullopt;
  constexpr std::string_view kLetters = "abfnrtv\\\"'";
  constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\\"'";
  std::string text;
  for (std::size_t i = 0; i < inside.size(); ++i) {
    if (inside[i] != '\\') {
      text += inside[i];
      continue;
    }
    if (++i == inside.size()) return std::nullopt;
    if (const std::size_t letter = kLetters.find(inside[i]); letter != std::string_view::npos) {
      text += kMeanings[letter];
      continue;
    }
    const bool octal = inside[i] >= '0' && inside[i] <= '7';
    const std::size_t size = octal              ? 3
                             : inside[i] == 'x' ? 2
                             : inside[i] == 'u' ? 4
                             : inside[i] == 'U' ? 8
                                                : 0;
    if (size == 0) return std::nullopt;
    const std::size_t first = octal ? i : i + 1;
    if (first + size > inside.size()) return std::nullopt;
    const auto value = EscapedNumber(inside.substr(first, size), octal ? 8 : 16);
    if (!value || *value > 0x10ffff) return std::nullopt;
    if (octal || inside[i] == 'x')
      text += static_cast<char>(*value);
    else
      AppendUtf8(text, *value);
    i = first + size - 1;
  }
  return text;
}

}  // namespace enclave::observatory::promql
