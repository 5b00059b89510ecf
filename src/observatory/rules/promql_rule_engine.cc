#include "observatory/rules/promql_rule_engine.h"

#include <fmt/format.h>

#include <variant>

#include "observatory/promql/parser.h"

namespace enclave::observatory::rules {

base::Result<> PromqlRuleEngine::Check(std::string_view expression) {
  if (auto parsed = promql::Parse(expression); !parsed) {
    return std::unexpected(std::move(parsed).error());
  }
  return {};
}

base::Result<std::vector<VectorSample>> PromqlRuleEngine::Query(std::string_view expression,
                                                                std::int64_t time_ms) {
  ASSIGN_OR_RETURN(promql::QueryResult result, engine_.Instant(expression, time_ms));
  std::vector<VectorSample> samples;
  if (auto* vector = std::get_if<promql::InstantVector>(&result.value)) {
    samples.reserve(vector->size());
    for (promql::VectorElement& element : *vector) {
      samples.push_back({std::move(element.labels), element.sample.value});
    }
    return samples;
  }
  if (const auto* scalar = std::get_if<telemetry::Sample>(&result.value)) {
    samples.push_back({{}, scalar->value});
    return samples;
  }
  return base::Fail(
      base::ErrorKind::kUnprocessable,
      fmt::format("a rule needs a vector or a scalar, and this gives a {}", result.type()));
}

}  // namespace enclave::observatory::rules
