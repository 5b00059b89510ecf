// The embedded store of the observatory: metrics, logs and traces in one RocksDB database.
//
// Writes: any thread; each blocks until its batch is durable. Batches that arrive while another is
// being written are joined, so that one sync of the disk serves them all. Reads: any thread, at any
// time, also while the disk is full. Ownership: the clock outlives the store; sets, queries and
// answers must not outlive it.
//
// Crash: what Write acknowledged is there after a kill at any moment, and nothing is there twice.
// docs/formats/observatory.md draws what is on disk.
#pragma once

#include <memory>

#include "base/executor.h"
#include "base/result.h"
#include "observatory/store/options.h"
#include "observatory/store/stats.h"
#include "telemetry/sink.h"
#include "telemetry/source.h"

namespace enclave::observatory::store {

class Store {
 public:
  // Creates the directory when it is not there. kUnavailable when another process has it open.
  static base::Result<std::unique_ptr<Store>> Open(StoreOptions options, base::Clock& clock);
  virtual ~Store() = default;  // takes a checkpoint, so that the next opening replays nothing

  virtual telemetry::MetricSource& metrics() = 0;
  virtual telemetry::LogSource& logs() = 0;
  virtual telemetry::TraceSource& traces() = 0;
  virtual telemetry::Sink& sink() = 0;
  virtual Stats stats() const = 0;

  // Does now what is due: checkpoint, retention, and an attempt to leave the state of a failed
  // disk. The store's own thread calls it after writes; call it every minute or so too, for what
  // only time makes due. Any thread.
  virtual base::Result<> Maintain() = 0;
  // Takes a checkpoint, due or not.
  virtual base::Result<> Checkpoint() = 0;
};

}  // namespace enclave::observatory::store
