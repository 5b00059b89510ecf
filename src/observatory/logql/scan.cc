#include "observatory/logql/scan.h"

#include <fmt/format.h>

#include <utility>

namespace enclave::observatory::logql {
namespace {

constexpr std::size_t kLinesBetweenChecks = 256;

}  // namespace

bool Scan::Check(std::size_t lines, std::size_t bytes) {
  if (stop_.stop_requested()) {
    error_.emplace(base::ErrorKind::kCancelled, "the client has gone");
  } else if (lines > limits_.scanned_lines) {
    error_.emplace(base::ErrorKind::kResourceExhausted,
                   fmt::format("the query reads more than {} lines; take a shorter time or select "
                               "fewer streams",
                               limits_.scanned_lines));
  } else if (bytes > limits_.scanned_bytes) {
    error_.emplace(base::ErrorKind::kResourceExhausted,
                   fmt::format("the query reads more than {} MiB of lines; take a shorter time or "
                               "select fewer streams",
                               limits_.scanned_bytes >> 20));
  }
  return !error_;
}

bool Scan::Read(std::size_t lines, std::size_t bytes) {
  read_lines_ += lines;
  read_bytes_ += bytes;
  return Check(read_lines_, read_bytes_);
}

bool Scan::Visited(const telemetry::LogRecord& record) {
  ++visited_lines_;
  visited_bytes_ += record.line.size();
  if (visited_lines_ <= limits_.scanned_lines && visited_bytes_ <= limits_.scanned_bytes &&
      visited_lines_ % kLinesBetweenChecks != 0)
    return true;
  return Check(visited_lines_, visited_bytes_);
}

base::Result<> Scan::Look(std::size_t samples) {
  samples_ += samples;
  if (stop_.stop_requested()) return base::Fail(base::ErrorKind::kCancelled, "the client has gone");
  if (samples_ <= limits_.window_samples) return {};
  return base::Fail(base::ErrorKind::kResourceExhausted,
                    fmt::format("the query looks at more than {} values; take a shorter range, a "
                                "longer step, or select fewer streams",
                                limits_.window_samples));
}

base::Result<> Scan::Query(telemetry::LogSource& source, telemetry::LogQuery query,
                           const telemetry::LogVisitor& visit) {
  if (!Check(read_lines_, read_bytes_)) return base::Fail(std::move(*error_));
  query.reading = [this](std::size_t lines, std::size_t bytes) { return Read(lines, bytes); };
  RETURN_IF_ERROR(
      source.Query(query, [&](const telemetry::Labels& stream, const telemetry::LogRecord& record) {
        return Visited(record) && visit(stream, record);
      }));
  if (error_) return base::Fail(std::move(*error_));
  return {};
}

}  // namespace enclave::observatory::logql
