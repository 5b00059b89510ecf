#include "memory/diagnosis.h"

#include <algorithm>
#include <cstddef>

namespace enclave::memory {

std::vector<Weighed> WeighedOf(const rca::Diagnosis& diagnosis) {
  constexpr std::size_t kMostHypotheses = 5;
  std::vector<Weighed> weighed;
  const std::size_t count = std::min(kMostHypotheses, diagnosis.ranking.size());
  for (const rca::Hypothesis& hypothesis : std::span(diagnosis.ranking).first(count))
    for (const rca::Cited& cited : hypothesis.evidence)
      if (cited.weight > 0)
        weighed.push_back({.evidence = cited.id,
                           .suspect = hypothesis.service,
                           .weight = cited.weight * hypothesis.confidence});
  return weighed;
}

std::vector<rca::Prior> EnginePriors(std::span<const Prior> priors) {
  std::vector<rca::Prior> engine;
  engine.reserve(priors.size());
  for (const Prior& prior : priors)
    engine.push_back({.service = prior.service,
                      .kind = prior.kind,
                      .share = prior.share,
                      .doubt = prior.doubt,
                      .unseen = prior.unseen,
                      .why = prior.why});
  return engine;
}

}  // namespace enclave::memory
