// What is recalled, why, and what it may add to a hypothesis.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "memory/record.h"

namespace enclave::memory {

// Evidence that two incidents share, of one family.
struct Reason {
  Family family = Family::kSeries;
  double share = 0;                 // of the similarity that shared features make
  std::vector<std::string> keys{};  // the heaviest few
};

struct Recalled {
  Incident incident{};
  double similarity = 0;
  double age_weight = 1;          // halves with each half-life
  double trust = 0;               // Trust::Weight at this similarity
  Cause cause{};                  // EffectiveCause
  std::vector<Reason> reasons{};  // most telling first
};

// Families by what their shared features add.
std::vector<Reason> ReasonsFor(const Fingerprint& a, const Fingerprint& b);

// What a memory adds to the hypothesis that `service` is at fault by `kind`, in nats of log-odds.
struct Prior {
  std::string service{};
  std::string kind{};
  double log_odds = 0;
  std::vector<std::string> memories{};  // ids of the incidents it rests on
  bool operator==(const Prior&) const = default;
};

// However many memories say so, and whatever they say: a hypothesis gains or loses no more than
// this. Between two hypotheses memories thus move at most kMostRaise + kMostLower = 2 nats (odds of
// 7.4 to 1), which one plain piece of evidence (4 nats and more) outweighs.
inline constexpr double kMostRaise = 1.5;
inline constexpr double kMostLower = 0.5;

// For each cause that was confirmed or refuted in what was recalled: the log-odds that a likeness
// of this degree has the same cause, as measured (trust.h), times age and who said so, summed over
// the memories; confirmations less refutations. Times the cause's share of all confirmations when
// it is positive, so that memories that contradict each other say little; and bounded as above.
// What nobody confirmed or refuted adds nothing.
std::vector<Prior> PriorOf(std::span<const Recalled> recalled);

}  // namespace enclave::memory
