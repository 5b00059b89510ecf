// Keys of the metrics in the database, for the files of MetricStore.
//
// metrics.index:   's' ref (be32) -> labels; 'm' name -> metadata; 'w' window (be32) -> Window;
//                  'c' -> be32, the next chunk id
// metrics.journal: number (be64) -> journal.h
// metrics.open:    ref (be32) -> MetricHead::EncodeOpen
// metrics.chunks:  window (be32) ref (be32) id (be32) -> chunk.h
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "observatory/store/coding.h"
#include "observatory/store/journal.h"
#include "observatory/store/windows.h"

namespace enclave::observatory::store {

inline constexpr std::size_t kChunkKeyBytes = 12;

inline std::string SeriesKey(SeriesRef ref) {
  std::string key = "s";
  PutBe32(key, ref);
  return key;
}
inline std::string WindowIndexKey(std::int64_t window_ms) {
  std::string key = "w";
  PutBe32(key, WindowKey(window_ms));
  return key;
}
inline std::string JournalKey(std::uint64_t number) {
  std::string key;
  PutBe64(key, number);
  return key;
}
inline std::string OpenKey(SeriesRef ref) {
  std::string key;
  PutBe32(key, ref);
  return key;
}
inline std::string ChunkKey(std::uint32_t window_key, SeriesRef ref, std::uint32_t id) {
  std::string key;
  PutBe32(key, window_key);
  PutBe32(key, ref);
  PutBe32(key, id);
  return key;
}

}  // namespace enclave::observatory::store
