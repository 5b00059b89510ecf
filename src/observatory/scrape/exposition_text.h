// The small pieces of the exposition formats: numbers, names, quoted texts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/utf8.h"

namespace enclave::observatory::scrape {

// As both formats write numbers: decimal, NaN, +Inf, -Inf in any case.
std::optional<double> ParseNumber(std::string_view text);
std::optional<std::int64_t> ParseMilliseconds(std::string_view text);  // a whole number
std::optional<std::int64_t> ParseSeconds(std::string_view text);       // as milliseconds

bool IsMetricName(std::string_view text);  // [a-zA-Z_:][a-zA-Z0-9_:]*
bool IsLabelName(std::string_view text);   // [a-zA-Z_][a-zA-Z0-9_]*
using base::IsUtf8;

// Where the quoted text that begins with text[from] == '"' has its closing quote; npos: nowhere.
// `escaped` is set when there is a backslash in it.
std::size_t FindClosingQuote(std::string_view text, std::size_t from, bool* escaped);
// \n, \", \\; other escapes stay as they are. `quotes`: whether \" is one.
std::string Unescape(std::string_view text, bool quotes);

}  // namespace enclave::observatory::scrape
