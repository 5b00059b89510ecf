// Metrics: samples of series, their exemplars and their metadata, in Prometheus' data model.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "telemetry/labels.h"
#include "trace/trace_id.h"

namespace enclave::telemetry {

struct Sample {
  std::int64_t time_ms = 0;  // since 1970, UTC
  double value = 0;
};

// Prometheus' staleness marker: this NaN, bit for bit, says that a series has ended. A marker that
// went through arithmetic is an ordinary NaN, so compare bits.
inline constexpr std::uint64_t kStaleBits = 0x7ff0000000000002;
inline bool IsStale(double value) {
  return std::bit_cast<std::uint64_t>(value) == kStaleBits;
}

// One observation that stands for many, with the trace it came from.
struct Exemplar {
  Labels labels{};  // without trace_id and span_id, which stand below
  double value = 0;
  std::int64_t time_ms = 0;
  std::optional<trace::TraceId> trace_id{};
  std::optional<trace::SpanId> span_id{};
  bool operator==(const Exemplar&) const = default;
};

struct SeriesExemplars {
  Labels series;
  std::vector<Exemplar> exemplars;  // by time
};

enum class MetricType : std::uint8_t {
  kUnknown,
  kCounter,
  kGauge,
  kHistogram,
  kGaugeHistogram,
  kSummary,
  kInfo,
  kStateSet,
};

struct MetricMetadata {
  MetricType type = MetricType::kUnknown;
  std::string help{};
  std::string unit{};
  bool operator==(const MetricMetadata&) const = default;
};

}  // namespace enclave::telemetry
