// Bodies of remote write and Loki's push for tests and benchmarks, before compression.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <protozero/pbf_writer.hpp>

namespace enclave::observatory::ingest {

using TextPairs = std::vector<std::pair<std::string_view, std::string_view>>;

inline void AddPairs(protozero::pbf_writer& to, protozero::pbf_tag_type tag,
                     const TextPairs& pairs) {
  for (const auto& [name, value] : pairs) {
    protozero::pbf_writer pair(to, tag);
    pair.add_string(1, name.data(), name.size());
    pair.add_string(2, value.data(), value.size());
  }
}

// prometheus.TimeSeries with one sample.
inline void AddSeries(protozero::pbf_writer& request, const TextPairs& labels, double value,
                      std::int64_t time_ms) {
  protozero::pbf_writer series(request, 1);
  AddPairs(series, 1, labels);
  protozero::pbf_writer sample(series, 2);
  sample.add_double(1, value);
  sample.add_int64(2, time_ms);
}

// logproto.StreamAdapter with one entry.
inline void AddStream(protozero::pbf_writer& request, std::string_view labels, std::int64_t seconds,
                      std::string_view line, const TextPairs& metadata = {}) {
  protozero::pbf_writer stream(request, 1);
  stream.add_string(1, labels.data(), labels.size());
  protozero::pbf_writer entry(stream, 2);
  {
    protozero::pbf_writer time(entry, 1);
    time.add_int64(1, seconds);
    time.add_int32(2, 5);
  }
  entry.add_string(2, line.data(), line.size());
  AddPairs(entry, 3, metadata);
}

}  // namespace enclave::observatory::ingest
