#include <fmt/format.h>

#include <cmath>
#include <map>

#include "rca/claimant.h"
#include "rca/symptom.h"

namespace enclave::rca {
namespace {

using incident::Signal;

std::string FromTo(const incident::SeriesShift& shift) {
  return fmt::format("{} of {} went from {:.4g} to {:.4g}", shift.metric, shift.service,
                     shift.before.median, shift.during.high);
}

// A host's address is a caller's view of something else that may have telemetry of its own.
bool IsAddress(std::string_view service) {
  return std::ranges::count(service, '.') >= 1 && service.find(' ') == std::string_view::npos &&
         service.find("::") == std::string_view::npos;
}

// Of what a service's errors say, when they may be those of others.
constexpr double kBlind = 0.25;

// Who is asked so many times more than before hands that on to those it calls.
constexpr double kPassesOn = 1.5;

// What a shift of so many floors is worth.
double ShiftWeight(double score, double most) {
  return Bounded(1.5 * std::log2(1 + std::max(std::abs(score) - 2, 0.0)), most);
}

// What it hardly ever passes. An earlier incident in the window is not usual, though a tenth of it.
double UsualHigh(const incident::Summary& before) {
  return std::min(before.high, before.median + 3 * before.spread);
}

// Of the higher values: what has just begun fills little of the time.
double TimesMore(const incident::SeriesShift& shift) {
  return shift.during.high / (shift.before.high + 1e-9);
}

}  // namespace

// Whether spans say so when a request fails; many know no status.
bool Claimant::SpansTellOfErrors() const {
  return std::ranges::any_of(context_.traces,
                             [](const incident::FailingTrace& trace) { return !trace.slow; }) ||
         std::ranges::any_of(context_.operations, [](const incident::OperationShift& shift) {
           return shift.errors_before + shift.errors_during > 0;
         });
}

void Claimant::Symptom() {
  for (const Account& account : AccountFor(context_, graph_)) {
    // Spans tell the same request by request.
    if (any_spans_ && (!account.of_errors || SpansTellOfErrors())) return;
    knows_symptom_ = !any_spans_;
    const std::string& service = graph_.Name(account.service);
    const double address =
        IsAddress(service) && graph_.Callees(account.service).empty() ? 0.5 : 1.0;
    const double own =
        account.of_errors ? 1.0 : 1.0 - WaitsOnTheWay(service, account.worst - account.before);
    Say(service,
        {.kind = account.of_errors ? CauseKind::kCodeError : CauseKind::kSlowDependency,
         .weight = kMostWeight * address * Ramp(account.share * own, 0.05, 0.5) *
                   Ramp(account.likeness, 0.0, 0.8) * Ramp(account.floors, 1, 4) *
                   (account.blind ? kBlind : 1.0),
         .callee_would = account.blind,
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
  CallSeries();
  LostCalls();
  for (const incident::SeriesShift& shift : context_.series) {
    if (!shift.caller.empty()) continue;
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
    weight = kMostWeight * Ramp(level, 0.4, 0.8) * Ramp(level - UsualHigh(shift.before), 0.1, 0.4);
  else
    weight = knows_cpu_limits_
                 ? 0
                 : 6 * Ramp(shift.score, 5, 20) * Ramp(level / (shift.before.high + 1e-9), 1.5, 4);
  // Seconds of a processor a second are cores: a twentieth of one holds nobody up.
  if (incident::SignalOf(shift.metric).is_counter) weight *= Ramp(level, 0.1, 0.5);
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
            ? kMostWeight * Ramp(level, 0.6, 0.9) * Ramp(level - UsualHigh(shift.before), 0.1, 0.4)
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

void Claimant::SayLatency(const incident::SeriesShift& shift) {
  if (shift.score <= 0) return;
  const bool is_client = incident::SignalOf(shift.metric).is_client_side;
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
  const bool good = incident::SignalOf(shift.metric).good_is_high;
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
  if (shift.score > 0) {
    const double times = TimesMore(shift);
    // Where the requests come in: those who call it are asked for little more than before. A caller
    // that is passes it on, however much more of it its callee sees.
    // Whom somebody calls that is called himself, is behind them.
    const bool is_entry = std::ranges::none_of(graph_.Callers(*service), [&](std::uint32_t caller) {
      if (!graph_.Callers(caller).empty()) return true;
      return std::ranges::any_of(context_.series, [&](const incident::SeriesShift& other) {
        return other.signal == Signal::kTraffic && other.caller.empty() && other.score > 0 &&
               other.service == graph_.Name(caller) && TimesMore(other) > kPassesOn;
      });
    });
    // What has been growing all along, as after a start, is no surge while it grows on like that.
    const double grew = shift.before.high / (shift.before.median + 1e-9);
    const double sudden = Ramp(times / std::max(grew, 1.0), 1.2, 2.5);
    // Of whom nobody asked anything before, no number is too large.
    if (is_entry && !graph_.Callees(*service).empty() && shift.before.high > 0)
      Say(shift.service, {.kind = CauseKind::kTrafficSurge,
                          .weight = 8 * sudden * Ramp(times, 1.5, 3),
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

// Who is asked as often as before and no longer asks one whom nobody else asks stops on the way
// there: what flows of spans say, told by numbers of requests.
void Claimant::LostCalls() {
  std::map<std::uint32_t, const incident::GoldenSignals*> signals;
  for (const incident::GoldenSignals& golden : context_.golden)
    if (const auto service = graph_.Find(golden.service); service && !HasSpans(golden.service))
      signals[*service] = &golden;
  struct Count {
    double calls = 0;
    double requests = 0;
    double Rate() const { return requests > 0 ? calls / requests : 0; }
  };
  for (const auto& [callee, of_callee] : signals) {
    if (graph_.Callers(callee).size() != 1) continue;
    const auto caller = signals.find(graph_.Callers(callee).front());
    if (caller == signals.end()) continue;
    Count before;
    Count during;
    for (const incident::Point& point : caller->second->traffic)
      if (const auto calls = ValueAt(of_callee->traffic, point.time_ns)) {
        Count& side = point.time_ns < context_.during.from_ns ? before : during;
        side.requests += point.value;
        side.calls += *calls;
      }
    const double usual = before.Rate();
    if (usual <= 0 || during.requests <= 0 || during.Rate() >= usual) continue;
    // Likelihood ratio of two Poisson rates; calls of one request come together and count once.
    const double together = std::max(usual, 1.0);
    const double all = (before.calls + during.calls) / (before.requests + during.requests);
    const double nats = (before.calls * std::log(usual / all) +
                         (during.calls > 0 ? during.calls * std::log(during.Rate() / all) : 0)) /
                        together;
    Say(caller->second->service,
        {.kind = CauseKind::kCodeError,
         .weight = Bounded(0.4 * nats, 10) * Ramp(1 - during.Rate() / usual, 0.6, 0.95),
         .callee_would = true,
         .id = of_callee->id,
         .component = fmt::format("{} -> {}", caller->second->service, of_callee->service),
         .component_rank = 1,
         .sentence = fmt::format("{} calls {} {:.2g} times a request instead of {:.2g}",
                                 caller->second->service, of_callee->service, during.Rate(), usual),
         .onset_ns = context_.during.from_ns});
  }
}

// What a service's own requests took longer, as its metrics say it. Milliseconds.
double Claimant::OwnRiseMs(std::string_view service) const {
  for (const incident::GoldenSignals& golden : context_.golden) {
    if (golden.service != service) continue;
    double rise = 0;
    for (const incident::Point& point : golden.latency_ms)
      if (point.time_ns >= context_.during.from_ns)
        rise = std::max(rise, point.value - golden.latency_before_ms);
    return rise;
  }
  return 0;
}

// Of what a caller waits longer for an answer, that which the one called does not take itself is
// lost on the way. The longest of several series about one call.
std::vector<Claimant::SlowCall> Claimant::SlowCalls() const {
  std::map<std::pair<std::string_view, std::string_view>, SlowCall> calls;
  for (const incident::SeriesShift& shift : context_.series) {
    if (shift.caller.empty() || shift.signal != Signal::kLatency || shift.score <= 0) continue;
    const double way_ms = shift.on_the_way
                              ? RiseMsOf(shift)
                              : std::max(RiseMsOf(shift) - OwnRiseMs(shift.service), 0.0);
    SlowCall& call = calls[{shift.caller, shift.service}];
    // Both ends of a call know better than one.
    if (call.shift == nullptr ||
        std::pair(shift.on_the_way, way_ms) > std::pair(call.shift->on_the_way, call.way_ms))
      call = {&shift, way_ms};
  }
  std::vector<SlowCall> slow;
  for (const auto& [ends, call] : calls)
    if (call.way_ms > 0) slow.push_back(call);
  return slow;
}

// As of spans: who ends all the slow calls, and has none that stayed fast, is where it is slow; a
// way may be slow in one direction alone, to a service or from it.
void Claimant::CallSeries() {
  struct Calls {
    double slow = 0;
    double fast = 0;
    void Slow() {
      slow += 1;
      fast = std::max(fast - 1, 0.0);
    }
    double Agrees() const { return slow == 0 ? 0 : slow / (slow + fast); }
  };
  struct End {
    double slow_ms = 0;
    double weight = 0;
    Calls all{};
    Calls to{};
    Calls from{};
  };
  const std::vector<SlowCall> calls = SlowCalls();
  std::map<std::string_view, End> ends;
  double all_ms = 0;
  for (const incident::Call& call : context_.topology) {
    End& caller = ends[call.caller];
    End& callee = ends[call.callee];
    for (Calls* calls : {&caller.all, &caller.from, &callee.all, &callee.to}) calls->fast += 1;
  }
  const auto weigh = [&](const SlowCall& call) {
    return ShiftWeight(call.shift->score, 10) * Material(call.way_ms);
  };
  for (const SlowCall& call : calls) {
    const double weight = weigh(call);
    if (weight <= 0) continue;
    all_ms += call.way_ms;
    for (const std::string_view name :
         {std::string_view(call.shift->caller), std::string_view(call.shift->service)}) {
      End& end = ends[name];
      end.slow_ms += call.way_ms;
      end.weight += weight;
      end.all.Slow();
      (name == call.shift->caller ? end.from : end.to).Slow();
    }
  }
  for (const SlowCall& call : calls) {
    const double weight = weigh(call);
    if (weight <= 0) continue;
    const incident::SeriesShift& shift = *call.shift;
    // Spans say the same, and better.
    const double trust = HasSpans(shift.service) && HasSpans(shift.caller) ? 0.1 : 1.0;
    for (const std::string& name : {shift.service, shift.caller}) {
      const End& end = ends[name];
      const double agrees = std::max({end.all.Agrees(), end.to.Agrees(), end.from.Agrees()});
      const double total = Bounded(end.weight, 10) * end.slow_ms / all_ms * (0.3 + 0.7 * agrees);
      Say(name, {.kind = CauseKind::kNetworkDelay,
                 .weight = trust * total * weight / end.weight,
                 .id = shift.id,
                 .component = fmt::format("{} -> {}", shift.caller, shift.service),
                 .component_rank = 1,
                 .sentence = fmt::format(
                     "calls from {} to {} went from {:.4g} to {:.4g} ({}), of which {:.3g} ms on "
                     "the way",
                     shift.caller, shift.service, shift.before.median, shift.during.high,
                     shift.metric, call.way_ms),
                 .onset_ns = shift.onset_ns});
    }
  }
}

// How much of what a service takes longer it spends waiting on the way to others, 0 to 1.
double Claimant::WaitsOnTheWay(std::string_view service, double rise_ms) const {
  double waits_ms = 0;
  for (const SlowCall& call : SlowCalls())
    if (call.shift->caller == service) waits_ms += call.way_ms;
  return rise_ms <= 0 ? 0 : std::min(waits_ms / rise_ms, 1.0);
}

}  // namespace enclave::rca
