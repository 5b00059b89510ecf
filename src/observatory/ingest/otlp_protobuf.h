// OTLP's protobuf, parsed onto an arena within the budget: a message of two bytes on the wire can
// take a hundred in memory, so what counts is what the arena has grown to.
//
// Functions without state; any thread.
#pragma once

#include <string_view>

#include <google/protobuf/arena.h>
#include <google/protobuf/message.h>

#include "base/result.h"
#include "observatory/ingest/byte_budget.h"

namespace enclave::observatory::ingest {

// `message` is empty and lives on `arena`. kInvalidArgument for what is no such message, deeper
// than protobuf's hundred levels, or has texts that are not UTF-8; errors of ByteBudget.
base::Result<> ReadOtlpProtobuf(std::string_view bytes, google::protobuf::Arena& arena,
                                google::protobuf::Message& message, ByteBudget::Hold& hold);

}  // namespace enclave::observatory::ingest
