#include "agent/console_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/post_mortem.h"
#include "kube/status.h"
#include "kube/time.h"

namespace enclave::agent {

using base::ErrorKind;
using base::Result;
using kube::StringAt;
using net::Response;

namespace {

Response JsonAnswer(int status, const Json& json) {
  Response response{.status = status};
  response.headers["Content-Type"] = "application/json";
  response.headers["Cache-Control"] = "no-store";
  response.body = json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  return response;
}

Response ErrorAnswer(int status, const std::string& message) {
  return JsonAnswer(status, {{"error", message}});
}

Response ErrorAnswer(const base::Error& error) {
  Response response = ErrorAnswer(kube::HttpStatusOf(error.kind()), error.message());
  if (error.kind() == ErrorKind::kUnavailable) response.headers["Retry-After"] = "5";
  return response;
}

Response TextAnswer(int status, std::string text) {
  Response response{.status = status};
  response.headers["Content-Type"] = "text/plain; version=0.0.4; charset=utf-8";
  response.body = std::move(text);
  return response;
}

std::string TimeText(std::int64_t time_ns) {
  return time_ns == 0 ? "" : kube::FormatMicroTime(base::WallTime(base::Duration(time_ns)));
}

bool SaysJson(const net::Request& request) {
  return request.Header("Content-Type").starts_with("application/json");
}

// An empty body is an empty object; null for what is no object.
Json BodyOf(const net::Request& request) {
  if (request.body.empty()) return Json::object();
  Json json = Json::parse(request.body, nullptr, false);
  return json.is_object() ? json : Json();
}

std::string Bounded(const std::string& text, const std::string& fallback) {
  constexpr std::size_t kMost = 500;
  return text.empty() ? fallback : text.substr(0, kMost);
}

const rca::Hypothesis* BestOf(const Record& record) {
  return record.diagnosis && !record.diagnosis->ranking.empty() ? &record.diagnosis->ranking.front()
                                                                : nullptr;
}

// Other traces that belong to the incident: of the changes that its cause is believed for, and of
// more requests that show it.
Json LinksOf(const Record& record) {
  Json links = Json::array();
  if (!record.digest) return links;
  const rca::Hypothesis* best = BestOf(record);
  for (const incident::Change& change : record.digest->changes) {
    if (best == nullptr || !change.trace_id) continue;
    if (change.service == best->service ||
        std::ranges::find(best->evidence, change.id, &rca::Cited::id) != best->evidence.end())
      links.push_back({{"trace", change.trace_id->ToString()},
                       {"kind", "change"},
                       {"what", change.object + " was changed under it"}});
  }
  for (const trace::TraceId& trace : record.digest->traces)
    if (trace != record.trace)
      links.push_back(
          {{"trace", trace.ToString()}, {"kind", "request"}, {"what", "a request that shows it"}});
  return links;
}

Json Brief(const Record& record) {
  const rca::Hypothesis* best = BestOf(record);
  const Action* waits = record.stage == Stage::kAwaitingApproval ? record.Candidate() : nullptr;
  return {{"id", record.id},
          {"stage", ToString(record.stage)},
          {"outcome", record.outcome == Stage::kNone ? "" : ToString(record.outcome)},
          {"why", record.why},
          {"opened", TimeText(record.opened_ns)},
          {"closed", TimeText(record.closed_ns)},
          {"services", record.services},
          {"trace", record.trace ? record.trace->ToString() : ""},
          {"links", LinksOf(record)},
          {"cause", best == nullptr ? Json()
                                    : Json{{"service", best->service},
                                           {"kind", rca::ToString(best->kind)},
                                           {"confidence", best->confidence},
                                           {"sentence", best->sentence}}},
          {"awaitsApproval",
           waits == nullptr ? Json() : Json{{"id", waits->id}, {"reason", waits->reason}}}};
}

}  // namespace

Json ToJson(const Record& record) {
  Json json = Brief(record);
  json["alerts"] = Json::array();
  for (const AlertEvent& alert : record.alerts) json["alerts"].push_back(ToJson(alert));
  json["diagnosis"] = record.diagnosis ? ToJson(*record.diagnosis) : Json();
  json["candidates"] = Json::array();
  for (std::size_t i = record.next; i < record.candidates.size(); ++i)
    json["candidates"].push_back(ToJson(record.candidates[i]));
  json["notPlanned"] = record.not_planned;
  json["actions"] = Json::array();
  for (const Taken& taken : record.taken)
    json["actions"].push_back({{"action", ToJson(taken.action)},
                               {"stands", taken.stands()},
                               {"started", TimeText(taken.started_ns)},
                               {"done", TimeText(taken.done_ns)},
                               {"undone", TimeText(taken.undone_ns)},
                               {"verdict", taken.verdict ? Json(ToString(*taken.verdict)) : Json()},
                               {"seen", taken.seen},
                               {"error", taken.error},
                               {"approvedBy", taken.approved_by}});
  json["skipped"] = Json::array();
  for (const Skipped& skipped : record.skipped)
    json["skipped"].push_back(
        {{"action", ToJson(skipped.action)}, {"why", skipped.why}, {"by", skipped.by}});
  return json;
}

Response ConsoleApi::Handle(const net::Request& request) {
  const std::string& path = request.path;
  const bool get = request.method == "GET" || request.method == "HEAD";
  const bool post = request.method == "POST";
  const auto after = [&](std::string_view prefix) { return path.substr(prefix.size()); };
  if (path == "/-/healthy" && get) return TextAnswer(200, "healthy\n");
  if (path == "/-/ready" && get)
    return options_.ready() ? TextAnswer(200, "ready\n") : TextAnswer(503, "not ready yet\n");
  if (path == "/metrics" && get) return Metrics();
  if (path == "/api/incidents" && get) return Incidents();
  if (path.starts_with("/api/incidents/") && get) return Incident(after("/api/incidents/"));
  if (path == "/api/mode" && get) return GetMode();
  const bool known = path == "/api/mode" || path.starts_with("/api/approve/") ||
                     path.starts_with("/api/reject/") || path == "/webhook";
  if (!known) return ErrorAnswer(404, "there is nothing at " + path);
  if (!post && request.method != "PUT") return ErrorAnswer(405, "write POST");
  if (!SaysJson(request)) return ErrorAnswer(415, "send it as Content-Type: application/json");
  if (path == "/webhook") return Webhook(request);
  if (path == "/api/mode") return PutMode(request);
  if (path.starts_with("/api/approve/")) return Decide(request, after("/api/approve/"), true);
  return Decide(request, after("/api/reject/"), false);
}

Response ConsoleApi::Incidents() const {
  const auto snapshot = options_.agent.snapshot();
  Json list = Json::array();
  for (auto record = snapshot->records.rbegin(); record != snapshot->records.rend(); ++record)
    list.push_back(Brief(**record));
  return JsonAnswer(200, {{"mode", ToString(snapshot->mode)}, {"incidents", std::move(list)}});
}

Response ConsoleApi::Incident(const std::string& id) const {
  std::vector<Event> events;
  Record record;
  // Straight from the ledger, so that also what is long over is told.
  const auto read =
      id.empty() ? Result<>() : options_.ledger.Read(id, [&](const Event& event) -> Result<> {
        events.push_back(event);
        return Apply(event, &record);
      });
  if (!read) return ErrorAnswer(read.error());
  if (events.empty())
    return ErrorAnswer(404, "there is no incident " + id + "; /api/incidents lists them");
  Json json = ToJson(record);
  std::optional<Impact> impact;
  json["events"] = Json::array();
  for (const Event& event : events) {
    json["events"].push_back({{"sequence", event.sequence},
                              {"time", TimeText(event.time_ns)},
                              {"kind", ToString(event.kind)},
                              {"sentence", Describe(event)}});
    const Json& felt = kube::At(event.body, "impact");
    if (event.kind == EventKind::kLearned && felt.is_object())
      impact = Impact{.users = felt.value("users", 0.0),
                      .requests = felt.value("requests", 0.0),
                      .budget_spent = felt.value("budgetSpent", 0.0)};
  }
  json["report"] = PostMortem(record, events, impact);
  return JsonAnswer(200, json);
}

Response ConsoleApi::GetMode() const {
  const auto snapshot = options_.agent.snapshot();
  return JsonAnswer(
      200,
      {{"mode", ToString(snapshot->mode)}, {"by", snapshot->mode_by}, {"why", snapshot->mode_why}});
}

Response ConsoleApi::PutMode(const net::Request& request) {
  const Json body = BodyOf(request);
  const auto mode = ModeFromString(StringAt(body, "mode"));
  if (!mode) return ErrorAnswer(400, R"(write {"mode": "autonomous"} or {"mode": "human"})");
  const std::string by = Bounded(StringAt(body, "by"), "somebody");
  const std::string why = Bounded(StringAt(body, "why"), "");
  const auto set =
      options_.on_agent([mode, by, why](Agent& agent) { return agent.SetMode(*mode, by, why); });
  return set ? GetMode() : ErrorAnswer(set.error());
}

Response ConsoleApi::Decide(const net::Request& request, const std::string& id, bool approve) {
  const Json body = BodyOf(request);
  if (body.is_null()) return ErrorAnswer(400, "the body is no JSON object");
  const std::string by = Bounded(StringAt(body, "by"), "somebody");
  const std::string why = Bounded(StringAt(body, "why"), "");
  if (!approve && why.empty())
    return ErrorAnswer(400, "say why it is rejected: the agent learns from it");
  const auto done = options_.on_agent(
      [=](Agent& agent) { return approve ? agent.Approve(id, by) : agent.Reject(id, by, why); });
  if (!done) return ErrorAnswer(done.error());
  return JsonAnswer(200, {{"id", id}, {"decision", approve ? "approved" : "rejected"}});
}

Response ConsoleApi::Webhook(const net::Request& request) {
  auto alerts = ParseWebhook(request.body, options_.clock.WallNow().time_since_epoch().count());
  if (!alerts) return ErrorAnswer(alerts.error());
  if (++webhooks_ > kMostWebhooks) {
    --webhooks_;
    Response response = ErrorAnswer(503, "too much at once; come again");
    response.headers["Retry-After"] = "5";
    return response;
  }
  const std::size_t count = alerts->size();
  const auto done = options_.on_agent([alerts = std::move(*alerts)](Agent& agent) -> Result<> {
    for (const AlertEvent& alert : alerts) agent.OnAlert(alert);
    if (!agent.snapshot()->ledger_writable)
      return base::Fail(ErrorKind::kUnavailable, "the ledger cannot be written; send it again");
    return {};
  });
  --webhooks_;
  return done ? JsonAnswer(200, {{"taken", count}}) : ErrorAnswer(done.error());
}

Response ConsoleApi::Metrics() const {
  const auto snapshot = options_.agent.snapshot();
  std::map<std::string, std::uint64_t> stages;
  for (const RecordPtr& record : snapshot->records)
    if (record->open()) ++stages[std::string(ToString(record->stage))];
  std::string text =
      "# HELP enclave_agent_open_incidents Incidents that are not over, by stage.\n"
      "# TYPE enclave_agent_open_incidents gauge\n";
  for (const auto& [stage, count] : stages)
    text += fmt::format("enclave_agent_open_incidents{{stage=\"{}\"}} {}\n", stage, count);
  text +=
      "# HELP enclave_agent_incidents_total Incidents that are over, by outcome.\n"
      "# TYPE enclave_agent_incidents_total counter\n";
  for (const char* outcome : {"resolved", "rolled back", "escalated"}) {
    const auto found = snapshot->closed.find(outcome);
    text += fmt::format("enclave_agent_incidents_total{{outcome=\"{}\"}} {}\n", outcome,
                        found == snapshot->closed.end() ? 0 : found->second);
  }
  text += fmt::format(
      "# HELP enclave_agent_actions_total Actions begun.\n"
      "# TYPE enclave_agent_actions_total counter\n"
      "enclave_agent_actions_total {}\n"
      "# HELP enclave_agent_undos_total Actions that were undone.\n"
      "# TYPE enclave_agent_undos_total counter\n"
      "enclave_agent_undos_total {}\n"
      "# HELP enclave_agent_alerts_ignored_total Alerts left aside since the start.\n"
      "# TYPE enclave_agent_alerts_ignored_total counter\n"
      "enclave_agent_alerts_ignored_total {}\n"
      "# HELP enclave_agent_autonomous Whether the agent acts without being asked.\n"
      "# TYPE enclave_agent_autonomous gauge\n"
      "enclave_agent_autonomous {}\n"
      "# HELP enclave_agent_ledger_writable Whether events can be written.\n"
      "# TYPE enclave_agent_ledger_writable gauge\n"
      "enclave_agent_ledger_writable {}\n",
      snapshot->actions, snapshot->undos, snapshot->alerts_ignored,
      snapshot->mode == Mode::kAutonomous ? 1 : 0, snapshot->ledger_writable ? 1 : 0);
  return TextAnswer(200, std::move(text));
}

}  // namespace enclave::agent
