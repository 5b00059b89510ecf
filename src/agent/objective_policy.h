// What users are promised, as a part of the policy file (docs/formats/policy.md): for each promise
// the series that count what went wrong and all there was, over a window short enough that a repair
// shows within seconds. Recording rules make such series (deploy/observatory/rules.yaml).
//
// Values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/result.h"
#include "telemetry/config_node.h"

namespace enclave::agent {

// Two series with one label set per service: counts over a window.
struct CountedShare {
  std::string bad{};
  std::string all{};
  double least = 0;  // fewer bad ones say nothing
};

struct Promise {
  std::string name{};  // "availability"
  double allowed = 0;  // share that may be bad
  double burn = 1;     // missed above so many times what is allowed
  CountedShare now{};
  CountedShare lately{};  // over a longer window, missed as well; names empty: not asked
};

struct ObjectivesPolicy {
  std::string service_label = "job";  // what follows its last slash is the service
  std::string users{};                // the service whose requests are those of users
  base::Duration window = std::chrono::seconds(10);  // of the series of `now`
  base::Duration period = std::chrono::hours(24 * 30);
  std::vector<Promise> promises{};
};

// kInvalidArgument, "FILE:LINE: why".
base::Result<ObjectivesPolicy> ReadObjectivesPolicy(const telemetry::ConfigNode& map,
                                                    std::string_view file);

}  // namespace enclave::agent
