// Figures about the store, for its own metrics. Counters count since the store was opened.
#pragma once

#include <cstdint>

namespace enclave::observatory::store {

struct Stats {
  // The write path.
  std::uint64_t batches = 0;         // acknowledged
  std::uint64_t commits = 0;         // durable writes; each serves one batch or several
  std::uint64_t failed_writes = 0;   // batches answered kUnavailable
  std::uint64_t overloads = 0;       // batches answered kResourceExhausted
  std::uint64_t commit_ns = 0;       // time spent in durable writes
  std::uint64_t queued_batches = 0;  // now
  std::uint64_t checkpoints = 0;
  std::uint64_t pending_bytes = 0;    // what a restart would replay, now
  std::uint64_t disk_bytes = 0;       // of all files, now
  std::uint64_t free_bytes = 0;       // of the file system, now
  std::uint64_t dropped_windows = 0;  // by retention
  bool writable = true;               // false: the disk is full or failed

  // Metrics.
  std::uint64_t series = 0;  // now
  std::uint64_t samples = 0;
  std::uint64_t duplicate_samples = 0;
  std::uint64_t out_of_order_samples = 0;
  std::uint64_t refused_samples = 0;
  std::uint64_t exemplars = 0;
  std::uint64_t refused_exemplars = 0;
  std::uint64_t chunks = 0;       // sealed
  std::uint64_t chunk_bytes = 0;  // of these
  std::uint64_t head_bytes = 0;   // of open chunks, now
  std::uint64_t symbols = 0;      // distinct label names and values, now

  // Logs.
  std::uint64_t streams = 0;  // now
  std::uint64_t records = 0;
  std::uint64_t refused_records = 0;
  std::uint64_t record_bytes = 0;  // lines as they came
  std::uint64_t log_bytes = 0;     // kept, compressed, now

  // Traces.
  std::uint64_t spans = 0;
  std::uint64_t refused_spans = 0;
  std::uint64_t span_bytes = 0;  // kept, compressed, now
};

}  // namespace enclave::observatory::store
