// What the tests and fuzzers of this folder share.
#pragma once

#include <zlib.h>

#include <mutex>
#include <string>
#include <vector>

#include "base/check.h"
#include "telemetry/sink.h"

namespace enclave::observatory::ingest {

// Keeps, as texts of its own, what it is given.
class RecordingSink final : public telemetry::Sink {
 public:
  struct Series {
    telemetry::Labels labels;
    std::vector<telemetry::Sample> samples;
    std::vector<telemetry::Exemplar> exemplars;
  };

  base::Result<telemetry::Refused> Write(telemetry::Batch batch) override {
    const std::lock_guard lock(mutex);
    ++writes;
    if (answer.has_value()) {
      for (telemetry::SeriesWrite& from : batch.series) {
        std::vector<telemetry::Label> labels;
        for (const telemetry::LabelView& label : from.labels) {
          CHECK(!label.value.empty(), "an empty value is a label that is not there");
          labels.push_back({std::string(label.name), std::string(label.value)});
        }
        const std::size_t count = labels.size();
        Series kept{.labels = telemetry::Labels::From(std::move(labels)),
                    .samples = std::move(from.samples),
                    .exemplars = std::move(from.exemplars)};
        CHECK(kept.labels.size() == count, "names are unique");
        series.push_back(std::move(kept));
      }
      for (telemetry::StreamWrite& stream : batch.streams) streams.push_back(std::move(stream));
      for (telemetry::Span& span : batch.spans) spans.push_back(std::move(span));
      metadata.merge(batch.metadata);
    }
    return answer;
  }

  // The samples' values of the series named {__name__="...", ...} in Labels::ToString's form.
  std::vector<double> Values(const std::string& name) const {
    std::vector<double> values;
    for (const Series& one : series)
      if (one.labels.ToString() == name)
        for (const telemetry::Sample& sample : one.samples) values.push_back(sample.value);
    return values;
  }
  const Series* Find(const std::string& name) const {
    for (const Series& one : series)
      if (one.labels.ToString() == name) return &one;
    return nullptr;
  }

  std::mutex mutex;
  base::Result<telemetry::Refused> answer = telemetry::Refused{};
  int writes = 0;
  std::vector<Series> series;
  std::vector<telemetry::StreamWrite> streams;
  std::vector<telemetry::Span> spans;
  std::map<std::string, telemetry::MetricMetadata> metadata;
};

// `window_bits` as of zlib: 31 for gzip, 15 for zlib.
inline std::string Deflate(const std::string& data, int window_bits) {
  z_stream stream{};
  CHECK(deflateInit2(&stream, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY) == Z_OK,
        "zlib's state is small");
  std::string output(deflateBound(&stream, data.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(output.data());
  stream.avail_out = static_cast<uInt>(output.size());
  CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END, "the output has room");
  output.resize(stream.total_out);
  deflateEnd(&stream);
  return output;
}
inline std::string Gzip(const std::string& data) {
  return Deflate(data, 15 + 16);
}

}  // namespace enclave::observatory::ingest
