// The journal of samples: what one ingest brought, as one value in the database, until a
// checkpoint has put it where it stays. A restart reads the journal since the last checkpoint.
//
//   byte    1, the version
//   runs    until the end, one for each series:
//             zigzag varint, the series' ref less the one after that of the run before (at first:
//             less 0)
//             varint, how many samples, at least one
//             samples: zigzag varint, its time less that of the sample before (of any series);
//                      varint 2 * zigzag(v) of an integer v (IsInteger of head_chunk.h, below
//                      2^52), or the byte 1 and the eight bytes of the double
//
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "observatory/store/coding.h"
#include "telemetry/metric.h"

namespace enclave::observatory::store {

using SeriesRef = std::uint32_t;

struct SampleOf {
  SeriesRef ref;
  telemetry::Sample sample;
};

class JournalWriter {
 public:
  // Starts a new value.
  void Clear();
  bool empty() const { return size_ == 0; }
  // The samples of one series; `count` is how many times Add follows.
  void Run(SeriesRef ref, std::size_t count);
  void Add(telemetry::Sample sample);
  std::string_view bytes() const { return {bytes_.data(), size_}; }

 private:
  std::uint8_t* Room();
  void Used(const std::uint8_t* end);

  std::string bytes_;
  std::size_t size_ = 0;
  std::int64_t next_ref_ = 0;
  std::int64_t last_time_ = 0;
};

// Appends the samples in the order they were written; false when the bytes are no journal.
bool ReadJournal(std::string_view bytes, std::vector<SampleOf>& samples);

}  // namespace enclave::observatory::store
