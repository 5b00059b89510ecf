#include "rca/claims.h"

#include "rca/symptom.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace enclave::rca {
namespace {

using incident::Context;
using incident::Signal;

// No single item is worth more, however clear: the rest is for other items to say.
constexpr double kMostWeight = 12;

double Bounded(double weight, double most = kMostWeight) {
  return std::clamp(weight, 0.0, most);
}

// 0 at `from`, 1 at `to` and past it.
double Ramp(double value, double from, double to) {
  return std::clamp((value - from) / (to - from), 0.0, 1.0);
}

// How much longer it takes: for most, or for a tenth of them. Milliseconds.
double RiseMs(const incident::Summary& before, const incident::Summary& during) {
  return std::max(during.median - before.median, 0.1 * (during.high - before.high));
}

bool IsRatio(const incident::SeriesShift& shift) {
  return shift.metric.find("ratio") != std::string::npos ||
         shift.metric.find("utilization") != std::string::npos;
}

// Of a series of seconds; the unit of others is not known.
double RiseMsOf(const incident::SeriesShift& shift) {
  const double rise = shift.during.high - shift.before.median;
  return shift.metric.find("milliseconds") != std::string::npos ? rise : rise * 1000;
}

class Claimant {
 public:
  Claimant(const Context& context, const CallGraph& graph, const Options& options)
      : context_(context), graph_(graph) {
    for (const Family family : options.without) without_.insert(family);
    for (const incident::ServiceFacts& service : context.services)
      has_spans_.push_back(service.requests_before > 0 && service.requests_during > 0);
    any_spans_ = std::ranges::find(has_spans_, true) != has_spans_.end();
    for (const incident::SeriesShift& shift : context.series)
      knows_cpu_limits_ |= shift.signal == Signal::kCpu && IsRatio(shift);
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
  void SayCallSeries(const incident::SeriesShift& shift);
  void Operations();
  void Edges();
  void Flows();
  double UsualShare(std::string_view service) const;
  void Logs();
  void Traces();
  void Facts();
  void Changes();

  bool HasSpans(std::string_view service) const {
    const auto number = graph_.Find(service);
    return number && has_spans_[*number];
  }

  const Context& context_;
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

std::string FromTo(const incident::SeriesShift& shift) {
  return fmt::format("{} of {} went from {:.4g} to {:.4g}", shift.metric, shift.service,
                     shift.before.median, shift.during.high);
}

// A host's address is a caller's view of something else that may have telemetry of its own.
bool IsAddress(std::string_view service) {
  return std::ranges::count(service, '.') >= 1 && service.find(' ') == std::string_view::npos &&
         service.find("::") == std::string_view::npos;
}

void Claimant::Symptom() {
  for (const Account& account : AccountFor(context_, graph_)) {
    knows_symptom_ = true;
    const std::string& service = graph_.Name(account.service);
    const double address =
        IsAddress(service) && graph_.Callees(account.service).empty() ? 0.5 : 1.0;
    Say(service,
        {.kind = account.of_errors ? CauseKind::kCodeError : CauseKind::kSlowDependency,
         .weight = kMostWeight * address * Ramp(account.share, 0.05, 0.5) *
                   Ramp(account.likeness, 0.0, 0.8) * Ramp(account.floors, 1, 4),
         .id = account.id,
         .component = account.of_errors ? "errors" : "latency",
         .component_rank = 1.5,
         .sentence =
             account.of_errors
                 ? fmt::format("{} fails {:.1f} % of its requests instead of {:.1f} %, which is "
                               "{:.0f} % of what the users lose",
                               service, 100 * account.worst, 100 * account.before,
                               100 * account.share)
                 : fmt::format("{} takes {:.3g} ms instead of {:.3g} ms, which is {:.0f} % of what "
                               "the users wait longer",
                               service, account.worst, account.before, 100 * account.share),
         .onset_ns = context_.during.from_ns});
  }
}

void Claimant::Series() {
  Symptom();
  for (const incident::SeriesShift& shift : context_.series) {
    if (!shift.caller.empty()) {
      SayCallSeries(shift);
      continue;
    }
    switch (shift.signal) {
      case Signal::kCpu:
        SayCpu(shift);
        break;
      case Signal::kMemory:
      case Signal::kDisk:
      case Signal::kRestarts:
      case Signal::kCertificate:
        SayLevel(shift);
        break;
      case Signal::kLatency:
        SayLatency(shift);
        break;
      case Signal::kErrors:
        SayErrors(shift);
        break;
      case Signal::kTraffic:
        SayTraffic(shift);
        break;
      case Signal::kNetwork:
      case Signal::kOther:
        break;
    }
  }
}

void Claimant::SayCpu(const incident::SeriesShift& shift) {
  if (shift.score <= 0) return;
  const double level = std::max(shift.during.high, shift.during.median);
  double weight = 0;
  if (IsRatio(shift))
    // Towards its limit, and far from where it was.
    weight = kMostWeight * Ramp(level, 0.4, 0.8) * Ramp(level - shift.before.high, 0.1, 0.4);
  else
    weight = knows_cpu_limits_
                 ? 0
                 : 6 * Ramp(shift.score, 5, 20) * Ramp(level / (shift.before.high + 1e-9), 1.5, 4);
  Say(shift.service, {.kind = CauseKind::kCpu,
                      .weight = weight,
                      .id = shift.id,
                      .component = shift.metric,
                      .component_rank = IsRatio(shift) ? 3.0 : 2.0,
                      .sentence = FromTo(shift),
                      .onset_ns = shift.onset_ns});
}

void Claimant::SayLevel(const incident::SeriesShift& shift) {
  static const std::map<Signal, CauseKind> kKinds = {
      {Signal::kMemory, CauseKind::kMemory},
      {Signal::kDisk, CauseKind::kDisk},
      {Signal::kRestarts, CauseKind::kCrash},
      {Signal::kCertificate, CauseKind::kCertificate}};
  const double level = std::max(shift.during.high, shift.during.median);
  double weight = 0;
  if (shift.signal == Signal::kRestarts) {
    weight = 8 * Ramp(shift.score, 3, 10);
  } else if (shift.signal == Signal::kCertificate) {
    weight = shift.during.median <= 0 && shift.before.median > 0 ? kMostWeight : 0;
  } else if (shift.score > 0) {
    weight =
        IsRatio(shift)
            ? kMostWeight * Ramp(level, 0.6, 0.9) * Ramp(level - shift.before.high, 0.1, 0.4)
            : 4 * Ramp(shift.score, 5, 20) * Ramp(level / (shift.before.high + 1e-9), 1.3, 2.5);
  }
  Say(shift.service, {.kind = kKinds.at(shift.signal),
                      .weight = weight,
                      .id = shift.id,
                      .component = shift.metric,
                      .component_rank = 2,
                      .sentence = FromTo(shift),
                      .onset_ns = shift.onset_ns});
}

// What a shift of so many floors is worth.
double ShiftWeight(double score, double most) {
  return Bounded(1.5 * std::log2(1 + std::max(std::abs(score) - 2, 0.0)), most);
}

void Claimant::SayLatency(const incident::SeriesShift& shift) {
  if (shift.score <= 0) return;
  const bool is_client = shift.metric.find("client") != std::string::npos;
  // Spans say the same, and better.
  const double trust = (HasSpans(shift.service) ? 0.15 : 1.0) * (is_client ? 0.2 : 1.0) *
                       (knows_symptom_ ? 0.15
                        : any_spans_   ? 0.3
                                       : 1.0) *
                       Ramp(RiseMsOf(shift) / largest_rise_ms_, 0.02, 0.25);
  Say(shift.service, {.kind = CauseKind::kSlowDependency,
                      .weight = trust * ShiftWeight(shift.score, 10),
                      .callee_would = true,
                      .id = shift.id,
                      .component = shift.metric,
                      .component_rank = 1,
                      .sentence = FromTo(shift),
                      .onset_ns = shift.onset_ns});
}

void Claimant::SayErrors(const incident::SeriesShift& shift) {
  const bool good = shift.metric.find("success") != std::string::npos ||
                    shift.metric.find("availab") != std::string::npos;
  if ((shift.score > 0) == good) return;
  Say(shift.service, {.kind = CauseKind::kCodeError,
                      .weight = (knows_symptom_ ? 0.15 : 1.0) * ShiftWeight(shift.score, 10),
                      .callee_would = true,
                      .id = shift.id,
                      .component = shift.metric,
                      .component_rank = 1,
                      .sentence = FromTo(shift),
                      .onset_ns = shift.onset_ns});
}

void Claimant::SayTraffic(const incident::SeriesShift& shift) {
  const auto service = graph_.Find(shift.service);
  if (!service) return;
  const bool is_entry = graph_.Callers(*service).empty();
  if (shift.score > 0) {
    const double times = shift.during.median / (shift.before.high + 1e-9);
    if (is_entry && !graph_.Callees(*service).empty())
      Say(shift.service, {.kind = CauseKind::kTrafficSurge,
                          .weight = 8 * Ramp(times, 1.5, 3),
                          .id = shift.id,
                          .component = shift.metric,
                          .component_rank = 2,
                          .sentence = FromTo(shift),
                          .onset_ns = shift.onset_ns});
    return;
  }
  // Nobody calls it any more: those who should are suspect.
  const double lost = 1 - shift.during.high / (shift.before.median + 1e-9);
  if (lost < 0.7 || HasSpans(shift.service)) return;
  for (const std::uint32_t caller : graph_.Callers(*service))
    Say(graph_.Name(caller), {.kind = CauseKind::kCodeError,
                              .weight = 2 * Ramp(lost, 0.7, 1.0) * Ramp(-shift.score, 3, 8),
                              .callee_would = true,
                              .caller_would = true,
                              .id = shift.id,
                              .component = shift.metric,
                              .sentence = fmt::format("{} lost its requests", shift.service),
                              .onset_ns = shift.onset_ns});
}

void Claimant::SayCallSeries(const incident::SeriesShift& shift) {
  if (shift.signal != Signal::kLatency || shift.score <= 0) return;
  const double trust = HasSpans(shift.service) && HasSpans(shift.caller) ? 0.1 : 0.5;
  const double weight = trust * ShiftWeight(shift.score, 8);
  for (const std::string& end : {shift.service, shift.caller})
    Say(end, {.kind = CauseKind::kNetworkDelay,
              .weight = end == shift.service ? weight : weight * 0.5,
              .callee_would = true,
              .id = shift.id,
              .component = fmt::format("{} -> {}", shift.caller, shift.service),
              .component_rank = 1,
              .sentence =
                  fmt::format("calls from {} to {} went from {:.4g} to {:.4g} ({})", shift.caller,
                              shift.service, shift.before.median, shift.during.high, shift.metric),
              .onset_ns = shift.onset_ns});
}

// What a rise of times is worth: how sure it is, and whether it matters beside the others.
double Claimant::SlowerWeight(const incident::Summary& before, const incident::Summary& during,
                              double score) const {
  if (before.count < 2 || during.count == 0) return 0;
  const double rise = RiseMs(before, during);
  if (rise <= 0) return 0;
  // A thousandfold rise needs few calls to be believed, a small one many.
  const double folds = std::log(std::max((before.high + rise + 1) / (before.high + 1), 1.0));
  const double sure = std::max(
      0.4 * score, folds * std::sqrt(std::min<double>(static_cast<double>(during.count), 30)));
  return Bounded(sure, 10) * Material(rise);
}

// Nobody notices a few milliseconds; and beside seconds, tens of milliseconds are no cause.
double Claimant::Material(double rise_ms) const {
  return Ramp(std::log10(std::max(rise_ms, 1.0)), 1.0, 2.0) *
         Ramp(rise_ms / largest_rise_ms_, 0.02, 0.25);
}

void Claimant::FindLargestRise() {
  largest_rise_ms_ = 1;
  for (const incident::EdgeShift& shift : context_.edges)
    if (shift.gap_before.count >= 2 && shift.gap_during.count >= 2)
      largest_rise_ms_ =
          std::max(largest_rise_ms_, shift.gap_during.median - shift.gap_before.median);
  for (const incident::OperationShift& shift : context_.operations)
    if (shift.self_before.count >= 2 && shift.self_during.count >= 2)
      largest_rise_ms_ =
          std::max(largest_rise_ms_, shift.self_during.median - shift.self_before.median);
  // Without spans: what the users see.
  if (largest_rise_ms_ > 1) return;
  for (const incident::SeriesShift& shift : context_.series)
    if (shift.signal == Signal::kLatency && shift.service == context_.alert.service)
      largest_rise_ms_ = std::max(largest_rise_ms_, RiseMsOf(shift));
}

void Claimant::Operations() {
  for (const incident::OperationShift& shift : context_.operations) {
    if (shift.score <= 0) continue;
    Say(shift.service,
        {.kind = CauseKind::kSlowDependency,
         .family = Family::kOperations,
         .weight = 0.8 * SlowerWeight(shift.self_before, shift.self_during, shift.score),
         .callee_would = true,
         .id = shift.id,
         .component = shift.operation,
         .component_rank = 1.5,
         .sentence = fmt::format("{} of {} takes {:.3g} ms for itself instead of {:.3g} ms",
                                 shift.operation, shift.service, shift.self_during.median,
                                 shift.self_before.median),
         .onset_ns = shift.onset_ns});
  }
}

// A slow network at one service shows on all its calls: who ends all the slow ones, and has no
// calls that stayed fast, is where it is slow.
void Claimant::Edges() {
  struct Ends {
    double slow_ms = 0;
    double slow = 0;
    double fast = 0;
    std::vector<std::pair<double, const incident::EdgeShift*>> shifts{};
  };
  std::map<std::string_view, Ends> ends;
  double all_ms = 0;
  for (const incident::EdgeShift& shift : context_.edges) {
    if (shift.gap_before.count == 0 || shift.gap_during.count == 0) continue;
    const double weight =
        shift.score <= 0 ? 0 : SlowerWeight(shift.gap_before, shift.gap_during, shift.score);
    const double rise_ms = weight > 0 ? RiseMs(shift.gap_before, shift.gap_during) : 0;
    all_ms += rise_ms;
    for (const std::string_view end :
         {std::string_view(shift.caller), std::string_view(shift.callee)}) {
      Ends& found = ends[end];
      found.slow_ms += rise_ms;
      found.slow += weight;
      if (weight > 0)
        found.shifts.emplace_back(weight, &shift);
      else
        found.fast += 1;
    }
  }
  if (all_ms == 0) return;
  for (const auto& [end, found] : ends) {
    if (found.shifts.empty()) continue;
    const double covers = found.slow_ms / all_ms;
    const double edges = static_cast<double>(found.shifts.size());
    const double agrees = edges / (edges + found.fast);
    const double total = Bounded(found.slow) * covers * (0.3 + 0.7 * agrees);
    double left = 1;
    double sum = 0;
    for (const auto& [weight, shift] : found.shifts) {
      sum += weight * left;
      left *= kRepeats;
    }
    for (const auto& [weight, shift] : found.shifts)
      Say(end, {.kind = CauseKind::kNetworkDelay,
                .family = Family::kEdges,
                .weight = total * weight / sum,
                .id = shift->id,
                .component = fmt::format("{} -> {}", shift->caller, shift->callee),
                .component_rank = 2,
                .sentence = fmt::format("between {} and {} calls take {:.3g} ms on the way instead "
                                        "of {:.3g} ms",
                                        shift->caller, shift->callee, shift->gap_during.median,
                                        shift->gap_before.median),
                .onset_ns = shift->onset_ns});
  }
}

bool NamesAnError(std::string_view step) {
  std::string lower(step);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower.find("error") != std::string::npos || lower.find("exception") != std::string::npos ||
         lower.find("fallback") != std::string::npos;
}

// An operation that lost steps was cut short somewhere: after the step that now is its last.
void Claimant::Flows() {
  struct Cut {
    double lost = 0;  // the clearest step it lost
    const incident::FlowShift* step = nullptr;
    std::vector<const incident::FlowShift*> ends{};
    double ended = 0;
  };
  std::map<std::pair<std::string_view, std::string_view>, Cut> cuts;
  for (const incident::FlowShift& shift : context_.flows) {
    Cut& cut = cuts[{shift.service, shift.operation}];
    const double change = std::abs(shift.share_during - shift.share_before);
    const double weight = Bounded(std::abs(shift.score) * 0.4, 10) * Ramp(change, 0.05, 0.4);
    if (shift.ends_after && shift.score > 0) {
      cut.ends.push_back(&shift);
      cut.ended += weight;
    } else if (!shift.ends_after && shift.score < 0 && weight > cut.lost &&
               !NamesAnError(shift.step)) {
      cut.lost = weight;
      cut.step = &shift;
    } else if (!shift.ends_after && shift.score > 0 && shift.callee == shift.service &&
               NamesAnError(shift.step)) {
      Say(shift.service,
          {.kind = CauseKind::kCodeError,
           .family = Family::kFlows,
           .weight = weight * 0.5 * (1 - 0.8 * Ramp(UsualShare(shift.service) / change, 0.5, 0.9)),
           .callee_would = true,
           .id = shift.id,
           .component = shift.operation,
           .component_rank = 0.5,
           .sentence =
               fmt::format("{} of {} ends in {}", shift.operation, shift.service, shift.step),
           .onset_ns = shift.onset_ns});
    }
  }
  for (auto& [key, cut] : cuts) {
    if (cut.step == nullptr) continue;
    const double missing = cut.step->share_before - cut.step->share_during;
    cut.lost *= 1 - 0.8 * Ramp(UsualShare(key.first) / missing, 0.5, 0.9);
    const auto& [service, operation] = key;
    double own = cut.lost;
    for (const incident::FlowShift* end : cut.ends) {
      const double weight = Bounded(std::abs(end->score) * 0.4, 10) *
                            Ramp(std::abs(end->share_during - end->share_before), 0.05, 0.4);
      const double part = cut.lost * weight / cut.ended;
      if (end->callee == service) continue;
      own -= part * 0.7;
      Say(end->callee,
          {.kind = CauseKind::kCodeError,
           .family = Family::kFlows,
           .weight = part * 0.7,
           .callee_would = true,
           .id = end->id,
           .component = end->step,
           .component_rank = 0.8,
           .sentence = fmt::format("{} of {} stops after calling {} ({:.0f} % of runs instead of "
                                   "{:.0f} %)",
                                   operation, service, end->step, 100 * end->share_during,
                                   100 * end->share_before),
           .onset_ns = end->onset_ns});
    }
    Say(service,
        {.kind = CauseKind::kWrongResult,
         .family = Family::kFlows,
         .weight = own,
         .callee_would = true,
         .caller_would = true,
         .id = cut.step->id,
         .component = std::string(operation),
         .component_rank = 1,
         .sentence = fmt::format("{} of {} reaches {} in {:.0f} % of runs instead of {:.0f} %",
                                 operation, service, cut.step->step, 100 * cut.step->share_during,
                                 100 * cut.step->share_before),
         .onset_ns = cut.step->onset_ns});
  }
}

// Of the runs of a service, how many end in a complaint that is nothing new.
double Claimant::UsualShare(std::string_view service) const {
  const auto found = usual_share_.find(service);
  return found == usual_share_.end() ? 0 : found->second;
}

void Claimant::Logs() {
  // What operations now write instead, other than complaints: a branch that other input takes.
  std::map<std::pair<std::string_view, std::string_view>, double> instead;
  for (const incident::LogShift& shift : context_.logs)
    if (shift.change == incident::LogChange::kNew && shift.level != "ERROR" &&
        shift.level != "WARN" && shift.runs_during > 0) {
      double& share = instead[{shift.service, shift.operation}];
      share = std::max(
          share, static_cast<double>(shift.count_during) / static_cast<double>(shift.runs_during));
    }
  for (const incident::LogShift& shift : context_.logs) {
    const double usual = UsualShare(shift.service);
    const std::string& name = shift.location.empty() ? shift.text : shift.location;
    const auto share = [](std::uint64_t count, std::uint64_t runs) {
      return runs == 0 ? 0.0 : static_cast<double>(count) / static_cast<double>(runs);
    };
    const double before = share(shift.count_before, shift.runs_before);
    const double during = share(shift.count_during, shift.runs_during);
    const bool is_bad = shift.level == "ERROR" || shift.level == "WARN";
    const bool knows_runs = shift.knows_runs;
    double weight =
        Bounded(std::abs(shift.score) * 0.45, 10) * Ramp(std::abs(during - before), 0.02, 0.3);
    if (shift.score > 0) {
      weight *= shift.level == "ERROR" ? 1.0 : shift.level == "WARN" ? 0.5 : 0.05;
      if (shift.change == incident::LogChange::kBursting) weight *= 0.6;
      if (shift.usual) weight *= 0.3;
    } else {
      if (is_bad) continue;  // fewer errors are no fault
      weight *= (knows_runs ? 1.0 : 0.3) * (1 - 0.8 * Ramp(usual / (before - during), 0.5, 0.9));
      if (shift.change == incident::LogChange::kDwindling) weight *= 0.8;
      if (const auto other = instead.find({shift.service, shift.operation}); other != instead.end())
        weight *= 1 - 0.7 * Ramp(other->second / (before - during + 1e-9), 0.2, 0.8);
    }
    const bool rises = shift.score > 0;
    if (rises && is_bad && !shift.names.empty()) {
      // A complaint about somebody speaks against him, and less against who complains.
      weight *= 0.5;
      for (const std::string& named : shift.names)
        Say(named, {.kind = CauseKind::kDependencyDown,
                    .family = Family::kLogs,
                    .weight = weight / static_cast<double>(shift.names.size()),
                    .callee_would = true,
                    .id = shift.id,
                    .component = name,
                    .component_rank = 0.8,
                    .sentence = fmt::format("{} complains about {}: {}", shift.service, named,
                                            shift.example.substr(0, 160)),
                    .onset_ns = shift.onset_ns});
    }
    Say(shift.service,
        {.kind = rises && shift.level == "ERROR" ? CauseKind::kWrongResult : CauseKind::kCodeError,
         .family = Family::kLogs,
         .weight = weight,
         .callee_would = true,
         .caller_would = !rises,
         .id = shift.id,
         .component = name,
         .component_rank = rises ? 2.0 : 3.0,
         .sentence =
             fmt::format("{} {} {}: {} of {} runs instead of {} of {}", shift.service,
                         rises ? "now writes" : "no longer writes", name, shift.count_during,
                         shift.runs_during, shift.count_before, shift.runs_before),
         .onset_ns = shift.onset_ns});
  }
}

void Claimant::Traces() {
  for (const incident::FailingTrace& trace : context_.traces) {
    if (!trace.failed || trace.like_it <= trace.before) continue;
    const double weight =
        Bounded(2.5 * std::log2(1.0 + static_cast<double>(trace.like_it - trace.before)), 10) *
        (trace.before == 0 ? 1.0 : 0.5);
    const std::string what = trace.exception.empty() ? trace.message : trace.exception;
    Say(trace.service,
        {.kind = CauseKind::kCodeError,
         .family = Family::kTraces,
         .weight = trace.location.empty() ? weight * 0.8 : weight,
         .callee_would = true,
         .id = trace.id,
         .component = trace.location.empty() ? trace.operation : trace.location,
         .component_rank = trace.location.empty() ? 1.5 : 4,
         .sentence = fmt::format("{} of {} fails with {} in {} requests{}{}", trace.operation,
                                 trace.service, what.empty() ? "an error" : what, trace.like_it,
                                 trace.location.empty() ? "" : " at ", trace.location),
         .onset_ns = trace.onset_ns});
  }
}

struct Reason {
  const char* reason;
  CauseKind kind;
  double weight;
};
// As Kubernetes names them.
constexpr Reason kReasons[] = {
    {"OOMKilled", CauseKind::kMemory, 9},
    {"OOMKilling", CauseKind::kMemory, 9},
    {"CrashLoopBackOff", CauseKind::kCrash, 8},
    {"BackOff", CauseKind::kCrash, 6},
    {"Error", CauseKind::kCrash, 5},
    {"ErrImagePull", CauseKind::kBadRelease, 9},
    {"ImagePullBackOff", CauseKind::kBadRelease, 9},
    {"ErrImageNeverPull", CauseKind::kBadRelease, 9},
    {"InvalidImageName", CauseKind::kBadRelease, 9},
    {"CreateContainerConfigError", CauseKind::kConfiguration, 9},
    {"FailedMount", CauseKind::kConfiguration, 7},
    {"Evicted", CauseKind::kDisk, 6},
    {"Unhealthy", CauseKind::kDependencyDown, 4},
    {"NoEndpoints", CauseKind::kDependencyDown, 8},
    {"ScaledToZero", CauseKind::kDependencyDown, 9},
    {"Killing", CauseKind::kCrash, 2},
};

void Claimant::Facts() {
  for (const incident::KubernetesFact& fact : context_.facts)
    for (const Reason& reason : kReasons)
      if (fact.reason == reason.reason) {
        Say(fact.service, {.kind = reason.kind,
                           .family = Family::kFacts,
                           .weight = reason.weight,
                           .id = fact.id,
                           .component = fact.object,
                           .component_rank = 2,
                           .sentence = fmt::format("{} {}: {} ({})", fact.kind, fact.object,
                                                   fact.message, fact.reason),
                           .onset_ns = fact.time_ns});
        break;
      }
}

void Claimant::Changes() {
  static const std::map<incident::ChangeKind, CauseKind> kKinds = {
      {incident::ChangeKind::kRollout, CauseKind::kBadRelease},
      {incident::ChangeKind::kConfiguration, CauseKind::kConfiguration},
      {incident::ChangeKind::kScale, CauseKind::kDependencyDown},
      {incident::ChangeKind::kNetwork, CauseKind::kConfiguration},
      {incident::ChangeKind::kDeletion, CauseKind::kDependencyDown}};
  for (const incident::Change& change : context_.changes) {
    const auto kind = kKinds.find(change.kind);
    if (kind == kKinds.end()) continue;
    // A change just before the trouble began is suspect, one long before it is not.
    const double ahead_s = static_cast<double>(context_.during.from_ns - change.time_ns) / 1e9;
    const double near = ahead_s < -60 ? 0 : 1 - Ramp(ahead_s, 60, 1800);
    Say(change.service,
        {.kind = kind->second,
         .family = Family::kChanges,
         .weight = 4 * near,
         .id = change.id,
         .component = change.object,
         .component_rank = 1,
         .sentence = fmt::format("{} changed from {} to {}", change.object, change.from, change.to),
         .onset_ns = change.time_ns});
  }
}

}  // namespace

std::vector<Claim> ClaimsOf(const Context& context, const CallGraph& graph,
                            const Options& options) {
  return Claimant(context, graph, options).Take();
}

}  // namespace enclave::rca
