// histogram_quantile and histogram_fraction over series of buckets.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "base/quote.h"
#include "observatory/promql/evaluator.h"
#include "observatory/promql/histogram.h"
#include "observatory/promql/number_text.h"

namespace enclave::observatory::promql {

using base::Result;

namespace {

constexpr std::string_view kBucketLabel = "le";

// The series of one histogram.
struct BucketGroup {
  telemetry::Labels labels;  // without le
  struct Member {
    double bound;
    std::size_t series;
  };
  std::vector<Member> members;  // by bound
};

std::vector<BucketGroup> GroupBuckets(QueryContext& context, const Matrix& matrix,
                                      const std::string& place) {
  std::vector<BucketGroup> groups;
  std::unordered_map<telemetry::Labels, std::size_t, telemetry::LabelsHash> index;
  for (std::size_t i = 0; i < matrix.size(); ++i) {
    const telemetry::Labels& labels = matrix[i].labels;
    const std::string_view text = labels.Get(kBucketLabel);
    const auto bound = ParseBound(text);
    if (!bound) {
      const std::string_view name = labels.Get(telemetry::kMetricName);
      context.notes.Warn(
          fmt::format("bucket label \"le\" is missing or has a malformed value of {}{}",
                      base::Quote(text),
                      name.empty() ? "" : fmt::format(" for metric name {}", base::Quote(name))),
          place);
      continue;
    }
    telemetry::Labels without = labels;
    without.Remove(kBucketLabel);
    const auto [at, fresh] = index.try_emplace(without, groups.size());
    if (fresh) groups.push_back({std::move(without), {}});
    groups[at->second].members.push_back({*bound, i});
  }
  for (BucketGroup& group : groups)
    std::ranges::sort(group.members, {}, [](const BucketGroup::Member& member) {
      return std::pair(member.bound, member.series);
    });
  return groups;
}

// `of(step, buckets)` for each step that has buckets.
template <typename Function>
Matrix OfEachGroup(const Matrix& matrix, const std::vector<BucketGroup>& groups, const Grid& grid,
                   Function of) {
  Matrix result;
  std::vector<Bucket> buckets;
  for (const BucketGroup& group : groups) {
    Series series{.labels = group.labels, .drop_name = true, .values = Column(grid.count, kAbsent)};
    for (std::size_t step = 0; step < grid.count; ++step) {
      buckets.clear();
      for (const auto& member : group.members)
        if (const double count = matrix[member.series].values[step]; Present(count))
          buckets.push_back({member.bound, count});
      if (!buckets.empty()) series.values[step] = of(group, step, buckets);
    }
    if (AnyPresent(series.values)) result.push_back(std::move(series));
  }
  return result;
}

}  // namespace

Result<Matrix> Evaluator::HistogramQuantile(const Call& call, const Grid& grid) {
  ASSIGN_OR_RETURN(const Column q, Scalar(*call.args[0], grid));
  ASSIGN_OR_RETURN(const Matrix matrix, Vector(*call.args[1], grid));
  const std::string q_place = context_.Place(Unwrapped(*call.args[0]));
  const std::string place = context_.Place(Unwrapped(*call.args[1]));
  for (const double value : q)
    if (std::isnan(value) || value < 0 || value > 1)
      context_.notes.Warn(
          fmt::format("quantile value should be between 0 and 1, got {}", FormatCompact(value)),
          q_place);
  const auto groups = GroupBuckets(context_, matrix, place);
  return OfEachGroup(matrix, groups, grid,
                     [&](const BucketGroup& group, std::size_t step, std::vector<Bucket>& buckets) {
                       std::optional<MonotonicityFix> fix;
                       const double value = BucketQuantile(q[step], buckets, fix);
                       if (fix) {
                         fix->first_ms = fix->last_ms = grid.at(step);
                         context_.notes.MonotonicityFixed(group.labels.Get(telemetry::kMetricName),
                                                          place, *fix);
                       }
                       return value;
                     });
}

Result<Matrix> Evaluator::HistogramFraction(const Call& call, const Grid& grid) {
  ASSIGN_OR_RETURN(const Column lower, Scalar(*call.args[0], grid));
  ASSIGN_OR_RETURN(const Column upper, Scalar(*call.args[1], grid));
  ASSIGN_OR_RETURN(const Matrix matrix, Vector(*call.args[2], grid));
  const auto groups = GroupBuckets(context_, matrix, context_.Place(Unwrapped(*call.args[2])));
  return OfEachGroup(matrix, groups, grid,
                     [&](const BucketGroup&, std::size_t step, std::vector<Bucket>& buckets) {
                       return BucketFraction(lower[step], upper[step], buckets);
                     });
}

}  // namespace enclave::observatory::promql
