// OTLP's AnyValue as text, as JSON and as an attribute of the neutral model.
//
// Functions without state; any thread. Depth is bounded by whoever parsed the message.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include <google/protobuf/repeated_ptr_field.h>

#include "opentelemetry/common.pb.h"
#include "telemetry/labels.h"
#include "telemetry/span.h"

namespace enclave::observatory::ingest {

using AnyValue = opentelemetry::proto::common::v1::AnyValue;
using KeyValue = opentelemetry::proto::common::v1::KeyValue;
using KeyValues = google::protobuf::RepeatedPtrField<KeyValue>;

// What of one item is kept. Longer texts are cut between characters, attributes over the count are
// left out; both are counted.
struct AttributeLimits {
  std::size_t max_count = 256;
  std::size_t max_key_bytes = 512;
  std::size_t max_value_bytes = 64 << 10;
};

// Text as it is, numbers in shortest form, bytes as base64, arrays and maps as JSON, "" for none.
std::string ToText(const AnyValue& value);
std::string ToJson(const AnyValue& value);

// `cut` grows by what the limits took away.
telemetry::Attributes ToAttributes(const KeyValues& attributes, const AttributeLimits& limits,
                                   std::size_t& cut);
// Bytes that the attributes hold in memory, about.
std::size_t MemoryOf(const telemetry::Attributes& attributes);

// Appends labels as Loki makes them: names with underscores, maps flattened (a: {b: 1} is a_b),
// attributes without a name or value left out. `wanted`, where it is set, chooses by key.
void AppendLabels(const KeyValues& attributes, const AttributeLimits& limits, std::size_t& cut,
                  std::vector<telemetry::Label>& labels,
                  const std::function<bool(const std::string& key)>& wanted = {});
// Of two labels with one name the later stays. Quicker than Labels::From where they come unsorted.
telemetry::Labels ToLabels(std::vector<telemetry::Label> labels);

}  // namespace enclave::observatory::ingest
