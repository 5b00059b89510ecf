// The keys of the logs in the database: all numbers big-endian, the window in front, so that a
// window is one range of keys in each family.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "observatory/store/coding.h"
#include "observatory/store/options.h"
#include "trace/trace_id.h"

namespace enclave::observatory::store {

inline constexpr std::int64_t kWindowNs = kWindowMs * 1'000'000;

// Of a time since 1970 that is not negative.
inline std::uint32_t WindowNumber(std::int64_t time_ns) {
  return static_cast<std::uint32_t>(time_ns / kWindowNs);
}

struct LogBlockRef {
  std::int64_t first_ns = 0;  // of its records; both in one window
  std::int64_t last_ns = 0;
  std::uint64_t number = 0;  // counts all blocks ever sealed
  std::uint32_t records = 0;
  std::uint32_t bytes = 0;  // as stored
};

inline void PutLogBlockKey(std::string& to, std::uint32_t stream, const LogBlockRef& block) {
  PutBe32(to, WindowNumber(block.first_ns));
  PutBe32(to, stream);
  PutBe64(to, static_cast<std::uint64_t>(block.first_ns));
  PutBe64(to, block.number);
}
inline constexpr std::size_t kLogBlockKeyBytes = 24;

inline std::string LogTracePrefix(std::uint32_t window, trace::TraceId trace) {
  std::string key;
  PutBe32(key, window);
  PutBe64(key, trace.high());
  PutBe64(key, trace.low());
  return key;
}

inline std::string WindowPrefix(std::uint32_t window, std::string_view prefix = "") {
  std::string key(prefix);
  PutBe32(key, window);
  return key;
}

}  // namespace enclave::observatory::store
