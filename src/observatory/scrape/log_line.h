// One line that a container printed, as a log record: a JSON object (as loggers of services print
// it) or logfmt gives trace id, span id and level, in the spellings people use; anything else is a
// line. The line itself stays as it was printed.
//
// Thread safety: any thread.
#pragma once

#include <cstdint>
#include <string>

#include "telemetry/log_record.h"

namespace enclave::observatory::scrape {

// `level` in the metadata is one of trace, debug, info, warn, error, fatal, or what the line says.
telemetry::LogRecord ReadLogLine(std::int64_t time_ns, std::string text);

}  // namespace enclave::observatory::scrape
