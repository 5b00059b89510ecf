// Pipelines that begin at the samples: instant selectors, ranges, subqueries. Internal.
#pragma once

#include <functional>
#include <memory>

#include "base/result.h"
#include "observatory/promql/ast.h"
#include "observatory/promql/column.h"
#include "observatory/promql/pipeline.h"
#include "observatory/promql/query_context.h"
#include "observatory/promql/range_functions.h"

namespace enclave::observatory::promql {

// The moment that a selector looks at from each step.
class Moments {
 public:
  Moments(const QueryContext& context, const TimeShift& shift, const Grid& grid);
  std::int64_t at(std::size_t step) const {
    return fixed_ ? first_ms_ : first_ms_ + static_cast<std::int64_t>(step) * step_ms_;
  }
  bool fixed() const { return fixed_; }  // the same from all steps
  std::int64_t first() const { return first_ms_; }
  std::int64_t last() const { return last_ms_; }

 private:
  bool fixed_;
  std::int64_t first_ms_;
  std::int64_t step_ms_;
  std::int64_t last_ms_;
};

// What has samples for ranges: series of the store, or the results of a subquery.
struct RangeSource {
  std::size_t size = 0;
  std::function<const telemetry::Labels&(std::size_t)> labels;
  std::function<bool(std::size_t)> drop_name;
  bool in_turns = false;  // only one thread may read at a time
  // Without staleness markers.
  std::function<base::Result<>(std::size_t, std::vector<telemetry::Sample>&)> read;
};

// The value at each step is the newest sample that is not older than the lookback; with `times`,
// that sample's time in seconds.
base::Result<Pipeline> SelectInstant(QueryContext& context, const VectorSelector& selector,
                                     const Grid& grid, bool times);

base::Result<RangeSource> SelectRange(QueryContext& context, const MatrixSelector& selector,
                                      const Grid& grid);

// Samples of a matrix that was evaluated on `grid`.
RangeSource FromSubquery(Matrix matrix, Grid grid);

// The steps at which the inner expression of a subquery is evaluated. kUnprocessable when there
// would be too many.
base::Result<Grid> SubqueryGrid(const QueryContext& context, const Subquery& subquery,
                                const Grid& grid);

// `function` of the samples of the last `range_ms` at each step. `parameters` is empty or one for
// each step.
struct RangeCall {
  Fn fn;
  std::int64_t range_ms;
  Moments moments;
  Grid grid;
  Column parameters;
  std::string place;            // of the range, for notes
  std::string parameter_place;  // of the parameter
};
Pipeline ApplyRange(RangeSource source, RangeCall call);

}  // namespace enclave::observatory::promql
