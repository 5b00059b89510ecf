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

// What memory of earlier incidents says, already weighed by how reliable it was: what is concluded
// is a mixture of it and the evidence,
//
//   P(cause) = (1 - sum of shares) * P(cause | evidence) + share(cause)
//
// so that it decides where the evidence does not, also for a service of which nothing is seen, and
// changes nothing where the evidence is plain. Bounded again here.
struct Prior {
  std::string service{};
  std::string kind{};  // as ToString(CauseKind); empty: any
  double share = 0;    // of the probability, 0 to 1
  double doubt = 0;    // what is taken of what the evidence says for it, 0 to 1
  double unseen = 0;   // of what the memories rest on, what cannot be seen this time, 0 to 1
  std::string why{};   // a sentence
};

struct Options {
  std::vector<Family> without{};
  std::vector<Prior> priors{};
  std::size_t most_hypotheses = 100;
};

// The most that all memories together say, and the most they take from one hypothesis.
inline constexpr double kMostShare = 0.38;
inline constexpr double kMostDoubt = 0.3;
// Plain evidence: what leads by so many nats and is likelier than all else together stays first,
// whatever is remembered.
inline constexpr double kPlainLead = 2;
inline constexpr double kPlainConfidence = 0.5;
// The most that they say where nothing leads so plainly, and what they rest on cannot be seen this
// time while what can be seen is alike.
inline constexpr double kMostShareUnseen = 0.7;

Diagnosis Diagnose(const incident::Context& context, const Options& options = {});

}  // namespace enclave::rca
