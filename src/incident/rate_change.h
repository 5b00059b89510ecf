// Whether a share changed, and when: the likelihood-ratio test (G-test) of two binomials on either
// side of each possible onset.
//
// All evidence of spans and logs is brought into one form: of `n` chances `k` were taken (an
// operation's runs that wrote a line, made a call, failed, were slower than normal), counted in
// bins of time. Scores are log likelihood ratios, in nats, signed by the direction: comparable, and
// they add up over independent evidence.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "incident/context.h"

namespace enclave::incident {

// The bins of time: bin 0 is all that is known to be normal, the others are equal parts of the
// window asked about.
class Timeline {
 public:
  static constexpr std::int64_t kShortestBinNs = 5'000'000'000;
  static constexpr std::uint32_t kMostBins = 240;
  static constexpr std::uint32_t kOutside = UINT32_MAX;

  Timeline(std::vector<Window> normal, Window available, std::int64_t alert_ns);

  std::uint32_t BinOf(std::int64_t time_ns) const {
    if (time_ns >= available_.from_ns && time_ns < available_.to_ns)
      return 1 + static_cast<std::uint32_t>((time_ns - available_.from_ns) / bin_ns_);
    for (const Window& window : normal_)
      if (time_ns >= window.from_ns && time_ns < window.to_ns) return 0;
    return kOutside;
  }
  std::int64_t StartOf(std::uint32_t bin) const {  // of the bins after the first
    return available_.from_ns + (static_cast<std::int64_t>(bin) - 1) * bin_ns_;
  }
  std::uint32_t bins() const { return bins_; }
  const std::vector<Window>& normal() const { return normal_; }
  Window available() const { return available_; }
  // The bins in which the incident may have begun.
  std::uint32_t first_onset() const { return first_onset_; }
  std::uint32_t last_onset() const { return last_onset_; }

 private:
  std::vector<Window> normal_;
  Window available_;
  std::int64_t bin_ns_ = kShortestBinNs;
  std::uint32_t bins_ = 1;
  std::uint32_t first_onset_ = 1;
  std::uint32_t last_onset_ = 1;
};

// Beneath so many nats (a likelihood ratio of 20), or floors of its unit, a change is chance.
inline constexpr double kLeastScore = 3;

struct Tally {
  std::uint32_t taken = 0;
  std::uint32_t chances = 0;
};

struct Share {
  Tally before{};
  Tally during{};
  double score = 0;  // nats, signed

  // Another stratum of the same: like is compared with like, so that a changed mix of strata is no
  // change. A stratum that is missing on one side says nothing.
  Share& operator+=(const Share& stratum);
};

// Of the bins before `onset` and from it on.
Share Compare(std::span<const Tally> bins, std::uint32_t onset);

// When an incident began: where most evidence agrees, and the other times that single items may
// prefer, as traffic comes in waves and faults take their time to be hit.
struct Onsets {
  std::uint32_t agreed = 1;
  std::vector<std::uint32_t> others{};
};
// What a time other than the agreed one has to gain, in nats.
inline constexpr double kOtherOnsetCost = 2;

// Strata of one item, compared at the onset that tells most.
class SharedOnset {
 public:
  explicit SharedOnset(const Onsets& onsets);
  void Add(std::span<const Tally> bins);
  // The best sum; its onset in `onset`.
  Share Best(std::uint32_t& onset) const;

 private:
  const Onsets& onsets_;
  std::vector<Share> shares_;  // at the agreed onset, then at the others
};
double SignedLogLikelihoodRatio(Tally before, Tally during);

// The onset that the evidence agrees upon: each item adds its score for each possible onset, up to
// a bound, so that no single one decides alone.
class OnsetVote {
 public:
  explicit OnsetVote(const Timeline& timeline);
  enum class Direction : std::uint8_t { kRise, kFall };
  // Only a change in the direction that a fault would take counts.
  void Add(std::span<const Tally> bins, Direction direction);
  Onsets Best() const;  // without votes the agreed one is the middle of what is possible
  double score() const;

 private:
  const Timeline& timeline_;
  std::vector<double> votes_;   // by bin
  std::vector<double> scores_;  // of one item, by possible onset
};

}  // namespace enclave::incident
