// From a hash of a series' labels to its ref: the one look-up that every incoming sample pays.
//
// The key is 96 bits of XXH3-128 over the labels as they came, in their order; a series is in here
// once for each order that its senders use. Two different label sets that share all 96 bits would
// be taken for one series: by chance that takes more sets than there are atoms to write them on,
// and the store does not defend its users against their own collectors.
//
// Thread safety: none.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "observatory/store/journal.h"
#include "telemetry/labels.h"

namespace enclave::observatory::store {

struct LabelHash {
  std::uint64_t low = 0;
  std::uint32_t high = 0;
  bool operator==(const LabelHash&) const = default;
};

// `scratch` saves an allocation.
LabelHash HashLabels(std::span<const telemetry::LabelView> labels, std::string& scratch);

class RefTable {
 public:
  std::optional<SeriesRef> Find(LabelHash hash) const;
  void Prefetch(LabelHash hash) const {
    if (!slots_.empty()) __builtin_prefetch(&slots_[hash.low & (slots_.size() - 1)]);
  }
  // The hash is not in the table yet.
  void Insert(LabelHash hash, SeriesRef ref);
  // Takes out all entries whose ref `gone` says is gone.
  void Remove(const std::function<bool(SeriesRef)>& gone);
  std::size_t size() const { return size_; }

 private:
  struct Slot {
    std::uint64_t low = 0;
    std::uint32_t high = 0;
    SeriesRef ref = UINT32_MAX;  // UINT32_MAX: empty
  };
  static_assert(sizeof(Slot) == 16);

  void Rebuild(std::size_t slots, const std::function<bool(SeriesRef)>& gone);

  std::vector<Slot> slots_;  // a power of two, linear probing, at most three quarters full
  std::size_t size_ = 0;
};

}  // namespace enclave::observatory::store
