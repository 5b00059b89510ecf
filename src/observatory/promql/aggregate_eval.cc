// Aggregations whose groups keep a bounded state for each step: sum, avg, count and so on. Series
// pass through once and are not kept.
#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "base/check.h"
#include "observatory/promql/evaluator.h"
#include "observatory/promql/grouping.h"

namespace enclave::observatory::promql {

using base::Result;

namespace {

// Each cell is the state of a group at a step. Value() is kAbsent as long as nothing was added.
struct SumCell {
  CompensatedSum sum{};
  bool any = false;
  void Add(double value) {
    if (any)
      sum.Add(value);
    else
      sum.sum = value;
    any = true;
  }
  void Merge(const SumCell& other) {
    if (!other.any) return;
    Add(other.sum.sum);
    sum.rest += other.sum.rest;
  }
  double Value() const { return any ? sum.Total() : kAbsent; }
};

struct AvgCell {
  CompensatedMean mean{};
  void Add(double value) { mean.Add(value); }
  void Merge(const AvgCell& other) { mean.Merge(other.mean); }
  double Value() const { return mean.empty() ? kAbsent : mean.Mean(); }
};

struct CountCell {
  double count = 0;
  void Add(double) { count += 1; }
  void Merge(const CountCell& other) { count += other.count; }
  double Value() const { return count == 0 ? kAbsent : count; }
};

struct GroupCell {
  double value = kAbsent;
  void Add(double) { value = 1; }
  void Merge(const GroupCell& other) {
    if (Present(other.value)) value = 1;
  }
  double Value() const { return value; }
};

template <bool kLeast>
struct ExtremeCell {
  double value = kAbsent;
  void Add(double next) {
    const bool better = kLeast ? value > next : value < next;
    if (better || std::isnan(value)) value = next;  // kAbsent is a NaN as well
  }
  void Merge(const ExtremeCell& other) {
    if (Present(other.value)) Add(other.value);
  }
  double Value() const { return value; }
};

template <bool kRoot>
struct DeviationCell {
  Deviation deviation{};
  void Add(double value) { deviation.Add(value); }
  void Merge(const DeviationCell& other) { deviation.Merge(other.deviation); }
  double Value() const {
    if (deviation.count == 0) return kAbsent;
    const double variance = deviation.squares / deviation.count;
    return kRoot ? std::sqrt(variance) : variance;
  }
};

template <typename Cell>
struct Part {
  Groups groups;
  std::vector<std::vector<Cell>> cells;  // as groups
};

template <typename Cell>
Result<Matrix> AggregateWith(QueryContext& context, const Aggregate& node,
                             const Pipeline& pipeline) {
  const std::size_t steps = pipeline.grid.count;
  const std::size_t charge = steps * (sizeof(Cell) + sizeof(double) - 1) / sizeof(double);
  const WorkerLease lease(context, pipeline);
  std::vector<Part<Cell>> parts(lease.workers(), Part<Cell>{Groups(node), {}});
  RETURN_IF_ERROR(
      Run(context, pipeline, lease, [&](std::size_t, Series& series, Worker& worker) -> Result<> {
        Part<Cell>& part = parts[worker.index];
        const std::size_t group = part.groups.IndexOf(series);
        if (group == part.cells.size()) {
          RETURN_IF_ERROR(context.Charge(charge));
          part.cells.emplace_back(steps);
        }
        Cell* cells = part.cells[group].data();
        const double* values = series.values.data();
        for (std::size_t step = 0; step < steps; ++step)
          if (Present(values[step])) cells[step].Add(values[step]);
        return {};
      }));
  Part<Cell>& all = parts.front();
  for (std::size_t i = 1; i < parts.size(); ++i) {
    for (std::size_t group = 0; group < parts[i].cells.size(); ++group) {
      const std::size_t into = all.groups.IndexOf(parts[i].groups.at(group));
      if (into == all.cells.size()) {
        all.cells.push_back(std::move(parts[i].cells[group]));
        continue;
      }
      for (std::size_t step = 0; step < steps; ++step)
        all.cells[into][step].Merge(parts[i].cells[group][step]);
    }
  }
  Matrix result;
  for (std::size_t group = 0; group < all.cells.size(); ++group) {
    Series& series = all.groups.at(group);
    series.values.resize(steps);
    for (std::size_t step = 0; step < steps; ++step)
      series.values[step] = all.cells[group][step].Value();
    if (AnyPresent(series.values)) result.push_back(std::move(series));
  }
  return result;
}

}  // namespace

Result<Matrix> Evaluator::Aggregated(const Aggregate& node, const Grid& grid) {
  switch (node.op) {
    case Token::kTopk:
    case Token::kBottomk:
      return Ranked(node, grid);
    case Token::kQuantile:
      return Quantiles(node, grid);
    case Token::kCountValues:
      return CountValues(node, grid);
    default:
      break;
  }
  ASSIGN_OR_RETURN(const Pipeline pipeline, Stream(*node.expr, grid));
  switch (node.op) {
    case Token::kSum:
      return AggregateWith<SumCell>(context_, node, pipeline);
    case Token::kAvg:
      return AggregateWith<AvgCell>(context_, node, pipeline);
    case Token::kCount:
      return AggregateWith<CountCell>(context_, node, pipeline);
    case Token::kGroup:
      return AggregateWith<GroupCell>(context_, node, pipeline);
    case Token::kMin:
      return AggregateWith<ExtremeCell<true>>(context_, node, pipeline);
    case Token::kMax:
      return AggregateWith<ExtremeCell<false>>(context_, node, pipeline);
    case Token::kStddev:
      return AggregateWith<DeviationCell<true>>(context_, node, pipeline);
    case Token::kStdvar:
      return AggregateWith<DeviationCell<false>>(context_, node, pipeline);
    default:
      CHECK(false, "the parser lets no other aggregation through");
  }
}

}  // namespace enclave::observatory::promql
