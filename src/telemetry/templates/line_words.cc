// The words in heads of lines: names and values of trace and span ids, and levels.
#include <algorithm>
#include <array>
#include <optional>

#include "telemetry/templates/head_parts.h"
#include "telemetry/templates/line_head.h"

namespace enclave::telemetry::templates {
namespace {

bool IsIdValue(std::string_view value) {
  if (value.size() < 8 || value.size() > 40) return false;
  return std::all_of(value.begin(), value.end(), [](char c) { return IsHexDigit(c) || c == '-'; });
}

bool MayBeginIdName(char c) {
  c = ToLower(c);
  return c == 't' || c == 's' || c == 'd' || c == 'x';
}

// An id stands at the end only when its last digit does, or what closes it.
bool MayEndId(char c) {
  return IsHexDigit(c) || c == '"' || c == ']' || c == ')' || c == '}' || c == ',' || c == ';';
}

struct FoundId {
  IdName name = IdName::kNone;
  std::string_view value{};
  std::size_t end = 0;
};

// `name: value` or `name=value` at `at`, with the punctuation around it.
FoundId IdAt(std::string_view text, std::size_t at) {
  const auto name_char = [](char c) { return IsLetter(c) || c == '_' || c == '.' || c == '-'; };
  while (at < text.size() && (text[at] == '[' || text[at] == '(' || text[at] == '{')) ++at;
  if (at >= text.size() || !MayBeginIdName(text[at])) return {};
  std::size_t i = at;
  while (i < text.size() && i - at < 16 && name_char(text[i])) ++i;
  const IdName name = IdNameOf(text.substr(at, i - at));
  if (name == IdName::kNone) return {};
  if (i < text.size() && text[i] == ' ') ++i;
  if (i >= text.size() || (text[i] != ':' && text[i] != '=')) return {};
  ++i;
  while (i < text.size() && (text[i] == ' ' || text[i] == '"')) ++i;
  std::size_t end = i;
  while (end < text.size() && (IsHexDigit(text[end]) || text[end] == '-')) ++end;
  const std::string_view value = text.substr(i, end - i);
  if (!IsIdValue(value)) return {};
  while (end < text.size() && (text[end] == '"' || text[end] == ',' || text[end] == ']' ||
                               text[end] == ')' || text[end] == '}' || text[end] == ';'))
    ++end;
  if (end < text.size() && !IsBlank(text[end])) return {};
  return {name, value, end};
}

void Put(const FoundId& found, LineHead* head) {
  std::string_view& id = found.name == IdName::kTrace ? head->trace_id : head->span_id;
  if (id.empty()) id = found.value;
}

// Where the last id of `text` begins, when nothing comes after it.
std::optional<std::size_t> LastId(std::string_view text, FoundId* found) {
  // Its name and its value are at most two words.
  std::size_t at = text.size();
  for (int word = 0; word < 2 && at > 0; ++word) {
    at = text.rfind(' ', at - 1);
    const std::size_t begin = at == std::string_view::npos ? 0 : at + 1;
    *found = IdAt(text, begin);
    if (found->name != IdName::kNone && found->end == text.size()) return begin;
    if (begin == 0) break;
  }
  return std::nullopt;
}

}  // namespace

IdName IdNameOf(std::string_view name) {
  if (name.size() < 5 || name.size() > 14) return IdName::kNone;
  if (!MayBeginIdName(name.front())) return IdName::kNone;
  static constexpr std::array<std::string_view, 8> kTrace{"traceid",    "trace_id",    "trace-id",
                                                          "trace.id",   "dd.trace_id", "trace",
                                                          "x-trace-id", "x-b3-traceid"};
  static constexpr std::array<std::string_view, 7> kSpan{
      "spanid", "span_id", "span-id", "span.id", "dd.span_id", "x-b3-spanid", "x-span-id"};
  for (const std::string_view known : kTrace)
    if (EqualIgnoringCase(name, known)) return IdName::kTrace;
  for (const std::string_view known : kSpan)
    if (EqualIgnoringCase(name, known)) return IdName::kSpan;
  return IdName::kNone;
}

void TakeTraceIds(LineHead* head) {
  std::string_view& text = head->message;
  for (int i = 0; i < 3; ++i) {
    const FoundId found = IdAt(text, 0);
    if (found.name == IdName::kNone) break;
    Put(found, head);
    text = Trim(text.substr(found.end));
  }
  for (int i = 0; i < 3 && !text.empty() && MayEndId(text.back()); ++i) {
    FoundId found;
    const auto begin = LastId(text, &found);
    if (!begin) break;
    Put(found, head);
    text = Trim(text.substr(0, *begin));
  }
}

Level LevelOf(std::string_view printed) {
  if (printed.size() == 1) {
    switch (printed.front()) {
      case 'T':
      case 'V':
      case 'D':
        return Level::kDebug;
      case 'I':
        return Level::kInfo;
      case 'W':
        return Level::kWarn;
      case 'E':
      case 'F':
      case 'C':
        return Level::kError;
      default:
        return Level::kUnknown;
    }
  }
  if (printed.size() == 2 && IsDigit(printed[0]) && printed[1] == '0') {
    if (printed[0] == '1' || printed[0] == '2') return Level::kDebug;
    if (printed[0] == '3') return Level::kInfo;
    if (printed[0] == '4') return Level::kWarn;
    if (printed[0] == '5' || printed[0] == '6') return Level::kError;
    return Level::kUnknown;
  }
  struct Word {
    std::string_view text;
    Level level;
  };
  static constexpr std::array<Word, 21> kWords{
      {{"info", Level::kInfo},          {"error", Level::kError},     {"warn", Level::kWarn},
       {"warning", Level::kWarn},       {"debug", Level::kDebug},     {"trace", Level::kDebug},
       {"fatal", Level::kError},        {"critical", Level::kError},  {"notice", Level::kInfo},
       {"err", Level::kError},          {"severe", Level::kError},    {"panic", Level::kError},
       {"dpanic", Level::kError},       {"crit", Level::kError},      {"alert", Level::kError},
       {"emerg", Level::kError},        {"emergency", Level::kError}, {"information", Level::kInfo},
       {"informational", Level::kInfo}, {"verbose", Level::kDebug},   {"fine", Level::kDebug}}};
  if (printed.size() < 3 || printed.size() > 13) return Level::kUnknown;
  for (const Word& word : kWords)
    if (ToLower(printed.front()) == word.text.front() && EqualIgnoringCase(printed, word.text))
      return word.level;
  return Level::kUnknown;
}

}  // namespace enclave::telemetry::templates
