#include "memory/trust.h"

#include <algorithm>

namespace enclave::memory {
namespace {

constexpr std::array<double, Trust::kBands> kFrom = {-1, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9};

}  // namespace

std::size_t Trust::BandOf(double similarity) {
  std::size_t band = 0;
  while (band + 1 < kBands && similarity >= kFrom[band + 1]) ++band;
  return band;
}

void Trust::Measure(double similarity, bool agreed) {
  Band& band = bands_[BandOf(similarity)];
  (agreed ? band.agreed : band.disagreed) += 1;
}

double Trust::Share(double similarity) const {
  double share = 1;
  for (std::size_t band = BandOf(similarity); band < kBands; ++band)
    share = std::min(share, bands_[band].agreed / (bands_[band].agreed + bands_[band].disagreed));
  return share;
}

double Trust::Weight(double similarity) const {
  return std::clamp(2 * Share(similarity) - 1, 0.0, 1.0);
}

}  // namespace enclave::memory
