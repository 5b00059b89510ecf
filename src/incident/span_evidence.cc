#include "incident/span_evidence.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <tuple>

#include "incident/keep_first.h"
#include "incident/parallel.h"
#include "incident/summary.h"

namespace enclave::incident {
namespace {

// A share has to move by so much to be told.
constexpr double kLeastShare = 0.05;
// What is slow: past the 95th percentile of normal by a tenth and this.
constexpr double kSlowFloorMs = 1;
constexpr std::size_t kEnoughNormal = 3;

// Strata, or groups of them, that one thread takes at a time.
constexpr std::size_t kRun = 32;

}  // namespace

SpanEvidence::SpanEvidence(const SpanTable& table, const Interner& services, const Interner& names,
                           const Timeline& timeline, telemetry::Workers* workers)
    : table_(table), services_(services), names_(names), timeline_(timeline), workers_(workers) {
  GroupRows();
  const std::size_t runs = (strata_.size() + kRun - 1) / kRun;
  // The flows are one item of many, so that all of it can be done side by side.
  ForEach(workers_, runs + 1, [&](std::size_t item) {
    if (item == 0) return TallyFlows();
    for (std::size_t stratum = (item - 1) * kRun; stratum < std::min(strata_.size(), item * kRun);
         ++stratum)
      TallyStratum(static_cast<std::uint32_t>(stratum));
  });
}

void SpanEvidence::GroupRows() {
  const std::vector<SpanTable::Row>& rows = table_.rows();
  const std::uint32_t bins = timeline_.bins();
  runs_.assign(std::size_t{table_.contexts()} * bins, 0);
  served_.assign(services_.size() * bins, 0);
  operations_.resize(table_.operations().size());
  for (std::uint32_t number = 0; number < operations_.size(); ++number) {
    operations_[number].first = table_.operations()[number].service;
    operations_[number].second = number;
  }
  PairIndex edge_numbers;
  PairIndex call_strata;  // context and callee, as numbers of the list below
  std::vector<std::uint32_t> of_call;
  std::vector<std::uint32_t> of_context(table_.contexts(), SpanTable::kNone);
  stratum_of_.resize(rows.size());
  const auto begin = [&](Group& group, std::uint32_t context) {
    const auto stratum = static_cast<std::uint32_t>(strata_.size());
    strata_.push_back({.context = context});
    group.strata.push_back(stratum);
    return stratum;
  };
  for (std::uint32_t number = 0; number < rows.size(); ++number) {
    const SpanTable::Row& row = rows[number];
    runs_[std::size_t{row.context} * bins + row.bin]++;
    if (row.is_entry) served_[std::size_t{row.service} * bins + row.bin]++;
    if (row.failed) failed_rows_.push_back(number);
    std::uint32_t stratum = SpanTable::kNone;
    if (row.is_call && row.peer != SpanTable::kNone) {
      const auto [call, is_new] = call_strata.Take(row.context, row.peer);
      if (is_new) {
        const auto [edge, is_new_edge] = edge_numbers.Take(row.service, row.peer);
        if (is_new_edge) edges_.push_back({.first = row.service, .second = row.peer});
        of_call.push_back(begin(edges_[edge], row.context));
      }
      stratum = of_call[call];
    } else {
      if (of_context[row.context] == SpanTable::kNone)
        of_context[row.context] = begin(operations_[row.operation], row.context);
      stratum = of_context[row.context];
    }
    stratum_of_[number] = stratum;
    strata_[stratum].spans++;
  }
  std::uint32_t next = 0;
  for (Stratum& stratum : strata_) {
    stratum.first = next;
    next += stratum.spans;
    stratum.spans = 0;
  }
  rows_.resize(next);
  self_ms_.resize(next);
  bins_.resize(next);
  for (std::uint32_t number = 0; number < rows.size(); ++number) {
    Stratum& stratum = strata_[stratum_of_[number]];
    const std::uint32_t at = stratum.first + stratum.spans++;
    rows_[at] = number;
    self_ms_[at] = table_.SelfMs(number);
    bins_[at] = rows[number].bin;
  }
  slow_.resize(strata_.size() * bins);
  failed_.resize(strata_.size() * bins);
  for (const std::uint32_t number : failed_rows_)
    failed_[std::size_t{stratum_of_[number]} * bins + rows[number].bin].taken++;
  for (auto* groups : {&operations_, &edges_})
    for (Group& group : *groups)
      std::ranges::sort(group.strata, {},
                        [&](std::uint32_t stratum) { return strata_[stratum].context; });
}

void SpanEvidence::TallyStratum(std::uint32_t number) {
  Stratum& stratum = strata_[number];
  const auto all_self = std::span(self_ms_).subspan(stratum.first, stratum.spans);
  const auto all_bins = std::span(bins_).subspan(stratum.first, stratum.spans);
  Tally* slow = &slow_[std::size_t{number} * timeline_.bins()];
  Tally* failed = &failed_[std::size_t{number} * timeline_.bins()];
  // What is normal: the stretches said to be, what is surely before the onset, else the earliest.
  std::vector<double> normal;
  normal.reserve(stratum.spans);
  for (std::uint32_t i = 0; i < stratum.spans; ++i)
    if (all_bins[i] < timeline_.first_onset()) normal.push_back(all_self[i]);
  if (normal.size() < kEnoughNormal) {
    std::vector<std::pair<std::int64_t, double>> later;
    for (std::uint32_t i = 0; i < stratum.spans; ++i)
      if (all_bins[i] >= timeline_.first_onset())
        later.emplace_back(table_.rows()[rows_[stratum.first + i]].start_ns, all_self[i]);
    std::ranges::sort(later);
    for (std::size_t i = 0; i < later.size() * 2 / 5; ++i) normal.push_back(later[i].second);
  }
  if (normal.empty()) {
    std::fill(failed, failed + timeline_.bins(), Tally{});
    return;
  }
  const double limit = Quantile(normal, 0.95) * 1.1 + kSlowFloorMs;
  stratum.limit_ms = limit;
  for (std::uint32_t i = 0; i < stratum.spans; ++i) {
    slow[all_bins[i]].chances++;
    slow[all_bins[i]].taken += all_self[i] > limit;
  }
  for (std::uint32_t bin = 0; bin < timeline_.bins(); ++bin)
    failed[bin].chances = slow[bin].chances;
}

void SpanEvidence::TallyFlows() {
  PairIndex numbers;
  const std::uint32_t bins = timeline_.bins();
  // The flow that was last counted for a step's context: most often it is the one again.
  std::vector<std::uint32_t> last_flow[2];
  for (auto& last : last_flow) last.assign(table_.contexts(), SpanTable::kNone);
  const auto count = [&](const SpanTable::Row& row, std::uint32_t number, std::uint32_t callee,
                         std::uint32_t step, bool ends_after, std::uint32_t context_of_step) {
    std::uint32_t& guess = last_flow[ends_after][context_of_step];
    if (guess == SpanTable::kNone || flows_[guess].context != row.context ||
        flows_[guess].callee != callee || flows_[guess].step != step) {
      const auto [flow, is_new] =
          numbers.Take(PairIndex::Join(row.context, step), PairIndex::Join(callee, ends_after));
      if (is_new)
        flows_.push_back({.context = row.context,
                          .operation = row.operation,
                          .callee = callee,
                          .step = step,
                          .ends_after = ends_after,
                          .taken = std::vector<Tally>(bins)});
      guess = flow;
    }
    Flow& flow = flows_[guess];
    flow.taken[row.bin].taken++;
    if (flow.example == SpanTable::kNone || flow.example_ns <= row.start_ns) {
      flow.example = number;
      flow.example_ns = row.start_ns;
    }
  };
  std::vector<std::uint64_t> seen;
  for (std::uint32_t number = 0; number < table_.rows().size(); ++number) {
    const SpanTable::Row& row = table_.rows()[number];
    if (row.is_call) {
      // What a call leads to depends on who asks; that nobody answers is news.
      if (row.children == 0 && row.peer != SpanTable::kNone)
        count(row, number, row.peer, SpanTable::kNone, true, row.context);
      continue;
    }
    seen.clear();
    const SpanTable::Row* last = nullptr;
    for (const std::uint32_t child : table_.ChildrenOf(row)) {
      const SpanTable::Row& step = table_.rows()[child];
      const std::uint32_t callee = step.peer == SpanTable::kNone ? step.service : step.peer;
      last = &step;
      const std::uint64_t pair = PairIndex::Join(step.operation, callee);
      if (std::ranges::find(seen, pair) != seen.end()) continue;
      seen.push_back(pair);
      count(row, number, callee, step.operation, false, step.context);
    }
    if (last == nullptr)
      count(row, number, row.service, SpanTable::kNone, true, row.context);
    else
      count(row, number, last->peer == SpanTable::kNone ? last->service : last->peer,
            last->operation, true, last->context);
  }
  for (Flow& flow : flows_)
    for (std::uint32_t bin = 0; bin < bins; ++bin)
      flow.taken[bin].chances = runs_[std::size_t{flow.context} * bins + bin];
}

void SpanEvidence::Vote(OnsetVote& votes) const {
  for (const auto* groups : {&operations_, &edges_})
    for (const Group& group : *groups)
      for (const std::uint32_t stratum : group.strata) {
        votes.Add(SlowOf(stratum), OnsetVote::Direction::kRise);
        votes.Add(FailedOf(stratum), OnsetVote::Direction::kRise);
      }
  for (const Flow& flow : flows_)
    votes.Add(flow.taken,
              flow.ends_after ? OnsetVote::Direction::kRise : OnsetVote::Direction::kFall);
}

double SpanEvidence::Movement::score() const {
  return std::abs(slow.score) >= std::abs(failed.score) ? slow.score : failed.score;
}

SpanEvidence::Movement SpanEvidence::Compared(const Group& group, const Onsets& onsets) const {
  SharedOnset slow(onsets);
  SharedOnset failed(onsets);
  for (const std::uint32_t stratum : group.strata) {
    slow.Add(SlowOf(stratum));
    failed.Add(FailedOf(stratum));
  }
  std::uint32_t slow_onset = 0;
  std::uint32_t failed_onset = 0;
  Movement change{.slow = slow.Best(slow_onset), .failed = failed.Best(failed_onset)};
  const bool is_slow = std::abs(change.slow.score) >= std::abs(change.failed.score);
  change.onset = is_slow ? slow_onset : failed_onset;
  return change;
}

SpanEvidence::Sides SpanEvidence::Collect(const Group& group, std::uint32_t onset,
                                          bool with_durations) const {
  Sides sides;
  std::size_t sizes[2] = {0, 0};
  std::vector<bool> has_both(group.strata.size());
  for (std::size_t i = 0; i < group.strata.size(); ++i) {
    const Share share = Compare(SlowOf(group.strata[i]), onset);
    has_both[i] = share.before.chances > 0 && share.during.chances > 0;
    if (!has_both[i]) continue;
    sizes[0] += share.before.chances;
    sizes[1] += share.during.chances;
  }
  for (const std::size_t side : {std::size_t{0}, std::size_t{1}}) {
    sides.self[side].reserve(sizes[side]);
    if (with_durations) sides.duration[side].reserve(sizes[side]);
  }
  double worst = -1;
  std::uint32_t worst_row = SpanTable::kNone;
  for (std::size_t i = 0; i < group.strata.size(); ++i) {
    if (!has_both[i]) continue;
    const Stratum& stratum = strata_[group.strata[i]];
    for (std::uint32_t at = stratum.first; at < stratum.first + stratum.spans; ++at) {
      const std::size_t side = bins_[at] >= onset;
      if (with_durations) sides.duration[side].push_back(table_.rows()[rows_[at]].DurationMs());
      sides.self[side].push_back(self_ms_[at]);
      if (side == 1 && self_ms_[at] > worst) {
        worst = self_ms_[at];
        worst_row = rows_[at];
      }
    }
  }
  if (worst_row != SpanTable::kNone) sides.worst = table_.rows()[worst_row].trace_id;
  return sides;
}

void SpanEvidence::Fill(Context& context, const Onsets& onsets, const Bounds& bounds) const {
  FillOperations(context, onsets, bounds);
  FillEdges(context, onsets, bounds);
  FillFlows(context, onsets, bounds);
  FillTraces(context, onsets, bounds);
}

void SpanEvidence::FillOperations(Context& context, const Onsets& onsets,
                                  const Bounds& bounds) const {
  std::vector<std::optional<OperationShift>> shifts(operations_.size());
  ForEachRun(workers_, operations_.size(), kRun, [&](std::size_t from, std::size_t to) {
    for (std::size_t number = from; number < to; ++number) {
      const Group& group = operations_[number];
      const Movement change = Compared(group, onsets);
      if (std::abs(change.score()) < kLeastScore && change.failed.during.taken == 0) continue;
      Sides sides = Collect(group, change.onset, true);
      shifts[number] = {.service = services_.Name(group.first),
                        .operation = names_.Name(table_.operations()[group.second].name),
                        .duration_before = Summarize(sides.duration[0]),
                        .duration_during = Summarize(sides.duration[1]),
                        .self_before = Summarize(sides.self[0]),
                        .self_during = Summarize(sides.self[1]),
                        .errors_before = change.failed.before.taken,
                        .errors_during = change.failed.during.taken,
                        .score = change.score(),
                        .onset_ns = timeline_.StartOf(change.onset),
                        .example = sides.worst};
    }
  });
  for (std::optional<OperationShift>& shift : shifts)
    if (shift) context.operations.push_back(*std::move(shift));
  std::ranges::sort(context.operations, [](const OperationShift& a, const OperationShift& b) {
    return std::tuple(-std::abs(a.score), std::string_view(a.service),
                      std::string_view(a.operation)) < std::tuple(-std::abs(b.score),
                                                                  std::string_view(b.service),
                                                                  std::string_view(b.operation));
  });
  context.left_out["operations"] = KeepFirst(context.operations, bounds.items);
}

Tally SpanEvidence::Served(std::uint32_t service, std::uint32_t onset) const {
  Tally served{};
  const std::size_t first = std::size_t{service} * timeline_.bins();
  if (first >= served_.size()) return served;  // named after the spans were read
  for (std::uint32_t bin = 0; bin < timeline_.bins(); ++bin)
    (bin < onset ? served.taken : served.chances) += served_[first + bin];
  return served;
}

void SpanEvidence::FillEdges(Context& context, const Onsets& onsets, const Bounds& bounds) const {
  std::vector<EdgeShift> shifts(edges_.size());
  ForEachRun(workers_, edges_.size(), kRun, [&](std::size_t from, std::size_t to) {
    for (std::size_t number = from; number < to; ++number) {
      const Group& group = edges_[number];
      const Movement change = Compared(group, onsets);
      Sides sides = Collect(group, change.onset, false);
      std::size_t calls[2] = {0, 0};
      std::map<std::uint32_t, std::uint32_t> operations;
      for (const std::uint32_t stratum : group.strata) {
        const std::uint32_t first = strata_[stratum].first;
        const std::uint32_t spans = strata_[stratum].spans;
        for (std::uint32_t at = first; at < first + spans; ++at)
          calls[bins_[at] >= onsets.agreed]++;
        // A context ends in one operation.
        const SpanTable::Row& row = table_.rows()[rows_[first]];
        operations[table_.operations()[row.operation].name] += spans;
      }
      // Calls that nobody saw are not known to be missing.
      const Tally requests = table_.inferred() ? Tally{} : Served(group.first, onsets.agreed);
      const auto ratio = [](std::size_t of, std::uint32_t among) {
        return among == 0 ? 0.0 : static_cast<double>(of) / among;
      };
      EdgeShift& shift = shifts[number];
      shift = {.caller = services_.Name(group.first),
               .callee = services_.Name(group.second),
               .gap_before = Summarize(sides.self[0]),
               .gap_during = Summarize(sides.self[1]),
               .calls_per_request_before = ratio(calls[0], requests.taken),
               .calls_per_request_during = ratio(calls[1], requests.chances),
               .errors_before = change.failed.before.taken,
               .errors_during = change.failed.during.taken,
               .score = change.score(),
               .onset_ns = timeline_.StartOf(change.onset),
               .example = sides.worst};
      std::uint32_t most = 0;
      for (const auto& [name, times] : operations)
        if (times > most) {
          most = times;
          shift.operation = names_.Name(name);
        }
    }
  });
  for (EdgeShift& shift : shifts) {
    context.topology.push_back({shift.caller, shift.callee});
    context.edges.push_back(std::move(shift));
  }
  std::ranges::sort(context.edges, [](const EdgeShift& a, const EdgeShift& b) {
    return std::tuple(-std::abs(a.score), std::string_view(a.caller), std::string_view(a.callee)) <
           std::tuple(-std::abs(b.score), std::string_view(b.caller), std::string_view(b.callee));
  });
  context.left_out["edges"] = KeepFirst(context.edges, bounds.items * 2);
}

void SpanEvidence::FillFlows(Context& context, const Onsets& onsets, const Bounds& bounds) const {
  using Key = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t, bool>;
  struct Sum {
    explicit Sum(const Onsets& onsets) : shares(onsets) {}
    SharedOnset shares;
    std::uint32_t example = SpanTable::kNone;
  };
  std::map<Key, Sum> sums;
  for (const Flow& flow : flows_) {
    Sum& sum = sums.try_emplace({flow.operation, flow.callee, flow.step, flow.ends_after}, onsets)
                   .first->second;
    sum.shares.Add(flow.taken);
    if (sum.example == SpanTable::kNone || table_.rows()[sum.example].start_ns < flow.example_ns)
      sum.example = flow.example;
  }
  for (const auto& [key, sum] : sums) {
    const auto& [operation, callee, step, ends_after] = key;
    std::uint32_t onset = 0;
    const Share share = sum.shares.Best(onset);
    if (std::abs(share.score) < kLeastScore) continue;
    FlowShift shift{.service = services_.Name(table_.operations()[operation].service),
                    .operation = names_.Name(table_.operations()[operation].name),
                    .callee = services_.Name(callee),
                    .ends_after = ends_after,
                    .runs_before = share.before.chances,
                    .runs_during = share.during.chances,
                    .score = share.score,
                    .onset_ns = timeline_.StartOf(onset)};
    shift.share_before = static_cast<double>(share.before.taken) / share.before.chances;
    shift.share_during = static_cast<double>(share.during.taken) / share.during.chances;
    if (std::abs(shift.share_during - shift.share_before) < kLeastShare) continue;
    if (step != SpanTable::kNone) shift.step = names_.Name(table_.operations()[step].name);
    shift.example = table_.rows()[sum.example].trace_id;
    context.flows.push_back(std::move(shift));
  }
  std::ranges::sort(context.flows, [](const FlowShift& a, const FlowShift& b) {
    const auto key = [](const FlowShift& shift) {
      return std::tuple(-std::abs(shift.score), std::string_view(shift.service),
                        std::string_view(shift.operation), std::string_view(shift.callee),
                        std::string_view(shift.step), shift.ends_after);
    };
    return key(a) < key(b);
  });
  context.left_out["flows"] = KeepFirst(context.flows, bounds.items * 2);
}

void SpanEvidence::FillServices(Context& context, std::uint32_t onset) const {
  for (std::uint32_t service = 0; service < services_.size(); ++service) {
    const auto found = std::ranges::lower_bound(context.services, services_.Name(service), {},
                                                &ServiceFacts::name);
    if (found == context.services.end() || found->name != services_.Name(service)) continue;
    const Tally requests = Served(service, onset);
    found->requests_before = requests.taken;
    found->requests_during = requests.chances;
  }
}

}  // namespace enclave::incident
