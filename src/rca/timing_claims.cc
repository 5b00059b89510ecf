#include <fmt/format.h>

#include <cmath>

#include "rca/claimant.h"

namespace enclave::rca {

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
  // Without spans: what the users see, and what callers wait for.
  if (largest_rise_ms_ > 1) return;
  for (const incident::SeriesShift& shift : context_.series)
    if (shift.signal == incident::Signal::kLatency &&
        (shift.service == context_.alert.service || !shift.caller.empty()))
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

}  // namespace enclave::rca
