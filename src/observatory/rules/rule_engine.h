// The port to the query engine: what rules ask. The program gives them the PromQL engine
// (promql_rule_engine.h), tests give answers by hand.
//
// Thread safety: all methods may be called from any thread; Query blocks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "observatory/text/template.h"

namespace enclave::observatory::rules {

using VectorSample = text::Sample;

class RuleEngine {
 public:
  virtual ~RuleEngine() = default;
  // kInvalidArgument: not an expression.
  virtual base::Result<> Check(std::string_view expression) = 0;
  // An instant query; a scalar is one sample without labels.
  virtual base::Result<std::vector<VectorSample>> Query(std::string_view expression,
                                                        std::int64_t time_ms) = 0;
};

}  // namespace enclave::observatory::rules
