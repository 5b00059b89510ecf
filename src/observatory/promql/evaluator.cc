#include "observatory/promql/evaluator.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <unordered_map>

#include "base/check.h"
#include "observatory/promql/math_functions.h"

namespace enclave::observatory::promql {

using base::Result;

namespace {

bool IsWhole(Fn fn) {
  return !IsRangeFunction(fn) && !IsMathFunction(fn) && fn != Fn::kTimestamp;
}

// Whether values come series by series by nature; else they are there all at once.
bool IsStreamed(const Expr& expr) {
  switch (expr.kind) {
    case ExprKind::kVectorSelector:
    case ExprKind::kUnary:
      return true;
    case ExprKind::kCall:
      return !IsWhole(As<Call>(expr).function.fn);
    case ExprKind::kBinary:
      return As<Binary>(expr).lhs->type() != As<Binary>(expr).rhs->type();
    default:
      return false;
  }
}

}  // namespace

Result<> DuplicateSeries() {
  return base::Fail(base::ErrorKind::kUnprocessable,
                    "vector cannot contain metrics with the same labelset");
}

Result<Matrix> MergeEqual(Matrix matrix) {
  std::unordered_map<std::uint64_t, std::vector<std::size_t>> by_hash;
  Matrix merged;
  merged.reserve(matrix.size());
  for (Series& series : matrix) {
    std::vector<std::size_t>& same = by_hash[series.labels.Hash()];
    const auto found = std::ranges::find_if(
        same, [&](std::size_t index) { return merged[index].labels == series.labels; });
    if (found == same.end()) {
      same.push_back(merged.size());
      merged.push_back(std::move(series));
      continue;
    }
    Column& into = merged[*found].values;
    for (std::size_t step = 0; step < into.size(); ++step) {
      if (!Present(series.values[step])) continue;
      if (Present(into[step])) return base::Fail(DuplicateSeries().error());
      into[step] = series.values[step];
    }
  }
  return merged;
}

Result<Column> Evaluator::Scalar(const Expr& expr, const Grid& grid) {
  RETURN_IF_ERROR(context_.Check());
  switch (expr.kind) {
    case ExprKind::kNumber:
      RETURN_IF_ERROR(context_.Charge(grid.count));
      return Column(grid.count, As<NumberLiteral>(expr).value);
    case ExprKind::kParen:
      return Scalar(*As<Paren>(expr).expr, grid);
    case ExprKind::kUnary: {
      ASSIGN_OR_RETURN(Column values, Scalar(*As<Unary>(expr).expr, grid));
      if (As<Unary>(expr).op == Token::kSub)
        for (double& value : values) value = -value;
      return values;
    }
    case ExprKind::kBinary: {
      const auto& node = As<Binary>(expr);
      ASSIGN_OR_RETURN(Column left, Scalar(*node.lhs, grid));
      ASSIGN_OR_RETURN(const Column right, Scalar(*node.rhs, grid));
      for (std::size_t step = 0; step < grid.count; ++step)
        left[step] = ApplyOperator(node.op, left[step], right[step]);
      return left;
    }
    case ExprKind::kCall:
      break;
    default:
      CHECK(false, "the type check lets only scalars through");
  }
  const auto& call = As<Call>(expr);
  RETURN_IF_ERROR(context_.Charge(grid.count));
  Column values(grid.count, std::nan(""));
  switch (call.function.fn) {
    case Fn::kPi:
      std::ranges::fill(values, std::numbers::pi);
      return values;
    case Fn::kTime:
      for (std::size_t step = 0; step < grid.count; ++step)
        values[step] = static_cast<double>(grid.at(step)) / 1000;
      return values;
    case Fn::kScalar: {
      ASSIGN_OR_RETURN(const Matrix matrix, Vector(*call.args[0], grid));
      for (std::size_t step = 0; step < grid.count; ++step) {
        std::size_t found = 0;
        for (const Series& series : matrix) {
          if (!Present(series.values[step])) continue;
          values[step] = series.values[step];
          if (++found == 2) break;
        }
        if (found == 2) values[step] = std::nan("");
      }
      return values;
    }
    default:
      CHECK(false, "no other function returns a scalar");
  }
}

Result<Matrix> Evaluator::Vector(const Expr& expr, const Grid& grid) {
  RETURN_IF_ERROR(context_.Check());
  if (grid.count == 0) return Matrix{};
  if (IsStreamed(expr)) {
    ASSIGN_OR_RETURN(const Pipeline pipeline, Stream(expr, grid));
    return Collect(context_, pipeline);
  }
  switch (expr.kind) {
    case ExprKind::kParen:
      return Vector(*As<Paren>(expr).expr, grid);
    case ExprKind::kAggregate:
      return Aggregated(As<Aggregate>(expr), grid);
    case ExprKind::kBinary:
      return BetweenVectors(As<Binary>(expr), grid);
    case ExprKind::kCall:
      return Whole(As<Call>(expr), grid);
    default:
      CHECK(false, "the type check lets only instant vectors through");
  }
}

Result<Pipeline> Evaluator::Stream(const Expr& expr, const Grid& grid) {
  RETURN_IF_ERROR(context_.Check());
  if (grid.count == 0) return FromMatrix({}, grid);
  if (expr.kind == ExprKind::kParen) return Stream(*As<Paren>(expr).expr, grid);
  if (!IsStreamed(expr)) {
    ASSIGN_OR_RETURN(Matrix matrix, Vector(expr, grid));
    return FromMatrix(std::move(matrix), grid);
  }
  switch (expr.kind) {
    case ExprKind::kVectorSelector:
      return SelectInstant(context_, As<VectorSelector>(expr), grid, /*times=*/false);
    case ExprKind::kUnary: {
      const auto& node = As<Unary>(expr);
      ASSIGN_OR_RETURN(Pipeline pipeline, Stream(*node.expr, grid));
      if (node.op == Token::kSub)
        pipeline.stages.push_back([](Series& series) {
          series.drop_name = true;
          for (double& value : series.values)
            if (Present(value)) value = -value;
        });
      return pipeline;
    }
    case ExprKind::kBinary:
      return StreamWithScalar(As<Binary>(expr), grid);
    case ExprKind::kCall:
      return StreamCall(As<Call>(expr), grid);
    default:
      CHECK(false, "the type check lets only instant vectors through");
  }
}

Result<RangeSource> Evaluator::Samples(const Expr& range, const Grid& grid) {
  if (range.kind == ExprKind::kMatrixSelector)
    return SelectRange(context_, As<MatrixSelector>(range), grid);
  CHECK(range.kind == ExprKind::kSubquery, "nothing else is a range vector");
  const auto& node = As<Subquery>(range);
  ASSIGN_OR_RETURN(const Grid inner, SubqueryGrid(context_, node, grid));
  ASSIGN_OR_RETURN(Matrix matrix, Vector(*node.expr, inner));
  return FromSubquery(std::move(matrix), inner);
}

Result<RangeMatrix> Evaluator::Ranges(const Expr& expr, const Grid& grid) {
  const Expr& range = Unwrapped(expr);
  ASSIGN_OR_RETURN(const RangeSource source, Samples(range, grid));
  const bool selector = range.kind == ExprKind::kMatrixSelector;
  const TimeShift& shift =
      selector ? As<MatrixSelector>(range).vector->shift : As<Subquery>(range).shift;
  const std::int64_t range_ms =
      selector ? As<MatrixSelector>(range).range_ms : As<Subquery>(range).range_ms;
  const std::int64_t end = Moments(context_, shift, grid).first();
  RangeMatrix matrix;
  for (std::size_t i = 0; i < source.size; ++i) {
    RETURN_IF_ERROR(context_.Check());
    RangeSeries series;
    RETURN_IF_ERROR(source.read(i, series.samples));
    std::erase_if(series.samples, [&](const telemetry::Sample& sample) {
      return sample.time_ms > end || sample.time_ms <= end - range_ms;
    });
    if (series.samples.empty()) continue;
    RETURN_IF_ERROR(context_.Charge(series.samples.size()));
    series.labels = source.labels(i);
    if (source.drop_name(i)) series.labels.Remove(telemetry::kMetricName);
    matrix.push_back(std::move(series));
  }
  return matrix;
}

}  // namespace enclave::observatory::promql
