#include "rca/diagnose.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <ranges>
#include <tuple>
#include <utility>

#include "rca/call_graph.h"
#include "rca/claims.h"

namespace enclave::rca {
namespace {

// How much of a caller's symptoms a callee's fault explains away, at most.
constexpr double kExplained = 0.9;
// And of a callee's by its caller's.
constexpr double kExplainedByCaller = 0.9;
// So many calls for each request are none.
constexpr double kFewCalls = 0.01;
// A service that the alert's service does not reach hardly causes it.
constexpr double kUnreachable = 0.4;
constexpr double kApart = 0.4;
constexpr double kOwnEvidence = 1;
// Evidence for a callee that is plain by itself explains its callers, however loud they are.
constexpr double kSurelyBelow = 4;
// Nats of score to nats of probability; fitted so that confidence is calibrated.
constexpr double kTemperature = 0.9;
constexpr std::size_t kMostCited = 12;

struct Standing {
  double firm = 0;       // what only a fault of its own explains
  double symptom = 0;    // what a fault of a callee would show as well
  double mirrored = 0;   // what a fault of a caller would
  double by_caller = 0;  // the share of that which a caller explains
  double score = 0;
  std::map<CauseKind, double> kinds{};
  std::vector<std::uint32_t> claims{};  // strongest first
};

// Items of one family about one service overlap in what they say: the strongest counts whole.
std::vector<double> Discount(const std::vector<Claim>& claims,
                             const std::vector<std::uint32_t>& own) {
  std::map<std::pair<Family, CauseKind>, double> factor;
  std::vector<double> weights;
  for (const std::uint32_t number : own) {
    const Claim& claim = claims[number];
    // That code fails shows in lines, flows and traces alike.
    const bool is_code =
        claim.kind == CauseKind::kCodeError || claim.kind == CauseKind::kWrongResult;
    const auto key = is_code ? std::pair(Family::kLogs, CauseKind::kCodeError)
                             : std::pair(claim.family, claim.kind);
    double& left = factor.try_emplace(key, 1.0).first->second;
    weights.push_back(claim.weight * left);
    left *= kRepeats;
  }
  return weights;
}

// A service, or one that only memory names.
struct Suspect {
  std::optional<std::uint32_t> service{};
  std::string_view name{};
  double confidence = 0;
  double remembered = 0;  // of it, what memory says
  const Prior* prior = nullptr;
  bool considered = false;  // by evidence
};

std::optional<CauseKind> KindFromString(std::string_view word) {
  for (int number = 0; number <= static_cast<int>(CauseKind::kCertificate); ++number)
    if (const auto kind = static_cast<CauseKind>(number); ToString(kind) == word) return kind;
  return std::nullopt;
}

// By how many nats the first leads the second.
double LeadOf(const std::vector<Suspect>& suspects) {
  double first = 0;
  double second = 0;
  for (const Suspect& suspect : suspects) {
    second = std::max(second, std::min(first, suspect.confidence));
    first = std::max(first, suspect.confidence);
  }
  return std::log(first / std::max(second, 1e-300));
}

class Ranking {
 public:
  Ranking(const incident::Context& context, const Options& options)
      : context_(context),
        options_(options),
        graph_(context),
        claims_(ClaimsOf(context, graph_, options)),
        standings_(graph_.size()),
        considered_(graph_.size(), true) {
    Gather();
    ExplainAway();
  }

  Diagnosis Conclude();

 private:
  void Gather();
  void ExplainByCallers();
  void ExplainAway();
  std::vector<bool> Reached() const;
  std::vector<double> Confidences() const;
  void Remember(std::vector<Suspect>& suspects) const;
  std::optional<std::uint32_t> Symptom() const;
  Hypothesis Describe(std::uint32_t service) const;
  Hypothesis DescribeSuspect(const Suspect& suspect) const;

  const incident::Context& context_;
  const Options& options_;
  CallGraph graph_;
  std::vector<Claim> claims_;
  std::vector<Standing> standings_;
  std::vector<bool> considered_;
};

void Ranking::Gather() {
  for (std::uint32_t number = 0; number < claims_.size(); ++number)
    standings_[claims_[number].service].claims.push_back(number);
  for (Standing& standing : standings_) {
    std::ranges::sort(standing.claims, {}, [&](std::uint32_t number) {
      return std::pair(-claims_[number].weight, number);
    });
    const std::vector<double> weights = Discount(claims_, standing.claims);
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const Claim& claim = claims_[standing.claims[i]];
      (claim.callee_would ? standing.symptom : standing.firm) += weights[i];
      if (claim.caller_would) standing.mirrored += weights[i];
      standing.kinds[claim.kind] += weights[i];
    }
  }
}

// The services that the alert's service depends upon, itself included; all when it is not known.
std::vector<bool> Ranking::Reached() const {
  std::vector<bool> reached(graph_.size(), true);
  const auto symptom = graph_.Find(context_.alert.service);
  if (!symptom || graph_.Callees(*symptom).empty()) return reached;
  reached.assign(graph_.size(), false);
  std::vector<std::uint32_t> stack{*symptom};
  reached[*symptom] = true;
  while (!stack.empty()) {
    const std::uint32_t service = stack.back();
    stack.pop_back();
    for (const std::uint32_t callee : graph_.Callees(service))
      if (!reached[callee]) {
        reached[callee] = true;
        stack.push_back(callee);
      }
  }
  return reached;
}

// A caller that changed its way of calling changes what its callees do.
void Ranking::ExplainByCallers() {
  for (const incident::EdgeShift& edge : context_.edges) {
    const auto caller = graph_.Find(edge.caller);
    const auto callee = graph_.Find(edge.callee);
    if (!caller || !callee) continue;
    Standing& standing = standings_[*callee];
    if (standing.mirrored == 0) continue;
    const double change = std::abs(std::log2((edge.calls_per_request_during + kFewCalls) /
                                             (edge.calls_per_request_before + kFewCalls)));
    const double above = standings_[*caller].firm + standings_[*caller].symptom;
    const double share =
        std::clamp(change - 1, 0.0, 1.0) * std::min(1.0, above / standing.mirrored);
    standing.by_caller = std::max(standing.by_caller, kExplainedByCaller * share);
  }
  for (Standing& standing : standings_)
    standing.symptom = std::max(standing.symptom - standing.mirrored * standing.by_caller, 0.0);
}

void Ranking::ExplainAway() {
  ExplainByCallers();
  const std::vector<bool> reached = Reached();
  // Callees first: what remains of a callee tells how much of its callers' symptoms it explains.
  std::vector<double> deepest(graph_.size(), 0);  // strongest standing below
  for (const std::uint32_t service : graph_.CalleesFirst()) {
    Standing& standing = standings_[service];
    double below = 0;
    for (const std::uint32_t callee : graph_.Callees(service))
      below = std::max({below, standings_[callee].score, 0.9 * deepest[callee]});
    deepest[service] = below;
    const double share =
        standing.symptom == 0
            ? 0
            : std::max(std::min(1.0, below / standing.symptom),
                       std::clamp((below - kSurelyBelow) / kSurelyBelow, 0.0, 1.0));
    // Of a service that no call leads to or from, nobody can say what would explain it.
    const bool is_apart = !context_.topology.empty() && graph_.Callees(service).empty() &&
                          graph_.Callers(service).empty();
    standing.score =
        standing.firm + standing.symptom * (1 - kExplained * share) * (is_apart ? kApart : 1.0);
    if (!reached[service]) standing.score *= kUnreachable;
    // Who no request of the users reaches, as one who only watches, is a suspect by evidence of its
    // own alone.
    considered_[service] = (reached[service] && !(is_apart && standing.claims.empty())) ||
                           standing.firm > 0 || standing.score >= kOwnEvidence;
  }
}

// One softmax of the scores, by service.
std::vector<double> Ranking::Confidences() const {
  double top = 0;
  for (const Standing& standing : standings_) top = std::max(top, standing.score);
  std::vector<double> confidences;
  double sum = 0;
  for (std::size_t i = 0; i < standings_.size(); ++i) {
    confidences.push_back(considered_[i] ? std::exp(kTemperature * (standings_[i].score - top))
                                         : 0.0);
    sum += confidences.back();
  }
  if (sum > 0)
    for (double& confidence : confidences) confidence /= sum;
  return confidences;
}

// Mixes what memory says with what the evidence does.
void Ranking::Remember(std::vector<Suspect>& suspects) const {
  if (options_.priors.empty()) return;
  std::map<std::string_view, std::size_t> places;
  for (std::size_t i = 0; i < suspects.size(); ++i) places.emplace(suspects[i].name, i);
  std::vector<double> doubts(suspects.size(), 0);
  double said = 0;
  double unseen = 0;
  for (const Prior& prior : options_.priors) {
    const auto [at, is_new] = places.try_emplace(prior.service, suspects.size());
    if (is_new) {
      suspects.push_back({.service = graph_.Find(prior.service), .name = prior.service});
      doubts.push_back(0);
    }
    Suspect& suspect = suspects[at->second];
    const double share = std::clamp(prior.share, 0.0, 1.0);
    suspect.remembered += share;
    said += share;
    if (share > 0 && (suspect.prior == nullptr || prior.share > suspect.prior->share))
      suspect.prior = &prior;
    doubts[at->second] = std::max(doubts[at->second], std::clamp(prior.doubt, 0.0, kMostDoubt));
    unseen = std::max(unseen, std::clamp(prior.unseen, 0.0, 1.0));
  }
  const auto first = static_cast<std::size_t>(
      std::ranges::max_element(suspects, {}, &Suspect::confidence) - suspects.begin());
  const bool is_plain =
      LeadOf(suspects) >= kPlainLead && suspects[first].confidence >= kPlainConfidence;
  double left = 0;
  for (std::size_t i = 0; i < suspects.size(); ++i) {
    suspects[i].confidence *= 1 - doubts[i];
    left += suspects[i].confidence;
  }
  if (left > 0)
    for (Suspect& suspect : suspects) suspect.confidence /= left;
  double most = kMostShare;
  if (is_plain) {
    // One cause with share w overtakes the first when w > (1 - w) margin.
    double second = 0;
    for (std::size_t i = 0; i < suspects.size(); ++i)
      if (i != first) second = std::max(second, suspects[i].confidence);
    const double margin = std::max(suspects[first].confidence - second, 0.0);
    most = std::min(most, 0.99 * margin / (1 + margin));
  }
  if (!is_plain) most += (kMostShareUnseen - most) * unseen;
  const double scale = said > most ? most / said : 1.0;
  for (Suspect& suspect : suspects) {
    suspect.remembered *= scale;
    suspect.confidence = suspect.confidence * (1 - said * scale) + suspect.remembered;
  }
  // Whom memory only clears, and nothing else names, is no suspect.
  std::erase_if(suspects, [](const Suspect& suspect) {
    return !suspect.considered && suspect.remembered <= 0;
  });
}

std::optional<std::uint32_t> Ranking::Symptom() const {
  if (const auto service = graph_.Find(context_.alert.service)) return service;
  const std::vector<std::uint32_t> entries = graph_.Entries();
  if (entries.empty()) return std::nullopt;
  return entries.front();
}

Hypothesis Ranking::Describe(std::uint32_t service) const {
  const Standing& standing = standings_[service];
  Hypothesis hypothesis{.service = graph_.Name(service)};
  // A service short of a resource, or asked for too much, is slow, late and fails: those kinds
  // follow from that one.
  double resource = 0;
  for (const auto& [kind, weight] : standing.kinds)
    if (kind == CauseKind::kCpu || kind == CauseKind::kMemory || kind == CauseKind::kDisk ||
        kind == CauseKind::kTrafficSurge)
      resource = std::max(resource, weight);
  const double follows = std::clamp((resource - 2) / 4, 0.0, 1.0);
  // What is known to have happened to it, a crash or a change, is why calls fail or are slow.
  double happened = 0;
  for (const auto& [kind, weight] : standing.kinds)
    if (kind == CauseKind::kCrash || kind == CauseKind::kConfiguration ||
        kind == CauseKind::kBadRelease || kind == CauseKind::kCertificate)
      happened = std::max(happened, weight);
  const double is_why = std::clamp((happened - 1) / 3, 0.0, 1.0);
  // Who is not reached is also waited for.
  double down = 0;
  for (const auto& [kind, weight] : standing.kinds)
    if (kind == CauseKind::kDependencyDown || kind == CauseKind::kNetworkLoss)
      down = std::max(down, weight);
  const double unreached = std::clamp((down - 2) / 4, 0.0, 1.0);
  double all = 0;
  double best = 0;
  for (const auto& [kind, weight] : standing.kinds) {
    const bool is_timing = kind == CauseKind::kNetworkDelay || kind == CauseKind::kSlowDependency;
    const bool is_code = kind == CauseKind::kCodeError || kind == CauseKind::kWrongResult;
    const bool is_down = kind == CauseKind::kDependencyDown || kind == CauseKind::kNetworkLoss;
    const bool is_way = kind == CauseKind::kNetworkDelay;
    const double left = weight * (is_way ? 1 - unreached : 1.0) *
                        (is_timing ? (1 - follows) * (1 - is_why)
                         : is_code ? (1 - 0.5 * follows) * (1 - is_why)
                         : is_down ? 1 - is_why
                                   : 1);
    all += std::max(left, 0.0);
    if (left > best) {
      best = left;
      hypothesis.kind = kind;
    }
  }
  hypothesis.kind_confidence = all == 0 ? 0 : best / all;
  const Claim* place = nullptr;
  hypothesis.onset_ns = context_.during.from_ns;
  for (const std::uint32_t number : standing.claims) {
    const Claim& claim = claims_[number];
    if (hypothesis.evidence.size() < kMostCited)
      hypothesis.evidence.push_back({claim.id, claim.weight, claim.sentence});
    const bool fits = claim.kind == hypothesis.kind || claim.component_rank >= 3;
    if (!fits || claim.weight < 0.2 * claims_[standing.claims.front()].weight) continue;
    if (place == nullptr || claim.component_rank > place->component_rank) place = &claim;
  }
  if (place != nullptr) {
    hypothesis.component = place->component;
    hypothesis.component_evidence = place->id;
    hypothesis.onset_ns = place->onset_ns;
  }
  if (const auto symptom = Symptom()) {
    std::vector<std::uint32_t> path = graph_.Path(*symptom, service);
    std::ranges::reverse(path);
    for (const std::uint32_t step : path) hypothesis.path.push_back(graph_.Name(step));
  }
  hypothesis.sentence = fmt::format("{}: {}", hypothesis.service, ToString(hypothesis.kind));
  if (place != nullptr) hypothesis.sentence += fmt::format("; {}", place->sentence);
  return hypothesis;
}

// What is remembered of it stands beside the evidence, and is all there is without any.
Hypothesis Ranking::DescribeSuspect(const Suspect& suspect) const {
  Hypothesis hypothesis = suspect.service ? Describe(*suspect.service)
                                          : Hypothesis{.service = std::string(suspect.name)};
  hypothesis.confidence = suspect.confidence;
  if (suspect.prior == nullptr) return hypothesis;
  const Prior& prior = *suspect.prior;
  const std::string sentence = "by memory: " + (prior.why.empty() ? "it was so before" : prior.why);
  if (hypothesis.evidence.empty()) {
    if (const auto kind = KindFromString(prior.kind)) {
      hypothesis.kind = *kind;
      hypothesis.kind_confidence = 1;
    }
    hypothesis.onset_ns = context_.during.from_ns;
    hypothesis.sentence =
        fmt::format("{}: {}; {}", suspect.name, ToString(hypothesis.kind), sentence);
  }
  // In nats, as evidence is: by how much it makes this more likely than it was.
  const double before = std::max(suspect.confidence - suspect.remembered, 1e-3);
  const double weight = std::log(std::max(suspect.confidence / before, 1.0));
  const auto at =
      std::ranges::upper_bound(hypothesis.evidence, weight, std::ranges::greater(), &Cited::weight);
  hypothesis.evidence.insert(at, {.id = kByMemory, .weight = weight, .sentence = sentence});
  return hypothesis;
}

Diagnosis Ranking::Conclude() {
  const std::vector<double> confidences = Confidences();
  std::vector<Suspect> suspects;
  for (std::uint32_t service = 0; service < graph_.size(); ++service)
    if (considered_[service])
      suspects.push_back({.service = service,
                          .name = graph_.Name(service),
                          .confidence = confidences[service],
                          .considered = true});
  Remember(suspects);
  // Services by name break ties; renaming them moves nothing else.
  std::ranges::sort(suspects, {}, [](const Suspect& suspect) {
    return std::pair(-suspect.confidence, suspect.name);
  });
  Diagnosis diagnosis;
  for (const Suspect& suspect : suspects) {
    if (diagnosis.ranking.size() >= options_.most_hypotheses) break;
    Hypothesis hypothesis = DescribeSuspect(suspect);
    if (!diagnosis.ranking.empty()) {
      const Hypothesis& first = diagnosis.ranking.front();
      const Standing* standing = suspect.service ? &standings_[*suspect.service] : nullptr;
      if (hypothesis.evidence.empty())
        hypothesis.lost_because = "nothing speaks for it";
      else if (standing != nullptr && standing->score < 0.6 * (standing->firm + standing->symptom))
        hypothesis.lost_because =
            fmt::format("what it shows follows from others, most likely {}", first.service);
      else
        hypothesis.lost_because = fmt::format("less likely: {:.1f} % against {:.1f} %",
                                              100 * suspect.confidence, 100 * first.confidence);
    }
    diagnosis.ranking.push_back(std::move(hypothesis));
  }
  if (!diagnosis.ranking.empty()) diagnosis.summary = diagnosis.ranking.front().sentence;
  return diagnosis;
}

}  // namespace

Diagnosis Diagnose(const incident::Context& context, const Options& options) {
  return Ranking(context, options).Conclude();
}

}  // namespace enclave::rca
