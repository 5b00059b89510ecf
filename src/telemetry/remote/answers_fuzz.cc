// Answers of Prometheus, Loki and Tempo: any bytes are a value that keeps its promises or an error.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "telemetry/remote/answers.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace remote = enclave::telemetry::remote;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto series = remote::ParseMatrix(bytes)) {
    for (const auto& one : *series) {
      CHECK(!one.samples.empty(), "series have samples");
      for (std::size_t i = 1; i < one.samples.size(); ++i)
        CHECK(one.samples[i - 1].time_ms < one.samples[i].time_ms, "by time, each once");
    }
  }
  if (const auto read = remote::ParseStreams(bytes)) {
    for (const auto& line : read->lines)
      CHECK(line.stream < read->streams.size(), "a line is of a stream that is there");
  }
  static_cast<void>(remote::ParseLabelSets(bytes).has_value());
  static_cast<void>(remote::ParseTexts(bytes).has_value());
  static_cast<void>(remote::ParseExemplars(bytes).has_value());
  static_cast<void>(remote::ParseMetadata(bytes).has_value());
  static_cast<void>(remote::ParseSearch(bytes).has_value());
  static_cast<void>(remote::ParseTagValues(bytes).has_value());
  std::vector<enclave::telemetry::Span> spans;
  if (remote::ParseTrace(bytes, spans)) {
    for (const auto& span : spans) CHECK(span.start_ns <= span.end_ns, "no span ends before it");
  }
  return 0;
}
