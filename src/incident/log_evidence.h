// What the log lines of a context say: statements of the programs whose rate changed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "incident/freeze.h"
#include "incident/intern.h"
#include "incident/log_lines.h"
#include "incident/pair_index.h"
#include "incident/rate_change.h"
#include "incident/span_evidence.h"
#include "incident/span_table.h"

namespace enclave::incident {

// Where lines name their span, a statement is measured against the runs of the operation that
// writes it, so that more traffic is no change; else against all lines of its service. What it is
// made of outlives it. One thread.
class LogEvidence {
 public:
  LogEvidence(const LogLines& lines, const SpanTable& table, Interner& services,
              const Timeline& timeline);

  // Changes nothing but itself: other evidence may be gathered meanwhile.
  void TakeLines();
  void Finish(const SpanEvidence& spans);
  void Vote(OnsetVote& votes) const;
  void Fill(Context& context, const Onsets& onsets, const Bounds& bounds) const;

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;
  static constexpr std::size_t kMostStatements = 200'000;

  struct Statement {
    std::uint32_t voice = 0;
    std::uint32_t context = kNone;    // of the spans that write it
    bool is_known_by_first = false;   // the context is of the second sort below
    std::uint32_t operation = kNone;  // theirs
    std::uint64_t last_span = 0;
    std::vector<Tally> taken{};
  };
  // Where lines name spans that are not here, what a span writes first stands for its operation.
  struct Run {
    std::uint32_t context = 0;
    std::uint32_t bin = 0;
  };

  void Take(const LogLines::Line& line);
  std::uint32_t MeasuredBy(const Statement& statement) const;
  Run RunOf(const LogLines::Line& line);
  // The text of a statement with the names of services as *, and those names.
  std::string WithoutServices(const std::string& text, std::vector<std::string>* names) const;

  const LogLines& lines_;
  const SpanTable& table_;
  Interner& services_;
  const Timeline& timeline_;
  std::vector<std::uint32_t> service_numbers_;  // of the lines' services
  PairIndex numbers_;
  std::vector<Statement> statements_;
  PairIndex run_numbers_;               // by span
  std::vector<Run> runs_;               // the same
  PairIndex first_texts_;               // service, text
  std::vector<std::uint32_t> runs_of_;  // such context × bin
  std::uint64_t dropped_ = 0;
};

}  // namespace enclave::incident
