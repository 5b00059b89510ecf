// Parses PromQL with the rules of Prometheus 3.
//
// What upstream has behind feature flags (duration arithmetic, fill, anchored, smoothed,
// experimental functions) and what needs native histograms is refused by name. Nothing of the tree
// refers to `query` afterwards. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "observatory/promql/ast.h"
#include "telemetry/matcher.h"

namespace enclave::observatory::promql {

// The checked tree. kInvalidArgument: "1:5: parse error: ...", with line and column.
base::Result<ExprPtr> Parse(std::string_view query);

// A selector alone, foo{a="b"}: what match[] takes.
base::Result<telemetry::Matchers> ParseSelector(std::string_view text);

// The text that a string literal stands for, quotes included in `literal`. None when it is not one.
std::optional<std::string> Unquote(std::string_view literal);

}  // namespace enclave::observatory::promql
