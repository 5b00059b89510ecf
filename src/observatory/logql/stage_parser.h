// The selector of a LogQL query and its stages, from words; metric queries around it are the part
// of parser.cc. Used once, for one query.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "observatory/logql/ast.h"
#include "observatory/logql/lexer.h"

namespace enclave::observatory::logql {

inline constexpr int kMostNesting = 100;

class StageParser {
 public:
  StageParser(std::string_view query, std::vector<Token> tokens)
      : query_(query), tokens_(std::move(tokens)) {}

 protected:
  const Token& Now() const { return tokens_[next_]; }
  const Token& Ahead(std::size_t count) const;
  bool Accept(std::string_view symbol);
  bool AcceptName(std::string_view name);
  base::Result<> Expect(std::string_view symbol);
  base::Result<std::string> Name(std::string_view what);
  base::Result<std::string> String(std::string_view what);
  std::unexpected<base::Error> Refuse(std::size_t at, std::string_view message) const;
  std::unexpected<base::Error> Unexpected(std::string_view wanted) const;

  // Whether the query is a selector, perhaps in parentheses.
  bool IsSelectorAhead() const;
  bool IsUnwrapAhead() const { return Now().Is("|") && Ahead(1).IsName("unwrap"); }
  // {a="b"} | stages, perhaps in parentheses; up to an unwrap.
  base::Result<LogSelector> Selector();
  base::Result<> Stages(LogSelector& selector, std::size_t& open);
  // | unwrap label, | unwrap duration(label), and the filters of labels behind it.
  base::Result<Unwrap> UnwrapStage();
  // The names in by (a, b) and without (a, b).
  base::Result<Grouping> GroupingNames();

  std::size_t next_ = 0;

 private:
  base::Result<telemetry::Matcher> StreamMatcher();
  base::Result<Stage> OneStage();
  base::Result<LineFilter> Lines();
  base::Result<std::shared_ptr<const re2::RE2>> Regex(const std::string& text,
                                                      std::size_t at) const;
  // regexp "...(?P<name>...)" and pattern "...<name>...".
  base::Result<LineParser> TextParserStage();
  base::Result<LineParser> ParserStage();
  base::Result<std::shared_ptr<const text::Template>> Format();
  base::Result<LabelFormat> LabelFormatStage();
  base::Result<LabelChoice> LabelChoiceStage();
  base::Result<LabelFilter> LabelOr();
  base::Result<LabelFilter> LabelAnd();
  base::Result<LabelFilter> LabelOne();

  const std::string_view query_;
  const std::vector<Token> tokens_;
  int label_filters_ = 0;
};

}  // namespace enclave::observatory::logql
