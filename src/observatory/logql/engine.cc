#include "observatory/logql/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "observatory/logql/metric_query.h"
#include "observatory/logql/parser.h"
#include "observatory/logql/pipeline.h"
#include "observatory/logql/scan.h"

namespace enclave::observatory::logql {
namespace {

std::unexpected<base::Error> Wrong(std::string message) {
  return base::Fail(base::ErrorKind::kInvalidArgument, std::move(message));
}

// Series without a value at any step are left out.
base::Result<std::vector<Series>> Finish(StepVector vector, const Steps& steps,
                                         const Limits& limits) {
  std::vector<Series> result;
  for (StepSeries& from : vector.series) {
    Series series{std::move(from.labels), {}};
    for (std::size_t i = 0; i < steps.count; ++i)
      if (from.there[i]) series.points.push_back({steps.At(i), from.values[i]});
    if (!series.points.empty()) result.push_back(std::move(series));
  }
  if (result.size() > limits.series)
    return base::Fail(
        base::ErrorKind::kResourceExhausted,
        fmt::format("the query has {} series, at most {} are allowed; group them with sum by (...)",
                    result.size(), limits.series));
  if (!vector.ordered || steps.count > 1) std::ranges::sort(result, {}, &Series::labels);
  return result;
}

base::Result<Streams> Lines(telemetry::LogSource& source, Scan& scan, const LogSelector& selector,
                            telemetry::TimeRangeNs range, std::size_t limit,
                            telemetry::Direction direction) {
  Streams streams;
  std::unordered_map<telemetry::Labels, std::size_t, telemetry::LabelsHash> by_labels;
  std::size_t count = 0;
  if (limit == 0 || range.from >= range.to) return streams;
  Pipeline pipeline(selector);
  RETURN_IF_ERROR(scan.Query(
      source,
      {.matchers = selector.matchers,
       .range = range,
       .direction = direction,
       .contains = Pipeline::Literals(selector)},
      [&](const telemetry::Labels& stream, const telemetry::LogRecord& record) {
        if (!pipeline.Process(stream, record)) return true;
        telemetry::Labels labels = pipeline.All();
        const auto [at, added] = by_labels.try_emplace(std::move(labels), streams.size());
        if (added) streams.push_back({at->first, {}});
        streams[at->second].entries.push_back({record.time_ns, std::string(pipeline.line())});
        return ++count < limit;
      }));
  return streams;
}

}  // namespace

base::Result<Result> Engine::Query(std::string_view text, std::int64_t time_ns, std::size_t,
                                   telemetry::Direction, std::stop_token stop) {
  ASSIGN_OR_RETURN(const logql::Query query, Parse(text));
  const auto* metric = std::get_if<MetricExprPtr>(&query);
  if (metric == nullptr)
    return Wrong("log queries are not answered at one time; ask with query_range");
  const Steps steps{time_ns, 1, 1};
  Scan scan(limits_, std::move(stop));
  ASSIGN_OR_RETURN(StepVector vector,
                   MetricQuery(source_, scan, limits_, steps).Evaluate(**metric));
  if (vector.scalar) return Scalar{{time_ns, vector.series[0].values[0]}};
  ASSIGN_OR_RETURN(std::vector<Series> series, Finish(std::move(vector), steps, limits_));
  return Vector{std::move(series)};
}

base::Result<Result> Engine::QueryRange(std::string_view text, std::int64_t start_ns,
                                        std::int64_t end_ns, std::int64_t step_ns,
                                        std::size_t limit, telemetry::Direction direction,
                                        std::stop_token stop) {
  ASSIGN_OR_RETURN(const logql::Query query, Parse(text));
  Scan scan(limits_, std::move(stop));
  if (end_ns < start_ns) return Wrong("the end of the range lies before its start");
  if (const auto* selector = std::get_if<LogSelector>(&query)) {
    if (limit > limits_.entries)
      return Wrong(
          fmt::format("the limit of {} entries is above the most that one query may ask "
                      "for, {}",
                      limit, limits_.entries));
    ASSIGN_OR_RETURN(Streams streams,
                     Lines(source_, scan, *selector, {start_ns, end_ns}, limit, direction));
    return streams;
  }
  if (step_ns <= 0) return Wrong("the step must be above zero");
  const auto length = static_cast<std::uint64_t>(end_ns) - static_cast<std::uint64_t>(start_ns);
  const std::uint64_t count = length / static_cast<std::uint64_t>(step_ns) + 1;
  if (count > limits_.points_per_series)
    return Wrong(fmt::format("the range has {} steps, at most {} are allowed; take a longer step",
                             count, limits_.points_per_series));
  const Steps steps{start_ns, step_ns, static_cast<std::size_t>(count)};
  ASSIGN_OR_RETURN(
      StepVector vector,
      MetricQuery(source_, scan, limits_, steps).Evaluate(*std::get<MetricExprPtr>(query)));
  ASSIGN_OR_RETURN(std::vector<Series> series, Finish(std::move(vector), steps, limits_));
  return Matrix{std::move(series)};
}

}  // namespace enclave::observatory::logql
