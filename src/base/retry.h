// How often and how fast to try again: exponential back-off with jitter, as a pure function of the
// attempt and of chance, so that it runs the same on real and on simulated time.
#pragma once

#include <chrono>
#include <optional>

#include "base/executor.h"
#include "base/random.h"

namespace enclave::base {

struct RetryPolicy {
  Duration base_delay = std::chrono::seconds(1);
  double factor = 2.0;  // at least 1
  // Bounds the delay before jitter is applied.
  Duration max_delay = std::chrono::minutes(1);
  // The delay is drawn uniformly from delay * [1 - jitter, 1 + jitter]; in [0, 1].
  double jitter = 0.1;
  // Retries after the first try; 0 means never again.
  int max_attempts = 5;
};

// Calls to a language model: 2 s, doubling, 10 % jitter, 5 retries.
inline constexpr RetryPolicy kLanguageModelRetry{
    .base_delay = std::chrono::seconds(2),
    .factor = 2.0,
    .max_delay = std::chrono::minutes(1),
    .jitter = 0.1,
    .max_attempts = 5,
};

// The delay before retry number `attempt` (1 is the first retry); nullopt when the policy gives up.
// Draws once from `random` when it returns a delay and the policy has jitter.
std::optional<Duration> RetryDelay(const RetryPolicy& policy, int attempt, Random& random);

}  // namespace enclave::base
