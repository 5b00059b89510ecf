#include "agent/alert_event.h"

#include <fmt/format.h>

#include "base/quote.h"
#include "kube/time.h"

namespace enclave::agent {

using base::ErrorKind;
using base::Fail;
using base::Result;
using kube::At;
using kube::StringAt;

namespace {

constexpr std::size_t kMostTextBytes = 2000;
constexpr std::size_t kMostLabels = 64;

// Text from outside, as the ledger keeps it: bounded, and UTF-8.
std::string Clean(std::string_view text) {
  const std::string quoted = base::Quote(text.substr(0, kMostTextBytes));
  const Json json = Json::parse(quoted, nullptr, false);
  return json.is_string() ? json.get<std::string>() : std::string();
}

std::int64_t Nanoseconds(std::optional<base::WallTime> time, std::int64_t fallback) {
  return time ? time->time_since_epoch().count() : fallback;
}

// "boutique/cartservice" is the cartservice of a namespace.
std::string WithoutNamespace(std::string_view job) {
  return std::string(job.substr(job.rfind('/') + 1));
}

void ReadPlace(AlertEvent* alert) {
  alert->ns = alert->labels.Get("namespace");
  for (const char* label : {"service", "service_name", "deployment", "job", "app"}) {
    alert->service = WithoutNamespace(alert->labels.Get(label));
    if (!alert->service.empty()) return;
  }
  // cartservice-6d4cf56db6-x2x7k is a pod of the Deployment cartservice.
  std::string_view pod = alert->labels.Get("pod");
  for (int i = 0; i < 2; ++i) pod = pod.substr(0, pod.rfind('-') == pod.npos ? 0 : pod.rfind('-'));
  alert->service = pod;
}

}  // namespace

std::string AlertEvent::Fingerprint() const {
  return name + labels.ToString();
}

Json ToJson(const AlertEvent& alert) {
  Json labels = Json::object();
  for (const auto& [name, value] : alert.labels) labels[name] = value;
  return {{"time", alert.time_ns},
          {"starts", alert.starts_ns},
          {"name", alert.name},
          {"service", alert.service},
          {"namespace", alert.ns},
          {"summary", alert.summary},
          {"labels", std::move(labels)},
          {"firing", alert.firing},
          {"trace", alert.trace ? alert.trace->ToString() : ""}};
}

AlertEvent AlertFromJson(const Json& json) {
  AlertEvent alert{.time_ns = kube::IntAt(json, "time"),
                   .starts_ns = kube::IntAt(json, "starts"),
                   .name = StringAt(json, "name"),
                   .service = StringAt(json, "service"),
                   .ns = StringAt(json, "namespace"),
                   .summary = StringAt(json, "summary"),
                   .firing = kube::BoolAt(json, "firing"),
                   .trace = trace::TraceId::Parse(StringAt(json, "trace"))};
  const Json& labels = At(json, "labels");
  if (labels.is_object())
    for (const auto& [name, value] : labels.items())
      if (value.is_string()) alert.labels.Set(name, value.get<std::string>());
  return alert;
}

Result<std::vector<AlertEvent>> ParseWebhook(std::string_view body, std::int64_t now_ns) {
  const Json json = Json::parse(body, nullptr, false);
  if (json.is_discarded() || !json.is_object())
    return Fail(ErrorKind::kInvalidArgument,
                "this is no JSON object; point a webhook_config of Alertmanager here");
  const Json& alerts = At(json, "alerts");
  if (!alerts.is_array())
    return Fail(
        ErrorKind::kInvalidArgument,
        "there is no list \"alerts\"; this address takes Alertmanager's webhook, version 4");
  if (alerts.size() > kMostWebhookAlerts)
    return Fail(ErrorKind::kTooLarge,
                fmt::format("more than {} alerts at once; set max_alerts in the webhook_config",
                            kMostWebhookAlerts));
  std::vector<AlertEvent> events;
  for (const Json& one : alerts) {
    AlertEvent event;
    const Json& labels = At(one, "labels");
    if (!labels.is_object() || labels.size() > kMostLabels) continue;
    for (const auto& [name, value] : labels.items()) {
      if (!value.is_string()) continue;
      if (name == "alertname")
        event.name = Clean(value.get<std::string>());
      else
        event.labels.Set(Clean(name), Clean(value.get<std::string>()));
    }
    if (event.name.empty()) continue;
    event.time_ns = now_ns;
    event.firing = StringAt(one, "status") != "resolved";
    event.starts_ns = Nanoseconds(kube::TimeAt(one, "startsAt"), now_ns);
    event.summary = Clean(StringAt(one, "annotations.summary"));
    event.trace = trace::TraceId::Parse(StringAt(one, "annotations.trace_id"));
    if (!event.trace) event.trace = trace::TraceId::Parse(event.labels.Get("trace_id"));
    ReadPlace(&event);
    events.push_back(std::move(event));
  }
  return events;
}

}  // namespace enclave::agent
