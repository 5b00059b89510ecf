// What the readers of the formats of log lines (line_head.h) share. For this folder only.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

#include "telemetry/templates/line_head.h"

namespace enclave::telemetry::templates {

inline bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}
inline bool IsUpper(char c) {
  return c >= 'A' && c <= 'Z';
}
inline bool IsLower(char c) {
  return c >= 'a' && c <= 'z';
}
inline bool IsLetter(char c) {
  return IsUpper(c) || IsLower(c);
}
inline bool IsBlank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
inline char ToLower(char c) {
  return IsUpper(c) ? static_cast<char>(c - 'A' + 'a') : c;
}
inline bool IsHexDigit(char c) {
  static constexpr std::array<bool, 256> kTable = [] {
    std::array<bool, 256> table{};
    for (const char digit : std::string_view("0123456789abcdefABCDEF"))
      table[static_cast<unsigned char>(digit)] = true;
    return table;
  }();
  return kTable[static_cast<unsigned char>(c)];
}

inline bool EqualIgnoringCase(std::string_view text, std::string_view lower) {
  return text.size() == lower.size() && std::equal(text.begin(), text.end(), lower.begin(),
                                                   [](char a, char b) { return ToLower(a) == b; });
}

inline std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  return text;
}

// A name that says trace or span id, in any of the usual spellings.
enum class IdName { kNone, kTrace, kSpan };
IdName IdNameOf(std::string_view name);

// One JSON object with a message, or what Docker wraps a line in; false when it is neither.
// `depth`: how many wrappers were opened already.
bool ReadJsonLine(std::string_view line, int depth, LineHead* head);

// `level=info msg="..." caller=file.go:1`; false when the line is no such thing.
bool ReadLogfmtLine(std::string_view line, LineHead* head);

// SplitFront with the number of wrappers that were opened already.
void SplitWrapped(std::string_view line, int depth, LineHead* head);

// Keeps a text alive with the head, and returns where it stands.
std::string_view Keep(std::string text, LineHead* head);

}  // namespace enclave::telemetry::templates
