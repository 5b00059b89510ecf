#include "observatory/ingest/text.h"

#include <algorithm>
#include <array>

namespace enclave::observatory::ingest {
namespace {

template <std::size_t kBytes>
std::optional<std::array<char, kBytes * 2>> Hex(std::string_view bytes) {
  if (bytes.size() != kBytes) return std::nullopt;
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::array<char, kBytes * 2> digits;
  for (std::size_t i = 0; i < kBytes; ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    digits[2 * i] = kDigits[byte >> 4];
    digits[2 * i + 1] = kDigits[byte & 15];
  }
  return digits;
}

}  // namespace

std::string AsciiLower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

std::string_view Trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::string MediaType(std::string_view content_type) {
  return AsciiLower(Trim(content_type.substr(0, content_type.find(';'))));
}

std::string MediaParameter(std::string_view content_type, std::string_view name) {
  for (std::size_t at = content_type.find(';'); at != std::string_view::npos;) {
    content_type.remove_prefix(at + 1);
    at = content_type.find(';');
    const std::string_view parameter = Trim(content_type.substr(0, at));
    const std::size_t equals = parameter.find('=');
    if (equals == std::string_view::npos) continue;
    if (AsciiLower(Trim(parameter.substr(0, equals))) != name) continue;
    std::string_view value = Trim(parameter.substr(equals + 1));
    if (value.size() >= 2 && value.starts_with('"') && value.ends_with('"'))
      value = value.substr(1, value.size() - 2);
    return std::string(value);
  }
  return "";
}

std::string ToUtf8(std::string_view text) {
  if (IsUtf8(text)) return std::string(text);
  std::string valid;
  valid.reserve(text.size() + 16);
  while (!text.empty()) {
    const auto first = static_cast<unsigned char>(text.front());
    const std::size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    const std::string_view character = text.substr(0, length);
    if (character.size() == length && IsUtf8(character)) {
      valid += character;
      text.remove_prefix(length);
    } else {
      valid += "\xef\xbf\xbd";
      text.remove_prefix(1);
    }
  }
  return valid;
}

std::string_view Cut(std::string_view text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  std::size_t end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

bool IsLabelName(std::string_view name) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return !name.empty() && letter(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

std::optional<trace::TraceId> TraceIdOf(std::string_view bytes) {
  const auto hex = Hex<16>(bytes);
  return hex ? trace::TraceId::Parse({hex->data(), hex->size()}) : std::nullopt;
}

std::optional<trace::SpanId> SpanIdOf(std::string_view bytes) {
  const auto hex = Hex<8>(bytes);
  return hex ? trace::SpanId::Parse({hex->data(), hex->size()}) : std::nullopt;
}

}  // namespace enclave::observatory::ingest
