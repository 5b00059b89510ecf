// The requests that an incident made fail, or made slow.
#include <algorithm>
#include <map>
#include <string>
#include <tuple>

#include "incident/keep_first.h"
#include "incident/span_evidence.h"
#include "incident/summary.h"

namespace enclave::incident {
namespace {

// A request is far slower when it takes so many times what is usual, and so much longer; one span
// explains it when it is so much of that.
constexpr double kFarSlower = 2;
constexpr double kFarSlowerMs = 10;
constexpr double kExplains = 0.5;
constexpr int kDeepestPath = 64;

}  // namespace

std::vector<std::string> SpanEvidence::PathTo(std::uint32_t row, std::uint32_t& entry) const {
  std::vector<std::string> path;
  for (int depth = 0; row != SpanTable::kNone && depth < kDeepestPath; ++depth) {
    const std::string& service = services_.Name(table_.rows()[row].service);
    if (path.empty() || path.back() != service) path.push_back(service);
    entry = row;
    row = table_.rows()[row].parent;
  }
  std::ranges::reverse(path);
  return path;
}

// What spans like this one took before the onset; 0 when there was none.
double SpanEvidence::UsualMs(std::uint32_t row, std::uint32_t onset) const {
  const Stratum& stratum = strata_[stratum_of_[row]];
  std::vector<double> before;
  for (std::uint32_t at = stratum.first; at < stratum.first + stratum.spans; ++at)
    if (bins_[at] < onset) before.push_back(table_.rows()[rows_[at]].DurationMs());
  return Quantile(before, 0.5);
}

// What says best why a span failed: an exception passes through inner spans, and is recorded where
// the service takes note of it.
const FailureNote& SpanEvidence::TellingNote(std::uint32_t number) const {
  const SpanTable::Row& row = table_.rows()[number];
  const FailureNote& own = table_.failures()[row.failure];
  const SpanTable::Row* outer = &row;
  for (int depth = 0;
       own.exception.empty() && outer->parent != SpanTable::kNone && depth < kDeepestPath;
       ++depth) {
    outer = &table_.rows()[outer->parent];
    if (!outer->failed || outer->service != row.service) break;
    const FailureNote& note = table_.failures()[outer->failure];
    if (!note.exception.empty()) return note;
  }
  return own;
}

void SpanEvidence::FillFailing(Context& context, std::uint32_t onset) const {
  using Key = std::tuple<std::uint32_t, std::uint32_t, std::string, std::string>;
  struct Found {
    std::uint32_t row = SpanTable::kNone;
    std::uint64_t before = 0;
    std::uint64_t during = 0;
    std::int64_t first_ns = INT64_MAX;
  };
  std::map<Key, Found> found;
  for (const std::uint32_t number : failed_rows_) {
    const SpanTable::Row& row = table_.rows()[number];
    const bool is_deepest = std::ranges::none_of(
        table_.ChildrenOf(row), [&](std::uint32_t child) { return table_.rows()[child].failed; });
    if (!is_deepest) continue;
    const FailureNote& note = TellingNote(number);
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
    const FailureNote& note = TellingNote(same.row);
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
    std::uint32_t entry = same.row;
    failing.path = PathTo(same.row, entry);
    if (unanswered) failing.path.push_back(failing.service);
    failing.duration_ms = table_.rows()[entry].DurationMs();
    context.traces.push_back(std::move(failing));
  }
}

// Of each operation, and of each call, that got slower: the request it delayed most.
void SpanEvidence::FillSlow(Context& context, const Onsets& onsets) const {
  for (const auto* groups : {&operations_, &edges_})
    for (const Group& group : *groups) {
      const Movement change = Compared(group, onsets);
      if (change.slow.score < kLeastScore) continue;
      double worst_ms = 0;
      std::uint32_t worst = SpanTable::kNone;
      std::int64_t first_ns = INT64_MAX;
      for (const std::uint32_t number : group.strata) {
        const Stratum& stratum = strata_[number];
        for (std::uint32_t at = stratum.first; at < stratum.first + stratum.spans; ++at) {
          if (bins_[at] < change.onset || stratum.limit_ms == 0) continue;
          const double over_ms = self_ms_[at] - stratum.limit_ms;
          if (over_ms <= 0) continue;
          first_ns = std::min(first_ns, table_.rows()[rows_[at]].start_ns);
          if (over_ms > worst_ms) {
            worst_ms = over_ms;
            worst = rows_[at];
          }
        }
      }
      if (worst == SpanTable::kNone) continue;
      std::uint32_t entry = worst;
      std::vector<std::string> path = PathTo(worst, entry);
      const double usual_ms = UsualMs(entry, change.onset);
      const double duration_ms = table_.rows()[entry].DurationMs();
      const bool is_far_slower =
          usual_ms > 0 && duration_ms >= std::max(kFarSlower * usual_ms, usual_ms + kFarSlowerMs);
      if (!is_far_slower || worst_ms < kExplains * (duration_ms - usual_ms)) continue;
      const SpanTable::Row& row = table_.rows()[worst];
      context.traces.push_back(
          {.trace_id = row.trace_id,
           .service = services_.Name(row.service),
           .operation = names_.Name(table_.operations()[row.operation].name),
           .path = std::move(path),
           .location = row.place == SpanTable::kNone ? "" : names_.Name(row.place),
           .duration_ms = duration_ms,
           .slow = true,
           .usual_ms = usual_ms,
           .own_ms = table_.SelfMs(worst),
           .like_it = change.slow.during.taken,
           .before = change.slow.before.taken,
           .onset_ns = first_ns});
    }
}

void SpanEvidence::FillTraces(Context& context, const Onsets& onsets, const Bounds& bounds) const {
  FillFailing(context, onsets.agreed);
  FillSlow(context, onsets);
  std::ranges::sort(context.traces, [](const FailingTrace& a, const FailingTrace& b) {
    const auto key = [](const FailingTrace& trace) {
      return std::tuple(trace.slow, -static_cast<double>(trace.like_it),
                        std::string_view(trace.service), std::string_view(trace.operation),
                        std::string_view(trace.exception), std::string_view(trace.location));
    };
    return key(a) < key(b);
  });
  context.left_out["traces"] = KeepFirst(context.traces, bounds.items);
}

}  // namespace enclave::incident
