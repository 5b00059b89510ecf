// The parts of contexts and diagnoses that the ledger keeps, as JSON and back.
#include <algorithm>

#include "agent/record.h"

namespace enclave::agent {

using kube::At;
using kube::IntAt;
using kube::StringAt;

namespace {

constexpr std::size_t kMostItems = 100;
constexpr std::size_t kMostCalls = 2000;
constexpr std::size_t kMostHypotheses = 5;
constexpr std::size_t kMostEvidence = 6;

double NumberAt(const Json& json, const char* key) {
  const Json& value = At(json, key);
  return value.is_number() ? value.get<double>() : 0;
}

Json Texts(const std::vector<std::string>& texts) {
  return Json(texts);
}

std::vector<std::string> TextsAt(const Json& json, const char* key) {
  std::vector<std::string> texts;
  for (const Json& one : At(json, key))
    if (one.is_string()) texts.push_back(one.get<std::string>());
  return texts;
}

std::string TraceText(const std::optional<trace::TraceId>& trace) {
  return trace ? trace->ToString() : "";
}

}  // namespace

Digest DigestOf(const incident::Context& context) {
  Digest digest{.id = context.id, .missing = context.missing};
  const auto first = [](const auto& from, std::size_t most, auto* to) {
    to->assign(from.begin(),
               from.begin() + static_cast<std::ptrdiff_t>(std::min(most, from.size())));
  };
  first(context.changes, kMostItems, &digest.changes);
  first(context.facts, kMostItems, &digest.facts);
  first(context.topology, kMostCalls, &digest.topology);
  digest.items = {{"series", context.series.size()},   {"operations", context.operations.size()},
                  {"edges", context.edges.size()},     {"logs", context.logs.size()},
                  {"traces", context.traces.size()},   {"facts", context.facts.size()},
                  {"changes", context.changes.size()}, {"services", context.services.size()}};
  for (const incident::FailingTrace& trace : context.traces) {
    if (digest.traces.size() >= 10) break;
    if (trace.trace_id) digest.traces.push_back(*trace.trace_id);
  }
  return digest;
}

Json ToJson(const Digest& digest) {
  Json changes = Json::array();
  for (const incident::Change& change : digest.changes)
    changes.push_back({{"id", change.id},
                       {"time", change.time_ns},
                       {"service", change.service},
                       {"kind", static_cast<int>(change.kind)},
                       {"object", change.object},
                       {"from", change.from},
                       {"to", change.to},
                       {"who", change.who},
                       {"trace", TraceText(change.trace_id)}});
  Json facts = Json::array();
  for (const incident::KubernetesFact& fact : digest.facts)
    facts.push_back({{"id", fact.id},
                     {"time", fact.time_ns},
                     {"service", fact.service},
                     {"kind", fact.kind},
                     {"object", fact.object},
                     {"reason", fact.reason},
                     {"message", fact.message},
                     {"count", fact.count},
                     {"warning", fact.warning}});
  Json topology = Json::array();
  for (const incident::Call& call : digest.topology)
    topology.push_back(Json::array({call.caller, call.callee}));
  Json traces = Json::array();
  for (const trace::TraceId& trace : digest.traces) traces.push_back(trace.ToString());
  return {{"id", digest.id},
          {"changes", std::move(changes)},
          {"facts", std::move(facts)},
          {"topology", std::move(topology)},
          {"missing", Texts(digest.missing)},
          {"items", digest.items},
          {"traces", std::move(traces)}};
}

Digest DigestFromJson(const Json& json) {
  Digest digest{.id = StringAt(json, "id"), .missing = TextsAt(json, "missing")};
  for (const Json& one : At(json, "changes")) {
    const auto kind = std::clamp<std::int64_t>(IntAt(one, "kind"), 0,
                                               static_cast<int>(incident::ChangeKind::kOther));
    digest.changes.push_back({.id = StringAt(one, "id"),
                              .time_ns = IntAt(one, "time"),
                              .service = StringAt(one, "service"),
                              .kind = static_cast<incident::ChangeKind>(kind),
                              .object = StringAt(one, "object"),
                              .from = StringAt(one, "from"),
                              .to = StringAt(one, "to"),
                              .who = StringAt(one, "who"),
                              .trace_id = trace::TraceId::Parse(StringAt(one, "trace"))});
  }
  for (const Json& one : At(json, "facts"))
    digest.facts.push_back({.id = StringAt(one, "id"),
                            .time_ns = IntAt(one, "time"),
                            .service = StringAt(one, "service"),
                            .kind = StringAt(one, "kind"),
                            .object = StringAt(one, "object"),
                            .reason = StringAt(one, "reason"),
                            .message = StringAt(one, "message"),
                            .count = static_cast<std::uint64_t>(IntAt(one, "count", 1)),
                            .warning = kube::BoolAt(one, "warning")});
  for (const Json& one : At(json, "topology"))
    if (one.is_array() && one.size() == 2 && one[0].is_string() && one[1].is_string())
      digest.topology.push_back({one[0].get<std::string>(), one[1].get<std::string>()});
  const Json& items = At(json, "items");
  if (items.is_object())
    for (const auto& [kind, count] : items.items())
      if (count.is_number_unsigned()) digest.items[kind] = count.get<std::uint64_t>();
  for (const std::string& text : TextsAt(json, "traces"))
    if (const auto trace = trace::TraceId::Parse(text)) digest.traces.push_back(*trace);
  return digest;
}

Json ToJson(const rca::Diagnosis& diagnosis) {
  Json ranking = Json::array();
  for (const rca::Hypothesis& hypothesis : diagnosis.ranking) {
    if (ranking.size() >= kMostHypotheses) break;
    Json evidence = Json::array();
    for (const rca::Cited& cited : hypothesis.evidence) {
      if (evidence.size() >= kMostEvidence) break;
      evidence.push_back(
          {{"id", cited.id}, {"weight", cited.weight}, {"sentence", cited.sentence}});
    }
    ranking.push_back({{"service", hypothesis.service},
                       {"kind", rca::ToString(hypothesis.kind)},
                       {"kindNumber", static_cast<int>(hypothesis.kind)},
                       {"confidence", hypothesis.confidence},
                       {"kindConfidence", hypothesis.kind_confidence},
                       {"component", hypothesis.component},
                       {"componentEvidence", hypothesis.component_evidence},
                       {"onset", hypothesis.onset_ns},
                       {"evidence", std::move(evidence)},
                       {"path", Texts(hypothesis.path)},
                       {"sentence", hypothesis.sentence},
                       {"lostBecause", hypothesis.lost_because}});
  }
  return {{"summary", diagnosis.summary}, {"ranking", std::move(ranking)}};
}

rca::Diagnosis DiagnosisFromJson(const Json& json) {
  rca::Diagnosis diagnosis{.summary = StringAt(json, "summary")};
  for (const Json& one : At(json, "ranking")) {
    const auto kind = std::clamp<std::int64_t>(IntAt(one, "kindNumber"), 0,
                                               static_cast<int>(rca::CauseKind::kCertificate));
    rca::Hypothesis hypothesis{.service = StringAt(one, "service"),
                               .kind = static_cast<rca::CauseKind>(kind),
                               .confidence = NumberAt(one, "confidence"),
                               .kind_confidence = NumberAt(one, "kindConfidence"),
                               .component = StringAt(one, "component"),
                               .component_evidence = StringAt(one, "componentEvidence"),
                               .onset_ns = IntAt(one, "onset"),
                               .path = TextsAt(one, "path"),
                               .sentence = StringAt(one, "sentence"),
                               .lost_because = StringAt(one, "lostBecause")};
    for (const Json& cited : At(one, "evidence"))
      hypothesis.evidence.push_back({.id = StringAt(cited, "id"),
                                     .weight = NumberAt(cited, "weight"),
                                     .sentence = StringAt(cited, "sentence")});
    diagnosis.ranking.push_back(std::move(hypothesis));
  }
  return diagnosis;
}

Json ToJson(const std::vector<Objective>& objectives) {
  Json list = Json::array();
  for (const Objective& objective : objectives)
    list.push_back({{"name", objective.name},
                    {"service", objective.service},
                    {"well", objective.well},
                    {"badRatio", objective.bad_ratio},
                    {"sentence", objective.sentence}});
  return list;
}

std::vector<Objective> ObjectivesFromJson(const Json& json) {
  std::vector<Objective> objectives;
  if (!json.is_array()) return objectives;
  for (const Json& one : json)
    objectives.push_back({.name = StringAt(one, "name"),
                          .service = StringAt(one, "service"),
                          .well = kube::BoolAt(one, "well"),
                          .bad_ratio = NumberAt(one, "badRatio"),
                          .sentence = StringAt(one, "sentence")});
  return objectives;
}

}  // namespace enclave::agent
