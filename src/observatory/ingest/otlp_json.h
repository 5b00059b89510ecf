// OTLP's JSON (OTLP specification, JSON Protobuf Encoding): lowerCamelCase keys, trace and span ids
// in hexadecimal, enums as numbers, 64-bit integers as text or numbers, unknown keys ignored.
//
// Functions without state; any thread.
#pragma once

#include <string_view>

#include <google/protobuf/message.h>

#include "base/result.h"
#include "observatory/ingest/byte_budget.h"

namespace enclave::observatory::ingest {

// Fills `message`, which is empty. kInvalidArgument says where in the text and what was wrong;
// errors of ByteBudget where there is too much of it.
base::Result<> ReadOtlpJson(std::string_view text, google::protobuf::Message& message,
                            ByteBudget::Hold& hold);

}  // namespace enclave::observatory::ingest
