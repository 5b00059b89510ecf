// Makes the claims of one context; its methods stand in a file for each sort of evidence
// (series_claims.cc, timing_claims.cc, code_claims.cc, and the others in claims.cc).
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "incident/signal.h"
#include "rca/claims.h"

namespace enclave::rca {

// No single item is worth more, however clear: the rest is for other items to say.
inline constexpr double kMostWeight = 12;

inline double Bounded(double weight, double most = kMostWeight) {
  return std::clamp(weight, 0.0, most);
}

// 0 at `from`, 1 at `to` and past it.
inline double Ramp(double value, double from, double to) {
  return std::clamp((value - from) / (to - from), 0.0, 1.0);
}

// How much longer it takes: for most, or for a tenth of them. Milliseconds.
inline double RiseMs(const incident::Summary& before, const incident::Summary& during) {
  return std::max(during.median - before.median, 0.1 * (during.high - before.high));
}

inline bool IsRatio(const incident::SeriesShift& shift) {
  return incident::SignalOf(shift.metric).is_ratio;
}

// Of a series of seconds; the unit of others is not known.
inline double RiseMsOf(const incident::SeriesShift& shift) {
  const double rise = shift.during.high - shift.before.median;
  return shift.metric.find("milliseconds") != std::string::npos ? rise : rise * 1000;
}

class Claimant {
 public:
  Claimant(const incident::Context& context, const CallGraph& graph, const Options& options)
      : context_(context), graph_(graph) {
    for (const Family family : options.without) without_.insert(family);
    for (const incident::ServiceFacts& service : context.services)
      has_spans_.push_back(service.requests_before > 0 && service.requests_during > 0);
    any_spans_ = std::ranges::find(has_spans_, true) != has_spans_.end();
    for (const incident::SeriesShift& shift : context.series)
      knows_cpu_limits_ |= shift.signal == incident::Signal::kCpu && IsRatio(shift);
    for (const incident::LogShift& shift : context.logs)
      if (shift.usual && shift.runs_during > 0) {
        double& share = usual_share_[shift.service];
        share = std::max(share, static_cast<double>(shift.count_during) /
                                    static_cast<double>(shift.runs_during));
      }
    FindLargestRise();
  }

  std::vector<Claim> Take() {
    if (Has(Family::kMetrics)) Series();
    if (Has(Family::kOperations)) Operations();
    if (Has(Family::kEdges)) Edges();
    if (Has(Family::kFlows)) Flows();
    if (Has(Family::kLogs)) Logs();
    if (Has(Family::kTraces)) Traces();
    if (Has(Family::kFacts)) Facts();
    if (Has(Family::kChanges)) Changes();
    return std::move(claims_);
  }

 private:
  bool Has(Family family) const { return !without_.contains(family); }

  void Say(std::string_view service, Claim claim) {
    const auto number = graph_.Find(service);
    if (!number || claim.weight <= 0) return;
    claim.service = *number;
    claims_.push_back(std::move(claim));
  }

  double SlowerWeight(const incident::Summary& before, const incident::Summary& during,
                      double score) const;
  double Material(double rise_ms) const;
  void FindLargestRise();
  void Symptom();
  void Series();
  void SayCpu(const incident::SeriesShift& shift);
  void SayLevel(const incident::SeriesShift& shift);
  void SayLatency(const incident::SeriesShift& shift);
  void SayErrors(const incident::SeriesShift& shift);
  void SayTraffic(const incident::SeriesShift& shift);
  // A call that takes longer than the one called does, by its metrics.
  struct SlowCall {
    const incident::SeriesShift* shift = nullptr;
    double way_ms = 0;
  };
  double OwnRiseMs(std::string_view service) const;
  std::vector<SlowCall> SlowCalls() const;
  void CallSeries();
  void LostCalls();
  bool SpansTellOfErrors() const;
  double WaitsOnTheWay(std::string_view service, double rise_ms) const;
  void Operations();
  void Edges();
  void Flows();
  double UsualShare(std::string_view service) const;
  void Logs();
  void Traces();
  bool StillAnswers(std::string_view service) const;
  const std::string& WhoDoesNotReach(const std::string& service) const;
  void SaySlowTrace(const incident::FailingTrace& trace);
  void Facts();
  double Freshness(const incident::Change& change) const;
  double ChangedLately(std::string_view service) const;
  void Changes();

  bool HasSpans(std::string_view service) const {
    const auto number = graph_.Find(service);
    return number && has_spans_[*number];
  }

  const incident::Context& context_;
  const CallGraph& graph_;
  std::set<Family> without_;
  std::map<std::string_view, double> usual_share_;
  std::vector<bool> has_spans_;
  bool any_spans_ = false;
  bool knows_symptom_ = false;  // the symptom is accounted for, and single series say less
  double largest_rise_ms_ = 1;
  bool knows_cpu_limits_ = false;  // shares of limits are measured, and say more than cores
  std::vector<Claim> claims_;
};

}  // namespace enclave::rca
