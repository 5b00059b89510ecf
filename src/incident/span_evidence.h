// What the spans of a context say: operations, calls, flows and failing requests that changed.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <vector>

#include "incident/context.h"
#include "incident/freeze.h"
#include "incident/rate_change.h"
#include "incident/span_table.h"

namespace enclave::incident {

// Everything that spans can show, tallied over the timeline; then, once the onset is known,
// compared before and after it. The table and the timeline outlive it. One thread.
class SpanEvidence {
 public:
  SpanEvidence(const SpanTable& table, const Interner& services, const Interner& names,
               const Timeline& timeline);

  void Vote(OnsetVote& votes) const;
  // Fills operations, edges, flows, traces and topology, and the services' requests.
  void Fill(Context& context, const Onsets& onsets, const Bounds& bounds) const;

  // Runs of an operation in one context, in each bin: what log statements are measured against.
  std::span<const std::uint32_t> Runs(std::uint32_t context) const {
    return std::span(runs_).subspan(std::size_t{context} * timeline_.bins(), timeline_.bins());
  }

 private:
  // Rows of one context, and how many of each bin were slow or failed.
  struct Stratum {
    std::vector<std::uint32_t> rows{};
    std::vector<Tally> slow{};
    std::vector<Tally> failed{};
  };
  // Contexts that are told as one.
  struct Group {
    std::uint32_t first = 0;                    // service, or caller
    std::uint32_t second = 0;                   // operation, or callee
    std::map<std::uint32_t, Stratum> strata{};  // by context
  };
  // How often runs of an operation in one context make a step, or end after it.
  struct Flow {
    std::uint32_t context = 0;
    std::uint32_t operation = 0;
    std::uint32_t callee = 0;  // service
    std::uint32_t step = 0;    // operation; SpanTable::kNone for none
    bool ends_after = false;
    std::vector<Tally> taken{};
    std::uint32_t example = SpanTable::kNone;  // a late row
  };

  void GroupRows();
  void TallyFlows();
  void TallyStratum(Stratum& stratum) const;
  // Values of the rows on either side of the onset, of strata that have both.
  struct Sides {
    std::vector<double> duration[2];
    std::vector<double> self[2];
    std::optional<trace::TraceId> worst{};
    Share slow{};
    Share failed{};
    std::int64_t onset_ns = 0;
  };
  Sides Collect(const Group& group, const Onsets& onsets) const;
  void FillOperations(Context& context, const Onsets& onsets, const Bounds& bounds) const;
  void FillEdges(Context& context, const Onsets& onsets, const Bounds& bounds) const;
  void FillFlows(Context& context, const Onsets& onsets, const Bounds& bounds) const;
  void FillTraces(Context& context, std::uint32_t onset, const Bounds& bounds) const;
  void FillServices(Context& context, std::uint32_t onset) const;

  const SpanTable& table_;
  const Interner& services_;
  const Interner& names_;
  const Timeline& timeline_;
  std::vector<std::uint32_t> runs_;  // context × bin
  std::vector<Group> operations_;
  std::vector<Group> edges_;
  std::vector<Flow> flows_;
};

}  // namespace enclave::incident
