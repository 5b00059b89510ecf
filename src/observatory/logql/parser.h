// LogQL from text. What of the language is not implemented is refused by its name, with its place;
// nothing is passed over.
#pragma once

#include <string_view>

#include "base/result.h"
#include "observatory/logql/ast.h"

namespace enclave::observatory::logql {

// kInvalidArgument: "parse error at line 1, column 5: ...".
base::Result<Query> Parse(std::string_view query);

}  // namespace enclave::observatory::logql
