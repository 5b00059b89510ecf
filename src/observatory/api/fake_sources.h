// Sources that tests fill by hand: the ports of telemetry/source.h over plain vectors.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "telemetry/source.h"

namespace enclave::observatory::api {

struct FakeSeries {
  telemetry::Labels labels;
  std::vector<telemetry::Sample> samples;
};

class FakeSeriesSet final : public telemetry::SeriesSet {
 public:
  explicit FakeSeriesSet(std::vector<FakeSeries> series) : series_(std::move(series)) {}
  std::size_t size() const override { return series_.size(); }
  const telemetry::Labels& labels(std::size_t index) const override {
    return series_[index].labels;
  }
  base::Result<> Read(std::size_t index, std::vector<telemetry::Sample>& samples) override {
    samples = series_[index].samples;
    return {};
  }

 private:
  std::vector<FakeSeries> series_;
};

class FakeMetrics final : public telemetry::MetricSource {
 public:
  std::vector<FakeSeries> series{};
  std::vector<telemetry::SeriesExemplars> exemplars{};
  std::map<std::string, std::vector<telemetry::MetricMetadata>> metadata{};
  std::optional<base::Error> broken{};

  base::Result<std::unique_ptr<telemetry::SeriesSet>> Select(
      const telemetry::Matchers& matchers, telemetry::TimeRangeMs range) override {
    if (broken) return base::Fail(*broken);
    std::vector<FakeSeries> found;
    for (const FakeSeries& one : series) {
      if (!telemetry::Matches(matchers, one.labels)) continue;
      FakeSeries cut{one.labels, {}};
      for (const telemetry::Sample& sample : one.samples)
        if (sample.time_ms >= range.from && sample.time_ms <= range.to)
          cut.samples.push_back(sample);
      if (!cut.samples.empty()) found.push_back(std::move(cut));
    }
    return std::make_unique<FakeSeriesSet>(std::move(found));
  }
  base::Result<std::vector<telemetry::Labels>> Series(
      const std::vector<telemetry::Matchers>& any_of, telemetry::TimeRangeMs,
      std::size_t limit) override {
    if (broken) return base::Fail(*broken);
    std::vector<telemetry::Labels> found;
    for (const FakeSeries& one : series)
      if (MatchesAny(any_of, one.labels) && found.size() < limit) found.push_back(one.labels);
    return found;
  }
  base::Result<std::vector<std::string>> LabelNames(const std::vector<telemetry::Matchers>& any_of,
                                                    telemetry::TimeRangeMs) override {
    std::set<std::string> names;
    for (const FakeSeries& one : series)
      if (MatchesAny(any_of, one.labels))
        for (const telemetry::Label& label : one.labels) names.insert(label.name);
    return std::vector(names.begin(), names.end());
  }
  base::Result<std::vector<std::string>> LabelValues(const std::string& name,
                                                     const std::vector<telemetry::Matchers>& any_of,
                                                     telemetry::TimeRangeMs) override {
    std::set<std::string> values;
    for (const FakeSeries& one : series)
      if (MatchesAny(any_of, one.labels) && one.labels.Has(name))
        values.emplace(one.labels.Get(name));
    return std::vector(values.begin(), values.end());
  }
  base::Result<std::vector<telemetry::SeriesExemplars>> Exemplars(
      const std::vector<telemetry::Matchers>& any_of, telemetry::TimeRangeMs) override {
    std::vector<telemetry::SeriesExemplars> found;
    for (const telemetry::SeriesExemplars& one : exemplars)
      if (MatchesAny(any_of, one.series)) found.push_back(one);
    return found;
  }
  base::Result<std::vector<telemetry::SeriesExemplars>> ExemplarsOf(
      trace::TraceId trace_id) override {
    std::vector<telemetry::SeriesExemplars> found;
    for (const telemetry::SeriesExemplars& one : exemplars) {
      telemetry::SeriesExemplars cut{one.series, {}};
      for (const telemetry::Exemplar& exemplar : one.exemplars)
        if (exemplar.trace_id == trace_id) cut.exemplars.push_back(exemplar);
      if (!cut.exemplars.empty()) found.push_back(std::move(cut));
    }
    return found;
  }
  base::Result<std::map<std::string, std::vector<telemetry::MetricMetadata>>> Metadata(
      const std::string& metric, std::size_t limit) override {
    std::map<std::string, std::vector<telemetry::MetricMetadata>> found;
    for (const auto& [name, all] : metadata)
      if ((metric.empty() || metric == name) && found.size() < limit) found[name] = all;
    return found;
  }

 private:
  static bool MatchesAny(const std::vector<telemetry::Matchers>& any_of,
                         const telemetry::Labels& labels) {
    return any_of.empty() || std::ranges::any_of(any_of, [&](const telemetry::Matchers& matchers) {
             return telemetry::Matches(matchers, labels);
           });
  }
};

class FakeLogs final : public telemetry::LogSource {
 public:
  // By time.
  std::vector<std::pair<telemetry::Labels, telemetry::LogRecord>> records{};

  base::Result<> Query(const telemetry::LogQuery& query,
                       const telemetry::LogVisitor& visit) override {
    auto ordered = records;
    if (query.direction == telemetry::Direction::kBackward) std::ranges::reverse(ordered);
    for (const auto& [stream, record] : ordered)
      if (telemetry::Matches(query.matchers, stream) && record.time_ns >= query.range.from &&
          record.time_ns < query.range.to && !visit(stream, record))
        break;
    return {};
  }
  base::Result<> OfTrace(trace::TraceId trace_id, const telemetry::LogVisitor& visit) override {
    for (const auto& [stream, record] : records)
      if (record.trace_id == trace_id && !visit(stream, record)) break;
    return {};
  }
  base::Result<std::vector<telemetry::Labels>> Streams(
      const std::vector<telemetry::Matchers>& any_of, telemetry::TimeRangeNs,
      std::size_t limit) override {
    std::set<telemetry::Labels> found;
    for (const auto& [stream, record] : records)
      for (const telemetry::Matchers& matchers : any_of)
        if (found.size() < limit && telemetry::Matches(matchers, stream)) found.insert(stream);
    return std::vector(found.begin(), found.end());
  }
  base::Result<std::vector<std::string>> StreamLabelNames(telemetry::TimeRangeNs) override {
    std::set<std::string> names;
    for (const auto& [stream, record] : records)
      for (const telemetry::Label& label : stream) names.insert(label.name);
    return std::vector(names.begin(), names.end());
  }
  base::Result<std::vector<std::string>> StreamLabelValues(const std::string& name,
                                                           telemetry::TimeRangeNs) override {
    std::set<std::string> values;
    for (const auto& [stream, record] : records)
      if (stream.Has(name)) values.emplace(stream.Get(name));
    return std::vector(values.begin(), values.end());
  }
};

class FakeTraces final : public telemetry::TraceSource {
 public:
  std::vector<telemetry::Span> spans{};  // by start

  base::Result<std::vector<telemetry::Span>> Trace(trace::TraceId trace_id) override {
    std::vector<telemetry::Span> found;
    for (const telemetry::Span& span : spans)
      if (span.trace_id == trace_id) found.push_back(span);
    return found;
  }
  base::Result<std::vector<telemetry::Span>> FindSpans(const telemetry::SpanQuery& query) override {
    std::vector<telemetry::Span> found;
    for (auto span = spans.rbegin(); span != spans.rend() && found.size() < query.limit; ++span) {
      const std::int64_t duration = span->end_ns - span->start_ns;
      if (span->start_ns < query.range.from || span->start_ns >= query.range.to) continue;
      if (query.service && *query.service != telemetry::ServiceName(span->resource)) continue;
      if (query.operation && *query.operation != span->name) continue;
      if (query.status && *query.status != span->status) continue;
      if (duration < query.min_duration_ns || duration > query.max_duration_ns) continue;
      if (!std::ranges::all_of(query.tags, [&](const telemetry::Attribute& tag) {
            const auto* value = telemetry::Find(span->attributes, tag.key);
            if (value == nullptr) value = telemetry::Find(span->resource, tag.key);
            return value != nullptr && telemetry::ToText(*value) == telemetry::ToText(tag.value);
          }))
        continue;
      found.push_back(*span);
    }
    return found;
  }
  base::Result<std::vector<std::string>> Services(telemetry::TimeRangeNs) override {
    std::set<std::string> names;
    for (const telemetry::Span& span : spans) names.insert(telemetry::ServiceName(span.resource));
    return std::vector(names.begin(), names.end());
  }
  base::Result<std::vector<std::string>> Operations(const std::string& service,
                                                    telemetry::TimeRangeNs) override {
    std::set<std::string> names;
    for (const telemetry::Span& span : spans)
      if (telemetry::ServiceName(span.resource) == service) names.insert(span.name);
    return std::vector(names.begin(), names.end());
  }
};

}  // namespace enclave::observatory::api
