// One alert: a series of an alerting rule's expression, from pending through firing to resolved.
//
//   state     | in the result, held long enough | in the result | not in the result
//   (none)    | firing                          | pending       |
//   pending   | firing                          | pending       | (none)
//   firing    | firing                          |               | firing while keep_firing_for,
//   then
//             |                                 |               |   resolved
//   resolved  | as a new one                    | as a new one  | resolved, forgotten after 15 min
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/executor.h"
#include "telemetry/labels.h"

namespace enclave::observatory::rules {

enum class AlertState : std::uint8_t { kPending, kFiring, kResolved };

struct Alert {
  AlertState state = AlertState::kPending;
  telemetry::Labels labels{};  // alertname among them
  telemetry::Labels annotations{};
  double value = 0;
  base::WallTime active_at{};
  std::optional<base::WallTime> fired_at{};
  std::optional<base::WallTime> resolved_at{};
  std::optional<base::WallTime> keep_firing_since{};  // it is no longer in the result
  std::optional<base::WallTime> last_sent{};
};

// What is handed to notifiers.
struct Notification {
  telemetry::Labels labels;
  telemetry::Labels annotations;
  base::WallTime starts_at;
  // When it ended; of one that fires: until when it is known to hold unless it is sent again.
  base::WallTime ends_at;
  bool resolved = false;
  std::string generator_url;
};

// The fingerprint of Prometheus and Alertmanager: FNV-1a over the sorted labels, 16 hex digits.
std::string Fingerprint(const telemetry::Labels& labels);

}  // namespace enclave::observatory::rules
