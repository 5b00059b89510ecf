// The PromQL engine as what rules ask.
//
// Thread safety: any thread. Ownership: the engine outlives it.
#pragma once

#include "observatory/promql/engine.h"
#include "observatory/rules/rule_engine.h"

namespace enclave::observatory::rules {

class PromqlRuleEngine final : public RuleEngine {
 public:
  explicit PromqlRuleEngine(promql::Engine& engine) : engine_(engine) {}

  base::Result<> Check(std::string_view expression) override;
  // kUnprocessable: the expression gives a string or a range.
  base::Result<std::vector<VectorSample>> Query(std::string_view expression,
                                                std::int64_t time_ms) override;

 private:
  promql::Engine& engine_;
};

}  // namespace enclave::observatory::rules
