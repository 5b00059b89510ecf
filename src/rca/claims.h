// From evidence to claims: which service, which kind of cause, how strongly, and why.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "incident/context.h"
#include "rca/call_graph.h"
#include "rca/diagnose.h"

namespace enclave::rca {

struct Claim {
  std::uint32_t service = 0;
  CauseKind kind = CauseKind::kCodeError;
  Family family = Family::kMetrics;
  double weight = 0;  // nats
  // A fault of a callee, or of a caller, would show this as well.
  bool callee_would = false;
  bool caller_would = false;
  incident::EvidenceId id{};
  std::string component{};
  double component_rank = 0;  // how well it names the place, whatever the weight
  std::string sentence{};
  std::int64_t onset_ns = 0;
};

// Alike items repeat each other: each further one counts for less.
inline constexpr double kRepeats = 0.35;

std::vector<Claim> ClaimsOf(const incident::Context& context, const CallGraph& graph,
                            const Options& options);

}  // namespace enclave::rca
