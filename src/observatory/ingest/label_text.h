// The labels of a stream as Loki's push protocol writes them in protobuf: {app="api", pod="a-1"}.
//
// A function without state; any thread.
#pragma once

#include <string_view>

#include "base/result.h"
#include "telemetry/labels.h"

namespace enclave::observatory::ingest {

// Values are texts as in Go: "..." with escapes (\n \t \\ \" \xHH \ooo \uHHHH \UHHHHHHHH and their
// kin) or `...` without. Labels with an empty value are left out. kInvalidArgument says where in
// the text and what was wrong: names of other characters than [a-zA-Z0-9_], a name that occurs
// twice, values that are not UTF-8.
base::Result<telemetry::Labels> ParseLabelText(std::string_view text);

}  // namespace enclave::observatory::ingest
