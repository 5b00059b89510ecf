// Answers PromQL queries from a MetricSource.
//
// A query is evaluated series by series: each is read once, all steps are computed from it in one
// pass, and an aggregation keeps only its groups. Rules are those of Prometheus 3: ranges and
// lookback exclude their start, metric names are dropped at the end of the query.
//
// Thread safety: all methods may be called from any thread; they block until the answer is there. A
// query may take one more thread of its own for its time, as long as the engine's bound allows.
// Ownership: the source and the clock outlive the engine.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <string_view>

#include "base/executor.h"
#include "base/result.h"
#include "observatory/promql/ast.h"
#include "observatory/promql/query_result.h"
#include "telemetry/source.h"

namespace enclave::observatory::promql {

struct EngineOptions {
  std::chrono::milliseconds lookback_delta = std::chrono::minutes(5);
  // Of subqueries that name none.
  std::chrono::milliseconds default_subquery_step = std::chrono::minutes(1);
  std::chrono::milliseconds timeout = std::chrono::minutes(2);
  // Values that a query may hold at once, 8 bytes each, and samples of one series.
  std::size_t max_samples = 50'000'000;
  std::size_t max_steps = 11'000;  // of a range query
  // Threads at work beside the callers', over all queries.
  std::size_t extra_workers = 1;
  // Whether a SeriesSet of the source may be read by several threads at once, in any order. If not,
  // reads of one selector take turns, in order, and only the computation runs on both cores.
  bool concurrent_reads = false;
};

class Engine {
 public:
  explicit Engine(telemetry::MetricSource& source, EngineOptions options = {},
                  const base::Clock& clock = base::SystemClock());

  // Errors of both: kInvalidArgument for what does not parse or is asked out of bounds,
  // kUnprocessable for what cannot be evaluated, kDeadlineExceeded, kCancelled once `stop` is
  // requested, and those of the source.
  base::Result<QueryResult> Instant(std::string_view query, std::int64_t time_ms,
                                    std::stop_token stop = {});
  // Steps at start, start + step, ... up to and with `end`.
  base::Result<QueryResult> Range(std::string_view query, std::int64_t start_ms,
                                  std::int64_t end_ms, std::int64_t step_ms,
                                  std::stop_token stop = {});

  // The same of a tree that is already parsed from `query`; rules evaluate theirs again and again.
  base::Result<QueryResult> Instant(const Expr& expr, std::string_view query, std::int64_t time_ms,
                                    std::stop_token stop = {});

  const EngineOptions& options() const { return options_; }

 private:
  telemetry::MetricSource& source_;
  const EngineOptions options_;
  const base::Clock& clock_;
  std::atomic<std::size_t> extra_workers_busy_ = 0;
};

}  // namespace enclave::observatory::promql
