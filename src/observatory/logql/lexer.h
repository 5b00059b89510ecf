// The words of LogQL, with their places. Source: Loki's documentation of LogQL.
//
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace enclave::observatory::logql {

enum class TokenKind : std::uint8_t {
  kEnd,
  kName,    // names of labels, functions and keywords
  kString,  // text is what it stands for, without quotes and escapes
  kNumber,  // begins with a digit: 5, 1.5, 1e3, 5m, 1h30m, 20KB; text as written
  kSymbol,  // text is one of the operators and brackets
  kFlag,    // --strict
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text{};
  std::size_t at = 0;  // bytes from the beginning of the query
  bool Is(std::string_view symbol) const { return kind == TokenKind::kSymbol && text == symbol; }
  bool IsName(std::string_view name) const { return kind == TokenKind::kName && text == name; }
};

// The last one is kEnd. kInvalidArgument with the place of what is no word.
base::Result<std::vector<Token>> Tokenize(std::string_view query);

// "parse error at line 1, column 5: message"
std::unexpected<base::Error> ErrorAt(std::string_view query, std::size_t at,
                                     std::string_view message);

}  // namespace enclave::observatory::logql
