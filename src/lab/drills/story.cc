#include "lab/drills/story.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "kube/time.h"

namespace enclave::lab::drills {
namespace {

using base::Duration;
using base::WallTime;

constexpr std::size_t kMostEvidence = 3;

class Teller {
 public:
  explicit Teller(WallTime zero) : zero_(zero) {}
  // Without a time it belongs to what was told before.
  void At(std::optional<WallTime> time, std::string_view what, std::string text) {
    if (time) time_ = *time;
    steps_.emplace_back(
        std::pair(time_, steps_.size()),
        StoryStep{.when = time ? fmt::format("{:+.1f} s", InSeconds(*time - zero_)) : "",
                  .what = std::string(what),
                  .text = std::move(text)});
  }
  std::vector<StoryStep> Take() {
    std::ranges::sort(steps_, {}, &decltype(steps_)::value_type::first);
    std::vector<StoryStep> told;
    for (auto& [key, step] : steps_) told.push_back(std::move(step));
    return told;
  }

 private:
  const WallTime zero_;
  WallTime time_{};
  std::vector<std::pair<std::pair<WallTime, std::size_t>, StoryStep>> steps_;
};

void TellIncident(const SeenIncident& incident, Teller* teller) {
  teller->At(incident.opened, "detection", "incident " + incident.id + " was opened");
  if (!incident.trace.empty()) teller->At({}, "", "its trace is " + incident.trace);
  if (!incident.causes.empty()) {
    const SeenCause& cause = incident.causes.front();
    for (std::size_t i = 0; i < std::min(kMostEvidence, cause.evidence.size()); ++i)
      teller->At({}, i == 0 ? "evidence" : "", cause.evidence[i]);
    for (const SeenCause& one : incident.causes)
      teller->At(&one == &cause ? incident.At("diagnosed") : std::optional(one.seen), "diagnosis",
                 fmt::format("{}: {} ({:.0f} %){}{}", one.service, one.kind, one.confidence * 100,
                             one.sentence.empty() ? "" : ": ", one.sentence));
  }
  for (const SeenAction& action : incident.actions) {
    teller->At(action.started, "action",
               fmt::format("{} of {}{}{}", action.kind, action.workload,
                           action.reason.empty() ? "" : ": ", action.reason));
    if (!action.verdict.empty())
      teller->At(
          {}, "",
          fmt::format("it {}{}{}", action.verdict, action.seen.empty() ? "" : ": ", action.seen));
    if (action.undone) teller->At(action.undone, "", "it was undone");
  }
  if (!incident.outcome.empty()) teller->At(incident.closed, incident.outcome, incident.why);
}

Json TimeOf(std::optional<WallTime> time) {
  return time ? Json(kube::FormatMicroTime(*time)) : Json();
}

Json SecondsJson(const std::optional<Duration>& duration) {
  return duration ? Json(std::round(InSeconds(*duration) * 10) / 10) : Json();
}

Json ToJson(const SeenIncident& incident) {
  Json causes = Json::array();
  for (const SeenCause& cause : incident.causes)
    causes.push_back({{"service", cause.service},
                      {"kind", cause.kind},
                      {"confidence", cause.confidence},
                      {"sentence", cause.sentence},
                      {"component", cause.component},
                      {"evidence", cause.evidence}});
  Json actions = Json::array();
  for (const SeenAction& action : incident.actions)
    actions.push_back({{"id", action.id},
                       {"kind", action.kind},
                       {"workload", action.workload},
                       {"started", TimeOf(action.started)},
                       {"verdict", action.verdict},
                       {"error", action.error},
                       {"undone", TimeOf(action.undone)}});
  return {{"id", incident.id},
          {"opened", TimeOf(incident.opened)},
          {"closed", TimeOf(incident.closed)},
          {"outcome", incident.outcome},
          {"why", incident.why},
          {"trace", incident.trace},
          {"causes", std::move(causes)},
          {"actions", std::move(actions)}};
}

// The middle and the largest, in seconds; "" for none.
std::pair<std::string, std::string> MedianAndWorst(std::vector<double> values) {
  if (values.empty()) return {"", ""};
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  const double median =
      values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  return {fmt::format("{:.1f}", median), fmt::format("{:.1f}", values.back())};
}

std::vector<std::string> Row(const std::string& name, const std::vector<const Outcome*>& runs) {
  std::size_t ranked = 0;
  std::size_t recovered = 0;
  std::size_t harmful = 0;
  std::size_t passed = 0;
  std::vector<double> detection;
  std::vector<double> recovery;
  for (const Outcome* run : runs) {
    ranked += run->verdict.ranked ? 1 : 0;
    recovered += run->verdict.recovered ? 1 : 0;
    harmful += run->verdict.harmless ? 0 : 1;
    passed += run->verdict.passed() ? 1 : 0;
    if (run->verdict.detection) detection.push_back(InSeconds(*run->verdict.detection));
    if (run->verdict.recovery) recovery.push_back(InSeconds(*run->verdict.recovery));
  }
  const auto [detected, detected_worst] = MedianAndWorst(std::move(detection));
  const auto [well, well_worst] = MedianAndWorst(std::move(recovery));
  return {name,
          std::to_string(runs.size()),
          std::to_string(passed),
          std::to_string(ranked),
          std::to_string(recovered),
          std::to_string(harmful),
          detected,
          detected_worst,
          well,
          well_worst};
}

}  // namespace

std::vector<StoryStep> Story(const Drill& drill, const Seen& seen, const Verdict& verdict) {
  Teller teller(seen.broken);
  for (const Fault& fault : drill.faults) {
    teller.At(seen.broken + fault.after, "command", CommandOf(fault, drill.ns));
    if (&fault == &drill.faults.front() && !seen.trace.empty())
      teller.At({}, "", "its trace is " + seen.trace);
  }
  if (seen.request) {
    const FailingRequest& request = *seen.request;
    teller.At(
        request.time, "request",
        fmt::format("{} of a visitor ({} ms, {} spans), trace {}", request.name,
                    std::chrono::duration_cast<std::chrono::milliseconds>(request.took).count(),
                    request.spans, request.trace));
    if (!request.service.empty())
      teller.At({}, "code",
                fmt::format("{}{}{}{}{}", request.service, request.place.empty() ? "" : " at ",
                            request.place, request.error.empty() ? "" : ": ", request.error));
  }
  if (seen.first_bad) {
    std::string broken;
    for (const Reading& reading : seen.readings)
      if (reading.time == *seen.first_bad)
        for (const std::string& name : reading.broken)
          broken += (broken.empty() ? "" : ", ") + name;
    teller.At(seen.first_bad, "objective", broken + " not met");
  }
  for (const SeenIncident& incident : seen.incidents) TellIncident(incident, &teller);
  if (seen.well_since && !drill.causes.empty())
    teller.At(seen.well_since, "recovery", "all objectives are met again");
  std::vector<StoryStep> steps = teller.Take();
  for (const std::string& fault : verdict.faults)
    steps.push_back({.what = "not right", .text = fault});
  return steps;
}

Json ToJson(const Drill& drill, const Seen& seen, const Verdict& verdict) {
  Json incidents = Json::array();
  for (const SeenIncident& incident : seen.incidents) incidents.push_back(ToJson(incident));
  Json request;
  if (seen.request)
    request = {{"trace", seen.request->trace},       {"name", seen.request->name},
               {"time", TimeOf(seen.request->time)}, {"service", seen.request->service},
               {"place", seen.request->place},       {"error", seen.request->error}};
  return {{"drill", drill.name},
          {"passed", verdict.passed()},
          {"trace", seen.trace},
          {"broken", TimeOf(seen.broken)},
          {"firstFailing", TimeOf(seen.Felt())},
          {"detected", TimeOf(seen.Detected())},
          {"diagnosed", TimeOf(seen.Diagnosed())},
          {"acted", TimeOf(seen.Acted())},
          {"recovered", TimeOf(seen.well_since)},
          {"ended", TimeOf(seen.ended)},
          {"secondsToDetect", SecondsJson(verdict.detection)},
          {"secondsToRecover", SecondsJson(verdict.recovery)},
          {"rankedFirst", verdict.ranked},
          {"actionAcceptable", verdict.acceptable},
          {"recoveredInTime", verdict.recovered},
          {"harmless", verdict.harmless},
          {"notRight", verdict.faults},
          {"request", std::move(request)},
          {"incidents", std::move(incidents)}};
}

std::vector<std::vector<std::string>> Summary(const std::vector<Outcome>& runs) {
  std::map<std::string, std::vector<const Outcome*>> by_drill;
  std::vector<const Outcome*> all;
  for (const Outcome& run : runs) {
    by_drill[run.drill].push_back(&run);
    // Nothing was to be found or to be repaired there.
    if (!run.quiet) all.push_back(&run);
  }
  std::vector<std::vector<std::string>> rows{{"DRILL", "RUNS", "PASSED", "RANKED RIGHT",
                                              "RECOVERED", "HARMFUL", "TTD MEDIAN", "WORST",
                                              "TTR MEDIAN", "WORST"}};
  for (const auto& [drill, its] : by_drill) rows.push_back(Row(drill, its));
  if (by_drill.size() > 1 && !all.empty()) rows.push_back(Row("all with a fault", all));
  return rows;
}

}  // namespace enclave::lab::drills
