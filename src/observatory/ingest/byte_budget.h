// The bound of memory over all requests that are being taken in. Each request opens a Hold, charges
// it for what it is about to keep in memory, and gives everything back when the Hold is destroyed.
//
// Thread safety: ByteBudget may be used from any thread; a Hold belongs to one. The budget outlives
// its holds.
#pragma once

#include <atomic>
#include <cstddef>
#include <utility>

#include "base/result.h"

namespace enclave::observatory::ingest {

class ByteBudget {
 public:
  explicit ByteBudget(std::size_t capacity) : capacity_(capacity) {}
  ByteBudget(const ByteBudget&) = delete;
  ByteBudget& operator=(const ByteBudget&) = delete;

  std::size_t capacity() const { return capacity_; }
  std::size_t used() const { return used_.load(std::memory_order_relaxed); }

  class Hold {
   public:
    explicit Hold(ByteBudget& budget) : budget_(&budget) {}
    Hold(Hold&& other) noexcept
        : budget_(other.budget_),
          held_(std::exchange(other.held_, 0)),
          charged_(std::exchange(other.charged_, 0)) {}
    Hold& operator=(Hold&&) = delete;
    ~Hold() { budget_->used_.fetch_sub(held_, std::memory_order_relaxed); }

    // kResourceExhausted while others hold too much: the same request can succeed later. kTooLarge
    // when this request alone passes the bound.
    base::Result<> Charge(std::size_t bytes) {
      charged_ += bytes;
      if (charged_ <= held_) [[likely]]
        return {};
      return Grow();
    }
    std::size_t charged() const { return charged_; }

   private:
    base::Result<> Grow();
    ByteBudget* budget_;
    std::size_t held_ = 0;  // taken from the budget, in steps, so that charging is cheap
    std::size_t charged_ = 0;
  };

 private:
  const std::size_t capacity_;
  std::atomic<std::size_t> used_ = 0;
};

}  // namespace enclave::observatory::ingest
