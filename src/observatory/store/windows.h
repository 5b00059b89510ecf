// Which series have sealed samples in which window, so that a query leaves out the others without
// a look into the database; and how many bytes each window holds.
//
// Thread safety: none; const methods may run at the same time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "observatory/store/journal.h"
#include "observatory/store/options.h"
#include "telemetry/source.h"

namespace enclave::observatory::store {

// The start of the window that holds `time_ms`.
constexpr std::int64_t WindowStartMs(std::int64_t time_ms) {
  const std::int64_t rest = time_ms % kWindowMs;
  return time_ms - (rest < 0 ? rest + kWindowMs : rest);
}
// Windows as they stand in keys: in order also before 1970.
constexpr std::uint32_t WindowKey(std::int64_t window_ms) {
  return static_cast<std::uint32_t>(window_ms / kWindowMs + (1LL << 31));
}
constexpr std::int64_t WindowFromKey(std::uint32_t key) {
  return (static_cast<std::int64_t>(key) - (1LL << 31)) * kWindowMs;
}
// Times of samples lie within; their windows fit into a key.
inline constexpr std::int64_t kEarliestMs = -(1LL << 30) * kWindowMs;
inline constexpr std::int64_t kLatestMs = (1LL << 30) * kWindowMs;

struct Window {
  std::vector<std::uint64_t> has{};  // a bit for each ref
  std::uint64_t bytes = 0;
  std::uint64_t chunks = 0;
  bool dirty = false;  // differs from what the last checkpoint wrote

  bool Has(SeriesRef ref) const {
    return ref / 64 < has.size() && (has[ref / 64] >> (ref % 64) & 1) != 0;
  }
  void Set(SeriesRef ref) {
    if (has.size() <= ref / 64) has.resize(ref / 64 + 1);
    has[ref / 64] |= std::uint64_t{1} << (ref % 64);
  }
  // varint bytes, varint chunks, then runs: varint zero words, varint other words, these words.
  std::string Encode() const;
  static bool Decode(std::string_view bytes, Window& window);
};

class Windows {
 public:
  using Map = std::map<std::int64_t, Window>;

  void Add(std::int64_t window_ms, SeriesRef ref, std::size_t bytes) {
    Window& window = map_[window_ms];
    window.Set(ref);
    window.bytes += bytes;
    ++window.chunks;
    window.dirty = true;
  }
  bool Has(SeriesRef ref, telemetry::TimeRangeMs range) const {
    for (auto at = map_.lower_bound(First(range)); at != map_.end() && at->first <= range.to; ++at)
      if (at->second.Has(ref)) return true;
    return false;
  }
  bool HasAny(SeriesRef ref) const {
    return std::ranges::any_of(map_, [ref](const auto& entry) { return entry.second.Has(ref); });
  }
  // The starts of those that lie in the range, in order.
  std::vector<std::int64_t> In(telemetry::TimeRangeMs range) const {
    std::vector<std::int64_t> in;
    for (auto at = map_.lower_bound(First(range)); at != map_.end() && at->first <= range.to; ++at)
      in.push_back(at->first);
    return in;
  }
  Map& map() { return map_; }
  const Map& map() const { return map_; }

 private:
  static std::int64_t First(telemetry::TimeRangeMs range) {
    return WindowStartMs(std::clamp(range.from, kEarliestMs, kLatestMs));
  }
  Map map_;
};

}  // namespace enclave::observatory::store
