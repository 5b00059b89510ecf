// The ranking engine: from an Incident Context to its likely causes.
//
// Each item of evidence makes claims: this service, this kind of cause, with a weight in nats and a
// sentence. Claims that a fault elsewhere would produce as well (a caller's errors, a callee's
// missing traffic) are explained away where that fault has evidence of its own. What remains adds
// up to a score for each service; scores become probabilities by one calibrated softmax.
//
// Pure: same context and options, same diagnosis. Linear in the context's items and calls.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "incident/context.h"
#include "rca/diagnosis.h"

namespace enclave::rca {

// A kind of evidence, for ablations.
enum class Family : std::uint8_t {
  kMetrics,
  kOperations,
  kEdges,
  kFlows,
  kLogs,
  kTraces,
  kFacts,
  kChanges,
};

// What memory of earlier incidents adds: log odds, already weighed by how reliable it was. Bounded
// again here, so that no memory outvotes plain evidence.
struct Prior {
  std::string service{};
  std::string kind{};  // as ToString(CauseKind); empty: any
  double log_odds = 0;
};

struct Options {
  std::vector<Family> without{};
  std::vector<Prior> priors{};
  std::size_t most_hypotheses = 100;
};

// Most that priors can add to or take from one hypothesis.
inline constexpr double kPriorBound = 1.5;

Diagnosis Diagnose(const incident::Context& context, const Options& options = {});

}  // namespace enclave::rca
