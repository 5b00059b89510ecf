#include "agent/grouping.h"

#include <algorithm>
#include <map>

namespace enclave::agent {

namespace {

const AlertEvent* SameAlert(const Record& record, const AlertEvent& alert) {
  const auto found = std::ranges::find_if(record.alerts, [&](const AlertEvent& other) {
    return other.name == alert.name && other.labels == alert.labels;
  });
  return found == record.alerts.end() ? nullptr : &*found;
}

bool Related(const Record& record, const AlertEvent& alert, const Neighbourhood& neighbourhood,
             std::uint64_t hops) {
  if (alert.service.empty() || record.services.empty())
    return std::ranges::any_of(record.alerts,
                               [&](const AlertEvent& other) { return other.ns == alert.ns; });
  return std::ranges::any_of(record.services, [&](const std::string& service) {
    return neighbourhood.Near(service, alert.service, hops);
  });
}

// An alert that an incident that is over has dealt with, and that never ended since. Of an
// escalated one it is in people's hands for as long as it fires.
bool DealtWith(const Record& record, const AlertEvent& known, const AlertEvent& alert,
               const GroupingPolicy& policy, std::int64_t now_ns) {
  if (!known.firing || alert.starts_ns > record.closed_ns) return false;
  return record.outcome == Stage::kEscalated || now_ns - record.closed_ns <= policy.linger.count();
}

}  // namespace

Neighbourhood::Neighbourhood(const std::vector<incident::Call>& calls) {
  for (const incident::Call& call : calls) {
    next_[call.caller].insert(call.callee);
    next_[call.callee].insert(call.caller);
  }
}

bool Neighbourhood::Near(std::string_view a, std::string_view b, std::uint64_t hops) const {
  std::set<std::string, std::less<>> reached = {std::string(a)};
  std::set<std::string, std::less<>> edge = reached;
  for (std::uint64_t hop = 0; !reached.contains(b); ++hop) {
    if (hop >= hops || edge.empty()) return false;
    std::set<std::string, std::less<>> further;
    for (const std::string& service : edge)
      if (const auto found = next_.find(service); found != next_.end())
        for (const std::string& other : found->second)
          if (reached.insert(other).second) further.insert(other);
    edge = std::move(further);
  }
  return true;
}

Placing Place(const AlertEvent& alert, const std::vector<const Record*>& records,
              const Neighbourhood& neighbourhood, const GroupingPolicy& policy,
              std::int64_t now_ns) {
  // The same alert again, or its end.
  for (auto record = records.rbegin(); record != records.rend(); ++record) {
    const AlertEvent* known = SameAlert(**record, alert);
    if (known == nullptr) continue;
    if ((*record)->open()) return {Placing::Kind::kJoin, (*record)->id, "the same alert"};
    if (!alert.firing)
      return known->firing ? Placing{Placing::Kind::kAbsorb, (*record)->id, "its end"} : Placing{};
    if (DealtWith(**record, *known, alert, policy, now_ns))
      return {Placing::Kind::kAbsorb, (*record)->id, "it was dealt with"};
    break;
  }
  if (!alert.firing) return {};
  std::size_t open = 0;
  for (const Record* record : records) {
    if (!record->open()) continue;
    ++open;
    const bool close = now_ns - record->last_alert_ns <= policy.window.count();
    if (close && record->alerts.size() < policy.max_alerts &&
        Related(*record, alert, neighbourhood, policy.hops))
      return {Placing::Kind::kJoin, record->id, "near in time and topology"};
  }
  // What comes late, after the repair, is seen again by who repeats it.
  for (auto record = records.rbegin(); record != records.rend(); ++record)
    if (!(*record)->open() && (*record)->outcome != Stage::kEscalated &&
        alert.starts_ns <= (*record)->closed_ns &&
        now_ns - (*record)->closed_ns <= policy.linger.count() &&
        Related(**record, alert, neighbourhood, policy.hops))
      return {Placing::Kind::kAbsorb, (*record)->id, "it began before the repair"};
  if (policy.quiet.contains(std::string(alert.labels.Get("severity"))))
    return {Placing::Kind::kIgnore, "", "its severity opens no incident"};
  if (open >= policy.max_open) return {Placing::Kind::kIgnore, "", "too many incidents are open"};
  return {Placing::Kind::kOpen, "", ""};
}

}  // namespace enclave::agent
