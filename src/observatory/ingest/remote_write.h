// Prometheus' remote write, 1.0 (prometheus.WriteRequest) and 2.0 (io.prometheus.write.v2.Request),
// decoded straight into a batch that points into the bytes.
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

struct RemoteWrite {
  telemetry::Batch batch{};
  // What came, refused ones among them.
  std::size_t samples = 0;
  std::size_t exemplars = 0;
  std::size_t histograms = 0;  // native ones: refused, each
  Refusals refused{};          // samples and histograms
};

// `body` is what snappy made of the request, and outlives the batch. kInvalidArgument for broken
// protobuf, saying in which series; errors of ByteBudget. A series that breaks a rule of the data
// model is refused by itself.
base::Result<RemoteWrite> DecodeRemoteWrite(std::string_view body, ByteBudget::Hold& hold);
base::Result<RemoteWrite> DecodeRemoteWriteV2(std::string_view body, ByteBudget::Hold& hold);

}  // namespace enclave::observatory::ingest
