#include "memory/recall.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <tuple>

#include <fmt/format.h>

#include "rca/diagnose.h"

namespace enclave::memory {
namespace {

constexpr double kMostTrust = 0.98;  // nothing is certain
// So alike are incidents that have nothing to do with each other, now and then.
constexpr double kStranger = 0.5;
constexpr double kContrast = 0.5;

}  // namespace

void Contrast(std::span<Recalled> recalled) {
  for (Recalled& item : recalled) {
    double other = kStranger;
    for (const Recalled& one : recalled)
      if (one.cause.service != item.cause.service) other = std::max(other, one.similarity);
    item.likeness = std::clamp(item.similarity + kContrast * (item.similarity - other), -1.0, 1.0);
  }
}

std::vector<Reason> ReasonsFor(const Fingerprint& a, const Fingerprint& b) {
  constexpr std::size_t kMostKeys = 3;
  struct Shared {
    double weight;
    const std::string* key;
  };
  std::array<std::vector<Shared>, kFamilies> shared;
  double total = 0;
  for (const Feature& mine : a.features) {
    for (const Feature& other : b.features) {
      if (mine.family != other.family || mine.key != other.key) continue;
      const double weight = static_cast<double>(mine.weight) * other.weight;
      shared[static_cast<std::size_t>(mine.family)].push_back({weight, &mine.key});
      total += weight;
    }
  }
  std::vector<Reason> reasons;
  for (std::size_t family = 0; family < kFamilies; ++family) {
    auto& features = shared[family];
    if (features.empty() || total <= 0) continue;
    std::ranges::sort(features, [](const Shared& x, const Shared& y) {
      return x.weight != y.weight ? x.weight > y.weight : *x.key < *y.key;
    });
    Reason reason{.family = static_cast<Family>(family)};
    for (const Shared& feature : features) {
      reason.share += feature.weight / total;
      if (reason.keys.size() < kMostKeys) reason.keys.push_back(*feature.key);
    }
    reasons.push_back(std::move(reason));
  }
  std::ranges::sort(reasons, [](const Reason& x, const Reason& y) {
    return x.share != y.share ? x.share > y.share : x.family < y.family;
  });
  return reasons;
}

std::vector<Prior> PriorOf(std::span<const Recalled> recalled) {
  struct Said {
    double confirmed = 0;  // odds, as the next
    double refuted = 0;
    double unseen = 0;  // of the confirmed
    double nearest = 0;
    std::vector<std::string> memories;
  };
  std::map<Cause, Said> causes;
  for (const Recalled& item : recalled) {
    std::map<Cause, Said> own;
    for (const Outcome& outcome : item.incident.outcomes) {
      if (outcome.about != About::kCause) continue;
      (outcome.good ? own[outcome.cause].confirmed : own[outcome.cause].refuted) +=
          WeightOf(outcome.sayer);
    }
    // The share of likenesses of this degree that were right is (1 + trust) / 2.
    const double trust = std::min(item.trust, kMostTrust);
    const double odds = trust / (1 - trust) * item.age_weight * std::sqrt(item.seen);
    if (!(odds > 0)) continue;
    for (const auto& [cause, said] : own) {
      Said& all = causes[cause];
      all.confirmed += odds * std::min(said.confirmed, 1.0);
      all.refuted += odds * std::min(said.refuted, 1.0);
      all.unseen += odds * std::min(said.confirmed, 1.0) * (1 - item.seen);
      all.nearest = std::max(all.nearest, item.similarity);
      all.memories.push_back(item.incident.id);
    }
  }
  double all_odds = 1;
  for (const auto& [cause, said] : causes) all_odds += std::max(said.confirmed - said.refuted, 0.0);
  std::vector<Prior> priors;
  for (auto& [cause, said] : causes) {
    const double odds = said.confirmed - said.refuted;
    if (odds == 0) continue;
    const double unseen = said.confirmed > 0 ? said.unseen / said.confirmed : 0;
    const double most = rca::kMostShare + (rca::kMostShareUnseen - rca::kMostShare) * unseen;
    priors.push_back(
        {.service = cause.service,
         .kind = cause.kind,
         .share = most * std::max(odds, 0.0) / all_odds,
         .doubt = odds < 0 ? rca::kMostDoubt * -odds / (1 - odds) : 0,
         .unseen = unseen,
         .why = fmt::format("{} that looked {:.0f} % alike {}",
                            said.memories.size() == 1 ? "an incident" : "incidents",
                            100 * said.nearest, odds > 0 ? "came from it" : "did not come from it"),
         .memories = std::move(said.memories)});
  }
  std::ranges::sort(priors, [](const Prior& a, const Prior& b) {
    if (a.share - a.doubt != b.share - b.doubt) return a.share - a.doubt > b.share - b.doubt;
    return std::tie(a.service, a.kind) < std::tie(b.service, b.kind);
  });
  return priors;
}

}  // namespace enclave::memory
