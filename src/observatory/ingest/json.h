// JSON bodies from outside, read with simdjson within bounds.
#pragma once

#include <simdjson.h>

#include <string_view>

#include "base/result.h"
#include "observatory/ingest/byte_budget.h"

namespace enclave::observatory::ingest {

inline constexpr std::size_t kMaxJsonDepth = 128;

// The result lives in `parser`. kInvalidArgument for what is no JSON or nested deeper than
// kMaxJsonDepth; errors of ByteBudget.
base::Result<simdjson::dom::element> ParseJson(simdjson::dom::parser& parser, std::string_view text,
                                               ByteBudget::Hold& hold);

}  // namespace enclave::observatory::ingest
