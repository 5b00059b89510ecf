#include "base/retry.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace enclave::base {

std::optional<Duration> RetryDelay(const RetryPolicy& policy, int attempt, Random& random) {
  CHECK(attempt >= 1, "retries are counted from 1");
  CHECK(policy.base_delay >= Duration::zero() && policy.factor >= 1.0 && policy.jitter >= 0.0 &&
            policy.jitter <= 1.0,
        "a retry policy has a delay, a factor of at least 1 and a jitter between 0 and 1");
  if (attempt > policy.max_attempts) return std::nullopt;
  // In floating point: the power overflows an integer long before it exceeds a double, and the
  // minimum takes care of infinity.
  const double bound = static_cast<double>(policy.max_delay.count());
  const double plain = std::min(
      static_cast<double>(policy.base_delay.count()) * std::pow(policy.factor, attempt - 1), bound);
  const double spread =
      policy.jitter > 0.0 ? 1.0 + policy.jitter * (2.0 * random.Unit() - 1.0) : 1.0;
  return Duration(static_cast<Duration::rep>(plain * spread));
}

}  // namespace enclave::base
