#include "observatory/ingest/loki_record.h"

#include "observatory/ingest/any_value.h"

namespace enclave::observatory::ingest {

using telemetry::Label;
using telemetry::Labels;
using telemetry::LogRecord;

base::Result<> ChargeRecord(std::size_t line_bytes, std::size_t metadata_bytes,
                            std::size_t metadata, ByteBudget::Hold& hold) {
  return hold.Charge(2 * sizeof(LogRecord) + line_bytes + metadata_bytes +
                     metadata * sizeof(Label));
}

void SetMetadata(std::vector<Label> metadata, LogRecord& record) {
  std::erase_if(metadata, [&](const Label& label) {
    if (label.name == "trace_id" && !record.trace_id) {
      record.trace_id = trace::TraceId::Parse(label.value);
      return record.trace_id.has_value();
    }
    if (label.name == "span_id" && !record.span_id) {
      record.span_id = trace::SpanId::Parse(label.value);
      return record.span_id.has_value();
    }
    return false;
  });
  record.metadata = ToLabels(std::move(metadata));
}

void TakeStream(base::Result<Labels> labels, std::vector<LogRecord> records, LokiPush& push) {
  push.records += records.size();
  if (labels && labels->empty())
    labels = base::Fail(base::ErrorKind::kInvalidArgument, "a stream has to have a label");
  if (!labels) {
    push.refused.Add(records.size(), labels.error().message());
    return;
  }
  if (!records.empty())
    push.batch.streams.push_back({.labels = std::move(*labels), .records = std::move(records)});
}

}  // namespace enclave::observatory::ingest
