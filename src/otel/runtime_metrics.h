// What the process itself uses, by OpenTelemetry's semantic conventions for processes:
// process.cpu.time, process.memory.usage, process.memory.virtual, process.thread.count,
// process.open_file_descriptor.count and process.uptime, read from /proc when collected.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/executor.h"
#include "otel/metrics.h"

namespace enclave::otel {

// `clock` outlives the meter.
void ObserveProcess(Meter& meter, const base::Clock& clock);

struct ProcessStat {
  double user_s = 0;
  double system_s = 0;
  std::int64_t threads = 0;
  std::int64_t virtual_bytes = 0;
  std::int64_t resident_bytes = 0;
  bool operator==(const ProcessStat&) const = default;
};
// A line of /proc/PID/stat (proc_pid_stat(5)); nullopt when it is none.
std::optional<ProcessStat> ParseProcessStat(std::string_view line, std::int64_t ticks_per_s,
                                            std::int64_t page_bytes);

}  // namespace enclave::otel
