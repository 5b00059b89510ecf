// Numbers, durations and sizes as LogQL and log lines write them. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace enclave::observatory::logql {

std::optional<double> ParseNumber(std::string_view text);
// In nanoseconds: 300ms, 1.5h, 1h30m, -2s; units ns us µs ms s m h d w y. A zero needs no unit.
std::optional<double> ParseDuration(std::string_view text);
// In bytes: 20B, 1.5KB (1000), 4MiB (1024 * 1024), also in small letters and with a space.
std::optional<double> ParseBytes(std::string_view text);

}  // namespace enclave::observatory::logql
