#include "observatory/promql/type_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/quote.h"

namespace enclave::observatory::promql {
namespace {

class Checker {
 public:
  std::optional<TypeError> first() { return std::move(error_); }

  ValueType Check(Expr& expr) {
    switch (expr.kind) {
      case ExprKind::kAggregate:
        CheckAggregate(static_cast<Aggregate&>(expr));
        break;
      case ExprKind::kBinary:
        CheckBinary(static_cast<Binary&>(expr));
        break;
      case ExprKind::kCall:
        CheckCall(static_cast<Call&>(expr));
        break;
      case ExprKind::kParen:
        Check(*static_cast<Paren&>(expr).expr);
        break;
      case ExprKind::kUnary: {
        const ValueType type = Check(*static_cast<Unary&>(expr).expr);
        if (type != ValueType::kScalar && type != ValueType::kVector)
          Fail(expr,
               "unary expression only allowed on expressions of type scalar or instant vector, "
               "got \"{}\"",
               Documented(type));
        break;
      }
      case ExprKind::kSubquery: {
        const ValueType type = Check(*static_cast<Subquery&>(expr).expr);
        if (type != ValueType::kVector)
          Fail(expr, "subquery is only allowed on instant vector, got {} instead",
               type == ValueType::kMatrix ? "matrix" : Documented(type));
        break;
      }
      case ExprKind::kMatrixSelector:
        Check(*static_cast<MatrixSelector&>(expr).vector);
        break;
      case ExprKind::kVectorSelector:
        CheckSelector(static_cast<VectorSelector&>(expr));
        break;
      case ExprKind::kNumber:
      case ExprKind::kString:
        break;
    }
    return expr.type();
  }

 private:
  template <typename... Args>
  void FailAt(std::size_t position, fmt::format_string<Args...> format, Args&&... args) {
    if (!error_) error_ = {position, fmt::format(format, std::forward<Args>(args)...)};
  }
  template <typename... Args>
  void Fail(const Expr& at, fmt::format_string<Args...> format, Args&&... args) {
    FailAt(at.extent.start, format, std::forward<Args>(args)...);
  }

  void Expect(Expr& expr, ValueType want, std::string_view context) {
    const ValueType type = Check(expr);
    if (type != want)
      Fail(expr, "expected type {} in {}, got {}", Documented(want), context, Documented(type));
  }

  void CheckAggregate(Aggregate& node) {
    Expect(*node.expr, ValueType::kVector, "aggregation expression");
    if (!node.param) return;
    Expect(*node.param, node.op == Token::kCountValues ? ValueType::kString : ValueType::kScalar,
           "aggregation parameter");
  }

  void CheckBinary(Binary& node) {
    const ValueType left = Check(*node.lhs);
    const ValueType right = Check(*node.rhs);
    const auto operand = [](ValueType type) {
      return type == ValueType::kScalar || type == ValueType::kVector;
    };
    // What is wrong with the operator is shown at the operator.
    const std::size_t op = node.op_position;
    if (node.return_bool && !IsComparison(node.op))
      FailAt(op, "bool modifier can only be used on comparison operators");
    if (IsComparison(node.op) && !node.return_bool && left == ValueType::kScalar &&
        right == ValueType::kScalar)
      FailAt(op, "comparisons between scalars must use BOOL modifier");
    VectorMatching& matching = node.matching;
    if (IsSetOperator(node.op) && matching.cardinality == Cardinality::kOneToOne)
      matching.cardinality = Cardinality::kManyToMany;
    for (const std::string& label : matching.labels)
      if (matching.on && std::ranges::find(matching.include, label) != matching.include.end())
        FailAt(op, "label {} must not occur in ON and GROUP clause at once", base::Quote(label));
    if (!operand(left))
      Fail(*node.lhs, "binary expression must contain only scalar and instant vector types");
    if (!operand(right))
      Fail(*node.rhs, "binary expression must contain only scalar and instant vector types");
    if (left != ValueType::kVector || right != ValueType::kVector) {
      if (!matching.labels.empty())
        Fail(node, "vector matching only allowed between instant vectors");
      matching = {};
    } else if (IsSetOperator(node.op) && matching.cardinality != Cardinality::kManyToMany) {
      Fail(node, "no grouping allowed for \"{}\" operation", Spelling(node.op));
    }
    if ((left == ValueType::kScalar || right == ValueType::kScalar) && IsSetOperator(node.op))
      Fail(node, "set operator \"{}\" not allowed in binary scalar expression", Spelling(node.op));
  }

  void CheckCall(Call& node) {
    const Function& function = node.function;
    const std::size_t count = node.args.size();
    if (function.optional == 0) {
      if (count != function.required)
        Fail(node, "expected {} argument(s) in call to \"{}\", got {}", function.required,
             function.name, count);
    } else if (count < function.required) {
      Fail(node, "expected at least {} argument(s) in call to \"{}\", got {}", function.required,
           function.name, count);
    } else if (function.optional > 0 &&
               count > static_cast<std::size_t>(function.required + function.optional)) {
      Fail(node, "expected at most {} argument(s) in call to \"{}\", got {}",
           function.required + function.optional, function.name, count);
    }
    const auto types = function.arg_types();
    for (std::size_t i = 0; i < count; ++i) {
      if (i >= types.size() && (function.optional == 0 || types.empty())) break;
      const ValueType want = types[std::min(i, types.size() - 1)];
      const ValueType type = Check(*node.args[i]);
      if (type != want)
        Fail(*node.args[i], "expected type {} in call to function \"{}\", got {}", Documented(want),
             function.name, Documented(type));
    }
  }

  void CheckSelector(const VectorSelector& node) {
    if (!node.name.empty()) {
      for (std::size_t i = 0; i + 1 < node.matchers.size(); ++i)
        if (node.matchers[i].name() == telemetry::kMetricName)
          Fail(node, "metric name must not be set twice: {} or {}", base::Quote(node.name),
               base::Quote(node.matchers[i].value()));
      return;
    }
    if (std::ranges::all_of(node.matchers, &telemetry::Matcher::MatchesEmpty))
      Fail(node, "vector selector must contain at least one non-empty matcher");
  }

  std::optional<TypeError> error_;
};

}  // namespace

std::optional<TypeError> CheckTypes(Expr& expr) {
  Checker checker;
  checker.Check(expr);
  return checker.first();
}

}  // namespace enclave::observatory::promql
