#include "observatory/promql/parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/quote.h"
#include "observatory/promql/number_text.h"
#include "observatory/promql/token_reader.h"
#include "observatory/promql/type_check.h"

namespace enclave::observatory::promql {
namespace {

using base::Result;

// Deeper trees are refused: recursion over them must fit a thread's stack.
constexpr std::size_t kMaxDepth = 400;

int Precedence(Token op) {
  switch (op) {
    case Token::kOr:
      return 1;
    case Token::kAnd:
    case Token::kUnless:
      return 2;
    case Token::kEqual:
    case Token::kNotEqual:
    case Token::kGreater:
    case Token::kLess:
    case Token::kGreaterEqual:
    case Token::kLessEqual:
    case Token::kTrimUpper:
    case Token::kTrimLower:
      return 3;
    case Token::kAdd:
    case Token::kSub:
      return 4;
    case Token::kMul:
    case Token::kDiv:
    case Token::kMod:
    case Token::kAtan2:
      return 5;
    case Token::kPow:
      return 6;
    default:
      return 0;
  }
}
constexpr int kPowPrecedence = 6;

bool IsCallWord(Token token) {
  return token == Token::kIdentifier || token == Token::kStart || token == Token::kEndOf ||
         token == Token::kStep || token == Token::kRange || token == Token::kMaxOf ||
         token == Token::kMinOf;
}

bool TakesParameter(Token op) {
  return op == Token::kTopk || op == Token::kBottomk || op == Token::kCountValues ||
         op == Token::kQuantile || op == Token::kLimitk || op == Token::kLimitRatio;
}

class Parser : private TokenReader {
 public:
  explicit Parser(std::string_view query) : TokenReader(query) {}

  Result<ExprPtr> Query() {
    if (Peek().token == Token::kEnd) return ErrorAt(0, "no expression found in input");
    ASSIGN_OR_RETURN(ExprPtr expr, Expression(1));
    if (Peek().token != Token::kEnd) return Unexpected("", "");
    if (auto error = CheckTypes(*expr)) return ErrorAt(error->position, error->message);
    return expr;
  }

  Result<telemetry::Matchers> Selector() {
    if (!MayNameMetric(Peek().token) && Peek().token != Token::kLeftBrace)
      return Unexpected("", "");
    ASSIGN_OR_RETURN(ExprPtr expr, SelectorExpression());
    if (Peek().token != Token::kEnd) return Unexpected("", "");
    if (auto error = CheckTypes(*expr)) return ErrorAt(error->position, error->message);
    return std::move(static_cast<VectorSelector&>(*expr).matchers);
  }

 private:
  // The node, unless the tree has become too deep.
  Result<ExprPtr> Grown(ExprPtr expr, std::size_t below) {
    expr->depth = below + 1;
    if (expr->depth > kMaxDepth)
      return ErrorAt(expr->extent.start,
                     fmt::format("the expression is nested more than {} levels deep", kMaxDepth));
    return expr;
  }

  // Counts the levels of recursion as they are entered.
  class Level {
   public:
    explicit Level(std::size_t& depth) : depth_(depth) { ++depth_; }
    ~Level() { --depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    std::size_t& depth_;
  };

  // Operators that bind at least as tightly as `least`.
  Result<ExprPtr> Expression(int least) {
    const Level level(nesting_);
    if (nesting_ > kMaxDepth)
      return ErrorAt(Peek().position,
                     fmt::format("the expression is nested more than {} levels deep", kMaxDepth));
    ASSIGN_OR_RETURN(ExprPtr left, UnaryExpression());
    for (;;) {
      const Token op = Peek().token;
      const int precedence = Precedence(op);
      if (precedence == 0 || precedence < least) return left;
      auto node = std::make_unique<Binary>(op, left->extent);
      node->op_position = Peek().position;
      if (op == Token::kTrimUpper || op == Token::kTrimLower)
        return ErrorAt(Peek().position,
                       fmt::format("operator \"{}\" trims native histograms, which are not "
                                   "supported",
                                   Spelling(op)));
      Next();
      RETURN_IF_ERROR(Modifiers(*node));
      // Only powers group to the right.
      ASSIGN_OR_RETURN(ExprPtr right, Expression(op == Token::kPow ? precedence : precedence + 1));
      const std::size_t below = std::max(left->depth, right->depth);
      node->lhs = std::move(left);
      node->rhs = std::move(right);
      node->extent.end = node->rhs->extent.end;
      ASSIGN_OR_RETURN(left, Grown(std::move(node), below));
    }
  }

  // A sign binds as multiplication does: -2^2 is -(2^2), -a*b is (-a)*b.
  Result<ExprPtr> UnaryExpression() {
    const Token op = Peek().token;
    if (op != Token::kAdd && op != Token::kSub) return Postfix();
    const std::size_t start = Next().position;
    ASSIGN_OR_RETURN(ExprPtr inner, Expression(kPowPrecedence));
    if (inner->kind == ExprKind::kNumber) {
      auto& number = static_cast<NumberLiteral&>(*inner);
      if (op == Token::kSub) number.value = -number.value;
      number.extent.start = start;
      return inner;
    }
    const std::size_t below = inner->depth;
    const Extent extent{start, inner->extent.end};
    return Grown(std::make_unique<Unary>(op, std::move(inner), extent), below);
  }

  Result<> Modifiers(Binary& node) {
    VectorMatching& matching = node.matching;
    if (Accept(Token::kBool)) node.return_bool = true;
    if (Peek().token == Token::kOn || Peek().token == Token::kIgnoring) {
      matching.on = Next().token == Token::kOn;
      ASSIGN_OR_RETURN(matching.labels, GroupingLabels());
      const Token group = Peek().token;
      if (group == Token::kGroupLeft || group == Token::kGroupRight) {
        Next();
        matching.cardinality =
            group == Token::kGroupLeft ? Cardinality::kManyToOne : Cardinality::kOneToMany;
        if (Peek().token == Token::kLeftParen) {
          ASSIGN_OR_RETURN(matching.include, GroupingLabels());
        }
      }
    }
    const Token fill = Peek().token;
    if (fill == Token::kFill || fill == Token::kFillLeft || fill == Token::kFillRight)
      return ErrorAt(node.extent.start, "binop fill modifiers are experimental and not enabled");
    return {};
  }

  // What follows a primary: ranges, subqueries, offset, @.
  Result<ExprPtr> Postfix() {
    ASSIGN_OR_RETURN(ExprPtr expr, Primary());
    for (;;) {
      switch (Peek().token) {
        case Token::kLeftBracket: {
          ASSIGN_OR_RETURN(expr, RangeOf(std::move(expr)));
          break;
        }
        case Token::kOffset:
          Next();
          RETURN_IF_ERROR(Offset(*expr));
          break;
        case Token::kAt:
          Next();
          RETURN_IF_ERROR(At(*expr));
          break;
        case Token::kAnchored:
        case Token::kSmoothed:
          return ErrorAt(
              expr->extent.start,
              fmt::format("{} modifier is experimental and not enabled", Spelling(Peek().token)));
        default:
          return expr;
      }
    }
  }

  Result<std::int64_t> PositiveDuration(std::string_view context, std::string_view expected) {
    const std::size_t start = Peek().position;
    ASSIGN_OR_RETURN(const std::int64_t ms, Duration(context, expected));
    if (Precedence(Peek().token) >= 4)
      return ErrorAt(start, "experimental duration expression is not enabled");
    if (ms <= 0) return ErrorAt(start, "duration must be greater than 0");
    return ms;
  }

  Result<ExprPtr> RangeOf(ExprPtr expr) {
    const std::size_t bracket = Next().position;
    ASSIGN_OR_RETURN(
        const std::int64_t range,
        PositiveDuration("subquery or range selector", "number, duration, step(), or range()"));
    const std::size_t start = expr->extent.start;
    const std::size_t below = expr->depth;
    if (Accept(Token::kColon)) {
      std::int64_t step = 0;
      if (Peek().token != Token::kRightBracket) {
        ASSIGN_OR_RETURN(step, PositiveDuration("subquery selector",
                                                "number, duration, step(), range(), or \"]\""));
      }
      if (!Accept(Token::kRightBracket)) return Unexpected("subquery selector", "\"]\"");
      return Grown(std::make_unique<Subquery>(std::move(expr), range, step, From(start)), below);
    }
    if (!Accept(Token::kRightBracket)) return Unexpected("subquery or range", "\":\" or \"]\"");
    if (expr->kind != ExprKind::kVectorSelector)
      return ErrorAt(bracket, "ranges only allowed for vector selectors");
    std::unique_ptr<VectorSelector> selector(static_cast<VectorSelector*>(expr.release()));
    if (selector->shift.offset_ms != 0)
      return ErrorAt(bracket, "no offset modifiers allowed before range");
    if (selector->shift.at != TimeShift::At::kNone)
      return ErrorAt(bracket, "no @ modifiers allowed before range");
    return Grown(std::make_unique<MatrixSelector>(std::move(selector), range, From(start)), below);
  }

  static TimeShift* ShiftOf(Expr& expr) {
    switch (expr.kind) {
      case ExprKind::kVectorSelector:
        return &static_cast<VectorSelector&>(expr).shift;
      case ExprKind::kMatrixSelector:
        return &static_cast<MatrixSelector&>(expr).vector->shift;
      case ExprKind::kSubquery:
        return &static_cast<Subquery&>(expr).shift;
      default:
        return nullptr;
    }
  }

  Result<> Offset(Expr& expr) {
    ASSIGN_OR_RETURN(const std::int64_t ms,
                     Duration("offset", "number, duration, step(), or range()"));
    TimeShift* shift = ShiftOf(expr);
    if (shift == nullptr)
      return ErrorAt(expr.extent.start,
                     "offset modifier must be preceded by an instant vector selector or range "
                     "vector selector or a subquery");
    if (shift->offset_ms != 0)
      return ErrorAt(expr.extent.start, "offset may not be set multiple times");
    shift->offset_ms = ms;
    expr.extent.end = end();
    return {};
  }

  Result<> At(Expr& expr) {
    const Token word = Peek().token;
    TimeShift at;
    if (word == Token::kStart || word == Token::kEndOf) {
      Next();
      if (!Accept(Token::kLeftParen) || !Accept(Token::kRightParen))
        return Unexpected("@", "timestamp");
      at.at = word == Token::kStart ? TimeShift::At::kStart : TimeShift::At::kEnd;
    } else {
      bool negative = false;
      if (word == Token::kAdd || word == Token::kSub) negative = Next().token == Token::kSub;
      if (Peek().token != Token::kNumber && Peek().token != Token::kDuration)
        return Unexpected("@", "timestamp");
      ASSIGN_OR_RETURN(ExprPtr literal, NumberOrDuration());
      const double seconds = static_cast<NumberLiteral&>(*literal).value * (negative ? -1 : 1);
      // Milliseconds must fit as well.
      if (!(std::abs(seconds) < 9.2e15))
        return ErrorAt(expr.extent.start, fmt::format("timestamp out of bounds for @ modifier: {}",
                                                      FormatFixed(seconds)));
      at.at = TimeShift::At::kTime;
      at.at_ms = static_cast<std::int64_t>(std::round(seconds * 1000));
    }
    TimeShift* shift = ShiftOf(expr);
    if (shift == nullptr)
      return ErrorAt(expr.extent.start,
                     "@ modifier must be preceded by an instant vector selector or range vector "
                     "selector or a subquery");
    if (shift->at != TimeShift::At::kNone)
      return ErrorAt(expr.extent.start, "@ <timestamp> may not be set multiple times");
    shift->at = at.at;
    shift->at_ms = at.at_ms;
    expr.extent.end = end();
    return {};
  }

  Result<ExprPtr> Primary() {
    const Lexeme& lexeme = Peek();
    const Token next = Peek(1).token;
    switch (lexeme.token) {
      case Token::kNumber:
      case Token::kDuration:
        return NumberOrDuration();
      case Token::kString: {
        Next();
        auto text = Unquote(lexeme.text);
        if (!text)
          return ErrorAt(lexeme.position, fmt::format("error unquoting string {}", lexeme.text));
        return std::make_unique<StringLiteral>(std::move(*text), From(lexeme.position));
      }
      case Token::kLeftParen: {
        Next();
        ASSIGN_OR_RETURN(ExprPtr inner, Expression(1));
        if (!Accept(Token::kRightParen)) return Unexpected("", "");
        const std::size_t below = inner->depth;
        return Grown(std::make_unique<Paren>(std::move(inner), From(lexeme.position)), below);
      }
      case Token::kLeftBrace:
        return SelectorExpression();
      default:
        break;
    }
    if (IsAggregation(lexeme.token) &&
        (next == Token::kLeftParen || next == Token::kBy || next == Token::kWithout))
      return AggregateExpression();
    if (IsCallWord(lexeme.token) && next == Token::kLeftParen) return CallExpression();
    if (MayNameMetric(lexeme.token)) return SelectorExpression();
    return Unexpected("", "");
  }

  Result<std::vector<ExprPtr>> Arguments() {
    std::vector<ExprPtr> args;
    if (!Accept(Token::kLeftParen)) return Unexpected("", "");
    while (!Accept(Token::kRightParen)) {
      ASSIGN_OR_RETURN(ExprPtr arg, Expression(1));
      args.push_back(std::move(arg));
      if (Peek().token == Token::kRightParen) continue;
      const std::size_t comma = Peek().position;
      if (!Accept(Token::kComma)) return Unexpected("", "");
      if (Peek().token == Token::kRightParen)
        return ErrorAt(comma, "trailing commas not allowed in function call args");
    }
    return args;
  }

  static std::size_t DepthOf(const std::vector<ExprPtr>& args) {
    std::size_t depth = 0;
    for (const ExprPtr& arg : args) depth = std::max(depth, arg->depth);
    return depth;
  }

  Result<ExprPtr> CallExpression() {
    const Lexeme& name = Next();
    const Function* function = FindFunction(name.text);
    ASSIGN_OR_RETURN(std::vector<ExprPtr> args, Arguments());
    if (function == nullptr)
      return ErrorAt(name.position,
                     fmt::format("unknown function with name {}", base::Quote(name.text)));
    if (function->experimental())
      return ErrorAt(name.position,
                     fmt::format("function {} is not enabled", base::Quote(name.text)));
    const std::size_t below = DepthOf(args);
    return Grown(std::make_unique<Call>(*function, std::move(args), From(name.position)), below);
  }

  Result<ExprPtr> AggregateExpression() {
    const Lexeme& op = Next();
    auto node = std::make_unique<Aggregate>(op.token, Extent{op.position, 0});
    const auto grouping = [&]() -> Result<> {
      node->without = Next().token == Token::kWithout;
      ASSIGN_OR_RETURN(node->grouping, GroupingLabels());
      return {};
    };
    const auto grouped = [&] {
      return Peek().token == Token::kBy || Peek().token == Token::kWithout;
    };
    const bool before = grouped();
    if (before) RETURN_IF_ERROR(grouping());
    ASSIGN_OR_RETURN(std::vector<ExprPtr> args, Arguments());
    if (!before && grouped()) RETURN_IF_ERROR(grouping());
    node->extent.end = end();
    if (args.empty()) return ErrorAt(op.position, "no arguments for aggregate expression provided");
    if (op.token == Token::kLimitk || op.token == Token::kLimitRatio)
      return ErrorAt(op.position, fmt::format("{}() is experimental and must be enabled with "
                                              "--enable-feature=promql-experimental-functions",
                                              Spelling(op.token)));
    const std::size_t wanted = TakesParameter(op.token) ? 2 : 1;
    if (args.size() != wanted)
      return ErrorAt(op.position,
                     fmt::format("wrong number of arguments for aggregate expression provided, "
                                 "expected {}, got {}",
                                 wanted, args.size()));
    const std::size_t below = DepthOf(args);
    node->expr = std::move(args.back());
    if (wanted == 2) node->param = std::move(args.front());
    return Grown(std::move(node), below);
  }

  std::size_t nesting_ = 0;
};

}  // namespace

Result<ExprPtr> Parse(std::string_view query) {
  return Parser(query).Query();
}

Result<telemetry::Matchers> ParseSelector(std::string_view text) {
  return Parser(text).Selector();
}

}  // namespace enclave::observatory::promql
