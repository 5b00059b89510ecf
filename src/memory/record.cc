#include "memory/record.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "memory/evidence_words.h"

namespace enclave::memory {
namespace {

base::Result<> Bounded(std::string_view what, std::string_view text, std::size_t most) {
  if (text.size() > most)
    return base::Fail(base::ErrorKind::kInvalidArgument,
                      fmt::format("{} has {} bytes, at most {} are kept", what, text.size(), most));
  if (OneLine(text, most) != text)
    return base::Fail(base::ErrorKind::kInvalidArgument,
                      fmt::format("{} must be one line of UTF-8", what));
  return {};
}

}  // namespace

base::Result<> Validate(const Outcome& outcome) {
  RETURN_IF_ERROR(Bounded("the outcome's service", outcome.cause.service, kMostNameBytes));
  RETURN_IF_ERROR(Bounded("the outcome's kind", outcome.cause.kind, kMostNameBytes));
  RETURN_IF_ERROR(Bounded("the outcome's action", outcome.action, kMostActionBytes));
  RETURN_IF_ERROR(Bounded("the outcome's \"saidBy\"", outcome.said_by, kMostNameBytes));
  if (outcome.about == About::kCause && outcome.cause.service.empty())
    return base::Fail(base::ErrorKind::kInvalidArgument,
                      "an outcome about a cause must name the cause's service");
  if (outcome.about == About::kAction && outcome.action.empty())
    return base::Fail(base::ErrorKind::kInvalidArgument,
                      "an outcome about an action must name the action");
  return {};
}

base::Result<> Validate(const Incident& incident, std::size_t dimensions) {
  const auto wrong = [](std::string message) {
    return base::Fail(base::ErrorKind::kInvalidArgument, std::move(message));
  };
  if (incident.id.empty()) return wrong("an incident needs an id");
  RETURN_IF_ERROR(Bounded("the id", incident.id, kMostIdBytes));
  RETURN_IF_ERROR(Bounded("the service", incident.cause.service, kMostNameBytes));
  RETURN_IF_ERROR(Bounded("the kind", incident.cause.kind, kMostNameBytes));
  RETURN_IF_ERROR(Bounded("the summary", incident.summary, kMostSummaryBytes));
  if (!(incident.confidence >= 0 && incident.confidence <= 1))
    return wrong("the confidence must be between 0 and 1");
  const auto& values = incident.fingerprint.values;
  if (values.size() != dimensions)
    return wrong(
        fmt::format("the fingerprint has {} numbers, this memory keeps {}: with and without text "
                    "embeddings memories cannot be mixed",
                    values.size(), dimensions));
  double square = 0;
  for (const float value : values) square += static_cast<double>(value) * value;
  if (!std::isfinite(square) || std::abs(square - 1) > 1e-3)
    return wrong("the fingerprint is not of length 1: without evidence nothing can be remembered");
  if (incident.fingerprint.features.size() > kMostFeatures)
    return wrong(fmt::format("at most {} features are kept", kMostFeatures));
  for (const Feature& feature : incident.fingerprint.features) {
    if (feature.key.empty()) return wrong("a feature needs a key");
    RETURN_IF_ERROR(Bounded("a feature's key", feature.key, kMostKeyBytes));
    if (!(feature.weight > 0) || !(feature.weight <= 1e6F))
      return wrong("a feature's weight must be a positive number");
  }
  if (incident.outcomes.size() > kMostOutcomes)
    return wrong(fmt::format("at most {} outcomes of an incident are kept", kMostOutcomes));
  for (const Outcome& outcome : incident.outcomes) RETURN_IF_ERROR(Validate(outcome));
  return {};
}

std::string_view ToString(Sayer sayer) {
  switch (sayer) {
    case Sayer::kHuman:
      return "human";
    case Sayer::kVerification:
      return "verification";
    case Sayer::kAgent:
      break;
  }
  return "agent";
}

base::Result<Sayer> SayerFromString(std::string_view text) {
  for (const Sayer sayer : {Sayer::kHuman, Sayer::kVerification, Sayer::kAgent})
    if (text == ToString(sayer)) return sayer;
  return base::Fail(base::ErrorKind::kInvalidArgument,
                    "who says so must be human, verification or agent");
}

std::string_view ToString(About about) {
  return about == About::kCause ? "cause" : "action";
}

base::Result<About> AboutFromString(std::string_view text) {
  for (const About about : {About::kCause, About::kAction})
    if (text == ToString(about)) return about;
  return base::Fail(base::ErrorKind::kInvalidArgument,
                    "an outcome must be about the cause or an action");
}

double WeightOf(Sayer sayer) {
  return sayer == Sayer::kAgent ? 0.25 : 1.0;
}

Cause EffectiveCause(const Incident& incident) {
  const Outcome* best = nullptr;
  std::map<Cause, double> said;
  for (const Outcome& outcome : incident.outcomes) {
    if (outcome.about != About::kCause) continue;
    said[outcome.cause] += outcome.good ? WeightOf(outcome.sayer) : -WeightOf(outcome.sayer);
  }
  for (const Outcome& outcome : incident.outcomes) {
    if (outcome.about != About::kCause || !outcome.good || said[outcome.cause] <= 0) continue;
    if (best == nullptr || WeightOf(outcome.sayer) > WeightOf(best->sayer) ||
        (WeightOf(outcome.sayer) == WeightOf(best->sayer) && outcome.time_ns >= best->time_ns))
      best = &outcome;
  }
  if (best != nullptr) return best->cause;
  const auto own = said.find(incident.cause);
  return own != said.end() && own->second < 0 ? Cause{} : incident.cause;
}

std::string SummaryOf(const incident::Context& context) {
  constexpr std::size_t kMostSentences = 12;
  constexpr std::size_t kMostSentenceBytes = 240;
  nlohmann::json sentences = nlohmann::json::array();
  const auto add = [&](std::string_view id, const std::string& text) {
    if (sentences.size() < kMostSentences)
      sentences.push_back(OneLine(fmt::format("{}: {}", id, text), kMostSentenceBytes));
  };
  for (const auto& fact :
       std::span(context.facts).first(std::min<std::size_t>(context.facts.size(), 2)))
    add(fact.id, fmt::format("{} {}: {}", fact.object, fact.reason, fact.message));
  for (const auto& change :
       std::span(context.changes).first(std::min<std::size_t>(context.changes.size(), 2)))
    add(change.id, fmt::format("{} changed from {} to {}", change.object, change.from, change.to));
  for (const auto& trace :
       std::span(context.traces).first(std::min<std::size_t>(context.traces.size(), 2)))
    add(trace.id,
        fmt::format("{} {} {} {}", trace.service, trace.operation, trace.exception, trace.message));
  for (const auto& log :
       std::span(context.logs).first(std::min<std::size_t>(context.logs.size(), 3)))
    add(log.id, fmt::format("{}: {} ({} -> {} lines)", log.service, log.text, log.count_before,
                            log.count_during));
  for (const auto& series :
       std::span(context.series).first(std::min<std::size_t>(context.series.size(), 3)))
    add(series.id, fmt::format("{}: {} {:.4g} -> {:.4g}", series.service, series.metric,
                               series.before.median, series.during.median));
  for (const auto& edge :
       std::span(context.edges).first(std::min<std::size_t>(context.edges.size(), 2)))
    add(edge.id, fmt::format("{} > {}: gap {:.4g} -> {:.4g} ms", edge.caller, edge.callee,
                             edge.gap_before.median, edge.gap_during.median));
  const nlohmann::json summary = {{"service", OneLine(context.alert.service, kMostNameBytes)},
                                  {"alert", OneLine(context.alert.name, kMostNameBytes)},
                                  {"from", context.during.from_ns},
                                  {"to", context.during.to_ns},
                                  {"evidence", std::move(sentences)},
                                  {"counts",
                                   {{"series", context.series.size()},
                                    {"operations", context.operations.size()},
                                    {"edges", context.edges.size()},
                                    {"logs", context.logs.size()},
                                    {"traces", context.traces.size()},
                                    {"facts", context.facts.size()},
                                    {"changes", context.changes.size()}}}};
  return summary.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace enclave::memory
