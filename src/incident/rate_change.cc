#include "incident/rate_change.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace enclave::incident {
namespace {

// An alert's time may be off by a minute, and what it measures needs some time to move.
constexpr std::int64_t kOnsetEarliestNs = 90'000'000'000;
constexpr std::int64_t kOnsetLatestNs = 75'000'000'000;
// The fault lasts until the end of the window, and shows in at least so much of it.
constexpr std::int64_t kShortestFaultNs = 15'000'000'000;
// Beneath this an item's score is noise; above the bound it has said enough.
constexpr double kVoteFloor = 4;
constexpr double kVoteBound = 30;

double XLogX(double x) {
  return x > 0 ? x * std::log(x) : 0;
}

// The log likelihood of k of n at its own best share.
double LogLikelihood(double k, double n) {
  return XLogX(k) + XLogX(n - k) - XLogX(n);
}

}  // namespace

Timeline::Timeline(std::vector<Window> normal, Window available, std::int64_t alert_ns)
    : normal_(std::move(normal)), available_(available) {
  const std::int64_t length = std::max<std::int64_t>(available.to_ns - available.from_ns, 1);
  bin_ns_ = std::max(kShortestBinNs, length / kMostBins + 1);
  bins_ = 1 + static_cast<std::uint32_t>((length + bin_ns_ - 1) / bin_ns_);
  const auto clamp_bin = [&](std::int64_t time_ns) {
    const std::int64_t inside =
        std::clamp(time_ns, available.from_ns, available.from_ns + length - 1);
    return 1 + static_cast<std::uint32_t>((inside - available.from_ns) / bin_ns_);
  };
  first_onset_ = clamp_bin(alert_ns - kOnsetEarliestNs);
  last_onset_ =
      std::max(first_onset_,
               clamp_bin(std::min(alert_ns + kOnsetLatestNs, available.to_ns - kShortestFaultNs)));
}

double SignedLogLikelihoodRatio(Tally before, Tally during) {
  const double k0 = before.taken;
  const double n0 = before.chances;
  const double k1 = during.taken;
  const double n1 = during.chances;
  if (n0 == 0 || n1 == 0) return 0;
  const double ratio =
      LogLikelihood(k0, n0) + LogLikelihood(k1, n1) - LogLikelihood(k0 + k1, n0 + n1);
  return k1 / n1 >= k0 / n0 ? std::max(ratio, 0.0) : -std::max(ratio, 0.0);
}

Share& Share::operator+=(const Share& stratum) {
  if (stratum.before.chances == 0 || stratum.during.chances == 0) return *this;
  before.taken += stratum.before.taken;
  before.chances += stratum.before.chances;
  during.taken += stratum.during.taken;
  during.chances += stratum.during.chances;
  score += stratum.score;
  return *this;
}

Share Compare(std::span<const Tally> bins, std::uint32_t onset) {
  Share share;
  for (std::uint32_t bin = 0; bin < bins.size(); ++bin) {
    Tally& side = bin < onset ? share.before : share.during;
    side.taken += bins[bin].taken;
    side.chances += bins[bin].chances;
  }
  share.score = SignedLogLikelihoodRatio(share.before, share.during);
  return share;
}

OnsetVote::OnsetVote(const Timeline& timeline)
    : timeline_(timeline), votes_(timeline.bins(), 0.0) {}

void OnsetVote::Add(std::span<const Tally> bins) {
  Tally all{};
  for (const Tally& bin : bins) {
    all.taken += bin.taken;
    all.chances += bin.chances;
  }
  Tally before{};
  for (std::uint32_t bin = 0; bin < bins.size(); ++bin) {
    if (bin >= timeline_.first_onset() && bin <= timeline_.last_onset()) {
      const double score = std::abs(SignedLogLikelihoodRatio(
          before, {all.taken - before.taken, all.chances - before.chances}));
      if (score > kVoteFloor) votes_[bin] += std::min(score, kVoteBound);
    }
    before.taken += bins[bin].taken;
    before.chances += bins[bin].chances;
  }
}

std::uint32_t OnsetVote::Best() const {
  std::uint32_t best = timeline_.first_onset();
  for (std::uint32_t bin = best; bin <= timeline_.last_onset(); ++bin)
    if (votes_[bin] > votes_[best]) best = bin;
  if (votes_[best] > 0) return best;
  return std::midpoint(timeline_.first_onset(), timeline_.last_onset());
}

double OnsetVote::score() const {
  return votes_[Best()];
}

}  // namespace enclave::incident
