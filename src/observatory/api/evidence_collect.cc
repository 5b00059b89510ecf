#include <re2/re2.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "evidence.h"

namespace enclave::observatory::api {
namespace {

using base::ErrorKind;
using base::Fail;
using base::Result;
using telemetry::Labels;
using telemetry::LogRecord;
using telemetry::Matcher;
using telemetry::Matchers;
using telemetry::MatchOp;
using telemetry::Sample;
using telemetry::Span;

constexpr std::size_t kMostWindowSpans = 2000;
constexpr std::size_t kMostErrorSpans = 500;
constexpr std::size_t kMostTraceLogs = 2000;
constexpr std::size_t kMostServiceLogs = 1000;  // grave ones, and as many others
constexpr std::size_t kMostVisitedLogs = 50'000;
constexpr std::size_t kMostReadSeries = 3000;
constexpr std::size_t kPoints = 60;

std::string AttributeText(const telemetry::Attributes& attributes, std::string_view key) {
  const auto* value = telemetry::Find(attributes, key);
  return value == nullptr ? "" : telemetry::ToText(*value);
}

void Note(std::set<std::string>* set, std::string text) {
  if (!text.empty() && set->size() < 64) set->insert(std::move(text));
}

void CollectServices(Evidence* evidence) {
  std::map<std::pair<trace::TraceId, trace::SpanId>, std::string> service_of;
  for (const Span& span : evidence->spans)
    service_of[{span.trace_id, span.span_id}] = telemetry::ServiceName(span.resource);
  for (const Span& span : evidence->spans) {
    const std::string& name = service_of[{span.trace_id, span.span_id}];
    EvidenceService& service = evidence->services[name];
    ++service.spans;
    if (span.status == telemetry::SpanStatus::kError) ++service.errors;
    Note(&service.pods, AttributeText(span.resource, "k8s.pod.name"));
    Note(&service.nodes, AttributeText(span.resource, "k8s.node.name"));
    Note(&service.versions, AttributeText(span.resource, "service.version"));
    if (!span.parent_id) continue;
    const auto parent = service_of.find({span.trace_id, *span.parent_id});
    if (parent != service_of.end() && parent->second != name)
      ++evidence->services[parent->second].calls[name];
  }
}

// Errors before the rest, then the longest.
void OrderSpans(std::vector<Span>* spans) {
  std::ranges::sort(*spans, [](const Span& a, const Span& b) {
    const bool a_failed = a.status == telemetry::SpanStatus::kError;
    const bool b_failed = b.status == telemetry::SpanStatus::kError;
    if (a_failed != b_failed) return a_failed;
    if (!a.parent_id != !b.parent_id) return !a.parent_id;
    const std::int64_t a_took = a.end_ns - a.start_ns;
    const std::int64_t b_took = b.end_ns - b.start_ns;
    if (a_took != b_took) return a_took > b_took;
    return std::tie(a.start_ns, a.span_id) < std::tie(b.start_ns, b.span_id);
  });
}

Result<> CollectSpans(const EvidenceQuery& query, telemetry::TraceSource& traces,
                      Evidence* evidence) {
  if (query.trace) {
    ASSIGN_OR_RETURN(evidence->spans, traces.Trace(*query.trace));
    if (evidence->spans.empty()) return {};
    telemetry::TimeRangeNs& window = evidence->window;
    window = {INT64_MAX, 0};
    for (const Span& span : evidence->spans) {
      window.from = std::min(window.from, span.start_ns);
      window.to = std::max(window.to, span.end_ns + 1);
    }
    window.from -= query.margin_ns;
    window.to += query.margin_ns;
  } else {
    std::vector<std::optional<std::string>> services(query.services.begin(), query.services.end());
    if (services.empty()) services.emplace_back();
    std::set<std::pair<trace::TraceId, trace::SpanId>> seen;
    for (const std::optional<std::string>& service : services)
      for (const bool failed : {true, false}) {
        telemetry::SpanQuery spans{.range = evidence->window, .service = service};
        if (failed) spans.status = telemetry::SpanStatus::kError;
        spans.limit = failed ? kMostErrorSpans : kMostWindowSpans;
        ASSIGN_OR_RETURN(std::vector<Span> found, traces.FindSpans(spans));
        if (found.size() == spans.limit) evidence->more_spans = true;
        for (Span& span : found)
          if (seen.emplace(span.trace_id, span.span_id).second)
            evidence->spans.push_back(std::move(span));
      }
  }
  OrderSpans(&evidence->spans);
  return {};
}

// "(?:cart|checkout)", with whatever the names hold taken literally.
std::string AnyOf(const std::set<std::string>& names) {
  std::string pattern = "(?:";
  for (const std::string& name : names) {
    if (pattern.size() > 3) pattern += '|';
    pattern += re2::RE2::QuoteMeta(name);
  }
  return pattern + ")";
}

// How the telemetry of the services may be labelled, one selector each: by OpenTelemetry's names,
// by Kubernetes', by Prometheus' habits.
Result<std::vector<Matchers>> SelectorsOf(const Evidence& evidence, bool logs) {
  std::set<std::string> services;
  std::set<std::string> pods;
  for (const auto& [name, service] : evidence.services) {
    services.insert(name);
    pods.insert(service.pods.begin(), service.pods.end());
  }
  std::vector<std::pair<std::string, std::string>> wanted;
  if (!services.empty()) {
    const std::string names = AnyOf(services);
    wanted.emplace_back("service_name", names);
    wanted.emplace_back("app", names);
    if (!logs) {
      wanted.emplace_back("job", "(?:.*/)?" + names);
      wanted.emplace_back("service", names);
      // What Kubernetes' own metrics say of the services' pods.
      wanted.emplace_back("pod", names + "-.*");
      wanted.emplace_back("deployment", names);
    } else {
      wanted.emplace_back("k8s_deployment_name", names);
    }
  }
  if (!pods.empty()) {
    wanted.emplace_back("pod", AnyOf(pods));
    if (logs) wanted.emplace_back("k8s_pod_name", AnyOf(pods));
  }
  std::vector<Matchers> selectors;
  for (auto& [label, pattern] : wanted) {
    ASSIGN_OR_RETURN(Matcher matcher, Matcher::Create(MatchOp::kRegex, label, pattern));
    selectors.push_back({std::move(matcher)});
  }
  return selectors;
}

// A warning or worse, by its level, or without one by what it says.
bool IsGrave(const Labels& stream, const LogRecord& record) {
  std::string text;
  for (const std::string_view name : {"level", "severity_text", "detected_level", "severity"}) {
    if (record.metadata.Has(name)) text = record.metadata.Get(name);
    if (text.empty() && stream.Has(name)) text = stream.Get(name);
    if (!text.empty()) break;
  }
  if (text.empty()) text = record.line.substr(0, 1024);
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::ranges::any_of(
      std::initializer_list<std::string_view>{"error", "warn", "fatal", "critical", "panic",
                                              "exception"},
      [&](std::string_view word) { return text.find(word) != std::string::npos; });
}

struct LogKey {
  std::uint64_t stream;
  std::int64_t time_ns;
  std::size_t line;
  bool operator==(const LogKey&) const = default;
};
struct LogKeyHash {
  std::size_t operator()(const LogKey& key) const {
    return key.stream ^ (static_cast<std::size_t>(key.time_ns) * 0x9e3779b97f4a7c15U) ^ key.line;
  }
};

class LogCollector {
 public:
  explicit LogCollector(Evidence* evidence) : evidence_(evidence) {}

  bool AddOfTrace(const Labels& stream, const LogRecord& record) {
    if (evidence_->logs.size() >= kMostTraceLogs) {
      evidence_->more_logs = true;
      return false;
    }
    if (IsNew(stream, record))
      evidence_->logs.push_back({stream, record, true, IsGrave(stream, record)});
    return true;
  }

  bool AddOfService(const Labels& stream, const LogRecord& record) {
    if (++visited_ > kMostVisitedLogs) {
      evidence_->more_logs = true;
      return false;
    }
    const bool grave = IsGrave(stream, record);
    std::size_t& count = grave ? grave_ : plain_;
    if (count >= kMostServiceLogs) {
      evidence_->more_logs = true;
      return true;
    }
    if (IsNew(stream, record)) {
      evidence_->logs.push_back({stream, record, false, grave});
      ++count;
    }
    return true;
  }

 private:
  bool IsNew(const Labels& stream, const LogRecord& record) {
    return seen_.insert({stream.Hash(), record.time_ns, std::hash<std::string>()(record.line)})
        .second;
  }

  Evidence* evidence_;
  std::unordered_set<LogKey, LogKeyHash> seen_;
  std::size_t visited_ = 0;
  std::size_t grave_ = 0;
  std::size_t plain_ = 0;
};

Result<> CollectLogs(const EvidenceQuery& query, telemetry::LogSource& logs, Evidence* evidence) {
  LogCollector collector(evidence);
  if (query.trace)
    RETURN_IF_ERROR(logs.OfTrace(*query.trace, [&](const Labels& stream, const LogRecord& record) {
      return collector.AddOfTrace(stream, record);
    }));
  ASSIGN_OR_RETURN(const std::vector<Matchers> selectors, SelectorsOf(*evidence, true));
  for (const Matchers& matchers : selectors)
    RETURN_IF_ERROR(logs.Query({.matchers = matchers,
                                .range = evidence->window,
                                .direction = telemetry::Direction::kBackward},
                               [&](const Labels& stream, const LogRecord& record) {
                                 return collector.AddOfService(stream, record);
                               }));
  // The trace's own, then what is grave, then the rest; each by time.
  std::ranges::sort(evidence->logs, [](const EvidenceLog& a, const EvidenceLog& b) {
    if (a.of_trace != b.of_trace) return a.of_trace;
    if (a.grave != b.grave) return a.grave;
    return std::tie(a.record.time_ns, a.stream, a.record.line) <
           std::tie(b.record.time_ns, b.stream, b.record.line);
  });
  return {};
}

// The last sample of each of at most `kPoints` equal parts of the window: a counter stays a
// counter.
std::vector<Sample> Downsample(const std::vector<Sample>& samples, telemetry::TimeRangeMs window) {
  std::vector<Sample> points;
  const std::int64_t step =
      std::max<std::int64_t>(1, (window.to - window.from) / static_cast<std::int64_t>(kPoints) + 1);
  std::int64_t last_part = -1;
  for (const Sample& sample : samples) {
    if (telemetry::IsStale(sample.value)) continue;
    const std::int64_t part = (sample.time_ms - window.from) / step;
    if (part == last_part) {
      points.back() = sample;
    } else {
      points.push_back(sample);
      last_part = part;
    }
  }
  return points;
}

bool IsCounter(std::string_view name) {
  return name.ends_with("_total") || name.ends_with("_count") || name.ends_with("_sum");
}

// Between 0 (flat) and about 1: the spread of a gauge, or of a counter's steps, beside its size.
double ChangeOf(std::string_view name, const std::vector<Sample>& points) {
  double low = INFINITY;
  double high = -INFINITY;
  double size = 0;
  const bool counter = IsCounter(name);
  for (std::size_t i = counter ? 1 : 0; i < points.size(); ++i) {
    double value = points[i].value;
    if (counter) {
      const double before = points[i - 1].value;
      const double seconds = static_cast<double>(points[i].time_ms - points[i - 1].time_ms) / 1000;
      value = (value >= before ? value - before : value) / seconds;  // it restarted from zero
    }
    if (!std::isfinite(value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
    size = std::max(size, std::fabs(value));
  }
  return size > 0 && high > low ? (high - low) / size : 0;
}

Result<> CollectSeries(telemetry::MetricSource& metrics, Evidence* evidence) {
  const telemetry::TimeRangeMs window{evidence->window.from / 1'000'000,
                                      evidence->window.to / 1'000'000};
  ASSIGN_OR_RETURN(const std::vector<Matchers> selectors, SelectorsOf(*evidence, false));
  std::set<Labels> seen;
  std::vector<Sample> samples;
  for (const Matchers& matchers : selectors) {
    ASSIGN_OR_RETURN(const auto set, metrics.Select(matchers, window));
    for (std::size_t i = 0; i < set->size(); ++i) {
      const Labels& labels = set->labels(i);
      const std::string_view name = labels.Get(telemetry::kMetricName);
      // A histogram is told by its count and sum; its buckets are many and say little one by one.
      if (name.ends_with("_bucket") || name == "target_info" || seen.contains(labels)) continue;
      if (evidence->series.size() >= kMostReadSeries) {
        ++evidence->unread_series;
        continue;
      }
      RETURN_IF_ERROR(set->Read(i, samples));
      std::vector<Sample> points = Downsample(samples, window);
      if (points.empty()) continue;
      seen.insert(labels);
      const double change = ChangeOf(name, points);
      evidence->series.push_back({labels, std::move(points), change});
    }
  }
  std::ranges::sort(evidence->series, [](const EvidenceSeries& a, const EvidenceSeries& b) {
    if (a.change != b.change) return a.change > b.change;
    return a.labels < b.labels;
  });
  return {};
}

Result<> CollectExemplars(const EvidenceQuery& query, telemetry::MetricSource& metrics,
                          Evidence* evidence) {
  if (query.trace) {
    ASSIGN_OR_RETURN(evidence->exemplars, metrics.ExemplarsOf(*query.trace));
  }
  const telemetry::TimeRangeMs window{evidence->window.from / 1'000'000,
                                      evidence->window.to / 1'000'000};
  ASSIGN_OR_RETURN(const std::vector<Matchers> selectors, SelectorsOf(*evidence, false));
  if (selectors.empty()) return {};
  ASSIGN_OR_RETURN(auto around, metrics.Exemplars(selectors, window));
  for (telemetry::SeriesExemplars& series : around) {
    std::erase_if(series.exemplars, [&](const telemetry::Exemplar& exemplar) {
      return query.trace && exemplar.trace_id == query.trace;  // stands above already
    });
    if (!series.exemplars.empty()) evidence->exemplars.push_back(std::move(series));
  }
  return {};
}

}  // namespace

Result<Evidence> CollectEvidence(const EvidenceQuery& query, telemetry::MetricSource& metrics,
                                 telemetry::LogSource& logs, telemetry::TraceSource& traces) {
  Evidence evidence;
  evidence.window = query.window;
  const auto tolerate = [&](const Result<>& result, std::string_view what) {
    if (!result) evidence.warnings.push_back(result.error().While(what).message());
  };
  tolerate(CollectSpans(query, traces, &evidence), "spans");
  CollectServices(&evidence);
  for (const std::string& service : query.services) evidence.services[service];
  if (!query.trace && query.services.empty()) {
    const auto services = traces.Services(evidence.window);
    if (services)
      for (const std::string& service : *services) evidence.services[service];
    else
      evidence.warnings.push_back(services.error().While("services").message());
  }
  if (query.trace && evidence.spans.empty()) {
    // Its spans may be gone or not sampled while its logs and exemplars are there.
    LogCollector collector(&evidence);
    RETURN_IF_ERROR(logs.OfTrace(*query.trace, [&](const Labels& stream, const LogRecord& record) {
      return collector.AddOfTrace(stream, record);
    }));
    ASSIGN_OR_RETURN(evidence.exemplars, metrics.ExemplarsOf(*query.trace));
    if (evidence.logs.empty() && evidence.exemplars.empty())
      return Fail(ErrorKind::kNotFound, "nothing is known of trace " + query.trace->ToString());
    evidence.window = {INT64_MAX, INT64_MIN};
    const auto stretch = [&](std::int64_t time_ns) {
      evidence.window.from = std::min(evidence.window.from, time_ns - query.margin_ns);
      evidence.window.to = std::max(evidence.window.to, time_ns + query.margin_ns);
    };
    for (const EvidenceLog& log : evidence.logs) {
      stretch(log.record.time_ns);
      if (log.stream.Has("service_name"))
        evidence.services[std::string(log.stream.Get("service_name"))];
    }
    for (const telemetry::SeriesExemplars& series : evidence.exemplars)
      for (const telemetry::Exemplar& exemplar : series.exemplars)
        stretch(exemplar.time_ms * 1'000'000);
    evidence.logs.clear();
    evidence.exemplars.clear();
  }
  tolerate(CollectLogs(query, logs, &evidence), "logs");
  tolerate(CollectExemplars(query, metrics, &evidence), "exemplars");
  tolerate(CollectSeries(metrics, &evidence), "series");
  return evidence;
}

}  // namespace enclave::observatory::api
