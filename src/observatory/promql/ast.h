// The syntax tree of PromQL. Made by Parse() (parser.h), which also checks the types; read by the
// engine, which never changes it, so that one tree may be evaluated by many threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "observatory/promql/functions.h"
#include "observatory/promql/lexer.h"
#include "telemetry/matcher.h"

namespace enclave::observatory::promql {

enum class ExprKind : std::uint8_t {
  kNumber,
  kString,
  kVectorSelector,
  kMatrixSelector,
  kSubquery,
  kCall,
  kAggregate,
  kBinary,
  kUnary,
  kParen,
};

// Bytes of the query's text, the end exclusive.
struct Extent {
  std::size_t start = 0;
  std::size_t end = 0;
};

struct Expr {
  Expr(ExprKind kind_of, Extent at) : kind(kind_of), extent(at) {}
  virtual ~Expr() = default;
  Expr(const Expr&) = delete;
  Expr& operator=(const Expr&) = delete;
  virtual ValueType type() const = 0;

  const ExprKind kind;
  Extent extent;
  // Of the tree below, this node included; the parser bounds it, so recursion is safe.
  std::size_t depth = 1;
};
using ExprPtr = std::unique_ptr<Expr>;

// The node as what its kind says it is.
template <typename T>
const T& As(const Expr& expr) {
  return static_cast<const T&>(expr);
}

struct NumberLiteral : Expr {
  NumberLiteral(double number, bool is_duration, Extent at)
      : Expr(ExprKind::kNumber, at), value(number), duration(is_duration) {}
  ValueType type() const override { return ValueType::kScalar; }
  double value;
  bool duration;  // written as one, in seconds
};

struct StringLiteral : Expr {
  StringLiteral(std::string text, Extent at)
      : Expr(ExprKind::kString, at), value(std::move(text)) {}
  ValueType type() const override { return ValueType::kString; }
  std::string value;
};

// `@` and `offset`, which selectors and subqueries share.
struct TimeShift {
  enum class At : std::uint8_t { kNone, kTime, kStart, kEnd };
  At at = At::kNone;
  std::int64_t at_ms = 0;  // for kTime
  std::int64_t offset_ms = 0;
};

struct VectorSelector : Expr {
  explicit VectorSelector(Extent at) : Expr(ExprKind::kVectorSelector, at) {}
  ValueType type() const override { return ValueType::kVector; }
  std::string name;              // outside of the braces; "" when there is none
  telemetry::Matchers matchers;  // that of `name` is the last
  TimeShift shift;
};

struct MatrixSelector : Expr {
  MatrixSelector(std::unique_ptr<VectorSelector> selector, std::int64_t range, Extent at)
      : Expr(ExprKind::kMatrixSelector, at), vector(std::move(selector)), range_ms(range) {}
  ValueType type() const override { return ValueType::kMatrix; }
  std::unique_ptr<VectorSelector> vector;
  std::int64_t range_ms;
};

struct Subquery : Expr {
  Subquery(ExprPtr inner, std::int64_t range, std::int64_t step, Extent at)
      : Expr(ExprKind::kSubquery, at), expr(std::move(inner)), range_ms(range), step_ms(step) {}
  ValueType type() const override { return ValueType::kMatrix; }
  ExprPtr expr;
  std::int64_t range_ms;
  std::int64_t step_ms;  // 0: the engine's own
  TimeShift shift;
};

struct Call : Expr {
  Call(const Function& callee, std::vector<ExprPtr> arguments, Extent at)
      : Expr(ExprKind::kCall, at), function(callee), args(std::move(arguments)) {}
  ValueType type() const override { return function.returns; }
  const Function& function;  // of the table, lives for ever
  std::vector<ExprPtr> args;
};

struct Aggregate : Expr {
  Aggregate(Token aggregation, Extent at) : Expr(ExprKind::kAggregate, at), op(aggregation) {}
  ValueType type() const override { return ValueType::kVector; }
  Token op;
  ExprPtr expr;
  ExprPtr param;  // of topk, bottomk, quantile, count_values; else null
  std::vector<std::string> grouping;
  bool without = false;
};

enum class Cardinality : std::uint8_t { kOneToOne, kManyToOne, kOneToMany, kManyToMany };

struct VectorMatching {
  Cardinality cardinality = Cardinality::kOneToOne;
  bool on = false;  // else ignoring
  std::vector<std::string> labels{};
  std::vector<std::string> include{};  // of group_left and group_right
};

struct Binary : Expr {
  Binary(Token operation, Extent at) : Expr(ExprKind::kBinary, at), op(operation) {}
  ValueType type() const override {
    return lhs->type() == ValueType::kScalar && rhs->type() == ValueType::kScalar
               ? ValueType::kScalar
               : ValueType::kVector;
  }
  Token op;
  ExprPtr lhs;
  ExprPtr rhs;
  std::size_t op_position = 0;  // in bytes
  bool return_bool = false;
  VectorMatching matching;  // means something between two vectors only
};

struct Unary : Expr {
  Unary(Token operation, ExprPtr inner, Extent at)
      : Expr(ExprKind::kUnary, at), op(operation), expr(std::move(inner)) {}
  ValueType type() const override { return expr->type(); }
  Token op;  // kAdd or kSub
  ExprPtr expr;
};

struct Paren : Expr {
  Paren(ExprPtr inner, Extent at) : Expr(ExprKind::kParen, at), expr(std::move(inner)) {}
  ValueType type() const override { return expr->type(); }
  ExprPtr expr;
};

bool IsComparison(Token op);
bool IsSetOperator(Token op);
// The expression without the parentheses around it.
const Expr& Unwrapped(const Expr& expr);

// The expression as text that parses to the same tree, in the one canonical spelling.
std::string Print(const Expr& expr);
// The same broken into lines where it is long, as the format_query API shows it.
std::string PrintPretty(const Expr& expr);

}  // namespace enclave::observatory::promql
