// How much a likeness is worth, measured: of incidents that looked alike to a degree, in how many
// the same service turned out to be at fault.
//
// In bands of likeness (recall.h), each a Beta distribution: what was agreed and disagreed so far,
// over a beginning that trusts near twins a little (3 to 1) and distant likenesses not at all (1 to
// 1). No band is trusted more than one that is nearer. A memory whose twins keep being wrong thus
// loses its say by itself.
#pragma once

#include <array>
#include <cstddef>

namespace enclave::memory {

class Trust {
 public:
  static constexpr std::size_t kBands = 7;

  void Measure(double similarity, bool agreed);
  // The expected share of agreement at this similarity, in (0, 1).
  double Share(double similarity) const;
  // What of a memory's say is left: 0 when the share is a half or less, else up to 1.
  double Weight(double similarity) const;

  struct Band {
    double from = 0;  // similarity, inclusive
    double agreed = 0;
    double disagreed = 0;  // both with the beginning
  };
  const std::array<Band, kBands>& bands() const { return bands_; }

 private:
  static std::size_t BandOf(double similarity);
  std::array<Band, kBands> bands_ = {{{.from = -1, .agreed = 1, .disagreed = 1},
                                      {.from = 0.4, .agreed = 1, .disagreed = 1},
                                      {.from = 0.5, .agreed = 1, .disagreed = 1},
                                      {.from = 0.6, .agreed = 1.5, .disagreed = 1},
                                      {.from = 0.7, .agreed = 2, .disagreed = 1},
                                      {.from = 0.8, .agreed = 2.5, .disagreed = 1},
                                      {.from = 0.9, .agreed = 3, .disagreed = 1}}};
};

}  // namespace enclave::memory
