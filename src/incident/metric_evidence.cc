#include "incident/metric_evidence.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <span>
#include <tuple>

#include "incident/keep_first.h"
#include "incident/parallel.h"
#include "incident/series_reader.h"
#include "incident/signal.h"

namespace enclave::incident {
namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kHistoryNs = 3'600'000'000'000;

void NameCall(const telemetry::Labels& labels, SeriesShift& shift) {
  static constexpr std::pair<const char*, const char*> kEnds[] = {
      {"source", "destination"},
      {"source_workload", "destination_workload"},
      {"client", "server"},
      {"caller", "callee"}};
  for (const auto& [from, to] : kEnds)
    if (labels.Has(from) && labels.Has(to)) {
      shift.caller = labels.Get(from);
      shift.service = labels.Get(to);
      return;
    }
}

// Chooses, of the series of a service, those that tell best how it served.
class GoldenGatherer {
 public:
  void Take(const telemetry::Labels& labels, const Reading& reading, const Window& window,
            SeriesReader& reader) {
    const SignalFacts& facts = reading.facts;
    const std::vector<telemetry::Sample>& samples = reading.samples;
    Chosen& chosen = services_[reading.shift.service];
    chosen.signals.service = reading.shift.service;
    switch (facts.signal) {
      case Signal::kTraffic: {
        for (std::size_t i = 0; i < samples.size(); ++i)
          if (IsInside(window, samples[i]))
            chosen.traffic[samples[i].time_ms] +=
                samples[i].value * (facts.is_rate ? SecondsOf(samples, i) : 1.0);
        break;
      }
      case Signal::kLatency: {
        const int rank = RankOf(labels);
        if (rank >= chosen.latency_rank) break;
        chosen.latency_rank = rank;
        const double to_ms = reading.shift.metric.contains("milliseconds") ? 1 : 1000;
        const Summary before = reader.Before(reading);
        chosen.signals.latency_ms = Points(samples, window, to_ms, 0);
        chosen.signals.latency_before_ms = before.median * to_ms;
        chosen.signals.latency_spread_ms = before.spread * to_ms;
        break;
      }
      case Signal::kErrors: {
        if (!facts.is_ratio || !chosen.signals.error_share.empty()) break;
        const double scale = facts.good_is_high ? -1 : 1;
        const double offset = facts.good_is_high ? 1 : 0;
        const Summary before = reader.Before(reading);
        chosen.signals.error_share = Points(samples, window, scale, offset);
        chosen.signals.error_before = before.median * scale + offset;
        chosen.signals.error_spread = before.spread;
        break;
      }
      default:
        break;
    }
  }

  std::vector<GoldenSignals> Finish(const Bounds& bounds) {
    std::vector<GoldenSignals> all;
    for (auto& [service, chosen] : services_) {
      for (const auto& [time_ms, value] : chosen.traffic)
        chosen.signals.traffic.push_back({time_ms * kMs, value});
      for (auto* points :
           {&chosen.signals.traffic, &chosen.signals.latency_ms, &chosen.signals.error_share})
        if (points->size() > bounds.points)  // the latest
          points->erase(points->begin(),
                        points->end() - static_cast<std::ptrdiff_t>(bounds.points));
      if (chosen.signals.latency_ms.empty() && chosen.signals.error_share.empty()) continue;
      all.push_back(std::move(chosen.signals));
      if (all.size() == bounds.services) break;
    }
    return all;
  }

 private:
  static constexpr int kWorst = 10;
  struct Chosen {
    GoldenSignals signals{};
    std::map<std::int64_t, double> traffic{};  // by time, of all its series
    int latency_rank = kWorst;
  };

  static bool IsInside(const Window& window, const telemetry::Sample& sample) {
    return sample.time_ms * kMs >= window.from_ns && sample.time_ms * kMs < window.to_ns;
  }

  // The time that a sample speaks for.
  static double SecondsOf(const std::vector<telemetry::Sample>& samples, std::size_t i) {
    const std::size_t from = i > 0 ? i - 1 : 0;
    const std::size_t to = i > 0 ? i : std::min<std::size_t>(1, samples.size() - 1);
    return static_cast<double>(samples[to].time_ms - samples[from].time_ms) / 1000.0;
  }

  // Averages add up along calls as quantiles do not.
  static int RankOf(const telemetry::Labels& labels) {
    int rank = 3;
    for (const telemetry::Label& label : labels) {
      std::string value = label.value;
      std::ranges::transform(value, value.begin(),
                             [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      if (value == "avg" || value == "average" || value == "mean") return 0;
      if (value == "p50" || value == "0.5" || value == "median") rank = std::min(rank, 1);
      if (value == "p90" || value == "0.9") rank = std::min(rank, 2);
    }
    return rank;
  }

  static std::vector<Point> Points(const std::vector<telemetry::Sample>& samples,
                                   const Window& window, double scale, double offset) {
    std::vector<Point> points;
    for (const telemetry::Sample& sample : samples)
      if (IsInside(window, sample))
        points.push_back({sample.time_ms * kMs, sample.value * scale + offset});
    return points;
  }

  std::map<std::string, Chosen> services_;
};

// Calls whose two ends both say how long they took, as the proxies of a mesh do: what the caller
// waits less what the one called takes is lost on the way.
class WayGatherer {
 public:
  void Take(const telemetry::Labels& labels, const Reading& reading) {
    if (reading.shift.caller.empty() || reading.facts.signal != Signal::kLatency) return;
    const std::string_view reporter = labels.Get(kReporter);
    const bool is_caller = reporter == "source" || reporter == "client";
    if (!is_caller && reporter != "destination" && reporter != "server") return;
    telemetry::Labels call = labels;
    call.Remove(kReporter);
    Ends& ends = calls_[call.ToString()];
    (is_caller ? ends.caller : ends.callee) = reading.samples;
    ends.labels = std::move(call);
    ends.reading.facts = reading.facts;
    ends.reading.shift = {.service = reading.shift.service,
                          .caller = reading.shift.caller,
                          .on_the_way = true,
                          .signal = reading.shift.signal,
                          .metric = reading.shift.metric};
  }

  void Finish(SeriesReader& reader, Context& context) {
    for (auto& [name, ends] : calls_) {
      std::size_t at = 0;
      for (const telemetry::Sample& sample : ends.caller) {
        while (at + 1 < ends.callee.size() &&
               Apart(ends.callee[at + 1], sample) <= Apart(ends.callee[at], sample))
          ++at;
        if (at < ends.callee.size() && Apart(ends.callee[at], sample) <= kTogetherMs)
          ends.reading.samples.push_back({sample.time_ms, sample.value - ends.callee[at].value});
      }
      reader.Read(ends.labels, ends.reading);
      if (ends.reading.moved) context.series.push_back(std::move(ends.reading.shift));
    }
  }

 private:
  static constexpr const char* kReporter = "reporter";  // Istio's word
  static constexpr std::int64_t kTogetherMs = 30'000;
  struct Ends {
    telemetry::Labels labels{};
    std::vector<telemetry::Sample> caller{};
    std::vector<telemetry::Sample> callee{};
    Reading reading{};
  };

  static std::int64_t Apart(const telemetry::Sample& a, const telemetry::Sample& b) {
    return std::abs(a.time_ms - b.time_ms);
  }

  std::map<std::string, Ends> calls_;
};

// What a metric measures is told from its name once.
class SignalNames {
 public:
  const SignalFacts& Of(std::string_view metric) {
    const std::uint32_t number = names_.Intern(metric);
    if (number == facts_.size()) facts_.push_back(SignalOf(metric));
    return facts_[number];
  }

 private:
  Interner names_;
  std::vector<SignalFacts> facts_;
};

// Series are read in waves of so many, or of so many samples.
constexpr std::size_t kWave = 1024;
constexpr std::size_t kWaveSamples = 1 << 19;
constexpr std::size_t kRunOfSeries = 16;

}  // namespace

class SeriesEvidence::Waves {
 public:
  Waves(telemetry::MetricSource* metrics, const Question& question)
      : metrics_(metrics), question_(question) {}

  base::Result<> Gather() {
    if (metrics_ == nullptr) return base::Fail(base::ErrorKind::kNotFound, "no source");
    std::int64_t from_ns = question_.available.from_ns - kHistoryNs;
    std::int64_t to_ns = question_.available.to_ns;
    for (const Window& window : question_.normal) {
      from_ns = std::min(from_ns, window.from_ns);
      to_ns = std::max(to_ns, window.to_ns);
    }
    ASSIGN_OR_RETURN(const auto any,
                     telemetry::Matcher::Create(telemetry::MatchOp::kNotEqual, "__name__", ""));
    ASSIGN_OR_RETURN(set_, metrics_->Select({any}, {from_ns / kMs, to_ns / kMs}));
    if (set_->size() == 0) return base::Fail(base::ErrorKind::kNotFound, "no series in the window");
    wave_.resize(std::min(kWave, set_->size()));
    return ReadWave();
  }

  base::Result<> Fill(std::int64_t onset_ns, const Bounds& bounds, telemetry::Workers* workers,
                      Context& context) {
    SeriesReader reader(question_, onset_ns, bounds);
    GoldenGatherer golden;
    WayGatherer ways;
    while (used_ > 0) {
      ForEachRun(workers, used_, kRunOfSeries, [&](std::size_t first, std::size_t last) {
        SeriesReader own(question_, onset_ns, bounds);
        for (std::size_t i = first; i < last; ++i)
          own.Read(set_->labels(wave_[i].number), wave_[i]);
      });
      for (Reading& reading : std::span(wave_).first(used_)) {
        const telemetry::Labels& labels = set_->labels(reading.number);
        if (reading.is_golden) golden.Take(labels, reading, question_.available, reader);
        ways.Take(labels, reading);
        if (!reading.moved) continue;
        if (!reading.shift.caller.empty()) {
          services_.Intern(reading.shift.caller);
          services_.Intern(reading.shift.service);
        }
        context.series.push_back(std::move(reading.shift));
      }
      RETURN_IF_ERROR(ReadWave());
    }
    ways.Finish(reader, context);
    context.golden = golden.Finish(bounds);
    std::ranges::sort(context.series, [](const SeriesShift& a, const SeriesShift& b) {
      return std::tuple(-std::abs(a.score), std::string_view(a.series)) <
             std::tuple(-std::abs(b.score), std::string_view(b.series));
    });
    context.left_out["series"] = KeepFirst(context.series, bounds.items * 2);
    return {};
  }

  const Interner& services() const { return services_; }

  // The first that went wrong.
  base::Result<> state{};

 private:
  // The samples of the next series that may say something; none are left when it is empty.
  base::Result<> ReadWave() {
    std::size_t samples = 0;
    for (used_ = 0; next_ < set_->size() && used_ < wave_.size() && samples < kWaveSamples;
         ++next_) {
      const telemetry::Labels& labels = set_->labels(next_);
      const std::string service = ServiceOf(labels);
      // Known to be there, whether it moved or not.
      if (!service.empty() && !labels.Has("destination")) services_.Intern(service);
      const std::string_view metric = labels.Get(telemetry::kMetricName);
      const SignalFacts& facts = signals_.Of(metric);
      if (facts.signal == Signal::kOther || facts.of_node) continue;
      Reading& reading = wave_[used_];
      reading.number = next_;
      reading.facts = facts;
      reading.shift = {.service = service, .signal = facts.signal, .metric = std::string(metric)};
      reading.is_golden = false;
      reading.moved = false;
      NameCall(labels, reading.shift);
      if (reading.shift.service.empty()) continue;
      RETURN_IF_ERROR(set_->Read(next_, reading.samples));
      samples += reading.samples.size();
      ++used_;
    }
    return {};
  }

  telemetry::MetricSource* metrics_;
  const Question& question_;
  std::unique_ptr<telemetry::SeriesSet> set_;
  SignalNames signals_;
  Interner services_;
  std::vector<Reading> wave_;
  std::size_t used_ = 0;  // of the wave
  std::size_t next_ = 0;  // of the set
};

SeriesEvidence::SeriesEvidence(telemetry::MetricSource* metrics, const Question& question)
    : waves_(std::make_unique<Waves>(metrics, question)) {}

SeriesEvidence::~SeriesEvidence() = default;

void SeriesEvidence::Gather() {
  waves_->state = waves_->Gather();
}

void SeriesEvidence::Fill(std::int64_t onset_ns, const Bounds& bounds, telemetry::Workers* workers,
                          Context& context) {
  if (waves_->state) waves_->state = waves_->Fill(onset_ns, bounds, workers, context);
  if (!waves_->state)
    context.missing.push_back("metrics: " + std::string(waves_->state.error().message()));
}

const Interner& SeriesEvidence::services() const {
  return waves_->services();
}

}  // namespace enclave::incident
