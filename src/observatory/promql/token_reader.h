// The parser's hand on the tokens: what comes next, and the small things that are read in one go
// (literals, durations, lists of labels, selectors). Internal of the parser.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "observatory/promql/ast.h"
#include "observatory/promql/lexer.h"

namespace enclave::observatory::promql {

class TokenReader {
 public:
  explicit TokenReader(std::string_view query);

  const Lexeme& Peek(std::size_t ahead = 0) const;
  const Lexeme& Next();
  bool Accept(Token token);
  // From a start up to the last token taken.
  Extent From(std::size_t start) const { return {start, end_}; }
  std::size_t end() const { return end_; }

  std::unexpected<base::Error> ErrorAt(std::size_t position, std::string_view message) const;
  // That the next token is not what may stand here.
  std::unexpected<base::Error> Unexpected(std::string_view context,
                                          std::string_view expected) const;

  base::Result<ExprPtr> NumberOrDuration();
  // A number of seconds or a duration, with or without a sign, in milliseconds. The texts are for
  // the message.
  base::Result<std::int64_t> Duration(std::string_view context, std::string_view expected);
  // (a, b, "c.d")
  base::Result<std::vector<std::string>> GroupingLabels();
  // foo, foo{a="b"}, {"foo.bar", a="b"}
  base::Result<ExprPtr> SelectorExpression();

 private:
  base::Result<> LabelMatchers(VectorSelector& node);
  base::Result<> LabelMatcher(VectorSelector& node);

  std::string_view query_;
  std::vector<Lexeme> lexemes_;
  std::size_t at_ = 0;
  std::size_t end_ = 0;  // of the last lexeme taken
};

// Keywords that may name a metric.
bool MayNameMetric(Token token);

}  // namespace enclave::observatory::promql
