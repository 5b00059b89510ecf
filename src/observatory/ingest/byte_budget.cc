#include "observatory/ingest/byte_budget.h"

#include <algorithm>

#include <fmt/format.h>

namespace enclave::observatory::ingest {

base::Result<> ByteBudget::Hold::Grow() {
  constexpr std::size_t kStep = 64 << 10;
  const std::size_t capacity = budget_->capacity_;
  if (charged_ > capacity) {
    return base::Fail(base::ErrorKind::kTooLarge,
                      fmt::format("the request needs more than {} bytes of memory; send it in "
                                  "smaller parts",
                                  capacity));
  }
  const std::size_t wanted = std::min(capacity, charged_ + kStep) - held_;
  std::size_t used = budget_->used_.load(std::memory_order_relaxed);
  do {
    if (used + wanted > capacity) {
      return base::Fail(
          base::ErrorKind::kResourceExhausted,
          fmt::format("requests in flight hold {} of {} bytes; send again later", used, capacity));
    }
  } while (!budget_->used_.compare_exchange_weak(used, used + wanted, std::memory_order_relaxed));
  held_ += wanted;
  return {};
}

}  // namespace enclave::observatory::ingest
