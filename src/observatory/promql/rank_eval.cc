// Aggregations that need all values of a group at a step at once: topk, bottomk, quantile,
// count_values.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/quote.h"
#include "observatory/promql/evaluator.h"
#include "observatory/promql/grouping.h"
#include "observatory/promql/number_text.h"
#include "observatory/promql/utf8.h"

namespace enclave::observatory::promql {

using base::ErrorKind;
using base::Fail;
using base::Result;

namespace {

constexpr double kTwoTo63 = 9223372036854775808.0;

// Series of each group, by index.
std::vector<std::vector<std::size_t>> MembersOf(Groups& groups, const Matrix& matrix) {
  std::vector<std::vector<std::size_t>> members;
  for (std::size_t i = 0; i < matrix.size(); ++i) {
    const std::size_t group = groups.IndexOf(matrix[i]);
    if (group == members.size()) members.emplace_back();
    members[group].push_back(i);
  }
  return members;
}

}  // namespace

Result<Matrix> Evaluator::Ranked(const Aggregate& node, const Grid& grid) {
  ASSIGN_OR_RETURN(const Column sizes, Scalar(*node.param, grid));
  if (!std::ranges::any_of(sizes, [](double k) { return std::isnan(k) || k >= 1; }))
    return Matrix{};
  for (const double k : sizes) {
    if (std::isnan(k)) return Fail(ErrorKind::kUnprocessable, "Parameter value is NaN");
    if (k <= -kTwoTo63 || k >= kTwoTo63)
      return Fail(ErrorKind::kUnprocessable,
                  fmt::format("Scalar value {} {} int64", FormatCompact(k),
                              k < 0 ? "underflows" : "overflows"));
  }
  ASSIGN_OR_RETURN(Matrix matrix, Vector(*node.expr, grid));
  Groups groups(node);
  const auto members = MembersOf(groups, matrix);
  const bool descending = node.op == Token::kTopk;

  struct Candidate {
    double value;
    std::size_t series;
  };
  std::vector<Candidate> candidates;
  std::vector<std::size_t> order;  // of the result, when there is one step to rank by
  for (const auto& group : members) {
    for (std::size_t step = 0; step < grid.count; ++step) {
      candidates.clear();
      for (const std::size_t i : group)
        if (const double value = matrix[i].values[step]; Present(value))
          candidates.push_back({value, i});
      const double k = std::max(std::min(sizes[step], static_cast<double>(candidates.size())), 0.0);
      const auto kept = candidates.begin() + static_cast<std::ptrdiff_t>(k);
      // Of equal values those that come first.
      std::partial_sort(
          candidates.begin(), kept, candidates.end(), [&](const Candidate& a, const Candidate& b) {
            const bool before =
                descending ? BeforeDescending(a.value, b.value) : BeforeAscending(a.value, b.value);
            if (before) return true;
            const bool after =
                descending ? BeforeDescending(b.value, a.value) : BeforeAscending(b.value, a.value);
            return !after && a.series < b.series;
          });
      for (auto it = candidates.begin(); it != kept && grid.count == 1; ++it)
        order.push_back(it->series);
      for (auto it = kept; it != candidates.end(); ++it) matrix[it->series].values[step] = kAbsent;
    }
  }
  if (grid.count == 1) {
    Matrix ranked;
    for (const std::size_t i : order) ranked.push_back(std::move(matrix[i]));
    return ranked;
  }
  std::erase_if(matrix, [](const Series& series) { return !AnyPresent(series.values); });
  return matrix;
}

Result<Matrix> Evaluator::Quantiles(const Aggregate& node, const Grid& grid) {
  ASSIGN_OR_RETURN(const Column q, Scalar(*node.param, grid));
  // Of bad ones the worst are told.
  double least = 0;
  double most = 1;
  const auto warn = [&](double value) {
    context_.notes.Warn(
        fmt::format("quantile value should be between 0 and 1, got {}", FormatCompact(value)),
        context_.Place(Unwrapped(*node.param)));
  };
  for (const double value : q) {
    if (std::isnan(value)) warn(value);
    least = std::min(least, value);
    most = std::max(most, value);
  }
  if (least < 0) warn(least);
  if (most > 1) warn(most);

  ASSIGN_OR_RETURN(const Matrix matrix, Vector(*node.expr, grid));
  Groups groups(node);
  const auto members = MembersOf(groups, matrix);
  Matrix result;
  std::vector<double> values;
  for (std::size_t group = 0; group < members.size(); ++group) {
    Series series = groups.at(group);
    series.values.assign(grid.count, kAbsent);
    for (std::size_t step = 0; step < grid.count; ++step) {
      values.clear();
      for (const std::size_t i : members[group])
        if (Present(matrix[i].values[step])) values.push_back(matrix[i].values[step]);
      if (!values.empty()) series.values[step] = Quantile(q[step], values);
    }
    if (AnyPresent(series.values)) result.push_back(std::move(series));
  }
  return result;
}

Result<Matrix> Evaluator::CountValues(const Aggregate& node, const Grid& grid) {
  const std::string& label = As<StringLiteral>(Unwrapped(*node.param)).value;
  if (!IsLabelName(label))
    return Fail(ErrorKind::kUnprocessable,
                fmt::format("invalid label name {}", base::Quote(label)));
  ASSIGN_OR_RETURN(const Matrix matrix, Vector(*node.expr, grid));
  Groups groups(node);
  const auto members = MembersOf(groups, matrix);
  // `without` the label itself leaves nothing to tell the values apart.
  const bool kept = !node.without || std::ranges::find(node.grouping, label) == node.grouping.end();
  Matrix result;
  for (std::size_t group = 0; group < members.size(); ++group) {
    std::map<std::string, std::size_t> by_value;
    for (const std::size_t i : members[group]) {
      for (std::size_t step = 0; step < grid.count; ++step) {
        const double value = matrix[i].values[step];
        if (!Present(value)) continue;
        const auto [at, fresh] =
            by_value.try_emplace(kept ? FormatFixed(value) : "", result.size());
        if (fresh) {
          RETURN_IF_ERROR(context_.Charge(grid.count));
          Series series = groups.at(group);
          if (kept) series.labels.Set(label, at->first);
          series.values.assign(grid.count, kAbsent);
          result.push_back(std::move(series));
        }
        double& count = result[at->second].values[step];
        count = Present(count) ? count + 1 : 1;
      }
    }
  }
  // Groups that differed in the label only are one now.
  Matrix merged;
  std::map<telemetry::Labels, std::size_t> index;
  for (Series& series : result) {
    const auto [at, fresh] = index.try_emplace(series.labels, merged.size());
    if (fresh) {
      merged.push_back(std::move(series));
      continue;
    }
    Column& into = merged[at->second].values;
    for (std::size_t step = 0; step < grid.count; ++step)
      if (Present(series.values[step]))
        into[step] = (Present(into[step]) ? into[step] : 0) + series.values[step];
  }
  return merged;
}

}  // namespace enclave::observatory::promql
