// What a detector says: an alert began to fire, or is over. The same from the observatory's rules,
// from Kubernetes and from an Alertmanager outside.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/action.h"
#include "base/result.h"
#include "telemetry/labels.h"
#include "trace/trace_id.h"

namespace enclave::agent {

struct AlertEvent {
  std::int64_t time_ns = 0;    // of the news
  std::int64_t starts_ns = 0;  // since when it fires
  std::string name{};
  std::string service{};  // whose objective broke; may be empty
  std::string ns{};       // Kubernetes namespace; may be empty
  std::string summary{};
  telemetry::Labels labels{};
  bool firing = true;
  std::optional<trace::TraceId> trace{};  // a request that shows it

  // Names the alert through its firings: name and labels.
  std::string Fingerprint() const;
  bool operator==(const AlertEvent&) const = default;
};

Json ToJson(const AlertEvent& alert);
AlertEvent AlertFromJson(const Json& json);

// The name of the agent's own alerts; the label "objective" says which.
inline const std::string kObjectiveMissed = "ObjectiveMissed";

inline constexpr std::size_t kMostWebhookAlerts = 1000;

// The body of Alertmanager's webhook, version 4
// (https://prometheus.io/docs/alerting/latest/configuration/#webhook_config). Alerts without a name
// are left out. kInvalidArgument says what is wrong with the body.
base::Result<std::vector<AlertEvent>> ParseWebhook(std::string_view body, std::int64_t now_ns);

}  // namespace enclave::agent
