#include "agent/driver.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/post_mortem.h"
#include "base/log.h"
#include "base/retry.h"
#include "telemetry/config_node.h"

namespace enclave::agent {

namespace {

constexpr int kMostStepsAtOnce = 32;
// Rounds of evidence in one incident beyond its actions: then it is for people.
constexpr std::size_t kMostContexts = 12;

constexpr base::RetryPolicy kRetry{.base_delay = std::chrono::seconds(1),
                                   .factor = 2.0,
                                   .max_delay = std::chrono::seconds(15),
                                   .jitter = 0.1,
                                   .max_attempts = 6};

}  // namespace

Driver::Driver(AgentCore& core, const Neighbourhood& neighbourhood, std::string incident)
    : core_(core),
      neighbourhood_(neighbourhood),
      incident_(std::move(incident)),
      record_(core.Find(incident_)),
      spans_(core.deps().tracer),
      self_(std::make_shared<Driver*>(this)) {
  EnterStage();
}

Driver::~Driver() {
  *self_ = nullptr;
}

void Driver::Step() {
  for (int i = 0; i < kMostStepsAtOnce && !finished_; ++i) {
    record_ = core_.Find(incident_);
    if (!record_) {
      finished_ = true;
      return;
    }
    EnterStage();
    if (record().AnyFiring())
      quiet_since_.reset();
    else if (!quiet_since_)
      quiet_since_ = core_.Now();
    if (!StepOnce()) return;
  }
}

bool Driver::StepOnce() {
  switch (record().stage) {
    case Stage::kDetected:
      return CloseIfCalm() || Freeze();
    case Stage::kContext:
      return CloseIfCalm() || Diagnose();
    case Stage::kDiagnosed:
      return CloseIfCalm() || MakePlan();
    case Stage::kPlanned:
      return CloseIfCalm() || Consider();
    case Stage::kAwaitingApproval:
      return CloseIfCalm() || AwaitApproval();
    case Stage::kActing:
      return Act();
    case Stage::kVerifying:
      return Verify();
    case Stage::kUndoing:
      return Undo();
    case Stage::kResolved:
    case Stage::kRolledBack:
    case Stage::kEscalated:
      return Learn();
    case Stage::kNone:
    case Stage::kLearned:
      finished_ = true;
      return false;
  }
  return false;
}

// The wall clock may be set at any time, so it counts only for what an earlier process has seen,
// and never for more than the longest of the waits.
void Driver::EnterStage() {
  if (!record_ || (record().stage == seen_stage_ && record().stage_ns == seen_stage_ns_)) return;
  const bool resumed = seen_stage_ == Stage::kNone;
  seen_stage_ = record().stage;
  seen_stage_ns_ = record().stage_ns;
  entered_ = core_.Now();
  if (resumed) {
    const base::Duration since(std::clamp<std::int64_t>(core_.NowNs() - record().stage_ns, 0,
                                                        policy().verify.window.count()));
    entered_ -= since;
  }
  waiting_ = {.question = waiting_.question + 1};
  through_since_.reset();
  through_read_.reset();
}

base::Duration Driver::InStage() const {
  return core_.Now() - entered_;
}

bool Driver::MayTry(const Waiting& waiting) const {
  return !waiting.asked && core_.Now() >= waiting.not_before;
}

bool Driver::TryAgain(Waiting* waiting, const std::string& error) {
  waiting->asked = false;
  waiting->last_error = error;
  const auto delay = base::RetryDelay(kRetry, ++waiting->tries, core_.deps().random);
  if (!delay) return false;
  waiting->not_before = core_.Now() + *delay;
  return true;
}

bool Driver::Append(EventKind kind, Json body) {
  return core_.Append(kind, incident_, std::move(body)).has_value();
}

std::vector<const Objective*> Driver::Related() const {
  std::vector<const Objective*> related;
  const std::uint64_t hops = policy().grouping.hops;
  for (const Objective& objective : core_.watch().all()) {
    const bool near = record().services.empty() || objective.service.empty() ||
                      std::ranges::any_of(record().services, [&](const std::string& service) {
                        return neighbourhood_.Near(service, objective.service, hops);
                      });
    if (near) related.push_back(&objective);
  }
  // What it was measured on stays what it is measured on.
  if (const Taken* last = record().Last())
    for (const Objective& before : last->before) {
      const Objective* now = core_.watch().Find(before.name);
      if (!before.well && now != nullptr && std::ranges::find(related, now) == related.end())
        related.push_back(now);
    }
  return related;
}

std::optional<base::MonoTime> Driver::BrokenSince() const {
  std::optional<base::MonoTime> since;
  for (const Objective* one : Related())
    if (const auto broken = core_.watch().BrokenSince(one->name); broken && !IsOldNews(*one))
      since = since ? std::min(*since, *broken) : *broken;
  return since;
}

bool Driver::AllWell() const {
  const base::MonoTime now = core_.Now();
  return core_.watch().known() && std::ranges::all_of(Related(), [&](const Objective* one) {
           return core_.watch().WellFor(one->name, policy().verify.hold, now);
         });
}

bool Driver::CloseIfCalm() {
  if (!AllWell()) return false;
  const bool quiet = quiet_since_ && core_.Now() - *quiet_since_ >= policy().verify.hold;
  if (record().taken.empty()) {
    // Alerts that fire without a broken promise are watched; see Consider.
    if (!quiet) return false;
    return Close(Stage::kResolved, "it was over by itself; nothing was touched");
  }
  if (record().AnythingStands()) return Close(Stage::kResolved, "the objectives are met again");
  return Close(Stage::kRolledBack,
               "the objectives are met again; nothing that was done for it stands");
}

std::int64_t Driver::CalmSince() const {
  std::int64_t since_ns = 0;
  for (const auto& [id, other] : core_.records())
    if (!other->open() && other->closed_ns <= record().opened_ns)
      since_ns = std::max(since_ns, other->closed_ns);
  return since_ns;
}

std::int64_t Driver::RepairedAt() const {
  const Taken* last = record().Last();
  if (last == nullptr || last->state != Taken::State::kDone || last->done_ns == 0) return 0;
  return last->done_ns + policy().verify.settle.count();
}

bool Driver::IsOldNews(const Objective& one) const {
  const std::int64_t repaired_ns = RepairedAt();
  return repaired_ns != 0 && one.unasked.count() > 0 &&
         core_.NowNs() - one.unasked.count() < repaired_ns + policy().objectives.window.count();
}

bool Driver::Freeze() {
  if (record().contexts >= kMostContexts)
    return Close(Stage::kEscalated,
                 fmt::format("{} rounds of evidence led to no lasting repair", record().contexts));
  if (waiting_.asked) {
    if (core_.Now() - waiting_.asked_at < policy().evidence_timeout) return false;
    ++waiting_.question;
    if (!TryAgain(&waiting_, "the evidence did not come in time"))
      return Close(Stage::kEscalated, "no evidence could be had: " + waiting_.last_error);
    return false;
  }
  if (!MayTry(waiting_)) return false;
  waiting_.asked = true;
  waiting_.asked_at = core_.Now();
  const std::uint64_t question = ++waiting_.question;
  core_.deps().diagnoser.Freeze(
      {.incident = incident_,
       .alerts = record().alerts,
       .opened_ns = record().opened_ns,
       .now_ns = core_.NowNs(),
       .calm_since_ns = CalmSince(),
       .repaired_ns = RepairedAt()},
      [self = self_, question](base::Result<incident::Context> context) {
        Driver* driver = *self;
        if (driver == nullptr || driver->waiting_.question != question) return;
        if (!context) {
          if (!driver->TryAgain(&driver->waiting_, context.error().message()))
            driver->Close(Stage::kEscalated,
                          "no evidence could be had: " + context.error().message());
          driver->Step();
          return;
        }
        Digest digest = DigestOf(*context);
        // The trace of the request that shows it best; without any, one of its own.
        std::string trace;
        if (!driver->record().trace)
          trace = (digest.traces.empty() ? trace::TraceId::Make(driver->core_.deps().random)
                                         : digest.traces.front())
                      .ToString();
        if (driver->Append(EventKind::kContextFrozen,
                           {{"context", ToJson(digest)}, {"trace", trace}})) {
          driver->context_ = std::move(*context);
          driver->frozen_at_ = driver->core_.Now();
          // Only now the trace is known that it is a step of.
          driver->record_ = driver->core_.Find(driver->incident_);
          driver->spans_.Begin(driver->record(), "freeze context",
                               *driver->frozen_at_ - driver->waiting_.asked_at);
          driver->spans_.Note("enclave.context", digest.id);
          driver->spans_.End();
        }
        driver->waiting_ = {.question = question + 1};
        driver->Step();
      });
  return false;
}

bool Driver::Diagnose() {
  // The evidence was frozen by a process that is gone.
  if (!context_) return Freeze();
  if (waiting_.asked) {
    if (core_.Now() - waiting_.asked_at < policy().evidence_timeout) return false;
    ++waiting_.question;
    if (!TryAgain(&waiting_, "the diagnosis did not come in time"))
      return Close(Stage::kEscalated, "no cause could be found: " + waiting_.last_error);
    return false;
  }
  if (!MayTry(waiting_)) return false;
  spans_.Begin(record(), "diagnose");
  waiting_.asked = true;
  waiting_.asked_at = core_.Now();
  const std::uint64_t question = ++waiting_.question;
  core_.deps().diagnoser.Diagnose(*context_, [self = self_,
                                              question](base::Result<rca::Diagnosis> diagnosis) {
    Driver* driver = *self;
    if (driver == nullptr || driver->waiting_.question != question) return;
    if (!diagnosis) {
      driver->spans_.Fail(diagnosis.error().message());
      if (!driver->TryAgain(&driver->waiting_, diagnosis.error().message()))
        driver->Close(Stage::kEscalated, "no cause could be found: " + diagnosis.error().message());
      driver->Step();
      return;
    }
    driver->spans_.Note("enclave.diagnosis", diagnosis->summary);
    driver->spans_.End();
    if (driver->core_.deps().memory != nullptr)
      if (const auto kept = driver->core_.deps().memory->Remember(driver->incident_,
                                                                  *driver->context_, *diagnosis);
          !kept)
        base::LogWarning("agent", "the memory takes nothing", {{"error", kept.error().message()}});
    driver->Append(EventKind::kDiagnosed, {{"diagnosis", ToJson(*diagnosis)}});
    driver->waiting_ = {.question = question + 1};
    driver->Step();
  });
  return false;
}

bool Driver::MakePlan() {
  if (!MayTry(waiting_)) return false;
  spans_.Begin(record(), "plan");
  PlanQuestion question{.incident = incident_,
                        .digest = *record().digest,
                        .diagnosis = *record().diagnosis,
                        .first_number = record().planned + 1,
                        .opened_ns = record().opened_ns,
                        .now_ns = core_.NowNs()};
  if (core_.deps().memory != nullptr && context_)
    question.past = core_.deps().memory->Recall(*context_);
  for (const Taken& taken : record().taken) question.tried.insert(taken.action.Signature());
  for (const Skipped& skipped : record().skipped)
    if (!skipped.by.empty()) question.tried.insert(skipped.action.Signature());
  const auto plan = Planner(policy(), core_.deps().api, core_.deps().history).Plan(question);
  if (!plan) {
    spans_.Fail(plan.error().message());
    if (TryAgain(&waiting_, plan.error().message())) return false;
    return Close(Stage::kEscalated,
                 "the cluster could not be read to plan anything: " + plan.error().message());
  }
  Json candidates = Json::array();
  for (const Action& action : plan->candidates) candidates.push_back(ToJson(action));
  spans_.Note("enclave.candidates", static_cast<std::int64_t>(plan->candidates.size()));
  spans_.End();
  return Append(EventKind::kPlanned,
                {{"candidates", std::move(candidates)}, {"notPlanned", plan->not_planned}});
}

bool Driver::Close(Stage outcome, std::string why) {
  if (!Append(EventKind::kClosed, {{"outcome", ToString(outcome)}, {"why", why}})) return false;
  record_ = core_.Find(incident_);
  spans_.Close(record());
  base::LogInfo("agent", "an incident is over",
                {{"incident", incident_}, {"outcome", ToString(outcome)}, {"why", why}});
  return true;
}

bool Driver::Learn() {
  if (!MayTry(waiting_)) return false;
  std::string problem;
  if (Memory* memory = core_.deps().memory) {
    std::vector<Lesson> lessons;
    // What had to stay although it did not help was needed, and something else was wrong as well.
    const auto had_to_stay = [](const Taken& taken) {
      return taken.verdict == Verdict::kNoHelp && taken.stands() && InverseOf(taken.action);
    };
    for (const Taken& taken : record().taken)
      if (taken.verdict && *taken.verdict != Verdict::kBlind && !had_to_stay(taken))
        lessons.push_back(
            {.incident = incident_,
             .service = taken.action.service,
             .cause = taken.action.cause,
             .action = std::string(ToString(taken.action.kind)),
             .helped = *taken.verdict == Verdict::kHelped || *taken.verdict == Verdict::kImproved,
             .time_ns = taken.done_ns});
    for (const Skipped& skipped : record().skipped)
      if (!skipped.by.empty())
        lessons.push_back({.incident = incident_,
                           .service = skipped.action.service,
                           .cause = skipped.action.cause,
                           .action = std::string(ToString(skipped.action.kind)),
                           .by_person = true,
                           .time_ns = record().closed_ns});
    if (const auto learned = memory->Learn(lessons); !learned) problem = learned.error().message();
  }
  std::optional<Impact> impact;
  if (auto felt = core_.deps().objectives.Felt(record().opened_ns, record().closed_ns))
    impact = *felt;
  if (problem.empty() && core_.deps().publish) {
    std::vector<Event> events;
    const auto read = core_.deps().ledger.Read(incident_, [&](const Event& event) {
      events.push_back(event);
      return base::Result<>();
    });
    if (!read) problem = read.error().message();
    if (problem.empty())
      if (const auto published =
              core_.deps().publish(record(), PostMortem(record(), events, impact));
          !published)
        problem = published.error().message();
  }
  if (!problem.empty() && TryAgain(&waiting_, problem)) return false;
  Json body = {{"problem", problem}};
  if (impact)
    body["impact"] = {{"users", impact->users},
                      {"requests", impact->requests},
                      {"budgetSpent", impact->budget_spent}};
  return Append(EventKind::kLearned, std::move(body));
}

}  // namespace enclave::agent
