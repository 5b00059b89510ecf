// Series that come one after another: from a selector, a range function over one, or values already
// computed, and then through functions of single values. What consumes them need not hold them all.
// Internal.
//
// A pipeline is run by one thread or by several that take batches of series in turn, so the order
// of work, and with it rounding, depends on the number of threads only. Where the source wants it,
// reads take turns as well and go through the series in order (a store reads that way best), while
// other threads compute.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "observatory/promql/annotations.h"
#include "observatory/promql/column.h"
#include "observatory/promql/query_context.h"
#include "telemetry/metric.h"

namespace enclave::observatory::promql {

// What a thread of a pipeline has of its own.
struct Worker {
  std::size_t index = 0;
  Annotations notes{};
  std::vector<telemetry::Sample> samples{};  // of the series at hand, once they are fetched
  std::vector<double> scratch{};
  std::vector<std::uint32_t> resets{};
  std::string last_noted{};
};

struct Pipeline {
  using Fetch =
      std::function<base::Result<>(std::size_t index, std::vector<telemetry::Sample>& samples)>;
  using Produce = std::function<base::Result<bool>(std::size_t index, Series& series, Worker&)>;
  using Stage = std::function<void(Series& series)>;
  // May take the series' parts.
  using Consume = std::function<base::Result<>(std::size_t index, Series& series, Worker&)>;

  Grid grid;
  std::size_t size = 0;
  Fetch fetch{};  // none: there is nothing to read
  bool fetch_in_turns = false;
  // Fills `series`, whose values are the grid's count in number; false when it has none.
  Produce produce{};
  std::vector<Stage> stages{};
};

// Threads that a pipeline of this size deserves now, this one included; held until destroyed.
class WorkerLease {
 public:
  WorkerLease(QueryContext& context, const Pipeline& pipeline);
  ~WorkerLease();
  WorkerLease(const WorkerLease&) = delete;
  WorkerLease& operator=(const WorkerLease&) = delete;
  std::size_t workers() const { return extra_ + 1; }

 private:
  QueryContext& context_;
  std::size_t extra_ = 0;
};

// Runs all series that have a value through `consume`, which may be called by several threads at
// once, for a Worker by one of them only. Notes end up in the context.
base::Result<> Run(QueryContext& context, const Pipeline& pipeline, const WorkerLease& lease,
                   const Pipeline::Consume& consume);

// All series at once, in the order of the pipeline.
base::Result<Matrix> Collect(QueryContext& context, const Pipeline& pipeline);

// A pipeline of what is computed already.
Pipeline FromMatrix(Matrix matrix, Grid grid);

}  // namespace enclave::observatory::promql
