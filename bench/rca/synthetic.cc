#include "bench/rca/synthetic.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"
#include "base/random.h"

namespace enclave::bench::rca {
namespace {

using enclave::rca::CauseKind;
using telemetry::Label;
using telemetry::Labels;
using telemetry::LogRecord;
using telemetry::Sample;
using telemetry::Span;
using telemetry::SpanKind;
using telemetry::SpanStatus;

constexpr std::int64_t kMsNs = 1'000'000;
constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr std::int64_t kBeginNs = 1'700'000'000 * kSecondNs;  // of spans and lines
constexpr std::int64_t kFaultNs = kBeginNs + 240 * kSecondNs;
constexpr std::int64_t kEndNs = kBeginNs + 420 * kSecondNs;
constexpr std::int64_t kHistoryNs = 1800 * kSecondNs;  // of metrics
constexpr std::int64_t kScrapeNs = 15 * kSecondNs;

struct Service {
  std::string name;
  std::string pod;
  std::size_t parent = 0;  // whom requests for it come through
  double own_ms = 0;       // its usual time
};

// What a fault does to one visit of the faulty service.
struct Effect {
  double own_factor = 1;
  double own_more_ms = 0;
  double gap_more_ms = 0;
  double error_share = 0;      // fails, with an error's status
  double lost_share = 0;       // never arrives
  bool loses_success = false;  // the line that says success is not written
  bool writes_error = false;
};

Effect EffectOf(CauseKind kind) {
  switch (kind) {
    case CauseKind::kCpu:
      return {.own_factor = 6};
    case CauseKind::kMemory:
      return {.own_factor = 4};
    case CauseKind::kDisk:
      return {.own_factor = 5};
    case CauseKind::kNetworkDelay:
      return {.gap_more_ms = 250};
    case CauseKind::kSlowDependency:
      return {.own_more_ms = 300};
    case CauseKind::kNetworkLoss:
      return {.lost_share = 0.5};
    case CauseKind::kDependencyDown:
    case CauseKind::kCrash:
      return {.lost_share = 1};
    case CauseKind::kWrongResult:
      return {.loses_success = true, .writes_error = true};
    case CauseKind::kCodeError:
    case CauseKind::kConfiguration:
    case CauseKind::kBadRelease:
    case CauseKind::kCertificate:
      return {.error_share = 0.9, .loses_success = true, .writes_error = true};
    case CauseKind::kTrafficSurge:
      return {};
  }
  return {};
}

class Maker {
 public:
  explicit Maker(const SyntheticOptions& options)
      : options_(options), random_(options.seed), effect_(EffectOf(options.fault)) {
    CHECK(options.services > options.faulty, "the faulty service is one of the services");
  }

  SyntheticIncident Make() {
    MakeServices();
    for (std::size_t i = 0; i < options_.traces; ++i) MakeTrace(i);
    for (std::size_t i = 0; i < services_.size(); ++i) MakeSeries(i);
    MakeFacts();
    Fill();
    return std::move(incident_);
  }

 private:
  double Normal() {  // of a sum of uniform numbers; near enough
    double sum = 0;
    for (int i = 0; i < 6; ++i) sum += random_.Unit();
    return (sum - 3) / std::sqrt(0.5);
  }
  double Near(double value, double spread) { return value * std::exp(spread * Normal()); }

  void MakeServices() {
    const std::size_t all = options_.services + options_.quiet;
    for (std::size_t i = 0; i < all; ++i) {
      Service service;
      service.name = options_.name ? options_.name(i) : fmt::format("service-{}", i);
      service.pod = service.name + "-7b6dc75c45-2z9p2";
      // Only called services draw from the seed, so that quiet ones change nothing else.
      if (i < options_.services) {
        service.own_ms = 2 + 8 * random_.Unit();
        // Callers are among those a level above, so that the graph grows wide, not deep.
        const std::size_t first = i == 0 ? 0 : (i - 1) / options_.fan_out;
        service.parent = i == 0 ? 0 : first - std::min(first, random_.Below(2));
      } else {
        service.own_ms = 5;
      }
      services_.push_back(std::move(service));
    }
  }

  std::vector<std::size_t> PathTo(std::size_t service) const {
    std::vector<std::size_t> path{service};
    while (path.back() != 0) path.push_back(services_[path.back()].parent);
    std::ranges::reverse(path);
    return path;
  }

  Span& AddSpan(std::size_t service, trace::TraceId trace, std::optional<trace::SpanId> parent,
                SpanKind kind, std::string name) {
    spans_.push_back({.trace_id = trace,
                      .span_id = trace::SpanId::Make(random_),
                      .parent_id = parent,
                      .name = std::move(name),
                      .kind = kind,
                      .resource = {{"service.name", services_[service].name},
                                   {"k8s.pod.name", services_[service].pod}}});
    return spans_.back();
  }

  void AddLine(std::size_t service, const Span& span, std::int64_t time_ns, std::string text) {
    lines_.push_back({service,
                      {.time_ns = time_ns,
                       .line = std::move(text),
                       .trace_id = span.trace_id,
                       .span_id = span.span_id}});
  }

  void MakeTrace(std::size_t number) {
    const auto start_ns =
        kBeginNs + static_cast<std::int64_t>(static_cast<double>(number) *
                                             static_cast<double>(kEndNs - kBeginNs) /
                                             static_cast<double>(options_.traces));
    const trace::TraceId trace = trace::TraceId::Make(random_);
    const std::size_t target = static_cast<std::size_t>(random_.Below(options_.services));
    const std::vector<std::size_t> path = PathTo(target);
    bool failed = false;
    Visit(path, 0, trace, std::nullopt, start_ns, failed);
  }

  // One service's part of a request and, within it, the rest of the way. Returns when it ended.
  std::int64_t Visit(const std::vector<std::size_t>& path, std::size_t at, trace::TraceId trace,
                     std::optional<trace::SpanId> parent, std::int64_t start_ns, bool& failed) {
    const std::size_t service = path[at];
    const bool is_faulty = service == options_.faulty && start_ns >= kFaultNs;
    const Effect effect = is_faulty ? effect_ : Effect{};
    const bool is_last = at + 1 == path.size();
    const std::string operation =
        is_last ? "GET /own" : fmt::format("GET /items/{}", path[at + 1] % options_.fan_out);
    const std::size_t place = spans_.size();
    AddSpan(service, trace, parent, SpanKind::kServer, operation);
    const trace::SpanId id = spans_[place].span_id;
    const double own_ms =
        Near(services_[service].own_ms, 0.2) * effect.own_factor + effect.own_more_ms;
    std::int64_t now_ns = start_ns + static_cast<std::int64_t>(own_ms / 2 * kMsNs);
    AddLine(service, spans_[place], start_ns + kMsNs / 4,
            fmt::format("INFO handler.go:{} {} started for user {}", 40 + service % 7, operation,
                        random_.Below(100'000)));
    bool is_bad = effect.error_share > 0 && random_.Unit() < effect.error_share;
    const bool own_error = is_bad;
    if (!is_last && !is_bad) now_ns = Call(path, at, trace, id, now_ns, is_bad);
    now_ns += static_cast<std::int64_t>(own_ms / 2 * kMsNs);
    Span& span = spans_[place];
    span.start_ns = start_ns;
    span.end_ns = now_ns;
    if (is_bad) {
      span.status = SpanStatus::kError;
      if (own_error)
        span.events.push_back({.time_ns = now_ns,
                               .name = "exception",
                               .attributes = {{"exception.type", std::string("StateError")},
                                              {"exception.message", std::string("no such row")}}});
    }
    if (effect.writes_error)
      AddLine(service, span, now_ns - 1,
              fmt::format("ERROR store.go:{} unexpected state of row {}", 90 + service % 7,
                          random_.Below(100'000)));
    if (!effect.loses_success && !is_bad)
      AddLine(service, span, now_ns - 1,
              fmt::format("INFO handler.go:{} {} done, {} rows", 60 + service % 7, operation,
                          random_.Below(50)));
    failed = failed || is_bad;
    return now_ns;
  }

  // The caller's span around a visit of the next service.
  std::int64_t Call(const std::vector<std::size_t>& path, std::size_t at, trace::TraceId trace,
                    trace::SpanId parent, std::int64_t start_ns, bool& is_bad) {
    const std::size_t callee = path[at + 1];
    const bool is_faulty = callee == options_.faulty && start_ns >= kFaultNs;
    const Effect effect = is_faulty ? effect_ : Effect{};
    const std::size_t place = spans_.size();
    AddSpan(path[at], trace, parent, SpanKind::kClient,
            fmt::format("GET {}", callee % options_.fan_out));
    spans_[place].attributes = {{"server.address", services_[callee].name}};
    const trace::SpanId id = spans_[place].span_id;
    const double gap_ms = Near(0.4, 0.2) + effect.gap_more_ms;
    std::int64_t now_ns = start_ns + static_cast<std::int64_t>(gap_ms / 2 * kMsNs);
    if (effect.lost_share > 0 && random_.Unit() < effect.lost_share) {
      now_ns += 5 * kMsNs;
      is_bad = true;
      spans_[place].status_message = "connection refused";
    } else {
      bool failed = false;
      now_ns = Visit(path, at + 1, trace, id, now_ns, failed);
      is_bad = is_bad || failed;
    }
    now_ns += static_cast<std::int64_t>(gap_ms / 2 * kMsNs);
    spans_[place].start_ns = start_ns;
    spans_[place].end_ns = now_ns;
    if (is_bad) spans_[place].status = SpanStatus::kError;
    return now_ns;
  }

  struct Gauge {
    std::string_view name;
    std::string_view other_name;  // in other units
    double other_factor;
    double level;
    CauseKind moved_by;
    double moved_to;
  };

  void MakeSeries(std::size_t service) {
    static constexpr Gauge kGauges[] = {
        {"k8s_pod_cpu_limit_utilization_ratio", "k8s_pod_cpu_limit_utilization_percent", 100, 0.2,
         CauseKind::kCpu, 0.97},
        {"k8s_pod_memory_limit_utilization_ratio", "k8s_pod_memory_limit_utilization_percent", 100,
         0.4, CauseKind::kMemory, 0.98},
        {"k8s_pod_memory_usage_bytes", "k8s_pod_memory_usage_kilobytes", 1e-3, 2e8,
         CauseKind::kMemory, 4.9e8},
        {"k8s_pod_filesystem_usage_ratio", "k8s_pod_filesystem_usage_percent", 100, 0.3,
         CauseKind::kDisk, 0.99},
        {"k8s_pod_network_io_bytes", "k8s_pod_network_io_kilobytes", 1e-3, 5e4,
         CauseKind::kTrafficSurge, 3e5},
        {"process_threads", "process_threads", 1, 30, CauseKind::kTrafficSurge, 30},
    };
    constexpr std::size_t kKinds = std::size(kGauges);
    const bool is_quiet = service >= options_.services;
    // Quiet services draw from a source of their own: nothing else may change by them.
    base::SeededRandom own(options_.seed ^ (0x9e3779b97f4a7c15u * (service + 1)));
    base::Random& random = is_quiet ? static_cast<base::Random&>(own) : random_;
    for (std::size_t i = 0; i < options_.series_per_service; ++i) {
      const Gauge& gauge = kGauges[i % kKinds];
      const bool moves = service == options_.faulty && gauge.moved_by == options_.fault;
      const double factor = options_.other_units ? gauge.other_factor : 1;
      std::vector<Sample> samples;
      samples.reserve(static_cast<std::size_t>((kHistoryNs + kEndNs - kBeginNs) / kScrapeNs + 1));
      for (std::int64_t time = kBeginNs - kHistoryNs; time < kEndNs; time += kScrapeNs) {
        const double level = moves && time >= kFaultNs ? gauge.moved_to : gauge.level;
        samples.push_back(
            {time / kMsNs, factor * level * (1 + 0.02 * (random.Unit() + random.Unit() - 1))});
      }
      Labels labels =
          Labels::From({{std::string(telemetry::kMetricName),
                         std::string(options_.other_units ? gauge.other_name : gauge.name)},
                        {"service_name", services_[service].name},
                        {"k8s_pod_name", services_[service].pod},
                        {"part", i < kKinds ? "" : fmt::format("{}", i / kKinds)}});
      series_.emplace_back(std::move(labels), std::move(samples));
    }
  }

  void MakeFacts() {
    const Service& faulty = services_[options_.faulty];
    const auto fact = [&](std::string reason, std::string message) {
      incident_.facts.push_back({.time_ns = kFaultNs + kSecondNs,
                                 .service = faulty.name,
                                 .kind = "Pod",
                                 .object = "default/" + faulty.pod,
                                 .reason = std::move(reason),
                                 .message = std::move(message),
                                 .count = 4,
                                 .warning = true});
    };
    const auto change = [&](incident::ChangeKind kind, std::string object) {
      incident_.changes.push_back({.time_ns = kFaultNs - 5 * kSecondNs,
                                   .service = faulty.name,
                                   .kind = kind,
                                   .object = std::move(object),
                                   .from = "1",
                                   .to = "2",
                                   .who = "somebody"});
    };
    if (options_.fault == CauseKind::kCrash)
      fact("BackOff", "Back-off restarting failed container");
    if (options_.fault == CauseKind::kBadRelease)
      change(incident::ChangeKind::kRollout, "Deployment default/" + faulty.name);
    if (options_.fault == CauseKind::kConfiguration)
      change(incident::ChangeKind::kConfiguration, "ConfigMap default/" + faulty.name);
  }

  template <typename T>
  void Shuffle(std::vector<T>& items) {
    base::SeededRandom random(options_.seed + 1);
    for (std::size_t i = items.size(); i > 1; --i)
      std::swap(items[i - 1], items[static_cast<std::size_t>(random.Below(i))]);
  }

  void Fill() {
    LoadedCase& loaded = incident_.loaded;
    if (options_.shuffled) {
      Shuffle(spans_);
      Shuffle(lines_);
      Shuffle(series_);
    }
    incident_.lines = lines_.size();
    incident_.series = series_.size();
    for (Span& span : spans_) loaded.traces.Add(std::move(span));
    std::vector<std::vector<LogRecord>> streams(services_.size());
    for (auto& [service, record] : lines_) streams[service].push_back(std::move(record));
    for (std::size_t i = 0; i < services_.size(); ++i)
      if (!streams[i].empty())
        loaded.logs.Add(Labels::From({{"service_name", services_[i].name},
                                      {"k8s_pod_name", services_[i].pod},
                                      {"container", "server"}}),
                        std::move(streams[i]));
    for (auto& [labels, samples] : series_)
      loaded.metrics.Add(std::move(labels), std::move(samples));
    loaded.id = fmt::format("synthetic-{}", options_.seed);
    loaded.alert_service = services_[0].name;
    loaded.alert_time_ns = kFaultNs + 20 * kSecondNs;
    loaded.available = {kBeginNs, kEndNs};
    incident_.cause = services_[options_.faulty].name;
  }

  const SyntheticOptions& options_;
  base::SeededRandom random_;
  Effect effect_;
  std::vector<Service> services_;
  std::vector<Span> spans_;
  std::vector<std::pair<std::size_t, LogRecord>> lines_;
  std::vector<std::pair<Labels, std::vector<Sample>>> series_;
  SyntheticIncident incident_;
};

}  // namespace

const std::vector<CauseKind>& SyntheticKinds() {
  static const std::vector<CauseKind> kinds{
      CauseKind::kCodeError,   CauseKind::kWrongResult,    CauseKind::kCpu,
      CauseKind::kMemory,      CauseKind::kDisk,           CauseKind::kNetworkDelay,
      CauseKind::kNetworkLoss, CauseKind::kSlowDependency, CauseKind::kDependencyDown,
      CauseKind::kCrash,       CauseKind::kConfiguration,  CauseKind::kBadRelease};
  return kinds;
}

SyntheticIncident MakeIncident(const SyntheticOptions& options) {
  return Maker(options).Make();
}

incident::Sources SourcesOf(SyntheticIncident& incident) {
  return {.metrics = &incident.loaded.metrics,
          .logs = &incident.loaded.logs,
          .traces = &incident.loaded.traces,
          .facts = incident.facts,
          .changes = incident.changes,
          .topology = incident.loaded.topology};
}

}  // namespace enclave::bench::rca
