// Pairs of numbers as small numbers, for as long as one context is being built.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace enclave::incident {

// One thread. Open addressing in one block: a look-up costs a few nanoseconds and allocates
// nothing. Numbers count up from 0 in the order the pairs came.
class PairIndex {
 public:
  // The number of a pair, and whether it is new.
  std::pair<std::uint32_t, bool> Take(std::uint64_t first, std::uint64_t second) {
    if (size_ * 2 >= slots_.size()) Grow();
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = Spread(first, second) & mask;
    while (slots_[at].number != kFree) {
      if (slots_[at].first == first && slots_[at].second == second)
        return {slots_[at].number, false};
      at = (at + 1) & mask;
    }
    slots_[at] = {first, second, size_};
    return {size_++, true};
  }
  std::uint32_t size() const { return size_; }

  static std::uint64_t Join(std::uint32_t high, std::uint32_t low) {
    return static_cast<std::uint64_t>(high) << 32 | low;
  }

 private:
  static constexpr std::uint32_t kFree = UINT32_MAX;
  struct Slot {
    std::uint64_t first = 0;
    std::uint64_t second = 0;
    std::uint32_t number = kFree;
  };

  static std::size_t Spread(std::uint64_t first, std::uint64_t second) {
    std::uint64_t mixed = (first ^ std::rotl(second, 29)) * 0x9e3779b97f4a7c15ULL;
    mixed = (mixed ^ mixed >> 32 ^ second) * 0xd6e8feb86659fd93ULL;
    return static_cast<std::size_t>(mixed ^ mixed >> 32);
  }

  void Grow() {
    std::vector<Slot> old(slots_.empty() ? 64 : slots_.size() * 2);
    old.swap(slots_);
    const std::size_t mask = slots_.size() - 1;
    for (const Slot& slot : old) {
      if (slot.number == kFree) continue;
      std::size_t at = Spread(slot.first, slot.second) & mask;
      while (slots_[at].number != kFree) at = (at + 1) & mask;
      slots_[at] = slot;
    }
  }

  std::vector<Slot> slots_;
  std::uint32_t size_ = 0;
};

}  // namespace enclave::incident
