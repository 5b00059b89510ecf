#include "sim/healing/world.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace enclave::sim {

using agent::Stage;
using base::ErrorKind;
using base::Fail;
using base::Result;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

constexpr base::Duration kTurn = milliseconds(500);

constexpr const char* kPolicy = R"(
namespaces: [shop]
actions: [rollback_revision, rollback_config, restore_service, restart, delete_pod, scale, raise_limit]
guardrail: {max_share_of_pods: 0.5, max_at_once: 2, min_available: 0.5, cooldown: 20s, per_hour: 30, per_incident: 4, patience: 2m}
verify: {settle: 3s, every: 1s, hold: 5s, window: 40s}
grouping: {window: 2m, hops: 1, linger: 3m, max_open: 6, max_alerts: 32}
approval_timeout: 5m
observe: 2m
evidence_timeout: 10s
rules:
  - {name: released, when: {changed: [rollout]}, try: [rollback_revision, restart]}
  - {name: configured, when: {changed: [configuration]}, try: [rollback_config, rollback_revision]}
  - {name: network, when: {changed: [network]}, try: [restore_service]}
  - {name: scaled, when: {changed: [scale]}, try: [{action: scale, max: 6}]}
  - {name: memory, when: {cause: memory}, try: [{action: raise_limit, resource: memory, max_bytes: 256MiB}]}
  - {name: dead, when: {cause: [crash, dependency down]}, try: [delete_pod, restart]}
  - {name: other, try: [restart, {action: scale, max: 4, approval: required}, escalate]}
)";

rca::CauseKind CauseOf(FaultKind kind) {
  switch (kind) {
    case FaultKind::kBadRelease:
      return rca::CauseKind::kBadRelease;
    case FaultKind::kBadConfig:
      return rca::CauseKind::kConfiguration;
    case FaultKind::kBadSelector:
    case FaultKind::kScaledToZero:
      return rca::CauseKind::kDependencyDown;
    case FaultKind::kHang:
      return rca::CauseKind::kCrash;
    case FaultKind::kElsewhere:
      return rca::CauseKind::kMemory;
    case FaultKind::kPassing:
      return rca::CauseKind::kCodeError;
  }
  return rca::CauseKind::kCodeError;
}

}  // namespace

template <typename T>
void FakeDiagnoser::Answer(std::function<void(Result<T>)> done, T value) {
  if (random_.Unit() < trouble_ / 2) return;  // never
  const bool fails = random_.Unit() < trouble_;
  executor_.After(milliseconds(100 + random_.Below(4000)),
                  [done = std::move(done), value = std::move(value), fails]() mutable {
                    if (fails)
                      done(Fail(ErrorKind::kUnavailable, "the telemetry is not there"));
                    else
                      done(std::move(value));
                  });
}

void FakeDiagnoser::Freeze(const agent::EvidenceQuestion& question,
                           std::function<void(Result<incident::Context>)> done) {
  incident::Context context{.id = question.incident + "-context"};
  context.topology = Shop::Topology();
  context.changes = shop_.changes();
  Answer(std::move(done), std::move(context));
}

void FakeDiagnoser::Diagnose(const incident::Context&,
                             std::function<void(Result<rca::Diagnosis>)> done) {
  rca::Diagnosis diagnosis{.summary = "a guess"};
  std::vector<std::string> services = shop_.services();
  if (const auto truth = shop_.Truth()) {
    rca::Hypothesis right{.service = truth->service,
                          .kind = CauseOf(truth->kind),
                          .confidence = 0.7,
                          .sentence = "the truth"};
    std::erase(services, truth->service);
    diagnosis.ranking.push_back(std::move(right));
  }
  for (int i = 0; i < 3; ++i) {
    rca::Hypothesis wrong{.service = services[random_.Below(services.size())],
                          .kind = static_cast<rca::CauseKind>(random_.Below(14)),
                          .confidence = 0.05 + 0.2 * random_.Unit(),
                          .sentence = "a mistake"};
    std::erase(services, wrong.service);
    diagnosis.ranking.push_back(std::move(wrong));
  }
  if (diagnosis.ranking.size() > 1 && random_.Unit() < 0.25)
    std::swap(diagnosis.ranking[0], diagnosis.ranking[1]);
  Answer(std::move(done), std::move(diagnosis));
}

Result<std::vector<agent::Objective>> FakeObjectives::State(base::WallTime) {
  if (blind_ > 0 && random_.Unit() < blind_)
    return Fail(ErrorKind::kUnavailable, "the metrics are not there");
  return shop_.Objectives();
}

Result<agent::Impact> FakeObjectives::Felt(std::int64_t, std::int64_t) {
  return agent::Impact{.users = 10, .requests = 1000, .budget_spent = 0.01};
}

// What dies: the agent with all its memory.
struct World::Process {
  std::unique_ptr<MortalLedger> ledger;
  std::unique_ptr<agent::ObjectHistory> history;
  std::unique_ptr<kube::SharedInformers> informers;
  std::unique_ptr<agent::Agent> agent;
};

agent::Policy World::MakePolicy() {
  auto policy = agent::ParsePolicy(kPolicy, "simulation");
  CHECK(policy.has_value(), "the simulation's policy is valid");
  return *policy;
}

World::World(std::uint64_t seed, std::string directory)
    : chance_(seed),
      clock_(time_),
      directory_(std::move(directory)),
      policy_(MakePolicy()),
      api_(time_, chance_),
      shop_(api_, clock_, chance_),
      judge_(policy_, api_, shop_, time_),
      death_(chance_),
      mortal_(api_, death_,
              [this](const std::string& verb, const kube::Kind& kind, const kube::ObjectPtr& before,
                     const kube::Json& after) { judge_.OnWrite(verb, kind, before, after); }),
      line_(mortal_, chance_),
      diagnoser_(shop_, clock_, chance_),
      objectives_(shop_, chance_) {
  Start();
}

World::~World() = default;

void World::Start() {
  death_.Revive();
  process_ = std::make_unique<Process>();
  auto ledger = agent::SqliteLedger::Open(directory_ + "/ledger.db");
  CHECK(ledger.has_value(), "the ledger opens again after every death");
  process_->ledger =
      std::make_unique<MortalLedger>(std::move(*ledger), chance_, death_,
                                     [this](const agent::Event& event) { judge_.OnEvent(event); });
  auto history = agent::ObjectHistory::Open(directory_ + "/history.db", clock_);
  CHECK(history.has_value(), "the history opens again after every death");
  process_->history = std::move(*history);
  process_->informers = std::make_unique<kube::SharedInformers>(line_, clock_, chance_);
  process_->history->Watch(*process_->informers, {Shop::kNamespace});
  auto started = agent::Agent::Start(policy_, {.executor = clock_,
                                               .random = chance_,
                                               .ledger = *process_->ledger,
                                               .api = line_,
                                               .dry_run = dry_run_,
                                               .diagnoser = diagnoser_,
                                               .objectives = objectives_,
                                               .history = process_->history.get()});
  CHECK(started.has_value(), "the agent starts from whatever its ledger holds");
  process_->agent = std::move(*started);
  process_->agent->SetTopology(Shop::Topology());
  SetTrouble(trouble_);
}

void World::SetTrouble(bool on) {
  trouble_ = on;
  line_.SetOdds(on ? FaultyApi::Odds{.refused = 0.1, .lost_answer = 0.15, .conflict = 0.1}
                   : FaultyApi::Odds{});
  if (process_) process_->ledger->SetRefused(on ? 0.02 : 0);
  diagnoser_.SetTrouble(on ? 0.2 : 0);
  objectives_.SetBlind(on ? 0.05 : 0);
  death_.SetOdds(on ? 0.012 : 0);
  if (!on) clock_.Set({});
}

void World::Break() {
  const std::size_t faults = chance_.Below(8) == 0 ? 2 : 1;
  for (std::size_t i = 0; i < faults; ++i) {
    Fault fault{.kind = static_cast<FaultKind>(chance_.Below(7)),
                .service = shop_.services()[chance_.Below(shop_.services().size())],
                .since = time_.Now()};
    if (fault.kind == FaultKind::kPassing)
      fault.ends = time_.Now() + seconds(2 + chance_.Below(90));
    shop_.Break(fault);
  }
}

void World::FalseAlarm() {
  const std::string& service = shop_.services()[chance_.Below(shop_.services().size())];
  Alarm alarm{.event = {.name = "Flapping", .service = service, .ns = Shop::kNamespace},
              .real = false,
              .since = time_.Now(),
              .until = time_.Now() + seconds(1 + chance_.Below(60))};
  alarm.event.labels.Set("service", service);
  alarm.event.starts_ns = clock_.WallNow().time_since_epoch().count();
  alarms_["Flapping " + service] = alarm;
}

void World::Tell(const agent::AlertEvent& alert) {
  if (!process_ || death_.dead()) return;
  if (trouble_ && chance_.Unit() < 0.1) return;  // lost on the way; said again later
  process_->agent->OnAlert(alert);
}

// An alert fires once its objective was missed for two seconds, is repeated while it lasts, and
// ends some time after.
void World::TurnAlarms() {
  for (const agent::Objective& objective : shop_.Objectives()) {
    const auto known = alarms_.find(objective.name);
    if (!objective.well && known == alarms_.end()) {
      Alarm alarm{
          .event = {.name = "BudgetBurns", .service = objective.service, .ns = Shop::kNamespace},
          .since = time_.Now()};
      alarm.event.labels.Set("service", objective.service);
      alarms_[objective.name] = alarm;
    }
    if (objective.well && known != alarms_.end() && known->second.until == base::MonoTime{})
      known->second.until = time_.Now() + seconds(chance_.Below(20));
    if (!objective.well && known != alarms_.end()) known->second.until = {};
  }
  for (auto entry = alarms_.begin(); entry != alarms_.end();) {
    Alarm& alarm = entry->second;
    const base::MonoTime now = time_.Now();
    alarm.event.time_ns = clock_.WallNow().time_since_epoch().count();
    if (alarm.until != base::MonoTime{} && now >= alarm.until) {
      agent::AlertEvent over = alarm.event;
      over.firing = false;
      // Said until it is heard.
      if (alarm.event.firing && alarm.event.starts_ns != 0) Tell(over);
      if (!alarm.event.firing || now - alarm.until > seconds(12) || alarm.event.starts_ns == 0) {
        entry = alarms_.erase(entry);
        continue;
      }
    } else if (now - alarm.since >= seconds(2) && now - alarm.told >= seconds(10)) {
      if (alarm.event.starts_ns == 0) alarm.event.starts_ns = alarm.event.time_ns;
      alarm.told = now;
      Tell(alarm.event);
    }
    ++entry;
  }
}

// They look at what was handed to them after a while, and put it right; they approve, reject or
// sleep; they change the mode.
void World::TurnPeople() {
  for (const auto& [id, record] : judge_.records()) {
    if (record.outcome == Stage::kEscalated && !escalated_at_.contains(id))
      escalated_at_[id] = time_.Now() + seconds(20 + chance_.Below(100));
    if (!process_ || death_.dead() || record.stage != Stage::kAwaitingApproval) continue;
    const std::uint64_t what = chance_.Below(60);
    if (what == 0) (void)process_->agent->Approve(id, "alice");
    if (what == 1) (void)process_->agent->Reject(id, "bob", "not now");
  }
  for (auto& [id, when] : escalated_at_)
    if (when != base::MonoTime::max() && time_.Now() >= when) {
      shop_.MendAll();
      when = base::MonoTime::max();
    }
  if (trouble_ && process_ && !death_.dead() && chance_.Below(400) == 0)
    (void)process_->agent->SetMode(
        chance_.Below(3) == 0 ? agent::Mode::kHuman : agent::Mode::kAutonomous, "alice", "");
}

void World::Turn() {
  shop_.Step();
  judge_.Look();
  if (trouble_ && chance_.Below(300) == 0)
    clock_.Set(seconds(static_cast<std::int64_t>(chance_.Below(600)) - 300));
  if (death_.dead() && process_) {
    process_.reset();
    reborn_at_ = time_.Now() + milliseconds(chance_.Below(20'000));
  }
  if (!process_ && time_.Now() >= reborn_at_) Start();
  TurnAlarms();
  TurnPeople();
  api_.ClearCalls();
}

void World::RunFor(base::Duration span) {
  const base::MonoTime end = time_.Now() + span;
  while (time_.Now() < end && !judge_.failure()) {
    time_.RunFor(kTurn);
    Turn();
  }
}

bool World::Quiet() const {
  return shop_.AllWell() && alarms_.empty() && process_ && !death_.dead() &&
         std::ranges::all_of(judge_.records(), [](const auto& entry) {
           return entry.second.stage == Stage::kLearned;
         });
}

}  // namespace enclave::sim
