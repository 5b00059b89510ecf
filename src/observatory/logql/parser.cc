#include "observatory/logql/parser.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/quote.h"
#include "observatory/logql/lexer.h"
#include "observatory/logql/line_parsers.h"
#include "observatory/logql/parser_words.h"
#include "observatory/logql/units.h"

namespace enclave::observatory::logql {
namespace {

constexpr int kMostNesting = 100;
constexpr std::size_t kMostStages = 100;

class Parser {
 public:
  Parser(std::string_view query, std::vector<Token> tokens)
      : query_(query), tokens_(std::move(tokens)) {}

  base::Result<Query> All() {
    Query query;
    if (IsSelectorAhead()) {
      ASSIGN_OR_RETURN(query, Selector());
    } else {
      ASSIGN_OR_RETURN(query, Metric(1));
    }
    if (Now().kind != TokenKind::kEnd) return Unexpected("the end of the query");
    return query;
  }

 private:
  const Token& Now() const { return tokens_[next_]; }
  const Token& Ahead(std::size_t count) const {
    return tokens_[std::min(next_ + count, tokens_.size() - 1)];
  }
  bool Accept(std::string_view symbol) {
    if (!Now().Is(symbol)) return false;
    ++next_;
    return true;
  }
  std::unexpected<base::Error> Refuse(std::size_t at, std::string_view message) const {
    return ErrorAt(query_, at, message);
  }
  std::unexpected<base::Error> Unexpected(std::string_view wanted) const {
    const Token& token = Now();
    if (token.kind == TokenKind::kEnd)
      return Refuse(token.at, fmt::format("the query ends where {} was expected", wanted));
    return Refuse(token.at,
                  fmt::format("{} stands where {} was expected", base::Quote(token.text), wanted));
  }
  base::Result<> Expect(std::string_view symbol) {
    if (!Accept(symbol)) return Unexpected(base::Quote(symbol));
    return {};
  }
  base::Result<std::string> Name(std::string_view what) {
    if (Now().kind != TokenKind::kName) return Unexpected(what);
    return tokens_[next_++].text;
  }
  base::Result<std::string> String(std::string_view what) {
    if (Now().IsName("ip") && Ahead(1).Is("(")) return Refuse(Now().at, "ip(...) is not supported");
    if (Now().kind != TokenKind::kString) return Unexpected(what);
    return tokens_[next_++].text;
  }
  // Whether the query is a selector, perhaps in parentheses.
  bool IsSelectorAhead() const {
    std::size_t ahead = 0;
    while (Ahead(ahead).Is("(")) ++ahead;
    return Ahead(ahead).Is("{");
  }

  // {a="b"} | stages, perhaps in parentheses.
  base::Result<LogSelector> Selector() {
    std::size_t open = 0;
    while (Accept("(")) ++open;
    LogSelector selector;
    const std::size_t at = Now().at;
    RETURN_IF_ERROR(Expect("{"));
    while (!Now().Is("}")) {
      ASSIGN_OR_RETURN(telemetry::Matcher matcher, StreamMatcher());
      selector.matchers.push_back(std::move(matcher));
      if (!Accept(",") && !Now().Is("}")) return Unexpected("\",\" or \"}\"");
    }
    RETURN_IF_ERROR(Expect("}"));
    if (std::ranges::all_of(selector.matchers, &telemetry::Matcher::MatchesEmpty))
      return Refuse(at,
                    "a selector needs at least one matcher that does not match the empty text: "
                    "{app=\"web\"}, or {app=~\".+\"}");
    while (true) {
      while (open > 0 && Accept(")")) --open;
      const Token& token = Now();
      if (token.Is("|>") || token.Is("!>"))
        return Refuse(token.at, fmt::format("the pattern filter {} is not supported", token.text));
      if (!token.Is("|=") && !token.Is("!=") && !token.Is("|~") && !token.Is("!~") &&
          !token.Is("|"))
        break;
      // After a selector in parentheses, != begins a comparison of metrics, which it cannot.
      if (selector.stages.size() >= kMostStages)
        return Refuse(token.at, fmt::format("more than {} stages", kMostStages));
      ASSIGN_OR_RETURN(Stage stage, OneStage());
      selector.stages.push_back(std::move(stage));
    }
    if (open > 0) return Unexpected("\")\"");
    return selector;
  }

  base::Result<telemetry::Matcher> StreamMatcher() {
    ASSIGN_OR_RETURN(std::string name, Name("the name of a label"));
    const Token op = Now();
    const auto kind = MatchOpOf(op);
    if (!kind) return Unexpected("one of = != =~ !~");
    ++next_;
    ASSIGN_OR_RETURN(std::string value, String("a text in quotes"));
    auto matcher = telemetry::Matcher::Create(*kind, std::move(name), std::move(value));
    if (!matcher) return Refuse(op.at, matcher.error().message());
    return matcher;
  }
  static std::optional<telemetry::MatchOp> MatchOpOf(const Token& token) {
    if (token.Is("=")) return telemetry::MatchOp::kEqual;
    if (token.Is("!=")) return telemetry::MatchOp::kNotEqual;
    if (token.Is("=~")) return telemetry::MatchOp::kRegex;
    if (token.Is("!~")) return telemetry::MatchOp::kNotRegex;
    return std::nullopt;
  }

  base::Result<Stage> OneStage() {
    if (!Accept("|")) {
      ASSIGN_OR_RETURN(LineFilter filter, Lines());
      return filter;
    }
    const Token& token = Now();
    const bool compared = MatchOpOf(Ahead(1)) || Ahead(1).Is("==") || Ahead(1).Is(">") ||
                          Ahead(1).Is(">=") || Ahead(1).Is("<") || Ahead(1).Is("<=");
    if (token.kind == TokenKind::kName && !compared) {
      if (token.text == "json" || token.text == "logfmt") {
        ASSIGN_OR_RETURN(LineParser parser, ParserStage());
        return parser;
      }
      if (token.text == "regexp" || token.text == "pattern") {
        ASSIGN_OR_RETURN(LineParser parser, TextParserStage());
        return parser;
      }
      if (std::ranges::find(kOtherStages, token.text) != std::end(kOtherStages))
        return Refuse(token.at, fmt::format("the stage {} is not supported", token.text));
    }
    ASSIGN_OR_RETURN(LabelFilter filter, LabelOr());
    return filter;
  }

  base::Result<LineFilter> Lines() {
    const Token op = tokens_[next_++];
    LineFilter filter;
    filter.negative = op.text.starts_with('!');
    do {
      const std::size_t at = Now().at;
      ASSIGN_OR_RETURN(std::string text, String("a text in quotes"));
      if (op.text.ends_with('=')) {
        filter.texts.push_back(std::move(text));
        continue;
      }
      ASSIGN_OR_RETURN(std::shared_ptr<const re2::RE2> regex, Regex(text, at));
      filter.regexes.push_back(std::move(regex));
    } while (AcceptName("or"));
    return filter;
  }
  base::Result<std::shared_ptr<const re2::RE2>> Regex(const std::string& text,
                                                      std::size_t at) const {
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(8 << 20);
    auto regex = std::make_shared<const re2::RE2>(text, options);
    if (!regex->ok())
      return Refuse(at, fmt::format("the regular expression {} is not valid: {}", base::Quote(text),
                                    regex->error()));
    return regex;
  }
  // regexp "...(?P<name>...)" and pattern "...<name>...".
  base::Result<LineParser> TextParserStage() {
    LineParser parser;
    const bool regexp = Now().text == "regexp";
    parser.kind = regexp ? LineParser::Kind::kRegexp : LineParser::Kind::kPattern;
    ++next_;
    const std::size_t at = Now().at;
    ASSIGN_OR_RETURN(const std::string text, String("a text in quotes"));
    if (regexp) {
      ASSIGN_OR_RETURN(parser.regex, Regex(text, at));
      if (parser.regex->NamedCapturingGroups().empty())
        return Refuse(at, "the regular expression has no named group, like (?P<method>\\w+)");
    } else if (const std::string wrong = ParsePattern(text, parser.pattern); !wrong.empty()) {
      return Refuse(at, fmt::format("{} is no pattern: {}", base::Quote(text), wrong));
    }
    return parser;
  }
  bool AcceptName(std::string_view name) {
    if (!Now().IsName(name)) return false;
    ++next_;
    return true;
  }

  base::Result<LabelFilter> LabelOr() {
    ASSIGN_OR_RETURN(LabelFilter left, LabelAnd());
    while (AcceptName("or")) {
      ASSIGN_OR_RETURN(LabelFilter right, LabelAnd());
      left = Both(LabelFilter::Kind::kOr, std::move(left), std::move(right));
    }
    return left;
  }
  base::Result<LabelFilter> LabelAnd() {
    ASSIGN_OR_RETURN(LabelFilter left, LabelOne());
    while (AcceptName("and") || Accept(",")) {
      ASSIGN_OR_RETURN(LabelFilter right, LabelOne());
      left = Both(LabelFilter::Kind::kAnd, std::move(left), std::move(right));
    }
    return left;
  }
  static LabelFilter Both(LabelFilter::Kind kind, LabelFilter left, LabelFilter right) {
    LabelFilter both;
    both.kind = kind;
    both.left = std::make_shared<const LabelFilter>(std::move(left));
    both.right = std::make_shared<const LabelFilter>(std::move(right));
    return both;
  }
  base::Result<LabelFilter> LabelOne() {
    // Chains of and, or and commas are as deep as they are long.
    if (++label_filters_ > kMostNesting)
      return Refuse(Now().at, fmt::format("more than {} label filters", kMostNesting));
    if (Accept("(")) {
      ASSIGN_OR_RETURN(LabelFilter filter, LabelOr());
      RETURN_IF_ERROR(Expect(")"));
      return filter;
    }
    ASSIGN_OR_RETURN(std::string name,
                     Name("a stage: json, logfmt, regexp, pattern, or a filter of a label"));
    const Token op = Now();
    LabelFilter filter;
    if (const auto kind = MatchOpOf(op);
        kind && (Ahead(1).kind == TokenKind::kString || Ahead(1).IsName("ip"))) {
      ++next_;
      ASSIGN_OR_RETURN(std::string value, String("a text in quotes"));
      auto matcher = telemetry::Matcher::Create(*kind, std::move(name), std::move(value));
      if (!matcher) return Refuse(op.at, matcher.error().message());
      filter.matcher = std::move(*matcher);
      return filter;
    }
    const auto comparison = FindNamed(kComparisons, op.text);
    if (op.kind != TokenKind::kSymbol || comparison == std::end(kComparisons))
      return Unexpected("one of = == != =~ !~ > >= < <=");
    ++next_;
    filter.kind = LabelFilter::Kind::kValue;
    filter.name = std::move(name);
    filter.comparison = comparison->value;
    const bool negative = Accept("-");
    const Token& value = Now();
    if (value.kind != TokenKind::kNumber) return Unexpected("a number, a duration or a size");
    if (const auto number = ParseNumber(value.text)) {
      filter.value = *number;
    } else if (const auto duration = ParseDuration(value.text)) {
      filter.value_kind = ValueKind::kDuration;
      filter.value = *duration;
    } else if (const auto bytes = ParseBytes(value.text)) {
      filter.value_kind = ValueKind::kBytes;
      filter.value = *bytes;
    } else {
      return Unexpected("a number, a duration or a size");
    }
    if (negative) filter.value = -filter.value;
    ++next_;
    return filter;
  }

  base::Result<LineParser> ParserStage() {
    LineParser parser;
    const bool json = Now().text == "json";
    parser.kind = json ? LineParser::Kind::kJson : LineParser::Kind::kLogfmt;
    ++next_;
    while (Now().kind == TokenKind::kFlag) {
      if (!json && Now().text == "--strict") {
        parser.strict = true;
      } else if (!json && Now().text == "--keep-empty") {
        parser.keep_empty = true;
      } else {
        return Unexpected("a flag of this parser");
      }
      ++next_;
    }
    if (Now().kind != TokenKind::kName) return parser;
    do {
      LineParser::Wanted wanted;
      ASSIGN_OR_RETURN(wanted.label, Name("the name of a label"));
      std::size_t at = Now().at;
      wanted.key = wanted.label;
      if (Accept("=")) {
        at = Now().at;
        ASSIGN_OR_RETURN(wanted.key, String("what to take, in quotes"));
      }
      if (json && !ParseJsonPath(wanted.key, wanted.path))
        return Refuse(at, fmt::format("{} is no path into JSON, like a.b[0][\"c d\"]",
                                      base::Quote(wanted.key)));
      parser.wanted.push_back(std::move(wanted));
    } while (Accept(","));
    return parser;
  }
  // Binary operators bind by precedence; ^ to the right.
  base::Result<MetricExprPtr> Metric(int precedence) {
    if (++nesting_ > kMostNesting) return Refuse(Now().at, "the query is nested too deeply");
    ASSIGN_OR_RETURN(MetricExprPtr left, MetricOne());
    while (true) {
      const Token& token = Now();
      for (const std::string_view name : {"and", "or", "unless"})
        if (token.IsName(name))
          return Refuse(token.at,
                        fmt::format("the operator {} between metrics is not supported", name));
      const auto binary = FindNamed(kBinaryOps, token.text);
      if (token.kind != TokenKind::kSymbol || binary == std::end(kBinaryOps) ||
          binary->precedence < precedence)
        break;
      const std::size_t at = token.at;
      ++next_;
      for (const std::string_view name : {"bool", "on", "ignoring", "group_left", "group_right"})
        if (Now().IsName(name))
          return Refuse(Now().at, fmt::format("the modifier {} is not supported", name));
      ASSIGN_OR_RETURN(
          MetricExprPtr right,
          Metric(binary->op == BinaryOp::kPower ? binary->precedence : binary->precedence + 1));
      // A chain to the left is as deep as it is long.
      if (++operators_ > kMostNesting) return Refuse(at, "too many operators in one query");
      left = Make(BinaryExpr{binary->op, at, std::move(left), std::move(right)});
    }
    --nesting_;
    return left;
  }
  template <typename What>
  static MetricExprPtr Make(What what) {
    return std::make_shared<const MetricExpr>(MetricExpr{std::move(what)});
  }

  base::Result<MetricExprPtr> MetricOne() {
    const Token token = Now();
    if (Accept("(")) {
      ASSIGN_OR_RETURN(MetricExprPtr inner, Metric(1));
      RETURN_IF_ERROR(Expect(")"));
      return inner;
    }
    if (token.kind == TokenKind::kNumber || token.Is("-") || token.Is("+")) {
      ASSIGN_OR_RETURN(const double value, Number());
      return Make(NumberExpr{value});
    }
    if (token.Is("{"))
      return Refuse(token.at,
                    "a selector alone gives log lines, not a metric; wrap it, as in "
                    "count_over_time({...}[5m])");
    if (token.kind != TokenKind::kName) return Unexpected("a selector or a function");
    ++next_;
    if (const auto range = FindNamed(kRangeOps, token.text); range != std::end(kRangeOps))
      return Range(range->value);
    if (const auto vector = FindNamed(kVectorOps, token.text); vector != std::end(kVectorOps))
      return Vector(vector->value);
    if (token.text == "vector") {
      RETURN_IF_ERROR(Expect("("));
      ASSIGN_OR_RETURN(const double value, Number());
      RETURN_IF_ERROR(Expect(")"));
      return Make(NumberExpr{value, true});
    }
    if (std::ranges::find(kOtherFunctions, token.text) != std::end(kOtherFunctions))
      return Refuse(token.at, fmt::format("the function {} is not supported", token.text));
    return Refuse(token.at, fmt::format("there is no function {}", base::Quote(token.text)));
  }

  base::Result<double> Number() {
    const bool negative = Accept("-");
    if (!negative) Accept("+");
    const auto value = Now().kind == TokenKind::kNumber ? ParseNumber(Now().text) : std::nullopt;
    if (!value) return Unexpected("a number");
    ++next_;
    return negative ? -*value : *value;
  }
  base::Result<std::int64_t> Duration(std::string_view what) {
    const bool negative = Accept("-");
    const auto value = Now().kind == TokenKind::kNumber ? ParseDuration(Now().text) : std::nullopt;
    if (!value || std::abs(*value) > 4e18) return Unexpected(what);
    ++next_;
    return static_cast<std::int64_t>(negative ? -*value : *value);
  }

  // (selector stages [5m] offset 1m), with the range also before the stages.
  base::Result<MetricExprPtr> Range(RangeOp op) {
    RETURN_IF_ERROR(Expect("("));
    RangeAggregation range{op, {}, 0, 0};
    ASSIGN_OR_RETURN(range.selector, Selector());
    const std::size_t at = Now().at;
    RETURN_IF_ERROR(Expect("["));
    ASSIGN_OR_RETURN(range.range_ns, Duration("a duration, like 5m"));
    if (range.range_ns <= 0) return Refuse(at, "a range must be longer than nothing");
    RETURN_IF_ERROR(Expect("]"));
    while (Now().Is("|=") || Now().Is("!=") || Now().Is("|~") || Now().Is("!~") || Now().Is("|")) {
      if (range.selector.stages.size() >= kMostStages)
        return Refuse(Now().at, fmt::format("more than {} stages", kMostStages));
      ASSIGN_OR_RETURN(Stage stage, OneStage());
      range.selector.stages.push_back(std::move(stage));
    }
    if (AcceptName("offset")) {
      ASSIGN_OR_RETURN(range.offset_ns, Duration("a duration, like 5m"));
    }
    RETURN_IF_ERROR(Expect(")"));
    if (Now().IsName("by") || Now().IsName("without"))
      return Refuse(Now().at, "this function takes no grouping; put sum by (...) around it");
    return Make(std::move(range));
  }

  base::Result<> Grouping(VectorAggregation& aggregation, bool& grouped) {
    if (!Now().IsName("by") && !Now().IsName("without")) return {};
    if (grouped) return Refuse(Now().at, "the grouping stands here twice");
    grouped = true;
    aggregation.without = Now().text == "without";
    ++next_;
    RETURN_IF_ERROR(Expect("("));
    while (!Now().Is(")")) {
      ASSIGN_OR_RETURN(std::string name, Name("the name of a label"));
      aggregation.labels.push_back(std::move(name));
      if (!Accept(",") && !Now().Is(")")) return Unexpected("\",\" or \")\"");
    }
    std::ranges::sort(aggregation.labels);
    return Expect(")");
  }
  base::Result<MetricExprPtr> Vector(VectorOp op) {
    VectorAggregation aggregation{.op = op};
    bool grouped = false;
    RETURN_IF_ERROR(Grouping(aggregation, grouped));
    RETURN_IF_ERROR(Expect("("));
    if (op == VectorOp::kTopk || op == VectorOp::kBottomk) {
      const std::size_t at = Now().at;
      ASSIGN_OR_RETURN(const double k, Number());
      if (!(k >= 1 && k <= 1e6) || k != std::floor(k))
        return Refuse(at, "the number of series must be a whole number from 1 on");
      aggregation.k = static_cast<std::size_t>(k);
      RETURN_IF_ERROR(Expect(","));
    }
    ASSIGN_OR_RETURN(aggregation.inner, Metric(1));
    RETURN_IF_ERROR(Expect(")"));
    RETURN_IF_ERROR(Grouping(aggregation, grouped));
    return Make(std::move(aggregation));
  }

  const std::string_view query_;
  const std::vector<Token> tokens_;
  std::size_t next_ = 0;
  int nesting_ = 0;
  int operators_ = 0;
  int label_filters_ = 0;
};

}  // namespace

base::Result<Query> Parse(std::string_view query) {
  ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokenize(query));
  return Parser(query, std::move(tokens)).All();
}

}  // namespace enclave::observatory::logql
