#include "observatory/promql/pipeline.h"

#include <algorithm>
#include <condition_variable>
#include <iterator>
#include <memory>
#include <mutex>
#include <thread>

namespace enclave::observatory::promql {
namespace {

// Below it a thread costs more than it brings.
constexpr std::size_t kSeriesWorthAThread = 128;

constexpr std::size_t kBatch = 16;  // series; their samples should stay in a core's cache

// Lets threads read batches one after another, in order.
class Turns {
 public:
  // False when the pipeline has failed.
  bool Wait(std::size_t batch) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return stopped_ || next_ == batch; });
    return !stopped_;
  }
  void Pass() {
    {
      const std::lock_guard lock(mutex_);
      ++next_;
    }
    changed_.notify_all();
  }
  void Stop() {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t next_ = 0;
  bool stopped_ = false;
};

// One thread's share of a pipeline.
class Share {
 public:
  Share(const QueryContext& context, const Pipeline& pipeline, const Pipeline::Consume& consume,
        std::size_t workers, Turns& turns, Worker& worker)
      : context_(context),
        pipeline_(pipeline),
        consume_(consume),
        workers_(workers),
        turns_(turns),
        worker_(worker),
        buffers_(pipeline.fetch ? kBatch : 0) {}

  base::Result<> Run() {
    const bool in_turns = workers_ > 1 && pipeline_.fetch && pipeline_.fetch_in_turns;
    for (std::size_t batch = worker_.index; batch * kBatch < pipeline_.size; batch += workers_) {
      const std::size_t from = batch * kBatch;
      const std::size_t to = std::min(from + kBatch, pipeline_.size);
      if (in_turns && !turns_.Wait(batch)) return {};
      if (pipeline_.fetch)
        for (std::size_t i = from; i < to; ++i) {
          RETURN_IF_ERROR(context_.Check());
          RETURN_IF_ERROR(pipeline_.fetch(i, buffers_[i - from]));
        }
      if (in_turns) turns_.Pass();
      for (std::size_t i = from; i < to; ++i) RETURN_IF_ERROR(One(i, i - from));
    }
    return {};
  }

 private:
  base::Result<> One(std::size_t index, std::size_t buffer) {
    RETURN_IF_ERROR(context_.Check());
    series_.drop_name = false;
    series_.values.resize(pipeline_.grid.count);
    if (pipeline_.fetch) worker_.samples.swap(buffers_[buffer]);
    base::Result<bool> any = pipeline_.produce(index, series_, worker_);
    if (pipeline_.fetch) worker_.samples.swap(buffers_[buffer]);
    if (!any) return base::Fail(std::move(any).error());
    if (!*any) return {};
    for (const Pipeline::Stage& stage : pipeline_.stages) stage(series_);
    return consume_(index, series_, worker_);
  }

  const QueryContext& context_;
  const Pipeline& pipeline_;
  const Pipeline::Consume& consume_;
  const std::size_t workers_;
  Turns& turns_;
  Worker& worker_;
  std::vector<std::vector<telemetry::Sample>> buffers_;
  Series series_;
};

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
  Turns turns;
  const auto part = [&](std::size_t index) {
    workers[index].index = index;
    results[index] = Share(context, pipeline, consume, count, turns, workers[index]).Run();
    if (!results[index]) turns.Stop();
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
  struct Numbered {
    std::size_t index;
    Series series;
  };
  std::vector<std::vector<Numbered>> parts(lease.workers());
  RETURN_IF_ERROR(Run(context, pipeline, lease,
                      [&](std::size_t index, Series& series, Worker& worker) -> base::Result<> {
                        if (!AnyPresent(series.values)) return {};
                        RETURN_IF_ERROR(context.Charge(series.values.size()));
                        parts[worker.index].push_back({index, std::move(series)});
                        series = {};
                        return {};
                      }));
  std::vector<Numbered> all = std::move(parts.front());
  for (std::size_t i = 1; i < parts.size(); ++i)
    std::ranges::move(parts[i], std::back_inserter(all));
  if (parts.size() > 1) std::ranges::sort(all, {}, &Numbered::index);
  Matrix matrix;
  matrix.reserve(all.size());
  for (Numbered& one : all) matrix.push_back(std::move(one.series));
  return matrix;
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
