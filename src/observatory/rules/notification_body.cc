#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

#include "base/quote.h"
#include "observatory/rules/notifier.h"
#include "observatory/rules/rule_times.h"

namespace enclave::observatory::rules {
namespace {

using nlohmann::json;
using telemetry::Labels;

json ObjectOf(const Labels& labels) {
  json object = json::object();
  for (const telemetry::Label& label : labels) object[label.name] = label.value;
  return object;
}

std::string Dumped(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

// Those that all alerts have alike.
Labels CommonOf(const std::vector<Notification>& alerts, Labels Notification::* of) {
  if (alerts.empty()) return {};
  Labels common = alerts.front().*of;
  for (const Notification& alert : alerts) {
    for (const telemetry::Label& label : Labels(common)) {
      if ((alert.*of).Get(label.name) != label.value) common.Remove(label.name);
    }
  }
  return common;
}

// {}:{alertname="x", job="y"}, as Alertmanager names a group of its top route.
std::string GroupKey(const Labels& labels) {
  std::string text;
  for (const telemetry::Label& label : labels) {
    text += fmt::format("{}{}={}", text.empty() ? "" : ", ", label.name, base::Quote(label.value));
  }
  return "{}:{" + text + "}";
}

}  // namespace

std::string AlertmanagerBody(const std::vector<Notification>& notifications) {
  json alerts = json::array();
  for (const Notification& alert : notifications) {
    alerts.push_back({{"labels", ObjectOf(alert.labels)},
                      {"annotations", ObjectOf(alert.annotations)},
                      {"startsAt", FormatRfc3339(alert.starts_at)},
                      {"endsAt", FormatRfc3339(alert.ends_at)},
                      {"generatorURL", alert.generator_url}});
  }
  return Dumped(alerts);
}

std::string WebhookBody(const WebhookMessage& message) {
  const bool firing = std::ranges::any_of(
      message.alerts, [](const Notification& alert) { return !alert.resolved; });
  json alerts = json::array();
  for (const Notification& alert : message.alerts) {
    alerts.push_back(
        {{"status", alert.resolved ? "resolved" : "firing"},
         {"labels", ObjectOf(alert.labels)},
         {"annotations", ObjectOf(alert.annotations)},
         {"startsAt", FormatRfc3339(alert.starts_at)},
         {"endsAt", alert.resolved ? FormatRfc3339(alert.ends_at) : std::string(kNoTime)},
         {"generatorURL", alert.generator_url},
         {"fingerprint", Fingerprint(alert.labels)}});
  }
  return Dumped(
      {{"version", "4"},
       {"groupKey", GroupKey(message.group_labels)},
       {"truncatedAlerts", message.truncated},
       {"status", firing ? "firing" : "resolved"},
       {"receiver", message.receiver},
       {"groupLabels", ObjectOf(message.group_labels)},
       {"commonLabels", ObjectOf(CommonOf(message.alerts, &Notification::labels))},
       {"commonAnnotations", ObjectOf(CommonOf(message.alerts, &Notification::annotations))},
       {"externalURL", message.external_url},
       {"alerts", std::move(alerts)}});
}

}  // namespace enclave::observatory::rules
