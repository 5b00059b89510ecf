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
  double age_weight = 1;  // halves with each half-life
  // The similarity, raised by how much nearer it is than the nearest of another service, lowered
  // where that one is nearer: an incident that stands out is known again by fewer features.
  double likeness = 0;
  double trust = 0;               // Trust::Weight at this likeness
  double seen = 1;                // of what it is remembered by, what can be seen this time, 0 to 1
  Cause cause{};                  // EffectiveCause
  std::vector<Reason> reasons{};  // most telling first
};

// Fills in the likeness of what was recalled, by all that was.
void Contrast(std::span<Recalled> recalled);

// Families by what their shared features add.
std::vector<Reason> ReasonsFor(const Fingerprint& a, const Fingerprint& b);

// What memory says of the hypothesis that `service` is at fault by `kind`, as rca::Prior has it:
// the conclusion is a mixture of this and of the evidence.
struct Prior {
  std::string service{};
  std::string kind{};
  double share = 0;   // of the probability: it is the cause
  double doubt = 0;   // of what the evidence says for it: it is not
  double unseen = 0;  // of what the memories rest on, what cannot be seen this time
  std::string why{};  // a sentence
  std::vector<std::string> memories{};  // ids of the incidents it rests on
  bool operator==(const Prior&) const = default;
};

// For each cause that was confirmed or refuted in what was recalled. A memory speaks with the odds
// that likenesses of its degree were right (trust.h), less one for chance, times its age, who said
// so, and how much of it can be seen; what speaks for a cause is divided by all that speaks for
// any, and one more for what was never met: contradiction and little experience leave little. The
// sum of shares is at most rca::kMostShare; more of what cannot be seen this time lets it rise to
// rca::kMostShareUnseen. What nobody confirmed or refuted says nothing.
std::vector<Prior> PriorOf(std::span<const Recalled> recalled);

}  // namespace enclave::memory
