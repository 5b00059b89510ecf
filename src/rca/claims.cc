#include "rca/claims.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>

#include "rca/claimant.h"

namespace enclave::rca {
namespace {

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

}  // namespace

void Claimant::Traces() {
  for (const incident::FailingTrace& trace : context_.traces) {
    if (trace.like_it <= trace.before) continue;
    if (trace.slow) {
      SaySlowTrace(trace);
      continue;
    }
    const double weight =
        Bounded(2.5 * std::log2(1.0 + static_cast<double>(trace.like_it - trace.before)), 10) *
        (trace.before == 0 ? 1.0 : 0.5);
    const std::string what = trace.exception.empty() ? trace.message : trace.exception;
    // Whom all others reach is not why one does not reach it.
    const std::string& at_fault = trace.unanswered ? WhoDoesNotReach(trace.service) : trace.service;
    Say(at_fault,
        {.kind = !trace.unanswered             ? CauseKind::kCodeError
                 : StillAnswers(trace.service) ? CauseKind::kNetworkLoss
                                               : CauseKind::kDependencyDown,
         .family = Family::kTraces,
         .weight = trace.location.empty() ? weight * 0.8 : weight,
         .callee_would = at_fault == trace.service,
         .id = trace.id,
         .component = trace.location.empty() ? trace.operation : trace.location,
         .component_rank = trace.location.empty() ? 1.5 : 4,
         .sentence = fmt::format("{} of {} fails with {} in {} request{}{}{}", trace.operation,
                                 trace.service, what.empty() ? "an error" : what, trace.like_it,
                                 trace.like_it == 1 ? "" : "s",
                                 trace.location.empty() ? "" : " at ", trace.location),
         .onset_ns = trace.onset_ns});
  }
}

// Of a service that is not answering: itself, or a caller that was changed, when of several callers
// its calls alone are lost while the service answers.
const std::string& Claimant::WhoDoesNotReach(const std::string& service) const {
  const auto number = graph_.Find(service);
  if (!number || graph_.Callers(*number).size() < 2 || !StillAnswers(service)) return service;
  const std::string* only = nullptr;
  for (const incident::FailingTrace& trace : context_.traces) {
    if (!trace.unanswered || trace.service != service || trace.like_it <= trace.before) continue;
    if (trace.path.size() < 2) return service;
    const std::string& caller = trace.path[trace.path.size() - 2];
    if (only != nullptr && *only != caller) return service;
    only = &caller;
  }
  // In its first seconds a loss is met by whoever calls most: one alone is at fault when it
  // changed.
  const bool changed =
      only != nullptr && std::ranges::any_of(context_.changes, [&](const incident::Change& change) {
        return change.service == *only && change.kind != incident::ChangeKind::kOther;
      });
  return changed ? *only : service;
}

// Who answers some calls is not down: the others were lost.
bool Claimant::StillAnswers(std::string_view service) const {
  const auto facts =
      std::ranges::lower_bound(context_.services, service, {}, &incident::ServiceFacts::name);
  if (facts == context_.services.end() || facts->name != service) return false;
  std::uint64_t lost = 0;
  for (const incident::FailingTrace& trace : context_.traces)
    if (trace.unanswered && trace.service == service) lost += trace.like_it;
  return facts->requests_during * 4 > lost;
}

// That it is slow the operations and calls say already; a line of code says where.
void Claimant::SaySlowTrace(const incident::FailingTrace& trace) {
  if (trace.location.empty()) return;
  Say(trace.service,
      {.kind = CauseKind::kSlowDependency,
       .family = Family::kTraces,
       .weight = 2 * Material(trace.own_ms),
       .callee_would = true,
       .id = trace.id,
       .component = trace.location,
       .component_rank = 4,
       .sentence = fmt::format("a request takes {:.3g} ms instead of {:.3g} ms, {:.3g} ms of it in "
                               "{} of {} at {}",
                               trace.duration_ms, trace.usual_ms, trace.own_ms, trace.operation,
                               trace.service, trace.location),
       .onset_ns = trace.onset_ns});
}

void Claimant::Facts() {
  // That a pod is started again more and more slowly is what comes of its end, whatever that was.
  std::set<std::string_view> out_of_memory;
  for (const incident::KubernetesFact& fact : context_.facts)
    if (fact.reason == "OOMKilled" || fact.reason == "OOMKilling")
      out_of_memory.insert(fact.object);
  for (const incident::KubernetesFact& fact : context_.facts)
    for (const Reason& reason : kReasons)
      if (fact.reason == reason.reason) {
        const bool is_known =
            reason.kind == CauseKind::kCrash && out_of_memory.contains(fact.object);
        Say(fact.service, {.kind = is_known ? CauseKind::kMemory : reason.kind,
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

// A change just before the trouble began is suspect, one long before it is not.
double Claimant::Freshness(const incident::Change& change) const {
  const double ahead_s = static_cast<double>(context_.during.from_ns - change.time_ns) / 1e9;
  return ahead_s < -60 ? 0 : 1 - Ramp(ahead_s, 60, 1800);
}

// How lately the code or the configuration of a service was changed.
double Claimant::ChangedLately(std::string_view service) const {
  double lately = 0;
  for (const incident::Change& change : context_.changes)
    if (change.service == service && (change.kind == incident::ChangeKind::kRollout ||
                                      change.kind == incident::ChangeKind::kConfiguration))
      lately = std::max(lately, Freshness(change));
  return lately;
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
    Say(change.service,
        {.kind = kind->second,
         .family = Family::kChanges,
         .weight = 4 * Freshness(change),
         .id = change.id,
         .component = change.object,
         .component_rank = 1,
         .sentence = fmt::format("{} changed from {} to {}", change.object, change.from, change.to),
         .onset_ns = change.time_ns});
  }
}

std::vector<Claim> ClaimsOf(const incident::Context& context, const CallGraph& graph,
                            const Options& options) {
  return Claimant(context, graph, options).Take();
}

}  // namespace enclave::rca
