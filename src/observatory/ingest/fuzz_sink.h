// The rules of the model, which every batch keeps whatever was sent.
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "observatory/ingest/text.h"
#include "telemetry/sink.h"

namespace enclave::observatory::ingest {

inline void CheckSendersFault(base::ErrorKind kind) {
  CHECK(kind == base::ErrorKind::kInvalidArgument || kind == base::ErrorKind::kTooLarge,
        "the sender's fault");
}

inline void CheckLabels(const telemetry::Labels& labels) {
  std::string_view before;
  for (const telemetry::Label& label : labels) {
    CHECK(before.empty() || before < label.name, "sorted, names unique");
    CHECK(!label.value.empty(), "an empty value is a label that is not there");
    CHECK(IsUtf8(label.name) && IsUtf8(label.value), "text");
    before = label.name;
  }
}

inline void CheckBatch(const telemetry::Batch& batch) {
  for (const telemetry::SeriesWrite& series : batch.series) {
    std::vector<std::string_view> names;
    for (const telemetry::LabelView& label : series.labels) {
      CHECK(!label.name.empty() && !label.value.empty(), "neither is empty");
      CHECK(IsUtf8(label.name) && IsUtf8(label.value), "text");
      names.push_back(label.name);
    }
    std::ranges::sort(names);
    CHECK(std::ranges::adjacent_find(names) == names.end(), "names are unique");
    CHECK(std::ranges::binary_search(names, telemetry::kMetricName), "a series has a name");
    CHECK(!series.samples.empty() || !series.exemplars.empty(), "a series brings something");
    for (const telemetry::Exemplar& exemplar : series.exemplars) CheckLabels(exemplar.labels);
  }
  for (const telemetry::StreamWrite& stream : batch.streams) {
    CheckLabels(stream.labels);
    CHECK(!stream.labels.empty() && !stream.records.empty(), "a stream has labels and records");
    for (const telemetry::LogRecord& record : stream.records) {
      CheckLabels(record.metadata);
      CHECK(IsUtf8(record.line), "text");
    }
  }
  for (const telemetry::Span& span : batch.spans) {
    CHECK(span.start_ns > 0 && span.end_ns >= span.start_ns, "time goes on");
    CHECK(IsUtf8(span.name) && IsUtf8(span.status_message), "text");
  }
  for (const auto& [name, metadata] : batch.metadata)
    CHECK(!name.empty() && IsUtf8(name) && IsUtf8(metadata.help) && IsUtf8(metadata.unit), "text");
}

class FuzzSink final : public telemetry::Sink {
 public:
  base::Result<telemetry::Refused> Write(telemetry::Batch batch) override {
    CheckBatch(batch);
    return telemetry::Refused{};
  }
};

}  // namespace enclave::observatory::ingest
