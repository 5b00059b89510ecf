#include "agent/agent.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/quote.h"
#include "kube/names.h"

namespace enclave::agent {

using base::ErrorKind;
using base::Fail;
using base::Result;

Result<std::unique_ptr<Agent>> Agent::Start(Policy policy, AgentDependencies dependencies) {
  std::unique_ptr<Agent> agent(new Agent(std::move(policy), std::move(dependencies)));
  RETURN_IF_ERROR(agent->core_.Load());
  agent->LearnTopology();
  for (const auto& [id, record] : agent->core_.records())
    if (record->stage != Stage::kLearned) agent->Drive(id);
  agent->Arm();
  return agent;
}

Agent::~Agent() {
  core_.deps().executor.Cancel(timer_);
}

void Agent::Arm() {
  timer_ = core_.deps().executor.After(core_.policy().verify.every, [this] {
    Tick();
    Arm();
  });
}

void Agent::Tick() {
  auto& deps = core_.deps();
  const auto reading = deps.objectives.State(deps.executor.WallNow());
  core_.watch().Update(core_.Now(), reading);
  ReopenRelapses();
  WatchObjectives();
  StepAll();
}

void Agent::WatchObjectives() {
  const ObjectiveWatch& watch = core_.watch();
  if (!watch.known()) return;
  // What is said to fire, and since when: this may be another process than the one that said so.
  std::map<std::string, AlertEvent> firing;
  for (const Record* record : core_.ByTime())
    for (const AlertEvent& alert : record->alerts)
      if (alert.name == kObjectiveMissed && alert.firing)
        firing.insert_or_assign(std::string(alert.labels.Get("objective")), alert);
  for (const Objective& objective : watch.all()) {
    const auto known = firing.find(objective.name);
    if (known != firing.end()) {
      if (!watch.WellFor(objective.name, core_.policy().verify.hold, core_.Now())) continue;
      AlertEvent over = known->second;
      over.time_ns = core_.NowNs();
      over.firing = false;
      OnAlert(over);
    } else if (watch.BrokenFor(objective.name, core_.policy().notice, core_.Now())) {
      AlertEvent alert{.time_ns = core_.NowNs(),
                       .starts_ns = core_.NowNs(),
                       .name = kObjectiveMissed,
                       .service = objective.service,
                       .summary = objective.sentence};
      alert.labels.Set("objective", objective.name);
      alert.labels.Set("service", objective.service);
      OnAlert(alert);
    }
  }
}

void Agent::StepAll() {
  for (auto driver = drivers_.begin(); driver != drivers_.end();) {
    driver->second->Step();
    driver = driver->second->finished() ? drivers_.erase(driver) : std::next(driver);
  }
  if (!topology_given_) LearnTopology();
}

void Agent::LearnTopology() {
  const Record* newest = nullptr;
  for (const auto& [id, record] : core_.records())
    if (record->digest && !record->digest->topology.empty() &&
        (newest == nullptr || newest->opened_ns < record->opened_ns))
      newest = record.get();
  if (newest != nullptr) neighbourhood_ = Neighbourhood(newest->digest->topology);
}

void Agent::SetTopology(const std::vector<incident::Call>& calls) {
  if (calls.empty()) return;
  topology_given_ = true;
  neighbourhood_ = Neighbourhood(calls);
}

void Agent::Drive(const std::string& incident) {
  auto& driver = drivers_[incident];
  if (!driver) driver = std::make_unique<Driver>(core_, neighbourhood_, incident);
}

void Agent::OpenIncident(const std::vector<AlertEvent>& alerts) {
  constexpr std::size_t kSuffix = 8;
  const std::string id = "inc-" + core_.deps().random.Text(kube::kSafeAlphabet, kSuffix);
  Json list = Json::array();
  for (const AlertEvent& alert : alerts) list.push_back(ToJson(alert));
  if (!core_.Append(EventKind::kOpened, id, {{"alerts", std::move(list)}})) return;
  base::LogInfo("agent", "an incident opens", {{"incident", id}, {"alert", alerts.front().name}});
  Drive(id);
}

void Agent::OnAlert(const AlertEvent& alert) {
  // Enough for any incident; beyond it an alert that comes and goes has nothing new to say.
  constexpr std::uint64_t kMostNews = 2000;
  // What is not the agent's to touch is not its to look into either.
  const std::set<std::string>& namespaces = core_.policy().namespaces;
  if (!alert.ns.empty() && !namespaces.contains(alert.ns)) {
    if (alert.firing) core_.CountIgnored();
    return;
  }
  const Placing placing =
      Place(alert, core_.ByTime(), neighbourhood_, core_.policy().grouping, core_.NowNs());
  if (placing.kind == Placing::Kind::kIgnore) {
    if (alert.firing) {
      core_.CountIgnored();
      base::LogWarning("agent", "an alert is left aside",
                       {{"alert", alert.name}, {"why", placing.why}});
    }
    return;
  }
  if (placing.kind == Placing::Kind::kOpen) {
    OpenIncident({alert});
  } else {
    const RecordPtr record = core_.Find(placing.incident);
    const auto known = std::ranges::find_if(record->alerts, [&](const AlertEvent& other) {
      return other.name == alert.name && other.labels == alert.labels;
    });
    // A repetition says nothing new.
    if (known != record->alerts.end() && known->firing == alert.firing) return;
    if (known == record->alerts.end() && !alert.firing) return;
    if (record->news >= kMostNews) return;
    if (!core_.Append(alert.firing ? EventKind::kAlertJoined : EventKind::kAlertResolved,
                      placing.incident, {{"alert", ToJson(alert)}, {"why", placing.why}}))
      return;
  }
  StepAll();
}

void Agent::ReopenRelapses() {
  if (!core_.watch().known()) return;
  const GroupingPolicy& grouping = core_.policy().grouping;
  std::vector<std::vector<AlertEvent>> relapses;
  for (const Record* record : core_.ByTime()) {
    if (record->outcome != Stage::kResolved && record->outcome != Stage::kRolledBack) continue;
    if (core_.NowNs() - record->closed_ns > grouping.linger.count()) continue;
    std::vector<AlertEvent> firing;
    for (const AlertEvent& alert : record->alerts)
      if (alert.firing) firing.push_back(alert);
    if (firing.empty()) continue;
    const auto near = [&](const Record& other, const std::string& service) {
      return other.services.empty() || std::ranges::any_of(other.services, [&](const auto& one) {
               return neighbourhood_.Near(one, service, grouping.hops);
             });
    };
    for (const Objective& objective : core_.watch().all()) {
      if (objective.well || !near(*record, objective.service) ||
          !core_.watch().BrokenFor(objective.name, core_.policy().verify.hold, core_.Now()))
        continue;
      const bool open = std::ranges::any_of(core_.ByTime(), [&](const Record* other) {
        return other->open() && near(*other, objective.service);
      });
      // Once told, the alerts are of the newer incident.
      const bool newer = std::ranges::any_of(core_.ByTime(), [&](const Record* other) {
        return other->opened_ns > record->closed_ns && near(*other, objective.service);
      });
      if (open || newer) continue;
      relapses.push_back(firing);
      break;
    }
  }
  // One at a time: the next look tells whether there is more than one.
  if (!relapses.empty()) OpenIncident(relapses.back());
}

Result<> Agent::SetMode(Mode mode, const std::string& by, const std::string& why) {
  if (mode == core_.mode()) return {};
  RETURN_IF_ERROR(
      core_.Append(EventKind::kModeSet, "", {{"mode", ToString(mode)}, {"by", by}, {"why", why}}));
  base::LogInfo("agent", "the mode is set", {{"mode", ToString(mode)}, {"by", by}, {"why", why}});
  StepAll();
  return {};
}

void Agent::OnBreakerOpen() {
  if (const auto set = SetMode(Mode::kHuman, "circuit breaker",
                               "more than a fifth of the calls to the language model failed");
      !set)
    base::LogError("agent", "the mode could not be set", {{"error", set.error().message()}});
}

Result<RecordPtr> Agent::Waiting(const std::string& id) const {
  for (const auto& [incident, record] : core_.records()) {
    const Action* candidate = record->Candidate();
    const bool meant = incident == id || (candidate != nullptr && candidate->id == id);
    if (!meant) continue;
    if (record->stage == Stage::kAwaitingApproval) return record;
    return Fail(ErrorKind::kUnprocessable, fmt::format("{} is {}: nothing waits for approval there",
                                                       incident, ToString(record->stage)));
  }
  return Fail(ErrorKind::kNotFound,
              fmt::format("there is no incident or waiting action {}; `enclave incidents` lists "
                          "them",
                          base::Quote(id)));
}

Result<> Agent::Approve(const std::string& id, const std::string& by) {
  ASSIGN_OR_RETURN(const RecordPtr record, Waiting(id));
  RETURN_IF_ERROR(core_.Append(EventKind::kApproved, record->id,
                               {{"action", record->Candidate()->id}, {"by", by}}));
  StepAll();
  return {};
}

Result<> Agent::Reject(const std::string& id, const std::string& by, const std::string& why) {
  ASSIGN_OR_RETURN(const RecordPtr record, Waiting(id));
  RETURN_IF_ERROR(core_.Append(EventKind::kRejected, record->id,
                               {{"action", record->Candidate()->id}, {"by", by}, {"why", why}}));
  StepAll();
  return {};
}

}  // namespace enclave::agent
