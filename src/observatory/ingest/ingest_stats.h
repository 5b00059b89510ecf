// What was taken in, for the observatory's own metrics.
//
// Thread safety: counters of relaxed atomics; any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace enclave::observatory::ingest {

enum class Protocol : std::uint8_t { kOtlpGrpc, kOtlpHttp, kRemoteWrite, kLokiPush };
inline constexpr std::size_t kProtocols = 4;

constexpr std::string_view ToString(Protocol protocol) {
  constexpr std::array<std::string_view, kProtocols> kNames = {"otlp_grpc", "otlp_http",
                                                               "remote_write", "loki_push"};
  return kNames[static_cast<std::size_t>(protocol)];
}

struct ProtocolStats {
  using Counter = std::atomic<std::uint64_t>;
  Counter requests = 0;            // answered, in whatever way
  Counter failed_invalid = 0;      // 4xx: the sender's fault
  Counter failed_exhausted = 0;    // 429 and RESOURCE_EXHAUSTED with a hint to retry
  Counter failed_unavailable = 0;  // 5xx: the disk is full, or a fault of ours
  Counter wire_bytes = 0;          // bodies as they came
  Counter body_bytes = 0;          // after decompression
  // Items written.
  Counter samples = 0;
  Counter exemplars = 0;
  Counter records = 0;
  Counter spans = 0;
  Counter refused_items = 0;  // samples, data points, exemplars, records, spans
  Counter cut_items = 0;      // attributes, events, texts that the limits took away
};

class IngestStats {
 public:
  ProtocolStats& of(Protocol protocol) { return stats_[static_cast<std::size_t>(protocol)]; }
  const ProtocolStats& of(Protocol protocol) const {
    return stats_[static_cast<std::size_t>(protocol)];
  }

 private:
  std::array<ProtocolStats, kProtocols> stats_;
};

}  // namespace enclave::observatory::ingest
