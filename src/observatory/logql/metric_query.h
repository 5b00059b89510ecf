// Evaluates the metric queries of LogQL: all steps at once, with one pass over the log records for
// each function.
//
// Thread safety: one thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "observatory/logql/ast.h"
#include "observatory/logql/engine.h"
#include "observatory/logql/scan.h"

namespace enclave::observatory::logql {

struct Steps {
  std::int64_t start_ns;
  std::int64_t step_ns;  // above 0
  std::size_t count;     // at least 1
  std::int64_t At(std::size_t i) const { return start_ns + static_cast<std::int64_t>(i) * step_ns; }
};

// A value, or none, for each step.
struct StepSeries {
  telemetry::Labels labels;
  std::vector<double> values;
  std::vector<bool> there;
};
struct StepVector {
  std::vector<StepSeries> series{};
  bool scalar = false;   // a number without labels, which goes with every series
  bool ordered = false;  // by topk or bottomk, for a query at one time
};

class MetricQuery {
 public:
  MetricQuery(telemetry::LogSource& source, Scan& scan, const Limits& limits, Steps steps)
      : source_(source), scan_(scan), limits_(limits), steps_(steps) {}

  base::Result<StepVector> Evaluate(const MetricExpr& expr);

 private:
  // With `by` only these labels make series, and values of others are added together.
  base::Result<StepVector> Range(const RangeAggregation& range, const VectorAggregation* sum);
  base::Result<StepVector> Aggregate(const VectorAggregation& aggregation);
  base::Result<StepVector> Top(const VectorAggregation& aggregation, StepVector inner) const;
  base::Result<StepVector> Combine(const BinaryExpr& binary);
  StepVector Number(const NumberExpr& number) const;

  telemetry::LogSource& source_;
  Scan& scan_;
  const Limits& limits_;
  const Steps steps_;
};

}  // namespace enclave::observatory::logql
