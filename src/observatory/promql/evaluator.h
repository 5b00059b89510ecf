// Evaluates a tree on a grid of steps. Internal; one per query, on one thread (which may have
// helpers, see pipeline.h).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "observatory/promql/ast.h"
#include "observatory/promql/column.h"
#include "observatory/promql/pipeline.h"
#include "observatory/promql/query_context.h"
#include "observatory/promql/query_result.h"
#include "observatory/promql/selectors.h"

namespace enclave::observatory::promql {

class Evaluator {
 public:
  explicit Evaluator(QueryContext& context) : context_(context) {}

  // Of an expression of type scalar: a number for each step.
  base::Result<Column> Scalar(const Expr& expr, const Grid& grid);
  // Of one of type instant vector: all of it, or series by series.
  base::Result<Matrix> Vector(const Expr& expr, const Grid& grid);
  base::Result<Pipeline> Stream(const Expr& expr, const Grid& grid);
  // Of one of type range vector, at a grid of one step.
  base::Result<RangeMatrix> Ranges(const Expr& expr, const Grid& grid);

 private:
  // Functions. (functions of ranges, of single values, of vectors as a whole)
  base::Result<Pipeline> StreamCall(const Call& call, const Grid& grid);
  base::Result<Pipeline> StreamRange(const Call& call, const Grid& grid);
  base::Result<Pipeline> StreamMath(const Call& call, const Grid& grid);
  base::Result<RangeSource> Samples(const Expr& range, const Grid& grid);
  base::Result<Matrix> Whole(const Call& call, const Grid& grid);
  base::Result<Matrix> Absent(const Call& call, const Grid& grid);
  base::Result<Matrix> AbsentOverTime(const Call& call, const Grid& grid);
  base::Result<Matrix> Sort(const Call& call, const Grid& grid);
  base::Result<Matrix> LabelReplace(const Call& call, const Grid& grid);
  base::Result<Matrix> LabelJoin(const Call& call, const Grid& grid);
  base::Result<Matrix> HistogramQuantile(const Call& call, const Grid& grid);
  base::Result<Matrix> HistogramFraction(const Call& call, const Grid& grid);

  // Operators.
  base::Result<Pipeline> StreamWithScalar(const Binary& node, const Grid& grid);
  base::Result<Matrix> BetweenVectors(const Binary& node, const Grid& grid);

  // Aggregations.
  base::Result<Matrix> Aggregated(const Aggregate& node, const Grid& grid);
  base::Result<Matrix> Ranked(const Aggregate& node, const Grid& grid);
  base::Result<Matrix> Quantiles(const Aggregate& node, const Grid& grid);
  base::Result<Matrix> CountValues(const Aggregate& node, const Grid& grid);

  QueryContext& context_;
};

// Series of equal labels become one; kUnprocessable when two have a value at the same step.
base::Result<Matrix> MergeEqual(Matrix matrix);

// The message of that.
base::Result<> DuplicateSeries();

}  // namespace enclave::observatory::promql
