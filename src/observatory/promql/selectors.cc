#include "observatory/promql/selectors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/quote.h"
#include "observatory/promql/number_text.h"

namespace enclave::observatory::promql {
namespace {

using base::Result;
using telemetry::Sample;

// What the functions of a pipeline share of a selection.
class SharedSet {
 public:
  SharedSet(const QueryContext& context, std::unique_ptr<telemetry::SeriesSet> set)
      : context_(context), set_(std::move(set)) {}

  std::size_t size() const { return set_->size(); }
  const telemetry::Labels& labels(std::size_t index) const { return set_->labels(index); }
  Result<> Read(std::size_t index, std::vector<Sample>& samples) {
    RETURN_IF_ERROR(set_->Read(index, samples));
    if (samples.size() > context_.options.max_samples) return context_.TooManySamples();
    return {};
  }

 private:
  const QueryContext& context_;
  std::unique_ptr<telemetry::SeriesSet> set_;
};

Result<std::shared_ptr<SharedSet>> Select(QueryContext& context, const VectorSelector& selector,
                                          telemetry::TimeRangeMs range) {
  RETURN_IF_ERROR(context.Check());
  auto set = context.source.Select(selector.matchers, range);
  if (!set) return base::Fail(set.error().While("expanding series"));
  return std::make_shared<SharedSet>(context, std::move(*set));
}

// The newest sample at each moment. Samples are sorted, moments never go back.
bool FillInstant(const std::vector<Sample>& samples, const Moments& moments,
                 std::int64_t lookback_ms, bool times, Column& values) {
  bool any = false;
  std::size_t next = 0;
  for (std::size_t step = 0; step < values.size(); ++step) {
    if (step > 0 && moments.fixed()) {
      values[step] = values[0];
      continue;
    }
    const std::int64_t moment = moments.at(step);
    while (next < samples.size() && samples[next].time_ms <= moment) ++next;
    values[step] = kAbsent;
    if (next == 0) continue;
    const Sample& sample = samples[next - 1];
    if (sample.time_ms <= moment - lookback_ms || telemetry::IsStale(sample.value)) continue;
    values[step] = times ? static_cast<double>(sample.time_ms) / 1000 : sample.value;
    any = true;
  }
  return any;
}

bool LooksLikeACounter(std::string_view name) {
  return name.ends_with("_total") || name.ends_with("_sum") || name.ends_with("_count") ||
         name.ends_with("_bucket");
}

bool InvalidQuantile(double q) {
  return std::isnan(q) || q < 0 || q > 1;
}

void FindResets(const std::vector<Sample>& samples, std::vector<std::uint32_t>& resets) {
  resets.clear();
  for (std::size_t i = 1; i < samples.size(); ++i)
    if (samples[i].value < samples[i - 1].value) resets.push_back(static_cast<std::uint32_t>(i));
}

bool FillRange(const RangeCall& call, RangeFunction function, const RangeInput& input,
               Worker& worker, Column& values) {
  bool any = false;
  Window window;
  const auto& samples = input.samples;
  for (std::size_t step = 0; step < values.size(); ++step) {
    window.now_ms = call.grid.at(step);
    if (step == 0 || !call.moments.fixed()) {
      window.end_ms = call.moments.at(step);
      window.start_ms = window.end_ms - call.range_ms;
      while (window.last < samples.size() && samples[window.last].time_ms <= window.end_ms)
        ++window.last;
      while (window.first < window.last && samples[window.first].time_ms <= window.start_ms)
        ++window.first;
    }
    values[step] = kAbsent;
    if (window.first == window.last) continue;
    if (!call.parameters.empty()) {
      window.parameter = call.parameters[step];
      if (call.fn == Fn::kQuantileOverTime && InvalidQuantile(window.parameter))
        worker.notes.Warn(fmt::format("quantile value should be between 0 and 1, got {}",
                                      FormatCompact(window.parameter)),
                          call.parameter_place);
    }
    double result = 0;
    if (!function(input, window, result, worker.scratch)) continue;
    values[step] = result;
    any = true;
  }
  return any;
}

}  // namespace

Moments::Moments(const QueryContext& context, const TimeShift& shift, const Grid& grid)
    : fixed_(shift.at != TimeShift::At::kNone), step_ms_(grid.step_ms) {
  std::int64_t at = grid.start_ms;
  if (shift.at == TimeShift::At::kTime) at = shift.at_ms;
  if (shift.at == TimeShift::At::kStart) at = context.grid.start_ms;
  if (shift.at == TimeShift::At::kEnd) at = context.grid.last();
  first_ms_ = at - shift.offset_ms;
  last_ms_ = fixed_ ? first_ms_ : grid.last() - shift.offset_ms;
}

Result<Pipeline> SelectInstant(QueryContext& context, const VectorSelector& selector,
                               const Grid& grid, bool times) {
  const Moments moments(context, selector.shift, grid);
  const std::int64_t lookback_ms = context.options.lookback_delta.count();
  ASSIGN_OR_RETURN(std::shared_ptr<SharedSet> set,
                   Select(context, selector, {moments.first() - lookback_ms + 1, moments.last()}));
  Pipeline pipeline{.grid = grid, .size = set->size()};
  pipeline.fetch_in_turns = !context.options.concurrent_reads;
  pipeline.fetch = [set](std::size_t index, std::vector<Sample>& samples) {
    return set->Read(index, samples);
  };
  pipeline.produce = [=](std::size_t index, Series& series, Worker& worker) -> Result<bool> {
    if (!FillInstant(worker.samples, moments, lookback_ms, times, series.values)) return false;
    series.labels = set->labels(index);
    series.drop_name = times;
    return true;
  };
  return pipeline;
}

Result<RangeSource> SelectRange(QueryContext& context, const MatrixSelector& selector,
                                const Grid& grid) {
  const Moments moments(context, selector.vector->shift, grid);
  ASSIGN_OR_RETURN(
      std::shared_ptr<SharedSet> set,
      Select(context, *selector.vector, {moments.first() - selector.range_ms + 1, moments.last()}));
  RangeSource source;
  source.size = set->size();
  source.in_turns = !context.options.concurrent_reads;
  source.labels = [set](std::size_t index) -> const telemetry::Labels& {
    return set->labels(index);
  };
  source.drop_name = [](std::size_t) { return false; };
  source.read = [set](std::size_t index, std::vector<Sample>& samples) -> Result<> {
    RETURN_IF_ERROR(set->Read(index, samples));
    std::erase_if(samples, [](const Sample& sample) { return telemetry::IsStale(sample.value); });
    return {};
  };
  return source;
}

RangeSource FromSubquery(Matrix matrix, Grid grid) {
  auto all = std::make_shared<const Matrix>(std::move(matrix));
  RangeSource source;
  source.size = all->size();
  source.labels = [all](std::size_t index) -> const telemetry::Labels& {
    return (*all)[index].labels;
  };
  source.drop_name = [all](std::size_t index) { return (*all)[index].drop_name; };
  source.read = [all, grid](std::size_t index, std::vector<Sample>& samples) -> Result<> {
    samples.clear();
    const Column& values = (*all)[index].values;
    for (std::size_t step = 0; step < values.size(); ++step)
      if (Present(values[step])) samples.push_back({grid.at(step), values[step]});
    return {};
  };
  return source;
}

Result<Grid> SubqueryGrid(const QueryContext& context, const Subquery& subquery, const Grid& grid) {
  const Moments moments(context, subquery.shift, grid);
  Grid inner;
  inner.step_ms = subquery.step_ms != 0
                      ? subquery.step_ms
                      : std::max<std::int64_t>(context.options.default_subquery_step.count(), 1);
  // Steps are multiples of the step, whatever the query's time, and the range's start is not in it.
  const std::int64_t before = moments.first() - subquery.range_ms;
  inner.start_ms = before / inner.step_ms * inner.step_ms;
  if (inner.start_ms <= before) inner.start_ms += inner.step_ms;
  if (inner.start_ms > moments.last()) return inner;
  inner.count = static_cast<std::size_t>((moments.last() - inner.start_ms) / inner.step_ms) + 1;
  if (inner.count > context.options.max_samples)
    return base::Fail(context.TooManySamples().error());
  return inner;
}

Pipeline ApplyRange(RangeSource source, RangeCall call) {
  Pipeline pipeline{.grid = call.grid, .size = source.size};
  const RangeFunction function = RangeFunctionOf(call.fn);
  const bool keeps_name = call.fn == Fn::kLastOverTime || call.fn == Fn::kFirstOverTime;
  const bool needs_resets = NeedsResets(call.fn);
  pipeline.fetch = source.read;
  pipeline.fetch_in_turns = source.in_turns;
  pipeline.produce = [=, source = std::move(source), call = std::move(call)](
                         std::size_t index, Series& series, Worker& worker) -> Result<bool> {
    if (worker.samples.empty()) return false;
    if (needs_resets) FindResets(worker.samples, worker.resets);
    const RangeInput input{worker.samples, worker.resets};
    if (!FillRange(call, function, input, worker, series.values)) return false;
    series.labels = source.labels(index);
    series.drop_name = !keeps_name || source.drop_name(index);
    if (needs_resets) {
      const std::string_view name = series.labels.Get(telemetry::kMetricName);
      if (!name.empty() && !LooksLikeACounter(name) && worker.last_noted != name) {
        worker.last_noted = name;
        worker.notes.Inform(fmt::format("metric might not be a counter, name does not end in "
                                        "_total/_sum/_count/_bucket: {}",
                                        base::Quote(name)),
                            call.place);
      }
    }
    return true;
  };
  return pipeline;
}

}  // namespace enclave::observatory::promql
