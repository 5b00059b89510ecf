#include "observatory/promql/engine.h"

#include <fmt/format.h>

#include <algorithm>

#include "observatory/promql/evaluator.h"
#include "observatory/promql/parser.h"
#include "observatory/promql/query_context.h"

namespace enclave::observatory::promql {

using base::ErrorKind;
using base::Fail;
using base::Result;

namespace {

// Far from where sums of times and ranges would overflow.
constexpr std::int64_t kMaxTimeMs = 4'000'000'000'000'000'000;

Result<> CheckTime(std::int64_t time_ms) {
  if (time_ms > kMaxTimeMs || time_ms < -kMaxTimeMs)
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("the time {} ms is out of bounds", time_ms));
  return {};
}

// What only the end of a query may do: names go, and no two series are equal.
Result<Matrix> Finished(Matrix matrix) {
  for (Series& series : matrix)
    if (series.drop_name) series.labels.Remove(telemetry::kMetricName);
  return MergeEqual(std::move(matrix));
}

QueryResult Answer(const QueryContext& context,
                   std::variant<telemetry::Sample, StringValue, InstantVector, RangeMatrix> value) {
  return {std::move(value), context.notes.Warnings(), context.notes.Infos()};
}

}  // namespace

Engine::Engine(telemetry::MetricSource& source, EngineOptions options, const base::Clock& clock)
    : source_(source), options_(options), clock_(clock) {}

Result<QueryResult> Engine::Instant(std::string_view query, std::int64_t time_ms,
                                    std::stop_token stop) {
  ASSIGN_OR_RETURN(const ExprPtr expr, Parse(query));
  return Instant(*expr, query, time_ms, std::move(stop));
}

Result<QueryResult> Engine::Instant(const Expr& expr, std::string_view query, std::int64_t time_ms,
                                    std::stop_token stop) {
  RETURN_IF_ERROR(CheckTime(time_ms));
  const Grid grid{time_ms, 1, 1};
  QueryContext context(source_, options_, clock_, extra_workers_busy_, query, grid,
                       std::move(stop));
  Evaluator evaluator(context);
  switch (expr.type()) {
    case ValueType::kScalar: {
      ASSIGN_OR_RETURN(const Column values, evaluator.Scalar(expr, grid));
      return Answer(context, telemetry::Sample{time_ms, values[0]});
    }
    case ValueType::kString:
      return Answer(context, StringValue{time_ms, As<StringLiteral>(Unwrapped(expr)).value});
    case ValueType::kMatrix: {
      ASSIGN_OR_RETURN(RangeMatrix matrix, evaluator.Ranges(expr, grid));
      std::ranges::sort(matrix, {}, &RangeSeries::labels);
      if (std::ranges::adjacent_find(matrix, {}, &RangeSeries::labels) != matrix.end())
        return Fail(DuplicateSeries().error());
      return Answer(context, std::move(matrix));
    }
    case ValueType::kVector:
    case ValueType::kNone:
      break;
  }
  ASSIGN_OR_RETURN(Matrix matrix, evaluator.Vector(expr, grid));
  ASSIGN_OR_RETURN(matrix, Finished(std::move(matrix)));
  InstantVector vector;
  vector.reserve(matrix.size());
  for (Series& series : matrix)
    if (Present(series.values[0]))
      vector.push_back({std::move(series.labels), {time_ms, series.values[0]}});
  return Answer(context, std::move(vector));
}

Result<QueryResult> Engine::Range(std::string_view query, std::int64_t start_ms,
                                  std::int64_t end_ms, std::int64_t step_ms, std::stop_token stop) {
  RETURN_IF_ERROR(CheckTime(start_ms));
  RETURN_IF_ERROR(CheckTime(end_ms));
  if (end_ms < start_ms)
    return Fail(ErrorKind::kInvalidArgument, "end timestamp must not be before start time");
  if (step_ms <= 0)
    return Fail(ErrorKind::kInvalidArgument,
                "zero or negative query resolution step widths are not accepted. Try a positive "
                "integer");
  const auto steps = static_cast<std::size_t>((end_ms - start_ms) / step_ms);
  if (steps > options_.max_steps)
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("exceeded maximum resolution of {} points per timeseries. Try "
                            "decreasing the query resolution (?step=XX)",
                            options_.max_steps));
  ASSIGN_OR_RETURN(const ExprPtr expr, Parse(query));
  const Grid grid{start_ms, step_ms, steps + 1};
  QueryContext context(source_, options_, clock_, extra_workers_busy_, query, grid,
                       std::move(stop));
  Evaluator evaluator(context);
  Matrix matrix;
  switch (expr->type()) {
    case ValueType::kScalar: {
      ASSIGN_OR_RETURN(Column values, evaluator.Scalar(*expr, grid));
      matrix.push_back({.labels = {}, .values = std::move(values)});
      break;
    }
    case ValueType::kVector: {
      ASSIGN_OR_RETURN(matrix, evaluator.Vector(*expr, grid));
      break;
    }
    default:
      return Fail(ErrorKind::kInvalidArgument,
                  fmt::format("invalid expression type \"{}\" for range query, must be Scalar or "
                              "instant Vector",
                              Documented(expr->type())));
  }
  ASSIGN_OR_RETURN(matrix, Finished(std::move(matrix)));
  RangeMatrix result;
  result.reserve(matrix.size());
  for (Series& series : matrix) {
    RangeSeries range{std::move(series.labels), {}};
    for (std::size_t step = 0; step < grid.count; ++step)
      if (Present(series.values[step]))
        range.samples.push_back({grid.at(step), series.values[step]});
    if (!range.samples.empty()) result.push_back(std::move(range));
  }
  std::ranges::sort(result, {}, &RangeSeries::labels);
  return Answer(context, std::move(result));
}

}  // namespace enclave::observatory::promql
