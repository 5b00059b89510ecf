#include "incident/rate_change.h"

#include <algorithm>
#include <array>
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
constexpr double kWindowVote = 0.5;

// x ln x of whole numbers; nearly all counts are small.
class XLogXTable {
 public:
  XLogXTable() {
    for (std::size_t x = 1; x < table_.size(); ++x)
      table_[x] = static_cast<double>(x) * std::log(static_cast<double>(x));
  }
  double operator()(std::uint32_t x) const {
    return x < table_.size() ? table_[x]
                             : static_cast<double>(x) * std::log(static_cast<double>(x));
  }

 private:
  std::array<double, 4096> table_{};
};

// The log likelihood of k of n at its own best share.
double LogLikelihood(std::uint32_t k, std::uint32_t n) {
  static const XLogXTable x_log_x;
  return x_log_x(k) + x_log_x(n - k) - x_log_x(n);
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
  const std::uint32_t k0 = before.taken;
  const std::uint32_t n0 = before.chances;
  const std::uint32_t k1 = during.taken;
  const std::uint32_t n1 = during.chances;
  if (n0 == 0 || n1 == 0) return 0;
  const double ratio =
      LogLikelihood(k0, n0) + LogLikelihood(k1, n1) - LogLikelihood(k0 + k1, n0 + n1);
  return std::uint64_t{k1} * n0 >= std::uint64_t{k0} * n1 ? std::max(ratio, 0.0)
                                                          : -std::max(ratio, 0.0);
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

void OnsetVote::Add(std::span<const Tally> bins, Direction direction) {
  Tally all{};
  for (const Tally& bin : bins) {
    all.taken += bin.taken;
    all.chances += bin.chances;
  }
  if (all.taken == 0 || all.taken == all.chances) return;
  const std::uint32_t first = timeline_.first_onset();
  scores_.assign(timeline_.last_onset() - first + 1, 0);
  const double sign = direction == Direction::kRise ? 1 : -1;
  Tally before{};
  double most = 0;
  for (std::uint32_t bin = 0; bin <= timeline_.last_onset() && bin < bins.size(); ++bin) {
    if (bin >= first) {
      const Tally during{all.taken - before.taken, all.chances - before.chances};
      const auto score_of = [&](Tally early) {
        const double score = sign * SignedLogLikelihoodRatio(early, during);
        return score > kVoteFloor ? score : 0;
      };
      // Within the window too; what differs from the normal stretches may just be another day.
      double& score = scores_[bin - first];
      score = score_of(before) + kWindowVote * score_of({before.taken - bins[0].taken,
                                                         before.chances - bins[0].chances});
      most = std::max(most, score);
    }
    before.taken += bins[bin].taken;
    before.chances += bins[bin].chances;
  }
  if (most == 0) return;
  const double scale = std::min(1.0, kVoteBound / most);
  for (std::uint32_t i = 0; i < scores_.size(); ++i) votes_[first + i] += scale * scores_[i];
}

Onsets OnsetVote::Best() const {
  const std::uint32_t first = timeline_.first_onset();
  const std::uint32_t last = timeline_.last_onset();
  Onsets onsets{.agreed = first};
  for (std::uint32_t bin = first; bin <= last; ++bin)
    if (votes_[bin] > votes_[onsets.agreed]) onsets.agreed = bin;
  if (votes_[onsets.agreed] <= 0) onsets.agreed = std::midpoint(first, last);
  constexpr std::uint32_t kOthers = 6;
  for (std::uint32_t i = 0; i < kOthers; ++i) {
    const std::uint32_t bin = first + (last - first) * i / (kOthers - 1);
    if (bin != onsets.agreed && (onsets.others.empty() || onsets.others.back() != bin))
      onsets.others.push_back(bin);
  }
  return onsets;
}

double OnsetVote::score() const {
  return *std::ranges::max_element(votes_);
}

SharedOnset::SharedOnset(const Onsets& onsets)
    : onsets_(onsets), shares_(1 + onsets.others.size()) {}

void SharedOnset::Add(std::span<const Tally> bins) {
  // One walk over the bins serves all onsets.
  Tally all{};
  for (const Tally& bin : bins) {
    all.taken += bin.taken;
    all.chances += bin.chances;
  }
  Tally before{};
  std::size_t next = 0;
  const auto add = [&](Share& share) {
    Share stratum{.before = before,
                  .during = {all.taken - before.taken, all.chances - before.chances}};
    stratum.score = SignedLogLikelihoodRatio(stratum.before, stratum.during);
    share += stratum;
  };
  for (std::uint32_t bin = 0; bin < bins.size(); ++bin) {
    if (bin == onsets_.agreed) add(shares_[0]);
    if (next < onsets_.others.size() && onsets_.others[next] == bin) add(shares_[1 + next++]);
    before.taken += bins[bin].taken;
    before.chances += bins[bin].chances;
  }
}

Share SharedOnset::Best(std::uint32_t& onset) const {
  onset = onsets_.agreed;
  Share best = shares_[0];
  for (std::size_t i = 0; i < onsets_.others.size(); ++i) {
    Share other = shares_[1 + i];
    if (std::abs(other.score) <= kOtherOnsetCost) continue;
    other.score -= std::copysign(kOtherOnsetCost, other.score);
    if (std::abs(other.score) > std::abs(best.score)) {
      best = other;
      onset = onsets_.others[i];
    }
  }
  return best;
}

}  // namespace enclave::incident
