#include "observatory/store/ref_table.h"

#include <cstring>

#include <xxhash.h>

namespace enclave::observatory::store {

LabelHash HashLabels(std::span<const telemetry::LabelView> labels, std::string& scratch) {
  std::size_t bytes = 0;
  for (const telemetry::LabelView& label : labels)
    bytes += label.name.size() + label.value.size() + 8;
  if (scratch.size() < bytes) scratch.resize(bytes * 2);
  // Lengths in front, so that different labels are different bytes.
  char* to = scratch.data();
  for (const telemetry::LabelView& label : labels) {
    const std::uint64_t lengths = static_cast<std::uint64_t>(label.name.size()) << 32 |
                                  static_cast<std::uint32_t>(label.value.size());
    std::memcpy(to, &lengths, sizeof lengths);
    to += sizeof lengths;
    if (!label.name.empty()) std::memcpy(to, label.name.data(), label.name.size());
    to += label.name.size();
    if (!label.value.empty()) std::memcpy(to, label.value.data(), label.value.size());
    to += label.value.size();
  }
  const XXH128_hash_t hash = XXH3_128bits(scratch.data(), bytes);
  return {hash.low64, static_cast<std::uint32_t>(hash.high64)};
}

std::optional<SeriesRef> RefTable::Find(LabelHash hash) const {
  if (slots_.empty()) return std::nullopt;
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = hash.low & mask; slots_[at].ref != UINT32_MAX; at = (at + 1) & mask)
    if (slots_[at].low == hash.low && slots_[at].high == hash.high) return slots_[at].ref;
  return std::nullopt;
}

void RefTable::Insert(LabelHash hash, SeriesRef ref) {
  if ((size_ + 1) * 4 > slots_.size() * 3)
    Rebuild(slots_.empty() ? 1024 : slots_.size() * 2, [](SeriesRef) { return false; });
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = hash.low & mask;
  while (slots_[at].ref != UINT32_MAX) at = (at + 1) & mask;
  slots_[at] = {hash.low, hash.high, ref};
  ++size_;
}

void RefTable::Rebuild(std::size_t slots, const std::function<bool(SeriesRef)>& gone) {
  std::vector<Slot> old(slots);
  old.swap(slots_);
  size_ = 0;
  for (const Slot& slot : old)
    if (slot.ref != UINT32_MAX && !gone(slot.ref)) Insert({slot.low, slot.high}, slot.ref);
}

void RefTable::Remove(const std::function<bool(SeriesRef)>& gone) {
  if (!slots_.empty()) Rebuild(slots_.size(), gone);
}

}  // namespace enclave::observatory::store
