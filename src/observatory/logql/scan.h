// What one query may read: bounds on lines and bytes, and the wish of the client, who may have
// gone. Counted is what the source reads as well as what it shows, so that a filter that nothing
// passes is bounded too.
//
// Thread safety: one thread.
#pragma once

#include <cstddef>
#include <optional>
#include <stop_token>

#include "base/result.h"
#include "observatory/logql/engine.h"
#include "telemetry/source.h"

namespace enclave::observatory::logql {

class Scan {
 public:
  Scan(const Limits& limits, std::stop_token stop) : limits_(limits), stop_(std::move(stop)) {}

  // As LogSource::Query, within the bounds: kResourceExhausted beyond them, kCancelled once told to
  // stop.
  base::Result<> Query(telemetry::LogSource& source, telemetry::LogQuery query,
                       const telemetry::LogVisitor& visit);
  // Counts values that are looked at in windows; within the bounds as above.
  base::Result<> Look(std::size_t samples);

 private:
  bool Read(std::size_t lines, std::size_t bytes);
  bool Visited(const telemetry::LogRecord& record);
  bool Check(std::size_t lines, std::size_t bytes);

  const Limits& limits_;
  const std::stop_token stop_;
  // By what the source says it reads, and by what it shows: sources that say nothing are bounded by
  // the second.
  std::size_t read_lines_ = 0;
  std::size_t read_bytes_ = 0;
  std::size_t visited_lines_ = 0;
  std::size_t visited_bytes_ = 0;
  std::size_t samples_ = 0;
  std::optional<base::Error> error_{};
};

}  // namespace enclave::observatory::logql
