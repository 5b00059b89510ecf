// From evidence to features: what fingerprint.h promises about days, places and consequences.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <unordered_map>

#include <fmt/format.h>

#include "memory/evidence_words.h"
#include "memory/fingerprint.h"

namespace enclave::memory {
namespace {

using incident::Context;

// How much a family says at its strongest. Statements of programs, exceptions and what Kubernetes
// reports name a fault; operations mostly show who suffers from it.
constexpr std::array<double, kFamilies> kFamilyStrength = {1.0, 0.7, 0.9, 0.9, 1.0, 1.0, 1.0, 0.8};
// By place instead of by name.
constexpr double kPlaceShare = 0.35;
// Of what follows from a service below.
constexpr double kConsequence = 0.35;
// Of what an engine did not cite, and of what it suspects.
constexpr double kUncited = 0.05;
constexpr double kSuspect = 1.0;
// How far things moved, beside what an engine says of them: its length, of the other's.
constexpr double kMoved = 0.5;
constexpr std::size_t kMostWords = 12;

// Scores are counted in floors of a unit: 1 is barely anything, and past a hundred more says
// nothing.
double Strength(double score) {
  return std::log1p(std::min(std::abs(score), 100.0));
}

const char* Direction(double before, double during) {
  return during >= before ? "up" : "down";
}

std::string_view SignalName(incident::Signal signal) {
  using enum incident::Signal;
  switch (signal) {
    case kCpu:
      return "cpu";
    case kMemory:
      return "memory";
    case kDisk:
      return "disk";
    case kNetwork:
      return "network";
    case kLatency:
      return "latency";
    case kErrors:
      return "errors";
    case kTraffic:
      return "traffic";
    case kRestarts:
      return "restarts";
    case kCertificate:
      return "certificate";
    case kOther:
      break;
  }
  return "other";
}

std::string_view ChangeName(incident::LogChange change) {
  using enum incident::LogChange;
  switch (change) {
    // New and bursting, vanished and dwindling differ by what the time before happened to hold.
    case kNew:
    case kBursting:
      return "more";
    case kVanished:
    case kDwindling:
      return "less";
  }
  return "more";
}

std::string_view ChangeName(incident::ChangeKind kind) {
  using enum incident::ChangeKind;
  switch (kind) {
    case kRollout:
      return "rollout";
    case kConfiguration:
      return "configuration";
    case kScale:
      return "scale";
    case kNetwork:
      return "network";
    case kDeletion:
      return "deletion";
    case kOther:
      break;
  }
  return "other";
}

bool Has(const incident::Summary& summary) {
  return summary.count != 0;
}

// Where services stand towards the symptom, and which of them only suffer.
class Places {
 public:
  explicit Places(const Context& context) {
    for (const incident::Call& call : context.topology) {
      if (call.caller == call.callee) continue;
      callees_[call.caller].insert(call.callee);
      called_.insert(call.callee);
    }
    // How loud each service is by itself: what is not mere latency, errors or traffic of it.
    for (const auto& shift : context.operations) Raise(shift.service, Strength(shift.score));
    for (const auto& shift : context.series) Raise(shift.service, Strength(shift.score));
    symptom_ = context.alert.service;
    if (!symptom_.empty()) {
      std::vector<std::string> level{symptom_};
      depth_[symptom_] = 0;
      for (int depth = 1; !level.empty(); ++depth) {
        std::vector<std::string> next;
        for (const std::string& service : level)
          for (const std::string& callee : CalleesOf(service))
            if (depth_.emplace(callee, depth).second) next.push_back(callee);
        level = std::move(next);
      }
    }
  }

  std::string_view Of(const std::string& service) const {
    if (const auto found = depth_.find(service); found != depth_.end()) {
      if (found->second == 0) return "the symptom";
      return found->second == 1 ? "a callee" : "a service below";
    }
    const bool calls = callees_.contains(service);
    if (!calls) return called_.contains(service) ? "a leaf" : "a lone service";
    return called_.contains(service) ? "a middle" : "an entry";
  }

  // 1, or less for what a callee shows at least as loudly.
  double Cause(const std::string& service, double strength) const {
    for (const std::string& callee : CalleesOf(service)) {
      const auto loud = loudness_.find(callee);
      if (loud != loudness_.end() && loud->second >= 0.8 * strength) return kConsequence;
    }
    return 1;
  }

 private:
  void Raise(const std::string& service, double strength) {
    double& loudness = loudness_[service];
    loudness = std::max(loudness, strength);
  }
  const std::set<std::string>& CalleesOf(const std::string& service) const {
    static const std::set<std::string> none;
    const auto found = callees_.find(service);
    return found == callees_.end() ? none : found->second;
  }

  std::string symptom_;
  std::map<std::string, std::set<std::string>> callees_;
  std::set<std::string> called_;
  std::map<std::string, int> depth_;
  std::map<std::string, double> loudness_;
};

std::vector<Feature> Heaviest(std::vector<Feature> features) {
  std::ranges::sort(features, [](const Feature& a, const Feature& b) {
    if (a.weight != b.weight) return a.weight > b.weight;
    return std::tie(a.family, a.key) < std::tie(b.family, b.key);
  });
  if (features.size() > kMostFeatures) features.resize(kMostFeatures);
  std::erase_if(features, [](const Feature& feature) { return !(feature.weight > 0); });
  return features;
}

double LengthOf(const std::vector<Feature>& features) {
  double square = 0;
  for (const Feature& feature : features)
    square += static_cast<double>(feature.weight) * feature.weight;
  return std::sqrt(square);
}

// Of several features with one key the strongest stays: fifty pods of a service are one service.
class Collector {
 public:
  explicit Collector(std::span<const Weighed> weighed) : any_weighed_(!weighed.empty()) {
    for (const Weighed& one : weighed)
      if (one.weight > 0 && std::isfinite(one.weight))
        by_evidence_[one.evidence].push_back({&one.suspect, one.weight});
  }

  // How strong an item is, that by itself has the strength `own`: what it says, where that is
  // known.
  double StrengthOf(const incident::EvidenceId& id, double own) const {
    if (!any_weighed_) return own;
    const auto found = by_evidence_.find(id);
    if (found == by_evidence_.end()) return kUncited * own;
    double sum = 0;
    for (const auto& [suspect, weight] : found->second) sum += weight;
    return std::log1p(sum);
  }

  // Adds what an item says of its suspects.
  void AddSuspects(Family family, const incident::EvidenceId& id, std::string_view what) {
    const auto found = by_evidence_.find(id);
    if (found == by_evidence_.end()) return;
    for (const auto& [suspect, weight] : found->second)
      Add(family, fmt::format("{}? {}", *suspect, what), kSuspect * std::log1p(weight));
  }

  void Add(Family family, std::string_view key, double weight) {
    if (!(weight > 0) || !std::isfinite(weight)) return;
    double& kept = weights_[static_cast<std::size_t>(family)][OneLine(key, kMostKeyBytes)];
    kept = std::max(kept, weight);
  }

  std::vector<Feature> Take() const {
    std::vector<Feature> features;
    // Weights in nats are of one currency: families need not be brought to a strength.
    if (any_weighed_) {
      for (std::size_t family = 0; family < kFamilies; ++family)
        for (const auto& [key, weight] : weights_[family])
          features.push_back({.family = static_cast<Family>(family),
                              .key = key,
                              .weight = static_cast<float>(weight)});
      return Heaviest(std::move(features));
    }
    for (std::size_t family = 0; family < kFamilies; ++family) {
      double loudest = 0;
      double square = 0;
      for (const auto& [key, weight] : weights_[family]) {
        loudest = std::max(loudest, weight);
        square += weight * weight;
      }
      if (loudest <= 0) continue;
      // However many there are: the family's strength, by how loud its loudest is.
      const double strength = kFamilyStrength[family] * (1 - std::exp(-loudest));
      for (const auto& [key, weight] : weights_[family])
        features.push_back({.family = static_cast<Family>(family),
                            .key = key,
                            .weight = static_cast<float>(weight * strength / std::sqrt(square))});
    }
    return Heaviest(std::move(features));
  }

 private:
  struct Said {
    const std::string* suspect;
    double weight;
  };
  const bool any_weighed_;
  std::map<std::string, std::vector<Said>, std::less<>> by_evidence_;
  std::array<std::map<std::string, double>, kFamilies> weights_;
};

void AddSeries(const Context& context, const Places& places, Collector* out) {
  for (const auto& shift : context.series) {
    const std::string_view signal = SignalName(shift.signal);
    const char* direction = shift.score >= 0 ? "up" : "down";
    double own = Strength(shift.score);
    using enum incident::Signal;
    // Resources are a service's own; latency, errors and traffic run through the callers.
    const bool spreads = shift.signal == kLatency || shift.signal == kErrors ||
                         shift.signal == kTraffic || shift.signal == kOther;
    if (spreads) own *= places.Cause(shift.service, own);
    const double weight = out->StrengthOf(shift.id, own);
    out->AddSuspects(Family::kSeries, shift.id, fmt::format("{} {}", signal, direction));
    out->Add(Family::kSeries, fmt::format("{} {} {}", shift.service, signal, direction), weight);
    if (!shift.caller.empty())
      out->Add(Family::kSeries,
               fmt::format("{} > {} {} {}", shift.caller, shift.service, signal, direction),
               0.6 * weight);
    out->Add(Family::kSeries, fmt::format("{} {} {}", shift.service, shift.metric, direction),
             0.5 * weight);
    out->Add(Family::kSeries, fmt::format("{}: {} {}", places.Of(shift.service), signal, direction),
             kPlaceShare * weight);
  }
}

// The mean of the values; 0 without any.
double MeanOf(const std::vector<incident::Point>& points) {
  double sum = 0;
  for (const incident::Point& point : points) sum += point.value;
  return points.empty() ? 0 : sum / static_cast<double>(points.size());
}

void AddGoldenSignals(const Context& context, const Places& places, Collector* out) {
  for (const auto& signals : context.golden) {
    // In spreads, none smaller than what users would notice.
    const double latency =
        (MeanOf(signals.latency_ms) - signals.latency_before_ms) /
        std::max({signals.latency_spread_ms, 0.1 * signals.latency_before_ms, 0.5});
    const double errors =
        (MeanOf(signals.error_share) - signals.error_before) / std::max(signals.error_spread, 0.01);
    const auto add = [&](std::string_view what, double score) {
      if (!(score > 1)) return;
      const double own = Strength(score);
      const double weight = out->StrengthOf(signals.id, own * places.Cause(signals.service, own));
      out->AddSuspects(Family::kSeries, signals.id, what);
      out->Add(Family::kSeries, fmt::format("{} {}", signals.service, what), weight);
      out->Add(Family::kSeries, fmt::format("{}: {}", places.Of(signals.service), what),
               kPlaceShare * weight);
    };
    // What it says most: requests that fail at once are quick, requests that fail late are slow.
    if (errors >= latency)
      add("errors up", errors);
    else
      add("latency up", latency);
  }
}

void AddOperations(const Context& context, const Places& places, Collector* out) {
  for (const auto& shift : context.operations) {
    const double own = Strength(shift.score);
    const double weight = out->StrengthOf(shift.id, own * places.Cause(shift.service, own));
    const char* what = "slow";
    if (shift.errors_during > shift.errors_before)
      what = "fails";
    else if (Has(shift.duration_before) && !Has(shift.duration_during))
      what = "silent";
    else if (shift.self_during.median < shift.self_before.median)
      what = "quick";
    out->AddSuspects(Family::kOperations, shift.id, what);
    out->Add(Family::kOperations, fmt::format("{} {}", shift.service, what), weight);
    out->Add(Family::kOperations, fmt::format("{} {} {}", shift.service, shift.operation, what),
             0.6 * weight);
    out->Add(Family::kOperations, fmt::format("{} {}", places.Of(shift.service), what),
             kPlaceShare * weight);
  }
}

void AddEdges(const Context& context, const Places& places, Collector* out) {
  for (const auto& shift : context.edges) {
    const double weight = out->StrengthOf(shift.id, Strength(shift.score));
    std::string what;
    if (shift.errors_during > shift.errors_before)
      what = "fails";
    else if (shift.calls_per_request_during < 0.7 * shift.calls_per_request_before)
      what = "is called less";
    else if (shift.calls_per_request_during > 1.4 * shift.calls_per_request_before &&
             shift.calls_per_request_before > 0)
      what = "is called more";
    else
      what = fmt::format("gap {}", Direction(shift.gap_before.median, shift.gap_during.median));
    out->AddSuspects(Family::kEdges, shift.id, what);
    out->Add(Family::kEdges, fmt::format("{} > {} {}", shift.caller, shift.callee, what), weight);
    // A network fault of a service shows on its edges, whoever is at the other end.
    out->Add(Family::kEdges, fmt::format("> {} {}", shift.callee, what), 0.7 * weight);
    out->Add(Family::kEdges, fmt::format("{} > {}", shift.caller, what), 0.4 * weight);
    out->Add(Family::kEdges, fmt::format("> {} {}", places.Of(shift.callee), what),
             kPlaceShare * weight);
  }
}

void AddFlows(const Context& context, const Places& places, Collector* out) {
  for (const auto& shift : context.flows) {
    const double weight = out->StrengthOf(shift.id, Strength(shift.score));
    const char* what = shift.ends_after ? "ends after" : "runs";
    const char* direction = Direction(shift.share_before, shift.share_during);
    out->AddSuspects(Family::kFlows, shift.id, fmt::format("{} {}", what, direction));
    // A step by its name alone: it may hold ids of things where nobody named it well.
    const std::string step = JoinWords(EvidenceWords(shift.step, kMostWords), 60);
    out->Add(Family::kFlows,
             fmt::format("{} {} {} {} {}", shift.service, what, shift.callee, step, direction),
             weight);
    out->Add(Family::kFlows, fmt::format("{} {} {}", shift.service, what, direction), 0.6 * weight);
    out->Add(Family::kFlows, fmt::format("{} {} {}", places.Of(shift.service), what, direction),
             kPlaceShare * weight);
  }
}

void AddLogs(const Context& context, const Places& places, Collector* out) {
  for (const auto& shift : context.logs) {
    const double moved = shift.score != 0 ? shift.score
                                          : static_cast<double>(shift.count_during) -
                                                static_cast<double>(shift.count_before);
    double weight = out->StrengthOf(shift.id, Strength(moved));
    const bool bad = shift.level.starts_with("ERR") || shift.level.starts_with("FATAL") ||
                     shift.level.starts_with("CRIT") || shift.level.starts_with("SEVERE");
    if (!bad) weight *= 0.8;
    const std::string_view change = ChangeName(shift.change);
    const auto words = EvidenceWords(shift.text, kMostWords);
    out->AddSuspects(Family::kLogs, shift.id, fmt::format("{} {}", change, bad ? "error" : "line"));
    if (!words.empty())
      out->Add(Family::kLogs,
               fmt::format("{} {}: {}", shift.service, change, JoinWords(words, kMostKeyBytes)),
               weight);
    if (!shift.location.empty())
      out->Add(Family::kLogs, fmt::format("{} {} @{}", shift.service, change, shift.location),
               0.5 * weight);
    out->Add(Family::kLogs, fmt::format("{} {}", shift.service, change), 0.5 * weight);
    // Templates are cut at other places on other days; their words stay.
    const double each =
        0.6 * weight / std::sqrt(static_cast<double>(std::max<std::size_t>(words.size(), 1)));
    for (const std::string& word : words)
      out->Add(Family::kLogs, fmt::format("{} ~{}", shift.service, word), each);
    out->Add(Family::kLogs,
             fmt::format("{}: {} {}", places.Of(shift.service), change, bad ? "error" : "line"),
             kPlaceShare * weight);
  }
}

void AddTraces(const Context& context, const Places& places, Collector* out) {
  for (const auto& trace : context.traces) {
    const double more =
        trace.like_it > trace.before ? static_cast<double>(trace.like_it - trace.before) : 1.0;
    const double weight = out->StrengthOf(trace.id, std::log1p(std::min(more, 100.0)));
    const char* what = trace.unanswered ? "silent" : "fails";
    out->AddSuspects(Family::kTraces, trace.id, what);
    out->Add(Family::kTraces, fmt::format("{} {}", trace.service, what), weight);
    out->Add(Family::kTraces, fmt::format("{} {} {}", trace.service, trace.operation, what),
             0.6 * weight);
    if (!trace.exception.empty()) {
      out->Add(Family::kTraces, fmt::format("{} throws {}", trace.service, trace.exception),
               weight);
      out->Add(Family::kTraces, fmt::format("throws {}", trace.exception), kPlaceShare * weight);
    }
    if (!trace.location.empty())
      out->Add(Family::kTraces, fmt::format("{} @{}", trace.service, trace.location), 0.6 * weight);
    if (const auto words = EvidenceWords(trace.message, kMostWords); !words.empty())
      out->Add(Family::kTraces,
               fmt::format("{}: {}", trace.service, JoinWords(words, kMostKeyBytes)), 0.6 * weight);
    out->Add(Family::kTraces, fmt::format("{} {}", places.Of(trace.service), what),
             kPlaceShare * weight);
  }
}

void AddFactsAndChanges(const Context& context, const Places& places, Collector* out) {
  for (const auto& fact : context.facts) {
    const double weight = out->StrengthOf(
        fact.id, std::log1p(static_cast<double>(std::min<std::uint64_t>(fact.count, 20))) *
                     (fact.warning ? 1.5 : 0.5));
    out->AddSuspects(Family::kFacts, fact.id, fact.reason);
    // Nodes have names that stay; pods have not.
    out->Add(Family::kFacts, fmt::format("{} {} {}", fact.service, fact.kind, fact.reason), weight);
    out->Add(Family::kFacts, fmt::format("{} {}", fact.kind, fact.reason), 0.5 * weight);
    if (!fact.service.empty())
      out->Add(Family::kFacts, fmt::format("{}: {}", places.Of(fact.service), fact.reason),
               kPlaceShare * weight);
  }
  for (const auto& change : context.changes) {
    const std::string_view kind = ChangeName(change.kind);
    const double weight = out->StrengthOf(change.id, 2);
    out->AddSuspects(Family::kChanges, change.id, kind);
    out->Add(Family::kChanges, fmt::format("{} {}", change.service, kind), weight);
    out->Add(Family::kChanges, fmt::format("{}: {}", places.Of(change.service), kind),
             kPlaceShare * weight);
  }
}

std::vector<Feature> Collected(const Context& context, std::span<const Weighed> weighed) {
  const Places places(context);
  Collector collector(weighed);
  AddSeries(context, places, &collector);
  AddGoldenSignals(context, places, &collector);
  AddOperations(context, places, &collector);
  AddEdges(context, places, &collector);
  AddFlows(context, places, &collector);
  AddLogs(context, places, &collector);
  AddTraces(context, places, &collector);
  AddFactsAndChanges(context, places, &collector);
  return collector.Take();
}

}  // namespace

std::vector<Feature> FeaturesOf(const Context& context, std::span<const Weighed> weighed) {
  std::vector<Feature> moved = Collected(context, {});
  if (weighed.empty()) return moved;
  std::vector<Feature> said = Collected(context, weighed);
  const double scale = kMoved * LengthOf(said) / std::max(LengthOf(moved), 1e-9);
  for (Feature& feature : moved) {
    feature.weight = static_cast<float>(feature.weight * scale);
    const auto same = std::ranges::find_if(said, [&](const Feature& other) {
      return other.family == feature.family && other.key == feature.key;
    });
    if (same != said.end())
      same->weight += feature.weight;
    else
      said.push_back(std::move(feature));
  }
  return Heaviest(std::move(said));
}

std::string EvidenceText(const Context& context) {
  constexpr std::size_t kMostItems = 8;  // of each kind
  constexpr std::size_t kMostBytes = 4000;
  std::string text;
  const auto add = [&](const std::string& sentence) {
    if (text.size() + sentence.size() + 1 <= kMostBytes) text += sentence + "\n";
  };
  const auto first = [&](const auto& items) {
    return std::span(items).first(std::min(items.size(), kMostItems));
  };
  for (const auto& fact : first(context.facts))
    add(fmt::format("{} of {}: {}: {}", fact.kind, fact.service, fact.reason,
                    JoinWords(EvidenceWords(fact.message, 20), 200)));
  for (const auto& change : first(context.changes))
    add(fmt::format("{} was changed: {}", change.service, ChangeName(change.kind)));
  for (const auto& trace : first(context.traces))
    add(fmt::format("{} of {} {} {} {}", trace.operation, trace.service,
                    trace.unanswered ? "is not answered" : "fails", trace.exception,
                    JoinWords(EvidenceWords(trace.message, 20), 200)));
  for (const auto& shift : first(context.logs))
    add(fmt::format("log of {} {}: {} {}", shift.service, ChangeName(shift.change), shift.level,
                    JoinWords(EvidenceWords(shift.text, 20), 200)));
  for (const auto& shift : first(context.series))
    add(fmt::format("{} of {} goes {}", SignalName(shift.signal), shift.service,
                    shift.score >= 0 ? "up" : "down"));
  for (const auto& shift : first(context.edges))
    add(fmt::format("calls from {} to {} are worse", shift.caller, shift.callee));
  return OneLine(text, kMostBytes);
}

}  // namespace enclave::memory
