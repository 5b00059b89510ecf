// What the log lines of a context say: statements of the programs whose rate changed.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "incident/freeze.h"
#include "incident/intern.h"
#include "incident/rate_change.h"
#include "incident/span_evidence.h"
#include "incident/span_table.h"
#include "telemetry/log_record.h"
#include "telemetry/templates/line_head.h"

namespace enclave::incident {

// A statement is known by its place in the source when lines say it, else by its template. Where
// lines name their span, a statement is measured against the runs of the operation that writes it,
// so that more traffic is no change; else against all lines of its service. One thread.
class LogEvidence {
 public:
  LogEvidence(const SpanTable& table, Interner& services, const Timeline& timeline);

  void Add(std::uint32_t service, const telemetry::LogRecord& record, std::uint32_t bin);
  void Finish(const SpanEvidence& spans);
  void Vote(OnsetVote& votes) const;
  void Fill(Context& context, const Onsets& onsets, const Bounds& bounds) const;

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;
  static constexpr std::size_t kMostStatements = 200'000;

  struct Statement {
    std::uint32_t service = 0;
    std::uint32_t context = kNone;    // of the spans that write it
    bool is_known_by_first = false;   // the context is of the second sort below
    std::uint32_t operation = kNone;  // theirs
    std::uint32_t text = 0;           // location or template
    telemetry::templates::Level level = telemetry::templates::Level::kUnknown;
    bool is_place = false;
    std::string example{};
    std::optional<trace::TraceId> example_trace{};
    std::uint64_t last_span = 0;
    std::vector<Tally> taken{};
  };

  const SpanTable& table_;
  Interner& services_;
  const Timeline& timeline_;
  Interner texts_;
  std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> numbers_;  // by hash
  std::vector<Statement> statements_;
  std::vector<std::vector<std::uint32_t>> lines_;  // service, bin
  // Where lines name spans that are not here, what a span writes first stands for its operation.
  struct Run {
    std::uint32_t context = 0;
    std::uint32_t bin = 0;
  };
  std::unordered_map<std::uint64_t, Run> runs_;                   // by span
  std::unordered_map<std::uint64_t, std::uint32_t> first_texts_;  // service << 32 | text
  std::vector<std::vector<std::uint32_t>> runs_of_;               // such context, bin
  std::uint64_t dropped_ = 0;

  // The text of a statement with the names of services as *, and those names.
  std::string WithoutServices(const std::string& text, std::vector<std::string>* names) const;
};

}  // namespace enclave::incident
