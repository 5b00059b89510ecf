// Evaluates the metric queries of LogQL: all steps at once, with one pass over the log records for
// each function.
//
// Thread safety: one thread.
#pragma once

#include <cstdint>
#include <functional>
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
  // What passes the selector, in the order of time: the labels that make its series, when it counts
  // (offset included), and the value: what is unwrapped, else the size of the line in bytes.
  using RecordVisitor =
      std::function<base::Result<>(telemetry::Labels labels, std::int64_t time_ns, double value)>;
  base::Result<> ForEach(const RangeAggregation& range, const Grouping* grouping,
                         const RecordVisitor& visit);
  base::Result<> CheckSeries(std::size_t count) const;
  // Lines and bytes; of one group, they are added together.
  base::Result<StepVector> Counts(const RangeAggregation& range, const Grouping* grouping);
  base::Result<StepVector> Unwrapped(const RangeAggregation& range);
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
