#include "lab/drills/agent_watch.h"

#include <algorithm>

#include "kube/time.h"
#include "net/http.h"

namespace enclave::lab::drills {
namespace {

using base::Result;
using base::WallTime;
using kube::StringAt;

constexpr std::size_t kMostIncidents = 64;  // of one drill

std::optional<WallTime> TimeOf(const Json& json, const char* key) {
  return kube::TimeAt(json, key);
}

double ConfidenceOf(const Json& json) {
  const Json& value = kube::At(json, "confidence");
  return value.is_number() ? value.get<double>() : 0;
}

// The first hypothesis; with its evidence where the whole diagnosis is there.
std::optional<SeenCause> CauseOf(const Json& json, WallTime now) {
  const Json& brief = kube::At(json, "cause");
  if (!brief.is_object()) return std::nullopt;
  SeenCause cause{.service = StringAt(brief, "service"),
                  .kind = StringAt(brief, "kind"),
                  .confidence = ConfidenceOf(brief),
                  .sentence = StringAt(brief, "sentence"),
                  .seen = now};
  const Json& ranking = kube::At(json, "diagnosis.ranking");
  if (ranking.is_array() && !ranking.empty()) {
    cause.component = StringAt(ranking[0], "component");
    for (const Json& cited : kube::At(ranking[0], "evidence"))
      cause.evidence.push_back(StringAt(cited, "sentence"));
  }
  return cause;
}

SeenAction ActionOf(const Json& json) {
  return {.id = StringAt(json, "action.id"),
          .kind = StringAt(json, "action.kind"),
          .ns = StringAt(json, "action.namespace"),
          .workload = StringAt(json, "action.workload"),
          .reason = StringAt(json, "action.reason"),
          .service = StringAt(json, "action.service"),
          .cause = StringAt(json, "action.cause"),
          .verdict = StringAt(json, "verdict"),
          .seen = StringAt(json, "seen"),
          .error = StringAt(json, "error"),
          .stands = kube::BoolAt(json, "stands"),
          .started = TimeOf(json, "started"),
          .done = TimeOf(json, "done"),
          .undone = TimeOf(json, "undone")};
}

Result<std::vector<Json>> ListIncidents(const World& world) {
  std::vector<Json> incidents;
  if (world.agent == nullptr) return incidents;
  ASSIGN_OR_RETURN(const Json list, world.agent->Ask("/api/incidents"));
  for (const Json& one : kube::At(list, "incidents"))
    if (!StringAt(one, "id").empty()) incidents.push_back(one);
  return incidents;
}

}  // namespace

std::optional<WallTime> SeenIncident::At(std::string_view event) const {
  const auto found = std::ranges::find(events, event, &SeenEvent::kind);
  return found == events.end() ? std::nullopt : std::optional(found->time);
}

Result<> AgentWatch::Begin(const World& world) {
  before_.clear();
  incidents_.clear();
  ASSIGN_OR_RETURN(const auto list, ListIncidents(world));
  for (const Json& one : list) before_.insert(StringAt(one, "id"));
  return {};
}

Result<std::vector<std::string>> AgentWatch::Open(const World& world) {
  std::vector<std::string> open;
  ASSIGN_OR_RETURN(const auto list, ListIncidents(world));
  for (const Json& one : list)
    if (StringAt(one, "outcome").empty()) open.push_back(StringAt(one, "id"));
  return open;
}

Result<std::vector<SeenEvent>> AgentWatch::Poll(const World& world) {
  std::vector<SeenEvent> news;
  ASSIGN_OR_RETURN(const auto list, ListIncidents(world));
  for (const Json& one : list) {
    const std::string& id = StringAt(one, "id");
    if (before_.contains(id)) continue;
    const auto known = std::ranges::find(incidents_, id, &SeenIncident::id);
    if (known == incidents_.end() && incidents_.size() >= kMostIncidents) continue;
    // What is over and read does not change but for what was learned.
    if (known != incidents_.end() && known->stage == "learned") continue;
    ASSIGN_OR_RETURN(const Json whole,
                     world.agent->Ask("/api/incidents/" + net::PercentEncode(id)));
    Update(whole, world.pace.WallNow(), &news);
  }
  std::ranges::sort(incidents_, {}, &SeenIncident::opened);
  std::ranges::sort(news, {}, &SeenEvent::sequence);
  return news;
}

void AgentWatch::Update(const Json& json, WallTime now, std::vector<SeenEvent>* news) {
  const std::string& id = StringAt(json, "id");
  auto known = std::ranges::find(incidents_, id, &SeenIncident::id);
  if (known == incidents_.end()) {
    incidents_.push_back({.id = id});
    known = incidents_.end() - 1;
  }
  SeenIncident& incident = *known;
  incident.stage = StringAt(json, "stage");
  incident.outcome = StringAt(json, "outcome");
  incident.why = StringAt(json, "why");
  incident.trace = StringAt(json, "trace");
  incident.report = StringAt(json, "report");
  incident.opened = TimeOf(json, "opened").value_or(now);
  incident.closed = TimeOf(json, "closed");
  if (auto cause = CauseOf(json, now)) {
    if (incident.causes.empty() || !(incident.causes.back() == *cause))
      incident.causes.push_back(std::move(*cause));
  }
  incident.actions.clear();
  for (const Json& one : kube::At(json, "actions")) incident.actions.push_back(ActionOf(one));
  const std::uint64_t last = incident.events.empty() ? 0 : incident.events.back().sequence;
  for (const Json& one : kube::At(json, "events")) {
    const auto sequence = static_cast<std::uint64_t>(kube::IntAt(one, "sequence"));
    if (sequence <= last) continue;
    incident.events.push_back({.sequence = sequence,
                               .time = TimeOf(one, "time").value_or(now),
                               .kind = StringAt(one, "kind"),
                               .sentence = StringAt(one, "sentence")});
    news->push_back(incident.events.back());
  }
}

bool AgentWatch::AllOver() const {
  return std::ranges::none_of(incidents_, &SeenIncident::open);
}

}  // namespace enclave::lab::drills
