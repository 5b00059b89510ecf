// The parsers of log lines: JSON (RFC 8259) and logfmt (key=value). Pure functions; any thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "observatory/logql/ast.h"

namespace enclave::observatory::logql {

using FoundLabel = std::function<void(std::string_view name, std::string_view value)>;

// Members of a JSON object, nested ones with their keys joined by "_"; arrays and nulls are left
// out. Returns what is wrong with the line, or "".
std::string FlattenJson(std::string_view line, const FoundLabel& found);
// a.b[0]["c d"]; false when it is none.
bool ParseJsonPath(std::string_view text, JsonPath& path);
// What the paths lead to; objects and arrays as JSON, "" for what is not there.
std::string PickJson(std::string_view line, const std::vector<LineParser::Wanted>& wanted,
                     const FoundLabel& found);
// Keys without a value have "". Not strict: what cannot be read is passed over.
std::string ReadLogfmt(std::string_view line, bool strict, const FoundLabel& found);

// The named groups of the first match; nothing when there is none.
void MatchRegexp(std::string_view line, const re2::RE2& regex, const FoundLabel& found);

// "" or why the text is no pattern: it needs a named capture, and a text between captures.
std::string ParsePattern(std::string_view text, std::vector<PatternPart>& parts);
// What stands where the captures are, from the line's begin; a text that is not found leaves the
// rest of the line to the capture before it, as in Loki.
void MatchPattern(std::string_view line, const std::vector<PatternPart>& parts,
                  const FoundLabel& found);

// Any text as the name of a label: other characters than letters, digits and _ become _.
std::string LabelName(std::string_view text);

}  // namespace enclave::observatory::logql
