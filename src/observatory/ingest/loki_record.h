// What both forms of Loki's push have in common: records with their metadata, and streams.
//
// Functions without state; any thread.
#pragma once

#include <cstddef>
#include <vector>

#include "observatory/ingest/loki_push.h"

namespace enclave::observatory::ingest {

inline constexpr std::size_t kMaxMetadata = 128;  // entries of one line, Loki's bound

// Charges what a record keeps, before it is kept.
base::Result<> ChargeRecord(std::size_t line_bytes, std::size_t metadata_bytes,
                            std::size_t metadata, ByteBudget::Hold& hold);
// trace_id and span_id, where they are ids, become the record's own.
void SetMetadata(std::vector<telemetry::Label> metadata, telemetry::LogRecord& record);
// Takes the records into the push, or refuses them because of their stream's labels.
void TakeStream(base::Result<telemetry::Labels> labels, std::vector<telemetry::LogRecord> records,
                LokiPush& push);

}  // namespace enclave::observatory::ingest
