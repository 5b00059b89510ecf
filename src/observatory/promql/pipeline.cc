#include "observatory/promql/pipeline.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <thread>

namespace enclave::observatory::promql {
namespace {

// Below it a thread costs more than it brings.
constexpr std::size_t kSeriesWorthAThread = 128;

// The series [from, to) of the pipeline.
base::Result<> RunPart(const QueryContext& context, const Pipeline& pipeline, std::size_t from,
                       std::size_t to, const std::atomic<bool>& failed,
                       const Pipeline::Consume& consume, Worker& worker) {
  Series series;
  for (std::size_t i = from; i < to && !failed.load(std::memory_order_relaxed); ++i) {
    RETURN_IF_ERROR(context.Check());
    series.drop_name = false;
    series.values.resize(pipeline.grid.count);
    ASSIGN_OR_RETURN(const bool any, pipeline.produce(i, series, worker));
    if (!any) continue;
    for (const Pipeline::Stage& stage : pipeline.stages) stage(series);
    RETURN_IF_ERROR(consume(i, series, worker));
  }
  return {};
}

}  // namespace

WorkerLease::WorkerLease(QueryContext& context, const Pipeline& pipeline) : context_(context) {
  const std::size_t wanted =
      std::min(pipeline.size / kSeriesWorthAThread, context.options.extra_workers);
  std::size_t busy = context.extra_workers_busy.load();
  std::size_t take = 0;
  do {
    const std::size_t left =
        context.options.extra_workers - std::min(busy, context.options.extra_workers);
    take = std::min(wanted, left);
  } while (take > 0 && !context.extra_workers_busy.compare_exchange_weak(busy, busy + take));
  extra_ = take;
}

WorkerLease::~WorkerLease() {
  if (extra_ > 0) context_.extra_workers_busy.fetch_sub(extra_);
}

base::Result<> Run(QueryContext& context, const Pipeline& pipeline, const WorkerLease& lease,
                   const Pipeline::Consume& consume) {
  const std::size_t count = lease.workers();
  std::vector<Worker> workers(count);
  std::vector<base::Result<>> results(count);
  std::atomic<bool> failed = false;
  const auto part = [&](std::size_t index) {
    workers[index].index = index;
    results[index] = RunPart(context, pipeline, pipeline.size * index / count,
                             pipeline.size * (index + 1) / count, failed, consume, workers[index]);
    if (!results[index]) failed = true;
  };
  {
    std::vector<std::jthread> threads;
    threads.reserve(count - 1);
    for (std::size_t i = 1; i < count; ++i) threads.emplace_back(part, i);
    part(0);
  }
  for (Worker& worker : workers) context.notes.Merge(std::move(worker.notes));
  for (base::Result<>& result : results) RETURN_IF_ERROR(std::move(result));
  return {};
}

base::Result<Matrix> Collect(QueryContext& context, const Pipeline& pipeline) {
  const WorkerLease lease(context, pipeline);
  std::vector<Matrix> parts(lease.workers());
  RETURN_IF_ERROR(Run(context, pipeline, lease,
                      [&](std::size_t, Series& series, Worker& worker) -> base::Result<> {
                        if (!AnyPresent(series.values)) return {};
                        RETURN_IF_ERROR(context.Charge(series.values.size()));
                        parts[worker.index].push_back(std::move(series));
                        series = {};
                        return {};
                      }));
  Matrix all = std::move(parts.front());
  for (std::size_t i = 1; i < parts.size(); ++i)
    std::ranges::move(parts[i], std::back_inserter(all));
  return all;
}

Pipeline FromMatrix(Matrix matrix, Grid grid) {
  Pipeline pipeline{.grid = grid, .size = matrix.size()};
  // Shared, for a function object must be copyable; each series is taken once.
  auto all = std::make_shared<Matrix>(std::move(matrix));
  pipeline.produce = [all](std::size_t index, Series& series, Worker&) -> base::Result<bool> {
    series = std::move((*all)[index]);
    return true;
  };
  return pipeline;
}

}  // namespace enclave::observatory::promql
