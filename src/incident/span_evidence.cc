#include "incident/span_evidence.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>

#include "incident/summary.h"

namespace enclave::incident {
namespace {

// A share has to move by so much to be told.
constexpr double kLeastShare = 0.05;
// What is slow: past the 95th percentile of normal by a tenth and this.
constexpr double kSlowFloorMs = 1;
constexpr std::size_t kEnoughNormal = 3;

std::uint64_t Pair(std::uint32_t high, std::uint32_t low) {
  return static_cast<std::uint64_t>(high) << 32 | low;
}

template <typename T>
std::size_t KeepFirst(std::vector<T>& items, std::size_t most) {
  const std::size_t over = items.size() > most ? items.size() - most : 0;
  items.resize(items.size() - over);
  return over;
}

}  // namespace

SpanEvidence::SpanEvidence(const SpanTable& table, const Interner& services, const Interner& names,
                           const Timeline& timeline)
    : table_(table), services_(services), names_(names), timeline_(timeline) {
  GroupRows();
  TallyFlows();
  for (auto* groups : {&operations_, &edges_})
    for (Group& group : *groups)
      for (auto& [context, stratum] : group.strata) TallyStratum(stratum);
}

void SpanEvidence::GroupRows() {
  const std::uint32_t bins = timeline_.bins();
  runs_.assign(std::size_t{table_.contexts()} * bins, 0);
  operations_.resize(table_.operations().size());
  for (std::uint32_t number = 0; number < operations_.size(); ++number) {
    operations_[number].first = table_.operations()[number].service;
    operations_[number].second = number;
  }
  std::unordered_map<std::uint64_t, std::uint32_t> edge_numbers;
  for (std::uint32_t number = 0; number < table_.rows().size(); ++number) {
    const SpanTable::Row& row = table_.rows()[number];
    runs_[std::size_t{row.context} * bins + row.bin]++;
    const bool calls_another = row.is_call && row.peer != SpanTable::kNone;
    if (!calls_another) {
      operations_[row.operation].strata[row.context].rows.push_back(number);
      continue;
    }
    const auto [at, is_new] = edge_numbers.try_emplace(Pair(row.service, row.peer),
                                                       static_cast<std::uint32_t>(edges_.size()));
    if (is_new) edges_.push_back({.first = row.service, .second = row.peer});
    edges_[at->second].strata[row.context].rows.push_back(number);
  }
}

void SpanEvidence::TallyStratum(Stratum& stratum) const {
  stratum.slow.resize(timeline_.bins());
  stratum.failed.resize(timeline_.bins());
  // What is normal: the stretches said to be, what is surely before the onset, else the earliest.
  std::vector<double> normal;
  std::vector<std::pair<std::int64_t, double>> later;
  for (const std::uint32_t number : stratum.rows) {
    const SpanTable::Row& row = table_.rows()[number];
    if (row.bin < timeline_.first_onset())
      normal.push_back(table_.SelfMs(number));
    else
      later.emplace_back(row.start_ns, table_.SelfMs(number));
  }
  if (normal.size() < kEnoughNormal) {
    std::ranges::sort(later);
    for (std::size_t i = 0; i < later.size() * 2 / 5; ++i) normal.push_back(later[i].second);
  }
  if (normal.empty()) return;
  const double limit = Quantile(normal, 0.95) * 1.1 + kSlowFloorMs;
  for (const std::uint32_t number : stratum.rows) {
    const SpanTable::Row& row = table_.rows()[number];
    Tally& slow = stratum.slow[row.bin];
    slow.chances++;
    slow.taken += table_.SelfMs(number) > limit;
    Tally& failed = stratum.failed[row.bin];
    failed.chances++;
    failed.taken += row.failed;
  }
}

void SpanEvidence::TallyFlows() {
  struct Key {
    std::uint64_t pair;
    std::uint32_t callee;
    bool ends_after;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    std::size_t operator()(const Key& key) const {
      return (key.pair ^ key.pair >> 29) * 0x9e3779b97f4a7c15ULL + key.callee * 2 + key.ends_after;
    }
  };
  std::unordered_map<Key, std::uint32_t, Hash> numbers;
  const std::uint32_t bins = timeline_.bins();
  std::vector<std::uint64_t> seen;
  const auto count = [&](std::uint32_t number, std::uint32_t callee, std::uint32_t step,
                         bool ends_after) {
    const SpanTable::Row& row = table_.rows()[number];
    const auto [at, is_new] = numbers.try_emplace({Pair(row.context, step), callee, ends_after},
                                                  static_cast<std::uint32_t>(flows_.size()));
    if (is_new)
      flows_.push_back({.context = row.context,
                        .operation = row.operation,
                        .callee = callee,
                        .step = step,
                        .ends_after = ends_after,
                        .taken = std::vector<Tally>(bins)});
    Flow& flow = flows_[at->second];
    flow.taken[row.bin].taken++;
    if (flow.example == SpanTable::kNone || table_.rows()[flow.example].start_ns <= row.start_ns)
      flow.example = number;
  };
  for (std::uint32_t number = 0; number < table_.rows().size(); ++number) {
    const SpanTable::Row& row = table_.rows()[number];
    if (row.is_call) {
      // What a call leads to depends on who asks; that nobody answers is news.
      if (row.children == 0 && row.peer != SpanTable::kNone)
        count(number, row.peer, SpanTable::kNone, true);
      continue;
    }
    seen.clear();
    std::uint32_t last = SpanTable::kNone;
    for (const std::uint32_t child : table_.ChildrenOf(row)) {
      const SpanTable::Row& step = table_.rows()[child];
      const std::uint32_t callee = step.peer == SpanTable::kNone ? step.service : step.peer;
      last = child;
      if (std::ranges::find(seen, Pair(step.operation, callee)) != seen.end()) continue;
      seen.push_back(Pair(step.operation, callee));
      count(number, callee, step.operation, false);
    }
    if (last == SpanTable::kNone) {
      count(number, row.service, SpanTable::kNone, true);
    } else {
      const SpanTable::Row& step = table_.rows()[last];
      count(number, step.peer == SpanTable::kNone ? step.service : step.peer, step.operation, true);
    }
  }
  for (Flow& flow : flows_)
    for (std::uint32_t bin = 0; bin < bins; ++bin)
      flow.taken[bin].chances = runs_[std::size_t{flow.context} * bins + bin];
}

void SpanEvidence::Vote(OnsetVote& votes) const {
  for (const auto* groups : {&operations_, &edges_})
    for (const Group& group : *groups)
      for (const auto& [context, stratum] : group.strata) {
        votes.Add(stratum.slow, OnsetVote::Direction::kRise);
        votes.Add(stratum.failed, OnsetVote::Direction::kRise);
      }
  for (const Flow& flow : flows_)
    votes.Add(flow.taken,
              flow.ends_after ? OnsetVote::Direction::kRise : OnsetVote::Direction::kFall);
}

SpanEvidence::Sides SpanEvidence::Collect(const Group& group, const Onsets& onsets) const {
  Sides sides;
  SharedOnset slow(onsets);
  SharedOnset failed(onsets);
  for (const auto& [context, stratum] : group.strata) {
    slow.Add(stratum.slow);
    failed.Add(stratum.failed);
  }
  std::uint32_t slow_onset = 0;
  std::uint32_t failed_onset = 0;
  sides.slow = slow.Best(slow_onset);
  sides.failed = failed.Best(failed_onset);
  const bool is_slow = std::abs(sides.slow.score) >= std::abs(sides.failed.score);
  const std::uint32_t onset = is_slow ? slow_onset : failed_onset;
  sides.onset_ns = timeline_.StartOf(onset);
  double worst = -1;
  for (const auto& [context, stratum] : group.strata) {
    const Share share = Compare(stratum.slow, onset);
    if (share.before.chances == 0 || share.during.chances == 0) continue;
    for (const std::uint32_t number : stratum.rows) {
      const SpanTable::Row& row = table_.rows()[number];
      const std::size_t side = row.bin >= onset;
      sides.duration[side].push_back(row.DurationMs());
      sides.self[side].push_back(table_.SelfMs(number));
      if (side == 1 && table_.SelfMs(number) > worst) {
        worst = table_.SelfMs(number);
        sides.worst = row.trace_id;
      }
    }
  }
  return sides;
}

void SpanEvidence::Fill(Context& context, const Onsets& onsets, const Bounds& bounds) const {
  FillOperations(context, onsets, bounds);
  FillEdges(context, onsets, bounds);
  FillFlows(context, onsets, bounds);
  FillTraces(context, onsets.agreed, bounds);
  FillServices(context, onsets.agreed);
}

void SpanEvidence::FillOperations(Context& context, const Onsets& onsets,
                                  const Bounds& bounds) const {
  for (const Group& group : operations_) {
    Sides sides = Collect(group, onsets);
    const double score = std::abs(sides.slow.score) >= std::abs(sides.failed.score)
                             ? sides.slow.score
                             : sides.failed.score;
    if (std::abs(score) < kLeastScore && sides.failed.during.taken == 0) continue;
    context.operations.push_back({.service = services_.Name(group.first),
                                  .operation = names_.Name(table_.operations()[group.second].name),
                                  .duration_before = Summarize(sides.duration[0]),
                                  .duration_during = Summarize(sides.duration[1]),
                                  .self_before = Summarize(sides.self[0]),
                                  .self_during = Summarize(sides.self[1]),
                                  .errors_before = sides.failed.before.taken,
                                  .errors_during = sides.failed.during.taken,
                                  .score = score,
                                  .onset_ns = sides.onset_ns,
                                  .example = sides.worst});
  }
  std::ranges::sort(context.operations, [](const OperationShift& a, const OperationShift& b) {
    return std::tuple(-std::abs(a.score), std::string_view(a.service),
                      std::string_view(a.operation)) < std::tuple(-std::abs(b.score),
                                                                  std::string_view(b.service),
                                                                  std::string_view(b.operation));
  });
  context.left_out["operations"] = KeepFirst(context.operations, bounds.items);
}

void SpanEvidence::FillEdges(Context& context, const Onsets& onsets, const Bounds& bounds) const {
  // Requests that each service served, to measure calls against.
  std::vector<Tally> served(services_.size());
  for (const SpanTable::Row& row : table_.rows()) {
    const bool is_entry =
        row.parent == SpanTable::kNone || table_.rows()[row.parent].service != row.service;
    if (!is_entry) continue;
    (row.bin < onsets.agreed ? served[row.service].taken : served[row.service].chances)++;
  }
  for (const Group& group : edges_) {
    context.topology.push_back({services_.Name(group.first), services_.Name(group.second)});
    Sides sides = Collect(group, onsets);
    std::size_t calls[2] = {0, 0};
    std::map<std::uint32_t, std::uint32_t> operations;
    for (const auto& [node, stratum] : group.strata)
      for (const std::uint32_t number : stratum.rows) {
        const SpanTable::Row& row = table_.rows()[number];
        calls[row.bin >= onsets.agreed]++;
        operations[table_.operations()[row.operation].name]++;
      }
    const auto ratio = [](std::size_t of, std::uint32_t requests) {
      return requests == 0 ? 0.0 : static_cast<double>(of) / requests;
    };
    EdgeShift shift{.caller = services_.Name(group.first),
                    .callee = services_.Name(group.second),
                    .gap_before = Summarize(sides.self[0]),
                    .gap_during = Summarize(sides.self[1]),
                    .calls_per_request_before = ratio(calls[0], served[group.first].taken),
                    .calls_per_request_during = ratio(calls[1], served[group.first].chances),
                    .errors_before = sides.failed.before.taken,
                    .errors_during = sides.failed.during.taken,
                    .score = std::abs(sides.slow.score) >= std::abs(sides.failed.score)
                                 ? sides.slow.score
                                 : sides.failed.score,
                    .onset_ns = sides.onset_ns,
                    .example = sides.worst};
    std::uint32_t most = 0;
    for (const auto& [name, times] : operations)
      if (times > most) {
        most = times;
        shift.operation = names_.Name(name);
      }
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
    if (sum.example == SpanTable::kNone ||
        table_.rows()[sum.example].start_ns < table_.rows()[flow.example].start_ns)
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

void SpanEvidence::FillTraces(Context& context, std::uint32_t onset, const Bounds& bounds) const {
  using Key = std::tuple<std::uint32_t, std::uint32_t, std::string, std::string>;
  struct Found {
    std::uint32_t row = SpanTable::kNone;
    std::uint64_t before = 0;
    std::uint64_t during = 0;
    std::int64_t first_ns = INT64_MAX;
  };
  std::map<Key, Found> found;
  for (std::uint32_t number = 0; number < table_.rows().size(); ++number) {
    const SpanTable::Row& row = table_.rows()[number];
    if (!row.failed) continue;
    const bool is_deepest = std::ranges::none_of(
        table_.ChildrenOf(row), [&](std::uint32_t child) { return table_.rows()[child].failed; });
    if (!is_deepest) continue;
    const FailureNote& note = table_.failures()[row.failure];
    Found& same = found[{row.service, row.operation, note.exception, note.location}];
    if (row.bin < onset) {
      same.before++;
      continue;
    }
    same.during++;
    same.first_ns = std::min(same.first_ns, row.start_ns);
    if (same.row == SpanTable::kNone || table_.rows()[same.row].start_ns > row.start_ns)
      same.row = number;
  }
  for (const auto& [key, same] : found) {
    if (same.during == 0) continue;
    const SpanTable::Row& row = table_.rows()[same.row];
    const FailureNote& note = table_.failures()[row.failure];
    // A call that nobody answered tells of the one who should have.
    const bool unanswered = row.is_call && row.children == 0 && row.peer != SpanTable::kNone;
    FailingTrace failing{.trace_id = row.trace_id,
                         .service = services_.Name(unanswered ? row.peer : row.service),
                         .operation = names_.Name(table_.operations()[row.operation].name),
                         .message = note.message,
                         .exception = note.exception,
                         .location = note.location,
                         .unanswered = unanswered,
                         .like_it = same.during,
                         .before = same.before,
                         .onset_ns = same.first_ns};
    std::uint32_t at = same.row;
    if (unanswered) failing.path.push_back(failing.service);
    for (int depth = 0; at != SpanTable::kNone && depth < 64; ++depth) {
      const std::string& service = services_.Name(table_.rows()[at].service);
      if (failing.path.empty() || failing.path.back() != service) failing.path.push_back(service);
      failing.duration_ms = table_.rows()[at].DurationMs();
      at = table_.rows()[at].parent;
    }
    std::ranges::reverse(failing.path);
    context.traces.push_back(std::move(failing));
  }
  std::ranges::sort(context.traces, [](const FailingTrace& a, const FailingTrace& b) {
    return std::tuple(-static_cast<double>(a.like_it), std::string_view(a.service),
                      std::string_view(a.operation), std::string_view(a.exception),
                      std::string_view(a.location)) <
           std::tuple(-static_cast<double>(b.like_it), std::string_view(b.service),
                      std::string_view(b.operation), std::string_view(b.exception),
                      std::string_view(b.location));
  });
  context.left_out["traces"] = KeepFirst(context.traces, bounds.items);
}

void SpanEvidence::FillServices(Context& context, std::uint32_t onset) const {
  std::map<std::string, std::size_t> at;
  for (std::size_t i = 0; i < context.services.size(); ++i) at[context.services[i].name] = i;
  std::vector<Tally> served(services_.size());
  for (const SpanTable::Row& row : table_.rows()) {
    const bool is_entry =
        row.parent == SpanTable::kNone || table_.rows()[row.parent].service != row.service;
    if (is_entry) (row.bin < onset ? served[row.service].taken : served[row.service].chances)++;
  }
  for (std::uint32_t service = 0; service < services_.size(); ++service) {
    const auto found = at.find(services_.Name(service));
    if (found == at.end()) continue;
    context.services[found->second].requests_before = served[service].taken;
    context.services[found->second].requests_during = served[service].chances;
  }
}

}  // namespace enclave::incident
