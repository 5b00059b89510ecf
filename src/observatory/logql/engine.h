// Answers LogQL queries from any LogSource.
//
// Log queries give lines by stream; metric queries count lines or bytes in windows (T - range, T]
// that slide by steps. Labels of a result are those of the stream and the record's metadata
// (trace_id and span_id among it), and what parsers found, as in Loki: put sum by (...) around a
// metric query whose records have many different ones.
//
// Thread safety: any thread, as far as the source allows it. Ownership: the source outlives the
// engine. Calls block. Source: Loki's documentation of LogQL.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "telemetry/labels.h"
#include "telemetry/source.h"

namespace enclave::observatory::logql {

struct Limits {
  std::size_t entries = 5000;  // that one log query may ask for
  std::size_t series = 5000;   // of a result, and of each function in it before grouping
  std::size_t points_per_series = 11000;
  std::size_t points = 20'000'000;  // of all series of one function
  // Of values that are unwrapped: kept by one function at once, and looked at in all windows of a
  // query, where each may be in many.
  std::size_t samples = 5'000'000;
  std::size_t window_samples = 2'000'000'000;
  // Of lines that one query reads, wanted or not.
  std::size_t scanned_lines = 100'000'000;
  std::size_t scanned_bytes = std::size_t{16} << 30;
};

struct Entry {
  std::int64_t time_ns;
  std::string line;
  bool operator==(const Entry&) const = default;
};
// Entries in the order of the query's direction; streams in the order of their first entry.
struct Stream {
  telemetry::Labels labels;
  std::vector<Entry> entries;
  bool operator==(const Stream&) const = default;
};
using Streams = std::vector<Stream>;

struct Point {
  std::int64_t time_ns;
  double value;
  bool operator==(const Point&) const = default;
};
struct Series {
  telemetry::Labels labels;
  std::vector<Point> points;
  bool operator==(const Series&) const = default;
};
// One point per series; topk and bottomk in their order, else by labels.
struct Vector {
  std::vector<Series> series;
};
struct Matrix {
  std::vector<Series> series;  // by labels
};
struct Scalar {
  Point point;
};

using Result = std::variant<Streams, Vector, Matrix, Scalar>;

class Engine {
 public:
  explicit Engine(telemetry::LogSource& source, Limits limits = {})
      : source_(source), limits_(limits) {}

  // At one time: metric queries only, as in Loki. `limit` and `direction` are of log queries.
  base::Result<Result> Query(std::string_view text, std::int64_t time_ns, std::size_t limit,
                             telemetry::Direction direction, std::stop_token stop = {});
  // Log queries: entries in [start, end), at most `limit`. Metric queries: points at start,
  // start + step, ... up to end.
  //
  // kInvalidArgument: the query or its parameters are wrong, and where; also a metric query over
  // lines that a parser could not read. kResourceExhausted: over a limit. kCancelled: `stop` asked
  // for it. Else the source's error.
  base::Result<Result> QueryRange(std::string_view text, std::int64_t start_ns, std::int64_t end_ns,
                                  std::int64_t step_ns, std::size_t limit,
                                  telemetry::Direction direction, std::stop_token stop = {});

 private:
  telemetry::LogSource& source_;
  const Limits limits_;
};

}  // namespace enclave::observatory::logql
