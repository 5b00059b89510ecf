// One incident of a pack in the conventions of OpenTelemetry and Prometheus: all that the engine is
// given. The labels of the pack (which service, which kind) stand apart in pack.h, and nothing here
// is derived from them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "incident/context.h"
#include "telemetry/in_memory.h"

namespace enclave::bench::rca {

inline constexpr std::int64_t kMillisecondNs = 1'000'000;
inline constexpr std::int64_t kMinuteNs = 60'000'000'000;

// Rows that could not be read, by file and reason.
struct SkippedRows {
  std::string file{};
  std::string why{};
  std::size_t first_line = 0;  // from 1
  std::size_t rows = 0;
};

struct LoadedCase {
  std::string id{};
  telemetry::InMemoryMetrics metrics{};
  telemetry::InMemoryLogs logs{};
  telemetry::InMemoryTraces traces{};
  std::vector<incident::Call> topology{};  // sorted
  std::int64_t alert_time_ns = 0;
  std::string alert_service{};  // where users enter; empty when nothing says
  std::string alert_name{};     // what broke: latency, availability; empty when nothing says
  // Stretches known to be free of faults; may lie before, after, or months from the incident.
  std::vector<incident::Window> normal{};
  // The incident's own stretch, which spans and logs cover; metrics have history before it. Nothing
  // that is given is later, but for `normal`.
  incident::Window available{};
  std::vector<std::string> missing{};  // files that the pack lacks
  std::vector<SkippedRows> skipped{};
};

// Counts a row that was not read.
void Skip(LoadedCase& loaded, std::string_view file, std::size_t line, std::string_view why);

}  // namespace enclave::bench::rca
