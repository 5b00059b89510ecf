// How a store is opened: where, how much, for how long.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "base/executor.h"

namespace rocksdb {
class Env;
}

namespace enclave::observatory::store {

// What is refused, item by item, with a sentence that names the limit.
struct Limits {
  std::size_t series = 1'000'000;  // known at once, over all metrics
  std::size_t streams = 100'000;   // of logs
  std::size_t labels = 64;         // of one series or stream, its name among them
  std::size_t label_name_bytes = 1024;
  std::size_t label_value_bytes = 4096;
  std::size_t exemplar_bytes = 1024;      // names and values of one exemplar's labels
  std::size_t exemplars_per_series = 64;  // the newest stay
  std::size_t metadata_names = 50'000;
  std::size_t metadata_bytes = 4096;  // help and unit of one metric; longer help is cut
  std::size_t line_bytes =
      256 << 10;                     // of one log record; the logs say what happens to longer ones
  std::size_t span_bytes = 1 << 20;  // of one span, encoded
  std::size_t selected_series = 500'000;  // that one query may select
  // How far a sample may lie before the newest of its series. Without bound by default: what is
  // too old for the retention is refused anyway.
  std::int64_t out_of_order_ms = INT64_MAX;
  std::int64_t future_ms = 24LL * 3600 * 1000;  // how far it may lie after the clock
};

struct Retention {
  base::Duration age = std::chrono::hours(15 * 24);  // zero: for ever
  std::uint64_t bytes = 0;  // on disk, of all sections; whole windows go, oldest first. 0: no bound
};

// Everything is kept, and dropped, by windows of this length, aligned to 1970.
inline constexpr std::int64_t kWindowMs = 2LL * 3600 * 1000;

struct StoreOptions {
  std::string directory;
  Limits limits{};
  Retention retention{};
  std::size_t block_cache_bytes = 32 << 20;
  std::size_t write_buffer_bytes = 32 << 20;  // RocksDB's memtables, all together
  // A checkpoint is taken when the journal of what is only in memory passes this.
  std::size_t journal_bytes = 16 << 20;
  base::Duration checkpoint_every =
      std::chrono::hours(1);  // or, with anything written, at last then
  // Writers that wait at once, and their samples, records and spans; more is kResourceExhausted.
  std::size_t queued_batches = 256;
  std::size_t queued_items = 2'000'000;
  std::uint64_t min_free_bytes = 128 << 20;  // less free space than this: no write is taken
  // A thread of the store's own does what is due. False: only Store::Maintain does.
  bool background = true;

  rocksdb::Env* env = nullptr;                  // not owned; null: the machine's
  std::function<std::uint64_t()> free_bytes{};  // unset: what the file system says
};

}  // namespace enclave::observatory::store
