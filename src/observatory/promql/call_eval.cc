// Functions: those of ranges and of single values as pipelines, those of vectors as a whole.
#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "base/check.h"
#include "observatory/promql/evaluator.h"
#include "observatory/promql/math_functions.h"
#include "observatory/promql/utf8.h"

namespace enclave::observatory::promql {

using base::ErrorKind;
using base::Fail;
using base::Result;

namespace {

const std::string& TextOf(const Expr& expr) {
  return As<StringLiteral>(Unwrapped(expr)).value;
}

// The labels that an absent series would have: those that the matchers name exactly.
telemetry::Labels LabelsOfAbsent(const Expr& arg) {
  const Expr& expr = Unwrapped(arg);
  const telemetry::Matchers* matchers = nullptr;
  if (expr.kind == ExprKind::kVectorSelector) matchers = &As<VectorSelector>(expr).matchers;
  if (expr.kind == ExprKind::kMatrixSelector) matchers = &As<MatrixSelector>(expr).vector->matchers;
  telemetry::Labels labels;
  if (matchers == nullptr) return labels;
  std::set<std::string_view> seen;
  for (const telemetry::Matcher& matcher : *matchers) {
    if (matcher.name() == telemetry::kMetricName) continue;
    // A label that is asked for twice says nothing certain.
    if (matcher.op() == telemetry::MatchOp::kEqual && seen.insert(matcher.name()).second)
      labels.Set(matcher.name(), matcher.value());
    else
      labels.Remove(matcher.name());
  }
  return labels;
}

// $1, ${1}, ${name} and $$ in `replacement`, as Go's regexp expands them.
std::string Expand(const re2::RE2& regex, std::string_view replacement,
                   const std::vector<re2::StringPiece>& groups) {
  const auto word = [](char c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  std::string text;
  for (std::size_t i = 0; i < replacement.size(); ++i) {
    if (replacement[i] != '$') {
      text += replacement[i];
      continue;
    }
    const std::string_view rest = replacement.substr(i + 1);
    if (rest.starts_with('$')) {
      text += '$';
      ++i;
      continue;
    }
    const bool braced = rest.starts_with('{');
    std::size_t end = braced ? 1 : 0;
    while (end < rest.size() && word(rest[end])) ++end;
    const std::string name(rest.substr(braced ? 1 : 0, end - (braced ? 1 : 0)));
    if (name.empty() || (braced && (end == rest.size() || rest[end] != '}'))) {
      text += '$';
      continue;
    }
    i += end + (braced ? 1 : 0);
    std::size_t group = groups.size();
    if (std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; })) {
      std::from_chars(name.data(), name.data() + name.size(), group);  // none if it is too great
    } else if (const auto& named = regex.NamedCapturingGroups(); named.contains(name)) {
      group = static_cast<std::size_t>(named.at(name));
    }
    if (group < groups.size() && groups[group].data() != nullptr)
      text.append(groups[group].data(), groups[group].size());
  }
  return text;
}

}  // namespace

Result<Pipeline> Evaluator::StreamCall(const Call& call, const Grid& grid) {
  if (IsRangeFunction(call.function.fn)) return StreamRange(call, grid);
  if (IsMathFunction(call.function.fn)) return StreamMath(call, grid);
  CHECK(call.function.fn == Fn::kTimestamp, "no other function is streamed");
  const Expr& arg = Unwrapped(*call.args[0]);
  if (arg.kind == ExprKind::kVectorSelector)
    return SelectInstant(context_, As<VectorSelector>(arg), grid, /*times=*/true);
  // Whatever is computed is of the step's own time.
  ASSIGN_OR_RETURN(Pipeline pipeline, Stream(arg, grid));
  pipeline.stages.push_back([grid](Series& series) {
    series.drop_name = true;
    for (std::size_t step = 0; step < grid.count; ++step)
      if (Present(series.values[step]))
        series.values[step] = static_cast<double>(grid.at(step)) / 1000;
  });
  return pipeline;
}

Result<Pipeline> Evaluator::StreamRange(const Call& call, const Grid& grid) {
  const Fn fn = call.function.fn;
  const Expr* range = call.args[0].get();
  Column parameters;
  std::string parameter_place;
  if (call.args.size() == 2) {
    const bool first = fn == Fn::kQuantileOverTime;
    range = call.args[first ? 1 : 0].get();
    const Expr& parameter = *call.args[first ? 0 : 1];
    ASSIGN_OR_RETURN(parameters, Scalar(parameter, grid));
    parameter_place = context_.Place(Unwrapped(parameter));
  }
  const Expr& inner = Unwrapped(*range);
  ASSIGN_OR_RETURN(RangeSource source, Samples(inner, grid));
  const bool selector = inner.kind == ExprKind::kMatrixSelector;
  const TimeShift& shift =
      selector ? As<MatrixSelector>(inner).vector->shift : As<Subquery>(inner).shift;
  return ApplyRange(std::move(source), {.fn = fn,
                                        .range_ms = selector ? As<MatrixSelector>(inner).range_ms
                                                             : As<Subquery>(inner).range_ms,
                                        .moments = Moments(context_, shift, grid),
                                        .grid = grid,
                                        .parameters = std::move(parameters),
                                        .place = context_.Place(inner),
                                        .parameter_place = std::move(parameter_place)});
}

Result<Pipeline> Evaluator::StreamMath(const Call& call, const Grid& grid) {
  const Fn fn = call.function.fn;
  const MathFunction function = MathFunctionOf(fn);
  if (call.args.empty()) {
    // The calendar of the step's time.
    Series series{.labels = {}, .values = Column(grid.count)};
    for (std::size_t step = 0; step < grid.count; ++step)
      series.values[step] = function(std::floor(static_cast<double>(grid.at(step)) / 1000));
    Matrix matrix;
    matrix.push_back(std::move(series));
    return FromMatrix(std::move(matrix), grid);
  }
  std::vector<Column> parameters;
  for (std::size_t i = 1; i < call.args.size(); ++i) {
    ASSIGN_OR_RETURN(Column column, Scalar(*call.args[i], grid));
    parameters.push_back(std::move(column));
  }
  ASSIGN_OR_RETURN(Pipeline pipeline, Stream(*call.args[0], grid));
  if (function != nullptr) {
    pipeline.stages.push_back([function](Series& series) {
      series.drop_name = true;
      for (double& value : series.values)
        if (Present(value)) value = function(value);
    });
    return pipeline;
  }
  if (fn == Fn::kRound) {
    if (parameters.empty()) parameters.emplace_back(grid.count, 1.0);
    pipeline.stages.push_back([to = std::move(parameters[0])](Series& series) {
      series.drop_name = true;
      for (std::size_t step = 0; step < to.size(); ++step)
        if (double& value = series.values[step]; Present(value)) value = Round(value, to[step]);
    });
    return pipeline;
  }
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Column least(grid.count, -kInfinity);
  Column most(grid.count, kInfinity);
  if (fn == Fn::kClampMax) {
    most = std::move(parameters[0]);
  } else {
    least = std::move(parameters[0]);
    if (fn == Fn::kClamp) most = std::move(parameters[1]);
  }
  pipeline.stages.push_back([least = std::move(least), most = std::move(most)](Series& series) {
    series.drop_name = true;
    for (std::size_t step = 0; step < least.size(); ++step) {
      double& value = series.values[step];
      if (!Present(value)) continue;
      // Between bounds that are crossed lies nothing.
      value = most[step] < least[step] ? kAbsent : Clamp(value, least[step], most[step]);
    }
  });
  return pipeline;
}

Result<Matrix> Evaluator::Whole(const Call& call, const Grid& grid) {
  switch (call.function.fn) {
    case Fn::kAbsent:
      return Absent(call, grid);
    case Fn::kAbsentOverTime:
      return AbsentOverTime(call, grid);
    case Fn::kHistogramFraction:
      return HistogramFraction(call, grid);
    case Fn::kHistogramQuantile:
      return HistogramQuantile(call, grid);
    case Fn::kLabelJoin:
      return LabelJoin(call, grid);
    case Fn::kLabelReplace:
      return LabelReplace(call, grid);
    case Fn::kNativeHistogram: {
      // Of floats nothing; errors of the argument are errors all the same.
      RETURN_IF_ERROR(Vector(*call.args[0], grid));
      return Matrix{};
    }
    case Fn::kSort:
    case Fn::kSortDesc:
      return Sort(call, grid);
    case Fn::kVector: {
      Matrix matrix(1);
      ASSIGN_OR_RETURN(matrix[0].values, Scalar(*call.args[0], grid));
      return matrix;
    }
    default:
      CHECK(false, "no other function takes a vector as a whole");
  }
}

Result<Matrix> Evaluator::Absent(const Call& call, const Grid& grid) {
  ASSIGN_OR_RETURN(const Pipeline pipeline, Stream(*call.args[0], grid));
  const WorkerLease lease(context_, pipeline);
  std::vector<std::vector<bool>> there(lease.workers(), std::vector<bool>(grid.count));
  RETURN_IF_ERROR(
      Run(context_, pipeline, lease, [&](std::size_t, Series& series, Worker& worker) -> Result<> {
        for (std::size_t step = 0; step < grid.count; ++step)
          if (Present(series.values[step])) there[worker.index][step] = true;
        return {};
      }));
  Series series{.labels = LabelsOfAbsent(*call.args[0]), .values = Column(grid.count, 1.0)};
  for (const auto& part : there)
    for (std::size_t step = 0; step < grid.count; ++step)
      if (part[step]) series.values[step] = kAbsent;
  Matrix matrix;
  if (AnyPresent(series.values)) matrix.push_back(std::move(series));
  return matrix;
}

Result<Matrix> Evaluator::AbsentOverTime(const Call& call, const Grid& grid) {
  // Where present_over_time has nothing.
  const Expr& inner = Unwrapped(*call.args[0]);
  ASSIGN_OR_RETURN(RangeSource source, Samples(inner, grid));
  const bool selector = inner.kind == ExprKind::kMatrixSelector;
  const TimeShift& shift =
      selector ? As<MatrixSelector>(inner).vector->shift : As<Subquery>(inner).shift;
  const Pipeline pipeline = ApplyRange(
      std::move(source),
      {.fn = Fn::kPresentOverTime,
       .range_ms = selector ? As<MatrixSelector>(inner).range_ms : As<Subquery>(inner).range_ms,
       .moments = Moments(context_, shift, grid),
       .grid = grid,
       .parameters = {},
       .place = {},
       .parameter_place = {}});
  ASSIGN_OR_RETURN(const Matrix present, Collect(context_, pipeline));
  Series series{.labels = LabelsOfAbsent(inner), .values = Column(grid.count, 1.0)};
  for (const Series& other : present)
    for (std::size_t step = 0; step < grid.count; ++step)
      if (Present(other.values[step])) series.values[step] = kAbsent;
  Matrix matrix;
  if (AnyPresent(series.values)) matrix.push_back(std::move(series));
  return matrix;
}

Result<Matrix> Evaluator::Sort(const Call& call, const Grid& grid) {
  ASSIGN_OR_RETURN(Matrix matrix, Vector(*call.args[0], grid));
  // Of several steps each would want an order of its own.
  if (context_.grid.count > 1) {
    context_.notes.Warn(
        "sort is ineffective for range queries since results are always ordered by labels",
        context_.Place(call));
    return matrix;
  }
  if (grid.count != 1) return matrix;
  const bool descending = call.function.fn == Fn::kSortDesc;
  std::vector<std::size_t> order(matrix.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
    const double left = matrix[a].values[0];
    const double right = matrix[b].values[0];
    if (descending ? BeforeDescending(left, right) : BeforeAscending(left, right)) return true;
    if (descending ? BeforeDescending(right, left) : BeforeAscending(right, left)) return false;
    return a < b;  // equal ones keep their order
  });
  Matrix sorted;
  for (const std::size_t i : order) sorted.push_back(std::move(matrix[i]));
  return sorted;
}

Result<Matrix> Evaluator::LabelReplace(const Call& call, const Grid& grid) {
  const std::string& destination = TextOf(*call.args[1]);
  const std::string& replacement = TextOf(*call.args[2]);
  const std::string& from = TextOf(*call.args[3]);
  const std::string& pattern = TextOf(*call.args[4]);
  re2::RE2::Options options;
  options.set_dot_nl(true);
  options.set_log_errors(false);
  options.set_max_mem(8 << 20);
  const re2::RE2 regex(pattern, options);
  if (!regex.ok())
    return Fail(ErrorKind::kUnprocessable,
                fmt::format("invalid regular expression in label_replace(): {}", pattern));
  if (!IsLabelName(destination))
    return Fail(ErrorKind::kUnprocessable,
                fmt::format("invalid destination label name in label_replace(): {}", destination));
  ASSIGN_OR_RETURN(Matrix matrix, Vector(*call.args[0], grid));
  std::vector<re2::StringPiece> groups(static_cast<std::size_t>(regex.NumberOfCapturingGroups()) +
                                       1);
  for (Series& series : matrix) {
    const std::string value(series.labels.Get(from));
    if (!regex.Match(value, 0, value.size(), re2::RE2::ANCHOR_BOTH, groups.data(),
                     static_cast<int>(groups.size())))
      continue;
    series.labels.Set(destination, Expand(regex, replacement, groups));
    // A name that is given here stays.
    if (destination == telemetry::kMetricName) series.drop_name = false;
  }
  return MergeEqual(std::move(matrix));
}

Result<Matrix> Evaluator::LabelJoin(const Call& call, const Grid& grid) {
  const std::string& destination = TextOf(*call.args[1]);
  const std::string& separator = TextOf(*call.args[2]);
  for (std::size_t i = 3; i < call.args.size(); ++i)
    if (!IsLabelName(TextOf(*call.args[i])))
      return Fail(
          ErrorKind::kUnprocessable,
          fmt::format("invalid source label name in label_join(): {}", TextOf(*call.args[i])));
  if (!IsLabelName(destination))
    return Fail(ErrorKind::kUnprocessable,
                fmt::format("invalid destination label name in label_join(): {}", destination));
  ASSIGN_OR_RETURN(Matrix matrix, Vector(*call.args[0], grid));
  for (Series& series : matrix) {
    std::string joined;
    for (std::size_t i = 3; i < call.args.size(); ++i) {
      if (i > 3) joined += separator;
      joined += series.labels.Get(TextOf(*call.args[i]));
    }
    series.labels.Set(destination, joined);
    if (destination == telemetry::kMetricName) series.drop_name = false;
  }
  return MergeEqual(std::move(matrix));
}

}  // namespace enclave::observatory::promql
