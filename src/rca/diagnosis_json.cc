#include "rca/diagnosis_json.h"

#include <nlohmann/json.hpp>
#include <string>

namespace enclave::rca {
namespace {

nlohmann::json HypothesisToJson(const Hypothesis& hypothesis) {
  nlohmann::json evidence = nlohmann::json::array();
  for (const Cited& cited : hypothesis.evidence)
    evidence.push_back({{"id", cited.id}, {"weight", cited.weight}, {"sentence", cited.sentence}});
  return {{"service", hypothesis.service},
          {"kind", std::string(ToString(hypothesis.kind))},
          {"confidence", hypothesis.confidence},
          {"kind_confidence", hypothesis.kind_confidence},
          {"component", hypothesis.component},
          {"component_evidence", hypothesis.component_evidence},
          {"onset_ns", hypothesis.onset_ns},
          {"evidence", std::move(evidence)},
          {"path", hypothesis.path},
          {"sentence", hypothesis.sentence},
          {"lost_because", hypothesis.lost_because}};
}

}  // namespace

nlohmann::json ToJson(const Diagnosis& diagnosis) {
  nlohmann::json ranking = nlohmann::json::array();
  for (const Hypothesis& hypothesis : diagnosis.ranking)
    ranking.push_back(HypothesisToJson(hypothesis));
  return {{"summary", diagnosis.summary}, {"ranking", std::move(ranking)}};
}

}  // namespace enclave::rca
