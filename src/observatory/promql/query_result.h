// What a query answers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "telemetry/labels.h"
#include "telemetry/metric.h"

namespace enclave::observatory::promql {

struct StringValue {
  std::int64_t time_ms = 0;
  std::string text{};
};

struct VectorElement {
  telemetry::Labels labels;
  telemetry::Sample sample;
};
using InstantVector = std::vector<VectorElement>;

struct RangeSeries {
  telemetry::Labels labels;
  std::vector<telemetry::Sample> samples;  // by time
};
using RangeMatrix = std::vector<RangeSeries>;

struct QueryResult {
  // A scalar is a lone sample. Of an instant query any of them; of a range query a matrix, sorted
  // by labels. An instant vector is in the order that the query asks for (sort, topk), else in
  // none.
  std::variant<telemetry::Sample, StringValue, InstantVector, RangeMatrix> value;
  std::vector<std::string> warnings{};
  std::vector<std::string> infos{};

  // "scalar", "string", "vector", "matrix": the API's resultType.
  std::string_view type() const {
    static constexpr std::string_view kNames[] = {"scalar", "string", "vector", "matrix"};
    return kNames[value.index()];
  }
};

}  // namespace enclave::observatory::promql
