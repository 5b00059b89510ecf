#include "agent/objective_watch.h"

#include <algorithm>

namespace enclave::agent {

void ObjectiveWatch::Update(base::MonoTime now,
                            const base::Result<std::vector<Objective>>& reading) {
  known_ = reading.has_value();
  if (!known_) {
    std::erase_if(since_, [](const auto& entry) { return entry.second.well; });
    all_.clear();
    return;
  }
  all_ = *reading;
  std::map<std::string, Since> since;
  for (const Objective& objective : all_) {
    const auto before = since_.find(objective.name);
    const bool same = before != since_.end() && before->second.well == objective.well;
    since[objective.name] = same ? before->second : Since{objective.well, now};
  }
  since_ = std::move(since);
}

const Objective* ObjectiveWatch::Find(const std::string& name) const {
  const auto found = std::ranges::find(all_, name, &Objective::name);
  return found == all_.end() ? nullptr : &*found;
}

bool ObjectiveWatch::For(const std::string& name, bool well, base::Duration span,
                         base::MonoTime now) const {
  const auto found = since_.find(name);
  return found != since_.end() && found->second.well == well && now - found->second.time >= span;
}

std::optional<base::MonoTime> ObjectiveWatch::BrokenSince(const std::string& name) const {
  const auto found = since_.find(name);
  if (found == since_.end() || found->second.well) return std::nullopt;
  return found->second.time;
}

bool ObjectiveWatch::WellFor(const std::string& name, base::Duration span,
                             base::MonoTime now) const {
  return For(name, true, span, now);
}

bool ObjectiveWatch::BrokenFor(const std::string& name, base::Duration span,
                               base::MonoTime now) const {
  return For(name, false, span, now);
}

}  // namespace enclave::agent
