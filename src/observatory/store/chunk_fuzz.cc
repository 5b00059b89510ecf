// Chunks, open states and journals from a damaged disk give an error, never more. What can be
// decoded is encoded again as the same samples.
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "observatory/store/chunk.h"
#include "observatory/store/exemplar_table.h"
#include "observatory/store/journal.h"
#include "observatory/store/metric_head.h"

namespace {

bool Same(const std::vector<enclave::telemetry::Sample>& a,
          const std::vector<enclave::telemetry::Sample>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i].time_ms != b[i].time_ms ||
        std::bit_cast<std::uint64_t>(a[i].value) != std::bit_cast<std::uint64_t>(b[i].value))
      return false;
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave::observatory::store;
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::vector<enclave::telemetry::Sample> samples;
  std::vector<enclave::telemetry::Sample> again;
  switch (data[0] % 6) {
    case 0: {
      ChunkBounds bounds{};
      const bool peeked = PeekChunk(0, bytes, bounds);
      if (!DecodeChunk(0, bytes, samples)) break;
      CHECK(peeked && bounds.count == samples.size() &&
                bounds.first_time == samples.front().time_ms &&
                bounds.last_time == samples.back().time_ms,
            "a look tells what the whole holds");
      CHECK(DecodeChunk(0, EncodeChunk(0, samples), again) && Same(samples, again),
            "samples come back as they were");
      break;
    }
    case 1:
      (void)HeadChunk::Decode(0, size > 1 ? data[1] : 0, bytes, samples);
      break;
    case 2: {
      std::vector<SampleOf> entries;
      if (!ReadJournal(bytes, entries)) break;
      JournalWriter writer;
      for (const SampleOf& entry : entries) {
        writer.Run(entry.ref, 1);
        writer.Add(entry.sample);
      }
      std::vector<SampleOf> read;
      CHECK(entries.empty() || ReadJournal(writer.bytes(), read), "what is written can be read");
      CHECK(entries.size() == read.size(), "all of it");
      break;
    }
    case 3: {
      Series series;
      if (!MetricHead::DecodeOpen(bytes, series)) break;
      std::string encoded;
      MetricHead::EncodeOpen(series, encoded);
      Series twin;
      CHECK(MetricHead::DecodeOpen(encoded, twin), "an open state comes back");
      CHECK(twin.head.count() == series.head.count() && twin.newest_ms == series.newest_ms,
            "as it was");
      break;
    }
    case 4: {
      enclave::telemetry::Exemplar exemplar;
      (void)DecodeExemplar(0, bytes, exemplar);
      break;
    }
    default: {
      // Any samples through both encodings.
      HeadChunk head;
      std::int64_t time = 0;
      for (std::size_t at = 0; at + 9 <= bytes.size() && !head.Full(); at += 9) {
        std::uint64_t bits = 0;
        for (std::size_t i = 0; i < 8; ++i)
          bits = bits << 8 | static_cast<std::uint8_t>(bytes[at + i]);
        time += 1 + static_cast<std::uint8_t>(bytes[at + 8]);
        samples.push_back({time, std::bit_cast<double>(bits)});
        head.Append(time, samples.back().value);
      }
      if (samples.empty()) break;
      CHECK(HeadChunk::Decode(head.first_time(), head.count(), head.bytes(), again) &&
                Same(samples, again),
            "an open chunk gives back what it took");
      again.clear();
      CHECK(DecodeChunk(0, EncodeChunk(0, samples), again) && Same(samples, again),
            "and so does a sealed one");
    }
  }
  return 0;
}
