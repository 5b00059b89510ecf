// What both versions of remote write have in common: the rules of a series, samples, exemplars.
//
// Functions without state; any thread. Those that read protobuf throw protozero::exception.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <protozero/pbf_reader.hpp>

#include "observatory/ingest/remote_write.h"
#include "telemetry/sink.h"

namespace enclave::observatory::ingest {

inline std::string_view View(protozero::data_view view) {
  return {view.data(), view.size()};
}

// Null, or the rule that the labels break. Sorts them by name unless they come sorted. Empty values
// are not among them.
const char* FaultOf(std::vector<telemetry::LabelView>& labels);

// {a="b"} of the first label of each name, shortened; for messages.
std::string Describe(const std::vector<telemetry::LabelView>& labels);

// prometheus.Sample, and io.prometheus.write.v2.Sample alike.
telemetry::Sample ReadSample(protozero::pbf_reader message);

// Adds a label to an exemplar; trace_id and span_id where they are ids become the exemplar's own.
void AddExemplarLabel(std::string_view name, std::string_view value,
                      std::vector<telemetry::Label>& labels, telemetry::Exemplar& exemplar);

// Takes `series` into the batch, or refuses it.
void Finish(telemetry::SeriesWrite series, std::size_t histograms, RemoteWrite& result);

}  // namespace enclave::observatory::ingest
