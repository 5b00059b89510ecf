// The bodies of Loki's push API: JSON, and logproto.PushRequest in protobuf.
//
// Functions without state; any thread.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.h"
#include "observatory/ingest/byte_budget.h"
#include "observatory/ingest/otlp.h"
#include "telemetry/sink.h"

namespace enclave::observatory::ingest {

struct LokiPush {
  telemetry::Batch batch{};
  std::size_t records = 0;  // that came, refused ones among them
  Refusals refused{};       // records of streams whose labels are none
};

// Owns what it returns. kInvalidArgument for what has not the form, saying where; errors of
// ByteBudget. trace_id and span_id among the structured metadata, where they are ids, become the
// record's own. Lines that are not UTF-8 are mended with U+FFFD.
base::Result<LokiPush> ReadLokiJson(std::string_view text, ByteBudget::Hold& hold);
base::Result<LokiPush> ReadLokiProtobuf(std::string_view bytes, ByteBudget::Hold& hold);

}  // namespace enclave::observatory::ingest
