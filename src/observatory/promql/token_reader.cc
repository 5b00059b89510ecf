#include "observatory/promql/token_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/quote.h"
#include "observatory/promql/annotations.h"
#include "observatory/promql/duration.h"
#include "observatory/promql/number_text.h"
#include "observatory/promql/parser.h"
#include "observatory/promql/utf8.h"

namespace enclave::observatory::promql {

using base::ErrorKind;
using base::Fail;
using base::Result;

namespace {

constexpr double kMaxSeconds = 9223372036.0;  // of a duration: 64 bits of nanoseconds

// Words that may name a label outside of braces.
bool MayNameLabel(Token token) {
  return MayNameMetric(token) || token == Token::kAtan2 || token == Token::kBool ||
         token == Token::kOn || token == Token::kIgnoring || token == Token::kGroupLeft ||
         token == Token::kGroupRight;
}

}  // namespace

bool MayNameMetric(Token token) {
  switch (token) {
    case Token::kIdentifier:
    case Token::kMetricIdentifier:
    case Token::kAnd:
    case Token::kOr:
    case Token::kUnless:
    case Token::kOffset:
    case Token::kBy:
    case Token::kWithout:
    case Token::kFill:
    case Token::kFillLeft:
    case Token::kFillRight:
    case Token::kAnchored:
    case Token::kSmoothed:
    case Token::kStart:
    case Token::kEndOf:
    case Token::kStep:
    case Token::kRange:
    case Token::kMaxOf:
    case Token::kMinOf:
      return true;
    default:
      return IsAggregation(token);
  }
}

TokenReader::TokenReader(std::string_view query) : query_(query), lexemes_(Lex(query)) {}

const Lexeme& TokenReader::Peek(std::size_t ahead) const {
  return lexemes_[std::min(at_ + ahead, lexemes_.size() - 1)];
}
const Lexeme& TokenReader::Next() {
  const Lexeme& lexeme = Peek();
  if (at_ + 1 < lexemes_.size()) ++at_;
  end_ = lexeme.position + lexeme.text.size();
  return lexeme;
}
bool TokenReader::Accept(Token token) {
  if (Peek().token != token) return false;
  Next();
  return true;
}

std::unexpected<base::Error> TokenReader::ErrorAt(std::size_t position,
                                                  std::string_view message) const {
  return Fail(ErrorKind::kInvalidArgument,
              fmt::format("{}: parse error: {}", PlaceOf(query_, position), message));
}
std::unexpected<base::Error> TokenReader::Unexpected(std::string_view context,
                                                     std::string_view expected) const {
  const Lexeme& lexeme = Peek();
  if (lexeme.token == Token::kError) return ErrorAt(lexeme.position, lexeme.message);
  return ErrorAt(lexeme.position, fmt::format("unexpected {}{}{}{}{}", Describe(lexeme),
                                              context.empty() ? "" : " in ", context,
                                              expected.empty() ? "" : ", expected ", expected));
}

Result<ExprPtr> TokenReader::NumberOrDuration() {
  const Lexeme& lexeme = Next();
  const Extent extent = From(lexeme.position);
  if (lexeme.token == Token::kDuration) {
    const auto ms = ParseDurationMs(lexeme.text);
    if (!ms) return ErrorAt(lexeme.position, ms.error().message());
    return std::make_unique<NumberLiteral>(static_cast<double>(*ms) / 1000, true, extent);
  }
  const auto number = ParseNumber(lexeme.text);
  if (!number)
    return ErrorAt(lexeme.position,
                   fmt::format("error parsing number: {}", base::Quote(lexeme.text)));
  return std::make_unique<NumberLiteral>(*number, false, extent);
}

Result<std::int64_t> TokenReader::Duration(std::string_view context, std::string_view expected) {
  bool negative = false;
  const std::size_t start = Peek().position;
  if (Peek().token == Token::kAdd || Peek().token == Token::kSub)
    negative = Next().token == Token::kSub;
  const Token token = Peek().token;
  if (token == Token::kLeftParen || token == Token::kStep || token == Token::kRange ||
      token == Token::kMaxOf || token == Token::kMinOf)
    return ErrorAt(start, "experimental duration expression is not enabled");
  if (token != Token::kNumber && token != Token::kDuration) return Unexpected(context, expected);
  ASSIGN_OR_RETURN(ExprPtr literal, NumberOrDuration());
  const double seconds = static_cast<NumberLiteral&>(*literal).value;
  if (!(std::abs(seconds) <= kMaxSeconds)) return ErrorAt(start, "duration out of range");
  const auto ms = static_cast<std::int64_t>(std::trunc(std::round(seconds * 1e9) / 1e6));
  return negative ? -ms : ms;
}

Result<std::vector<std::string>> TokenReader::GroupingLabels() {
  if (!Accept(Token::kLeftParen)) return Unexpected("grouping opts", "\"(\"");
  std::vector<std::string> labels;
  while (!Accept(Token::kRightParen)) {
    const Lexeme& lexeme = Peek();
    if (MayNameLabel(lexeme.token)) {
      labels.emplace_back(lexeme.text);
    } else if (lexeme.token == Token::kString) {
      const auto name = Unquote(lexeme.text);
      if (!name || !IsLabelName(*name))
        return ErrorAt(lexeme.position,
                       fmt::format("invalid label name for grouping: {}", lexeme.text));
      labels.push_back(*name);
    } else {
      return Unexpected("grouping opts", "label");
    }
    Next();
    if (Peek().token != Token::kRightParen && !Accept(Token::kComma))
      return Unexpected("grouping opts", "\",\" or \")\"");
  }
  return labels;
}

Result<ExprPtr> TokenReader::SelectorExpression() {
  auto node = std::make_unique<VectorSelector>(Extent{Peek().position, 0});
  if (Peek().token != Token::kLeftBrace) node->name = Next().text;
  if (Accept(Token::kLeftBrace)) RETURN_IF_ERROR(LabelMatchers(*node));
  if (!node->name.empty())
    node->matchers.push_back(
        telemetry::Matcher::Equal(std::string(telemetry::kMetricName), node->name));
  node->extent.end = end_;
  return node;
}

Result<> TokenReader::LabelMatchers(VectorSelector& node) {
  while (!Accept(Token::kRightBrace)) {
    RETURN_IF_ERROR(LabelMatcher(node));
    if (Peek().token != Token::kRightBrace && !Accept(Token::kComma))
      return Unexpected("label matching", "\",\" or \"}\"");
  }
  return {};
}

Result<> TokenReader::LabelMatcher(VectorSelector& node) {
  const Lexeme& label = Peek();
  std::string name(label.text);
  if (label.token == Token::kString) {
    auto unquoted = Unquote(label.text);
    if (!unquoted)
      return ErrorAt(label.position, fmt::format("error unquoting string {}", label.text));
    name = std::move(*unquoted);
  } else if (label.token != Token::kIdentifier) {
    return Unexpected("label matching", "identifier or \"}\"");
  }
  Next();
  telemetry::MatchOp op{};
  switch (Peek().token) {
    case Token::kAssign:
      op = telemetry::MatchOp::kEqual;
      break;
    case Token::kNotEqual:
      op = telemetry::MatchOp::kNotEqual;
      break;
    case Token::kMatch:
      op = telemetry::MatchOp::kRegex;
      break;
    case Token::kNotMatch:
      op = telemetry::MatchOp::kNotRegex;
      break;
    default:
      if (label.token != Token::kString)
        return Unexpected("label matching", "label matching operator");
      // A quoted text alone is the metric's name.
      node.matchers.push_back(
          telemetry::Matcher::Equal(std::string(telemetry::kMetricName), std::move(name)));
      return {};
  }
  Next();
  const Lexeme& value = Peek();
  if (value.token != Token::kString) return Unexpected("label matching", "string");
  Next();
  auto text = Unquote(value.text);
  if (!text) return ErrorAt(value.position, fmt::format("error unquoting string {}", value.text));
  auto matcher = telemetry::Matcher::Create(op, std::move(name), std::move(*text));
  if (!matcher) return ErrorAt(label.position, matcher.error().message());
  node.matchers.push_back(std::move(*matcher));
  return {};
}

}  // namespace enclave::observatory::promql
