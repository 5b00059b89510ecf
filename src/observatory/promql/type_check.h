// The rules of a parsed tree that are not syntax: types of operands and arguments, selectors that
// select everything. Inside of the parser.
#pragma once

#include <optional>
#include <string>

#include "observatory/promql/ast.h"

namespace enclave::observatory::promql {

struct TypeError {
  std::size_t position;
  std::string message;
};

// The first that upstream would report. Also settles the cardinality of set operators.
std::optional<TypeError> CheckTypes(Expr& expr);

}  // namespace enclave::observatory::promql
