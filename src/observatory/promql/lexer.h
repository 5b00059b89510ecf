// Cuts a PromQL text into tokens.
//
// Inside braces words are label names and never keywords; inside brackets there are durations and
// the colon of subqueries. Comments (# to the end of the line) are left out. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace enclave::observatory::promql {

enum class Token : std::uint8_t {
  kEnd,
  kError,  // `message` says what is wrong; the last token
  kIdentifier,
  kMetricIdentifier,  // with a colon in it
  kString,            // with its quotes
  kNumber,
  kDuration,
  kLeftParen,
  kRightParen,
  kLeftBrace,
  kRightBrace,
  kLeftBracket,
  kRightBracket,
  kComma,
  kColon,
  kAt,
  kAssign,    // =
  kMatch,     // =~
  kNotMatch,  // !~
  // Operators.
  kAdd,
  kSub,
  kMul,
  kDiv,
  kMod,
  kPow,
  kAtan2,
  kEqual,
  kNotEqual,
  kGreater,
  kLess,
  kGreaterEqual,
  kLessEqual,
  kTrimUpper,  // </
  kTrimLower,  // >/
  kAnd,
  kOr,
  kUnless,
  // Aggregations.
  kSum,
  kAvg,
  kCount,
  kMin,
  kMax,
  kGroup,
  kStddev,
  kStdvar,
  kTopk,
  kBottomk,
  kCountValues,
  kQuantile,
  kLimitk,
  kLimitRatio,
  // Keywords.
  kOffset,
  kBy,
  kWithout,
  kOn,
  kIgnoring,
  kGroupLeft,
  kGroupRight,
  kBool,
  kFill,
  kFillLeft,
  kFillRight,
  kAnchored,
  kSmoothed,
  kStart,
  kEndOf,  // end
  kStep,
  kRange,
  kMaxOf,
  kMinOf,
};

struct Lexeme {
  Token token = Token::kEnd;
  std::size_t position = 0;  // in bytes
  std::string_view text{};   // of the input, which outlives it
  std::string message{};     // of an error
};

// Always ends with kEnd or kError.
std::vector<Lexeme> Lex(std::string_view input);

bool IsOperator(Token token);
bool IsAggregation(Token token);
// "+", "sum", "group_left", "(" and so on; "" for those that have no fixed spelling.
std::string_view Spelling(Token token);
// As messages show it: `identifier "foo"`, `<op:+>`, `end of input`.
std::string Describe(const Lexeme& lexeme);

// Whether the classic rules allow it unquoted: [a-zA-Z_][a-zA-Z0-9_]*.
bool IsPlainLabelName(std::string_view name);

}  // namespace enclave::observatory::promql
