// What the spans of a context say: operations, calls, flows and failing requests that changed.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "incident/context.h"
#include "incident/freeze.h"
#include "incident/pair_index.h"
#include "incident/rate_change.h"
#include "incident/span_table.h"
#include "telemetry/workers.h"

namespace enclave::incident {

// Everything that spans can show, tallied over the timeline; then, once the onset is known,
// compared before and after it. The table and the timeline outlive it. One thread asks; `workers`
// may help.
class SpanEvidence {
 public:
  SpanEvidence(const SpanTable& table, const Interner& services, const Interner& names,
               const Timeline& timeline, telemetry::Workers* workers);

  void Vote(OnsetVote& votes) const;
  // Fills operations, edges, flows, traces and topology.
  void Fill(Context& context, const Onsets& onsets, const Bounds& bounds) const;
  // Fills the requests of the services, which have to be listed before.
  void FillServices(Context& context, std::uint32_t onset) const;

  // Runs of an operation in one context, in each bin: what log statements are measured against.
  std::span<const std::uint32_t> Runs(std::uint32_t context) const {
    return std::span(runs_).subspan(std::size_t{context} * timeline_.bins(), timeline_.bins());
  }

 private:
  // Rows of one context, and how many of each bin were slow or failed.
  struct Stratum {
    std::uint32_t context = 0;
    std::uint32_t first = 0;  // of its spans, in what stands below in their order
    std::uint32_t spans = 0;
    double limit_ms = 0;  // what takes longer for itself is slow; 0: not known
  };
  // Contexts that are told as one.
  struct Group {
    std::uint32_t first = 0;              // service, or caller
    std::uint32_t second = 0;             // operation, or callee
    std::vector<std::uint32_t> strata{};  // by context
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
    std::int64_t example_ns = 0;
  };

  void GroupRows();
  void TallyFlows();
  void TallyStratum(std::uint32_t stratum);
  std::span<const Tally> SlowOf(std::uint32_t stratum) const { return BinsOf(slow_, stratum); }
  std::span<const Tally> FailedOf(std::uint32_t stratum) const { return BinsOf(failed_, stratum); }
  std::span<const Tally> BinsOf(const std::vector<Tally>& tallies, std::uint32_t stratum) const {
    return std::span(tallies).subspan(std::size_t{stratum} * timeline_.bins(), timeline_.bins());
  }

  // What of a group changed, and when.
  struct Movement {
    Share slow{};
    Share failed{};
    std::uint32_t onset = 0;
    double score() const;
  };
  Movement Compared(const Group& group, const Onsets& onsets) const;
  // Values of the spans on either side of the onset, of strata that have both.
  struct Sides {
    std::vector<double> duration[2];
    std::vector<double> self[2];
    std::optional<trace::TraceId> worst{};
  };
  Sides Collect(const Group& group, std::uint32_t onset, bool with_durations) const;
  void FillOperations(Context& context, const Onsets& onsets, const Bounds& bounds) const;
  void FillEdges(Context& context, const Onsets& onsets, const Bounds& bounds) const;
  void FillFlows(Context& context, const Onsets& onsets, const Bounds& bounds) const;
  // In trace_evidence.cc.
  void FillTraces(Context& context, const Onsets& onsets, const Bounds& bounds) const;
  void FillFailing(Context& context, std::uint32_t onset) const;
  void FillSlow(Context& context, const Onsets& onsets) const;
  // Services from the entry of a request to one of its spans, and the row it was entered by.
  const FailureNote& TellingNote(std::uint32_t number) const;
  std::vector<std::string> PathTo(std::uint32_t row, std::uint32_t& entry) const;
  double UsualMs(std::uint32_t row, std::uint32_t onset) const;
  // Requests that a service served, before the onset and from it on.
  Tally Served(std::uint32_t service, std::uint32_t onset) const;

  const SpanTable& table_;
  const Interner& services_;
  const Interner& names_;
  const Timeline& timeline_;
  telemetry::Workers* workers_;
  std::vector<std::uint32_t> runs_;    // context × bin
  std::vector<std::uint32_t> served_;  // service × bin
  std::vector<std::uint32_t> failed_rows_;
  std::vector<Stratum> strata_;
  std::vector<std::uint32_t> stratum_of_;  // by row
  // Of the spans, stratum after stratum.
  std::vector<std::uint32_t> rows_;
  std::vector<double> self_ms_;
  std::vector<std::uint32_t> bins_;
  std::vector<Tally> slow_;    // stratum × bin
  std::vector<Tally> failed_;  // stratum × bin
  std::vector<Group> operations_;
  std::vector<Group> edges_;
  std::vector<Flow> flows_;
};

}  // namespace enclave::incident
