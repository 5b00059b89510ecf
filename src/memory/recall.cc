#include "memory/recall.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <tuple>

namespace enclave::memory {
namespace {

constexpr double kMostTrust = 0.98;  // nothing is certain

}  // namespace

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
    double confirmed = 0;  // nats, as the next
    double refuted = 0;
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
    const double nats = std::log((1 + trust) / (1 - trust)) * item.age_weight;
    if (!(nats > 0)) continue;
    for (const auto& [cause, said] : own) {
      Said& all = causes[cause];
      all.confirmed += nats * std::min(said.confirmed, 1.0);
      all.refuted += nats * std::min(said.refuted, 1.0);
      all.memories.push_back(item.incident.id);
    }
  }
  double confirmations = 0;
  for (const auto& [cause, said] : causes) confirmations += said.confirmed;
  std::vector<Prior> priors;
  for (auto& [cause, said] : causes) {
    double log_odds = said.confirmed - said.refuted;
    if (log_odds > 0) log_odds *= said.confirmed / confirmations;
    log_odds = std::clamp(log_odds, -kMostLower, kMostRaise);
    if (log_odds == 0) continue;
    priors.push_back({.service = cause.service,
                      .kind = cause.kind,
                      .log_odds = log_odds,
                      .memories = std::move(said.memories)});
  }
  std::ranges::sort(priors, [](const Prior& a, const Prior& b) {
    if (a.log_odds != b.log_odds) return a.log_odds > b.log_odds;
    return std::tie(a.service, a.kind) < std::tie(b.service, b.kind);
  });
  return priors;
}

}  // namespace enclave::memory
