#include <fmt/format.h>

#include <cctype>
#include <cmath>

#include "rca/claimant.h"

namespace enclave::rca {
namespace {

bool NamesAnError(std::string_view step) {
  std::string lower(step);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower.find("error") != std::string::npos || lower.find("exception") != std::string::npos ||
         lower.find("fallback") != std::string::npos;
}

}  // namespace

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
    const double changed = ChangedLately(service);
    for (const incident::FlowShift* end : cut.ends) {
      const double weight = Bounded(std::abs(end->score) * 0.4, 10) *
                            Ramp(std::abs(end->share_during - end->share_before), 0.05, 0.4);
      if (end->callee == service) continue;
      // Code that was changed lately takes another way by itself.
      const double part = 0.7 * cut.lost * weight / cut.ended *
                          (1 - std::max(changed - ChangedLately(end->callee), 0.0));
      own -= part;
      Say(end->callee,
          {.kind = CauseKind::kCodeError,
           .family = Family::kFlows,
           .weight = part,
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
      // What a service writes first, measured against its callers: silent for some of them alone,
      // it may not have been called.
      if (shift.operation == name) weight *= Ramp(1 - during / before, 0.4, 0.9);
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

}  // namespace enclave::rca
