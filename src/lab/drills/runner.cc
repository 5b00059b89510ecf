#include "lab/drills/runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "lab/drills/breaker.h"
#include "lab/drills/footprint.h"
#include "lab/drills/restore.h"

namespace enclave::lab::drills {

using base::Duration;
using base::ErrorKind;
using base::Fail;
using base::MonoTime;
using base::Result;
using base::WallTime;
using std::chrono::seconds;

namespace {

constexpr seconds kStep{1};
constexpr std::size_t kMostTold = 200;
constexpr std::size_t kMostCalm = 300;  // readings
// How far back and ahead of the first bad reading the request lies that shows it.
constexpr seconds kRequestAround{30};
// What the rest of the laboratory may not lose either.
constexpr const char* kObservatoryNamespace = "observatory";

std::string Joined(const std::vector<std::string>& texts) {
  std::string joined;
  for (const std::string& text : texts) joined += (joined.empty() ? "" : ", ") + text;
  return joined;
}

Duration LastAfter(const Drill& drill) {
  return drill.faults.back().after;
}

}  // namespace

std::string_view ToString(Phase phase) {
  switch (phase) {
    case Phase::kSteady:
      return "steady";
    case Phase::kBroken:
      return "broken";
    case Phase::kDetected:
      return "detected";
    case Phase::kDiagnosed:
      return "diagnosed";
    case Phase::kActing:
      return "acting";
    case Phase::kWell:
      return "well again";
    case Phase::kOver:
      return "over";
  }
  return "";
}

struct Runner::State {
  explicit State(const Drill& its_drill) : drill(its_drill) { seen.drill = its_drill.name; }

  const Drill& drill;
  Seen seen;
  AgentWatch agent;
  Footprint before;
  Phase phase = Phase::kSteady;
  WallTime began{};
  MonoTime broken_at{};
  std::size_t carried = 0;  // faults
  std::vector<Reading> calm;
  std::vector<ToldLine> told;
  std::string waits;
  std::vector<std::string> last_broken;
  std::optional<WallTime> well_from;  // of the stretch of well readings that lasts now
  std::string agent_error;
};

Runner::Runner(const World& world, const std::vector<Objective>& objectives,
               const std::vector<Json>& manifests, Show& show, const RunOptions& options)
    : world_(world), slo_(objectives), manifests_(manifests), show_(show), options_(options) {}

void Runner::Tell(State* state, const std::string& text) {
  if (state->told.size() >= kMostTold) state->told.erase(state->told.begin());
  state->told.push_back({.time = world_.pace.WallNow(), .text = text});
  show_.Line(world_.pace.WallNow(), text);
}

void Runner::Tick(State* state) {
  show_.Tick({.drill = state->drill,
              .seen = state->seen,
              .phase = state->phase,
              .began = state->began,
              .now = world_.pace.WallNow(),
              .calm = state->calm,
              .told = state->told,
              .waits = state->waits});
}

Result<std::vector<std::string>> Runner::PutBack(const std::string& ns) {
  world_.host.PutBack();
  ASSIGN_OR_RETURN(const auto pods, world_.cluster.List(kube::kPod, {.ns = ns}));
  for (const auto& pod : pods.items) world_.host.Continue(pod->uid());
  return Restore(world_.cluster, manifests_, ns);
}

Result<> Runner::Settle(const std::string& ns, Duration hold, const OnReading& on_reading) {
  RETURN_IF_ERROR(PutBack(ns));
  const MonoTime deadline = world_.pace.Now() + options_.steady_timeout;
  std::optional<MonoTime> well_from;
  std::string missing = "nothing was read yet";
  for (;;) {
    const Reading reading = slo_.Read(world_);
    const auto open =
        options_.unattended ? Result<std::vector<std::string>>() : AgentWatch::Open(world_);
    const MonoTime now = world_.pace.Now();
    if (!reading.well() || !open || !open->empty())
      well_from.reset();
    else if (!well_from)
      well_from = now;
    const bool held = well_from && now - *well_from >= hold;
    const auto paging = held && !options_.unattended ? SloWatch::Paging(world_)
                                                     : Result<std::vector<std::string>>();
    if (held && paging && paging->empty()) return {};
    if (!paging)
      missing = paging.error().message();
    else if (held)
      missing = Joined(*paging) + " still fires";
    else if (well_from)
      missing = fmt::format("all is well, and must be for {:.0f} s", InSeconds(hold));
    else if (!reading.error.empty())
      missing = reading.error;
    else if (!reading.unknown.empty())
      missing = "there is no value for " + Joined(reading.unknown);
    else if (!reading.broken.empty())
      missing = Joined(reading.broken) + " is not met";
    else if (!open)
      missing = open.error().message();
    else if (!open->empty())
      missing = "the agent is still at work on " + Joined(*open);
    if (on_reading) on_reading(reading, missing);
    if (now >= deadline)
      return Fail(ErrorKind::kDeadlineExceeded,
                  fmt::format("the laboratory did not become steady within {:.0f} s: {}",
                              InSeconds(options_.steady_timeout), missing));
    if (!world_.pace.Wait(kStep)) return Fail(ErrorKind::kCancelled, "interrupted");
  }
}

Result<> Runner::CarryDue(State* state) {
  const Duration since = world_.pace.Now() - state->broken_at;
  while (state->carried < state->drill.faults.size() &&
         state->drill.faults[state->carried].after <= since) {
    const Fault& fault = state->drill.faults[state->carried++];
    Tell(state, CommandOf(fault, state->drill.ns));
    RETURN_IF_ERROR(Carry(world_, fault, state->drill.ns));
  }
  return {};
}

Result<> Runner::Break(State* state) {
  Tell(state, "waiting until all objectives are met");
  RETURN_IF_ERROR(Settle(state->drill.ns, state->drill.hold,
                         [&](const Reading& reading, const std::string& missing) {
                           if (state->calm.size() >= kMostCalm)
                             state->calm.erase(state->calm.begin());
                           state->calm.push_back(reading);
                           state->waits = missing;
                           Tick(state);
                         }));
  state->waits.clear();
  ASSIGN_OR_RETURN(state->before,
                   TakeFootprint(world_.cluster, {state->drill.ns, kObservatoryNamespace}));
  if (!options_.unattended) RETURN_IF_ERROR(state->agent.Begin(world_));
  state->phase = Phase::kBroken;
  state->broken_at = world_.pace.Now();
  state->seen.broken = world_.pace.WallNow();
  return CarryDue(state);
}

// One second of the users and of the agent.
void Runner::Look(State* state) {
  Seen& seen = state->seen;
  const Reading reading = slo_.Read(world_);
  seen.readings.push_back(reading);
  if (!reading.well()) {
    state->well_from.reset();
  } else if (!state->well_from) {
    state->well_from = reading.time;
  }
  if (!reading.broken.empty() && !seen.first_bad) {
    seen.first_bad = reading.time;
    Tell(state, fmt::format("users feel it: {} after {:.1f} s", Joined(reading.broken),
                            InSeconds(reading.time - seen.broken)));
  } else if (reading.known() && reading.broken != state->last_broken) {
    Tell(state,
         reading.broken.empty() ? "all objectives are met" : "not met: " + Joined(reading.broken));
  }
  if (reading.known()) state->last_broken = reading.broken;
  if (options_.unattended) return;
  const auto news = state->agent.Poll(world_);
  if (!news) {
    if (state->agent_error.empty())
      Tell(state, "the agent does not answer: " + news.error().message());
    state->agent_error = news.error().message();
    return;
  }
  state->agent_error.clear();
  seen.incidents = state->agent.incidents();
  for (const SeenEvent& event : *news)
    if (!event.sentence.empty()) Tell(state, "agent: " + event.sentence);
  if (seen.Detected()) state->phase = std::max(state->phase, Phase::kDetected);
  if (seen.Diagnosed()) state->phase = std::max(state->phase, Phase::kDiagnosed);
  if (seen.Acted()) state->phase = std::max(state->phase, Phase::kActing);
}

bool Runner::Finished(const State& state) const {
  const WallTime now = world_.pace.WallNow();
  const Duration since = now - state.seen.broken;
  if (since >= state.drill.whole) return true;
  if (state.drill.causes.empty()) return false;  // a quiet drill lasts its time
  if (state.carried < state.drill.faults.size() || since < LastAfter(state.drill) + kStep)
    return false;
  if (options_.unattended) {
    const auto felt = state.seen.first_bad;
    return felt && now - *felt >= options_.shown_broken;
  }
  const bool well = state.well_from && now - *state.well_from >= options_.well;
  if (!well || state.seen.incidents.empty() || !state.agent.AllOver()) return false;
  // Of several faults one may be felt seldom, and users be well in between: it will show again.
  return state.drill.causes.size() < 2 || NotFound(state.drill, state.seen.incidents).empty();
}

void Runner::Watch(State* state) {
  for (;;) {
    Look(state);
    if (state->phase > Phase::kBroken && state->well_from) state->phase = Phase::kWell;
    Tick(state);
    if (Finished(*state)) return;
    if (!world_.pace.Wait(kStep)) {
      state->seen.interrupted = true;
      Tell(state, "interrupted: what was broken is put back");
      Tick(state);
      return;
    }
    if (const auto done = CarryDue(state); !done) {
      state->seen.failed = done.error().message();
      return;
    }
  }
}

// What is told of the end: who was touched, and the request that shows it.
void Runner::Close(State* state) {
  Seen& seen = state->seen;
  seen.ended = world_.pace.WallNow();
  if (state->well_from && seen.ended - *state->well_from >= options_.well)
    seen.well_since = state->well_from;
  const auto after = TakeFootprint(world_.cluster, {state->drill.ns, kObservatoryNamespace});
  if (after)
    seen.touched = Touched(state->before, *after, state->drill.ns, state->drill.may_touch);
  else
    seen.failed = after.error().While("looking at what was touched").message();
  if (state->drill.causes.empty()) return;
  const WallTime until = seen.first_bad ? *seen.first_bad + kRequestAround : seen.ended;
  if (auto request = FirstRequest(world_, state->drill.request, seen.broken, until))
    seen.request = std::move(*request);
  else
    Tell(state, "the traces could not be read: " + request.error().message());
}

Seen Runner::Run(const Drill& drill) {
  State state(drill);
  state.began = world_.pace.WallNow();
  if (const auto broken = Break(&state); broken) {
    Watch(&state);
    Close(&state);
  } else {
    state.seen.failed = broken.error().message();
    state.seen.interrupted = broken.error().kind() == ErrorKind::kCancelled;
    state.seen.ended = world_.pace.WallNow();
    if (state.seen.broken == WallTime()) state.seen.broken = state.seen.ended;
  }
  state.phase = Phase::kOver;
  if (const auto back = PutBack(drill.ns); !back) {
    Tell(&state, "the desired state could not be put back: " + back.error().message());
    if (state.seen.failed.empty()) state.seen.failed = back.error().message();
  }
  Tick(&state);
  return std::move(state.seen);
}

}  // namespace enclave::lab::drills
