#include "observatory/logql/parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/quote.h"
#include "observatory/logql/lexer.h"
#include "observatory/logql/parser_words.h"
#include "observatory/logql/stage_parser.h"
#include "observatory/logql/units.h"

namespace enclave::observatory::logql {
namespace {

class Parser : private StageParser {
 public:
  using StageParser::StageParser;

  base::Result<Query> All() {
    Query query;
    if (IsSelectorAhead()) {
      ASSIGN_OR_RETURN(query, Selector());
    } else {
      ASSIGN_OR_RETURN(query, Metric(1));
    }
    if (IsUnwrapAhead())
      return Refuse(Now().at,
                    "unwrap is of metric queries, as in sum_over_time({...} | unwrap x [5m])");
    if (Now().kind != TokenKind::kEnd) return Unexpected("the end of the query");
    return query;
  }

 private:
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
      return Range(*range, token.at);
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
  base::Result<MetricExprPtr> Range(const RangeWord& word, std::size_t at) {
    RETURN_IF_ERROR(Expect("("));
    RangeAggregation range{.op = word.op};
    if (word.op == RangeOp::kQuantileOverTime) {
      ASSIGN_OR_RETURN(range.quantile, Number());
      RETURN_IF_ERROR(Expect(","));
    }
    ASSIGN_OR_RETURN(range.selector, Selector());
    RETURN_IF_ERROR(MaybeUnwrap(range));
    const std::size_t bracket = Now().at;
    RETURN_IF_ERROR(Expect("["));
    ASSIGN_OR_RETURN(range.range_ns, Duration("a duration, like 5m"));
    if (range.range_ns <= 0) return Refuse(bracket, "a range must be longer than nothing");
    RETURN_IF_ERROR(Expect("]"));
    std::size_t open = 0;
    if (!range.unwrap) RETURN_IF_ERROR(Stages(range.selector, open));
    RETURN_IF_ERROR(MaybeUnwrap(range));
    if (AcceptName("offset")) {
      ASSIGN_OR_RETURN(range.offset_ns, Duration("a duration, like 5m"));
    }
    RETURN_IF_ERROR(Expect(")"));
    if (range.unwrap && word.unwraps == Unwraps::kNever)
      return Refuse(at, fmt::format("{} counts lines and takes no unwrap", word.name));
    if (!range.unwrap && word.unwraps == Unwraps::kAlways)
      return Refuse(at, fmt::format("{} needs values: | unwrap label", word.name));
    if (!IsGroupingAhead()) return Make(std::move(range));
    if (!word.groups)
      return Refuse(Now().at, "this function takes no grouping; put sum by (...) around it");
    ASSIGN_OR_RETURN(range.grouping, GroupingNames());
    return Make(std::move(range));
  }
  base::Result<> MaybeUnwrap(RangeAggregation& range) {
    if (!IsUnwrapAhead()) return {};
    if (range.unwrap) return Refuse(Now().at, "unwrap stands here twice");
    ASSIGN_OR_RETURN(range.unwrap, UnwrapStage());
    return {};
  }

  bool IsGroupingAhead() const { return Now().IsName("by") || Now().IsName("without"); }
  base::Result<> Grouped(VectorAggregation& aggregation, bool& grouped) {
    if (!IsGroupingAhead()) return {};
    if (grouped) return Refuse(Now().at, "the grouping stands here twice");
    grouped = true;
    ASSIGN_OR_RETURN(aggregation.grouping, GroupingNames());
    return {};
  }
  base::Result<MetricExprPtr> Vector(VectorOp op) {
    VectorAggregation aggregation{.op = op};
    bool grouped = false;
    RETURN_IF_ERROR(Grouped(aggregation, grouped));
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
    RETURN_IF_ERROR(Grouped(aggregation, grouped));
    return Make(std::move(aggregation));
  }

  int nesting_ = 0;
  int operators_ = 0;
};

}  // namespace

base::Result<Query> Parse(std::string_view query) {
  ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokenize(query));
  return Parser(query, std::move(tokens)).All();
}

}  // namespace enclave::observatory::logql
