// The labels of series that come by OTLP: job and instance from the resource, the scope's where it
// is asked for, and the attributes of each data point.
//
// Not thread-safe; used for one request. The labels point into the message and into the batch.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "observatory/ingest/otlp.h"

namespace enclave::observatory::ingest {

class SeriesLabels {
 public:
  // Both outlive it.
  SeriesLabels(const OtlpOptions& options, Translated& result)
      : options_(options), result_(result) {}

  void SetResource(const KeyValues& attributes);
  void SetScope(const opentelemetry::proto::common::v1::InstrumentationScope& scope);

  // Replaces `labels` by those of a data point, without __name__. An attribute of the name
  // `reserved` ("le", "quantile", or "") gives way to the label that the metric's kind adds.
  void OfPoint(const KeyValues& attributes, std::string_view reserved,
               std::vector<telemetry::LabelView>& labels);

  // Of the current resource's target_info, without __name__; empty when it has none: nothing to
  // tell beyond job and instance, or neither of them to join by.
  const std::vector<telemetry::LabelView>& target_info() const { return target_info_; }

 private:
  struct Named {
    std::string_view name;  // as a label
    std::string_view key;   // as it came
    std::string_view value;
  };

  std::string_view NameOf(const std::string& key);
  std::string_view ValueOf(const AnyValue& value);
  bool IsFixed(std::string_view name) const;
  void Collect(const KeyValue& attribute, std::string_view reserved);
  // Appends what was collected; attributes whose names became the same have their values joined
  // with ";" in the order of their keys, as the specification says.
  void AppendCollected(std::vector<telemetry::LabelView>& labels);

  const OtlpOptions& options_;
  Translated& result_;
  std::vector<telemetry::LabelView> identity_;  // job, instance
  std::vector<telemetry::LabelView> fixed_;     // these and the scope's
  std::vector<telemetry::LabelView> target_info_;
  std::vector<Named> collected_;
  bool collision_ = false;
  std::unordered_map<std::string_view, std::string_view> names_;  // by key
};

}  // namespace enclave::observatory::ingest
