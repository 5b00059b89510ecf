#include "telemetry/in_memory.h"

#include <algorithm>
#include <limits>
#include <queue>
#include <set>
#include <utility>

#include "base/check.h"

namespace enclave::telemetry {
namespace {

bool MatchesAny(const std::vector<Matchers>& any_of, const Labels& labels) {
  return any_of.empty() || std::ranges::any_of(any_of, [&](const Matchers& matchers) {
           return Matches(matchers, labels);
         });
}

bool HasSamples(const std::vector<Sample>& samples, TimeRangeMs range) {
  const auto first = std::ranges::lower_bound(samples, range.from, {}, &Sample::time_ms);
  return first != samples.end() && first->time_ms <= range.to;
}

// Sorts by time and keeps the last of each time.
void Order(std::vector<Sample>& samples) {
  const bool ordered = std::ranges::adjacent_find(samples, std::ranges::greater_equal(),
                                                  &Sample::time_ms) == samples.end();
  if (ordered) return;
  std::vector<std::pair<std::int64_t, std::size_t>> order;  // time, place
  order.reserve(samples.size());
  for (const Sample& sample : samples) order.emplace_back(sample.time_ms, order.size());
  std::ranges::sort(order);
  std::vector<Sample> sorted;
  sorted.reserve(samples.size());
  for (const auto& [time_ms, place] : order) {
    if (!sorted.empty() && sorted.back().time_ms == time_ms) sorted.pop_back();
    sorted.push_back(samples[place]);
  }
  samples = std::move(sorted);
}

// The name that every match must have; null when the matchers leave it open.
const std::string* NameOf(const Matchers& matchers) {
  for (const Matcher& matcher : matchers)
    if (matcher.op() == MatchOp::kEqual && matcher.name() == kMetricName &&
        !matcher.value().empty())
      return &matcher.value();
  return nullptr;
}

}  // namespace

class InMemoryMetrics::Set final : public SeriesSet {
 public:
  explicit Set(TimeRangeMs range) : range_(range) {}
  void Add(std::shared_ptr<const Entry> entry) { entries_.push_back(std::move(entry)); }

  std::size_t size() const override { return entries_.size(); }
  const Labels& labels(std::size_t index) const override { return entries_[index]->labels; }
  base::Result<> Read(std::size_t index, std::vector<Sample>& samples) override {
    const std::vector<Sample>& all = entries_[index]->samples;
    const auto first = std::ranges::lower_bound(all, range_.from, {}, &Sample::time_ms);
    const auto last = std::ranges::upper_bound(first, all.end(), range_.to, {}, &Sample::time_ms);
    samples.assign(first, last);
    return {};
  }

 private:
  TimeRangeMs range_;
  std::vector<std::shared_ptr<const Entry>> entries_;
};

void InMemoryMetrics::Add(Labels labels, std::vector<Sample> samples) {
  Order(samples);
  const auto [at, is_new] = index_.try_emplace(labels, series_.size());
  if (is_new) {
    by_name_[std::string(labels.Get(kMetricName))].push_back(series_.size());
    series_.push_back(std::make_shared<const Entry>(std::move(labels), std::move(samples)));
    return;
  }
  std::shared_ptr<const Entry>& slot = series_[at->second];
  Entry merged{slot->labels, {}};
  merged.samples.reserve(slot->samples.size() + samples.size());
  merged.samples.assign(slot->samples.begin(), slot->samples.end());
  merged.samples.insert(merged.samples.end(), samples.begin(), samples.end());
  Order(merged.samples);
  slot = std::make_shared<const Entry>(std::move(merged));
}

void InMemoryMetrics::AddExemplars(Labels labels, std::vector<Exemplar> exemplars) {
  std::vector<Exemplar>& all = exemplars_[std::move(labels)];
  for (Exemplar& exemplar : exemplars) {
    const auto at = std::ranges::upper_bound(all, exemplar.time_ms, {}, &Exemplar::time_ms);
    all.insert(at, std::move(exemplar));
  }
}

void InMemoryMetrics::SetMetadata(const std::string& metric, MetricMetadata metadata) {
  metadata_[metric] = {std::move(metadata)};
}

template <typename Take>
void InMemoryMetrics::Find(const std::vector<Matchers>& any_of, TimeRangeMs range,
                           const Take& take) const {
  const auto look = [&](std::size_t index) {
    const std::shared_ptr<const Entry>& entry = series_[index];
    if (MatchesAny(any_of, entry->labels) && HasSamples(entry->samples, range)) take(entry);
  };
  if (any_of.size() == 1) {
    if (const std::string* name = NameOf(any_of.front())) {
      const auto at = by_name_.find(*name);
      if (at == by_name_.end()) return;
      for (const std::size_t index : at->second) look(index);
      return;
    }
  }
  for (std::size_t index = 0; index < series_.size(); ++index) look(index);
}

base::Result<std::unique_ptr<SeriesSet>> InMemoryMetrics::Select(const Matchers& matchers,
                                                                 TimeRangeMs range) {
  auto set = std::make_unique<Set>(range);
  Find({matchers}, range, [&](const std::shared_ptr<const Entry>& entry) { set->Add(entry); });
  return set;
}

base::Result<std::vector<Labels>> InMemoryMetrics::Series(const std::vector<Matchers>& any_of,
                                                          TimeRangeMs range, std::size_t limit) {
  std::vector<Labels> found;
  Find(any_of, range, [&](const std::shared_ptr<const Entry>& entry) {
    if (found.size() < limit) found.push_back(entry->labels);
  });
  return found;
}

base::Result<std::vector<std::string>> InMemoryMetrics::LabelNames(
    const std::vector<Matchers>& any_of, TimeRangeMs range) {
  std::set<std::string> names;
  Find(any_of, range, [&](const std::shared_ptr<const Entry>& entry) {
    for (const Label& label : entry->labels) names.insert(label.name);
  });
  return std::vector<std::string>(names.begin(), names.end());
}

base::Result<std::vector<std::string>> InMemoryMetrics::LabelValues(
    const std::string& name, const std::vector<Matchers>& any_of, TimeRangeMs range) {
  std::set<std::string> values;
  Find(any_of, range, [&](const std::shared_ptr<const Entry>& entry) {
    if (const std::string_view value = entry->labels.Get(name); !value.empty())
      values.emplace(value);
  });
  return std::vector<std::string>(values.begin(), values.end());
}

base::Result<std::vector<SeriesExemplars>> InMemoryMetrics::Exemplars(
    const std::vector<Matchers>& any_of, TimeRangeMs range) {
  std::vector<SeriesExemplars> found;
  for (const auto& [labels, exemplars] : exemplars_) {
    if (!MatchesAny(any_of, labels)) continue;
    const auto first = std::ranges::lower_bound(exemplars, range.from, {}, &Exemplar::time_ms);
    const auto last =
        std::ranges::upper_bound(first, exemplars.end(), range.to, {}, &Exemplar::time_ms);
    if (first != last) found.push_back({labels, {first, last}});
  }
  return found;
}

base::Result<std::vector<SeriesExemplars>> InMemoryMetrics::ExemplarsOf(trace::TraceId trace_id) {
  std::vector<SeriesExemplars> found;
  for (const auto& [labels, exemplars] : exemplars_) {
    SeriesExemplars series{labels, {}};
    for (const Exemplar& exemplar : exemplars)
      if (exemplar.trace_id == trace_id) series.exemplars.push_back(exemplar);
    if (!series.exemplars.empty()) found.push_back(std::move(series));
  }
  return found;
}

base::Result<std::map<std::string, std::vector<MetricMetadata>>> InMemoryMetrics::Metadata(
    const std::string& metric, std::size_t limit) {
  std::map<std::string, std::vector<MetricMetadata>> found;
  for (const auto& [name, metadata] : metadata_) {
    if (found.size() >= limit) break;
    if (metric.empty() || metric == name) found.emplace(name, metadata);
  }
  return found;
}

void InMemoryLogs::Add(const Labels& stream, std::vector<LogRecord> records) {
  std::vector<Entry>& all = streams_[stream];
  bool ordered = true;
  all.reserve(all.size() + records.size());
  for (LogRecord& record : records) {
    ordered = ordered && (all.empty() || all.back().record.time_ns <= record.time_ns);
    all.push_back({std::move(record), arrivals_++});
  }
  if (!ordered)
    std::ranges::sort(
        all, {}, [](const Entry& entry) { return std::pair(entry.record.time_ns, entry.arrival); });
}

base::Result<> InMemoryLogs::Query(const LogQuery& query, const LogVisitor& visit) {
  // One cursor for each stream, the next record of all on top.
  struct Cursor {
    // Of the next record, kept here: comparing cursors reads no record.
    std::int64_t time_ns;
    std::uint64_t arrival;
    const Labels* stream;
    const Entry* begin;
    const Entry* end;  // going back, the record before it is the next
  };
  const bool forward = query.direction == Direction::kForward;
  const auto next = [forward](const Cursor& cursor) -> const Entry& {
    return forward ? *cursor.begin : *(cursor.end - 1);
  };
  const auto note = [&](Cursor& cursor) {
    cursor.time_ns = next(cursor).record.time_ns;
    cursor.arrival = next(cursor).arrival;
  };
  const auto later = [&](const Cursor& a, const Cursor& b) {
    const auto of_a = std::pair(a.time_ns, a.arrival);
    const auto of_b = std::pair(b.time_ns, b.arrival);
    return forward ? of_a > of_b : of_a < of_b;
  };
  std::priority_queue<Cursor, std::vector<Cursor>, decltype(later)> cursors(later);
  const auto time_of = [](const Entry& entry) { return entry.record.time_ns; };
  for (const auto& [stream, entries] : streams_) {
    if (!Matches(query.matchers, stream)) continue;
    const auto first = std::ranges::lower_bound(entries, query.range.from, {}, time_of);
    const auto last = std::ranges::lower_bound(first, entries.end(), query.range.to, {}, time_of);
    if (first == last) continue;
    Cursor cursor{0, 0, &stream, &*first, &*first + (last - first)};
    note(cursor);
    cursors.push(cursor);
  }
  while (!cursors.empty()) {
    Cursor cursor = cursors.top();
    cursors.pop();
    // As long as this stream has the next record, the others need not be asked twice.
    do {
      const LogRecord& record = next(cursor).record;
      forward ? static_cast<void>(++cursor.begin) : static_cast<void>(--cursor.end);
      if (!visit(*cursor.stream, record)) return {};
      if (cursor.begin != cursor.end) {
        note(cursor);
        __builtin_prefetch(next(cursor).record.line.data());
      }
    } while (cursor.begin != cursor.end && (cursors.empty() || !later(cursor, cursors.top())));
    if (cursor.begin != cursor.end) cursors.push(cursor);
  }
  return {};
}

base::Result<> InMemoryLogs::OfTrace(trace::TraceId trace_id, const LogVisitor& visit) {
  return Query({.matchers = {},
                .range = {std::numeric_limits<std::int64_t>::min(),
                          std::numeric_limits<std::int64_t>::max()}},
               [&](const Labels& stream, const LogRecord& record) {
                 return record.trace_id != trace_id || visit(stream, record);
               });
}

base::Result<std::vector<Labels>> InMemoryLogs::Streams(const std::vector<Matchers>& any_of,
                                                        TimeRangeNs range, std::size_t limit) {
  std::vector<Labels> found;
  for (const auto& [stream, entries] : streams_) {
    if (found.size() >= limit) break;
    const auto first = std::ranges::lower_bound(
        entries, range.from, {}, [](const Entry& entry) { return entry.record.time_ns; });
    if (first != entries.end() && first->record.time_ns < range.to && MatchesAny(any_of, stream))
      found.push_back(stream);
  }
  return found;
}

base::Result<std::vector<std::string>> InMemoryLogs::StreamLabelNames(TimeRangeNs range) {
  ASSIGN_OR_RETURN(const std::vector<Labels> streams,
                   Streams({}, range, std::numeric_limits<std::size_t>::max()));
  std::set<std::string> names;
  for (const Labels& stream : streams)
    for (const Label& label : stream) names.insert(label.name);
  return std::vector<std::string>(names.begin(), names.end());
}

base::Result<std::vector<std::string>> InMemoryLogs::StreamLabelValues(const std::string& name,
                                                                       TimeRangeNs range) {
  ASSIGN_OR_RETURN(const std::vector<Labels> streams,
                   Streams({}, range, std::numeric_limits<std::size_t>::max()));
  std::set<std::string> values;
  for (const Labels& stream : streams)
    if (const std::string_view value = stream.Get(name); !value.empty()) values.emplace(value);
  return std::vector<std::string>(values.begin(), values.end());
}

void InMemoryTraces::Add(Span span) {
  CHECK(spans_.size() < std::numeric_limits<std::uint32_t>::max(),
        "a source in memory holds less than 2^32 spans");
  of_trace_[span.trace_id].push_back(static_cast<std::uint32_t>(spans_.size()));
  starts_ns_.push_back(span.start_ns);
  spans_.push_back(std::move(span));
}

base::Result<> InMemoryTraces::Visit(TimeRangeNs range, const SpanVisitor& visit) {
  // What a span points to is elsewhere in memory: asked for some spans ahead, it is there in time.
  constexpr std::size_t kAhead = 6;
  for (std::size_t index = 0; index < spans_.size(); ++index) {
    if (starts_ns_[index] < range.from || starts_ns_[index] >= range.to) continue;
    if (index + kAhead < spans_.size()) {
      __builtin_prefetch(spans_[index + kAhead].resource.data());
      __builtin_prefetch(spans_[index + kAhead].attributes.data());
    }
    if (!visit(spans_[index])) break;
  }
  return {};
}

base::Result<std::vector<Span>> InMemoryTraces::Trace(trace::TraceId trace_id) {
  std::vector<Span> spans;
  const auto at = of_trace_.find(trace_id);
  if (at == of_trace_.end()) return spans;
  for (const std::uint32_t index : at->second) spans.push_back(spans_[index]);
  std::ranges::sort(spans, {},
                    [](const Span& span) { return std::pair(span.start_ns, span.span_id); });
  return spans;
}

base::Result<std::vector<Span>> InMemoryTraces::FindSpans(const SpanQuery& query) {
  std::vector<const Span*> found;
  for (std::size_t index = 0; index < spans_.size(); ++index) {
    if (starts_ns_[index] < query.range.from || starts_ns_[index] >= query.range.to) continue;
    if (Matches(query, spans_[index])) found.push_back(&spans_[index]);
  }
  std::ranges::sort(found, [](const Span* left, const Span* right) {
    return std::pair(left->start_ns, left) > std::pair(right->start_ns, right);
  });
  if (found.size() > query.limit) found.resize(query.limit);
  std::vector<Span> spans;
  spans.reserve(found.size());
  for (const Span* span : found) spans.push_back(*span);
  return spans;
}

base::Result<std::vector<std::string>> InMemoryTraces::Services(TimeRangeNs range) {
  std::set<std::string> services;
  RETURN_IF_ERROR(Visit(range, [&](const Span& span) {
    services.insert(ServiceName(span.resource));
    return true;
  }));
  return std::vector<std::string>(services.begin(), services.end());
}

base::Result<std::vector<std::string>> InMemoryTraces::Operations(const std::string& service,
                                                                  TimeRangeNs range) {
  std::set<std::string> operations;
  RETURN_IF_ERROR(Visit(range, [&](const Span& span) {
    if (ServiceName(span.resource) == service) operations.insert(span.name);
    return true;
  }));
  return std::vector<std::string>(operations.begin(), operations.end());
}

}  // namespace enclave::telemetry
