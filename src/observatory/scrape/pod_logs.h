// Collects what containers print: follows the log of each container of each pod that has started,
// and writes the lines to streams {namespace, pod, container, app, node}. A pod with the annotation
// `enclave.dev/logs: otlp` sends its own logs and is left out.
//
// No line is lost or doubled by a connection that breaks: a follower remembers the time of the last
// line it took and how many lines had this time, and resumes there. After a restart of the program
// the store's own last line of the stream says where that is.
//
// Bounds: followers, bytes waiting to be written (when there are too many, connections end and
// resume later), length of a line (longer ones are cut).
//
// Thread safety: lives on the executor of the informers and is called from its tasks. Ownership:
// destroyed from a task of the executor or once it has stopped; informers, tail, sink and source
// outlive it and the tasks of `workers`.
#pragma once

#include <cstdint>
#include <memory>

#include "base/random.h"
#include "base/result.h"
#include "kube/informer.h"
#include "observatory/scrape/log_tail.h"
#include "telemetry/sink.h"
#include "telemetry/source.h"
#include "telemetry/workers.h"

namespace enclave::observatory::scrape {

struct PodLogOptions {
  std::size_t max_followers = 500;
  std::size_t max_waiting_bytes = 32 << 20;
  std::size_t max_line_bytes = 256 << 10;
  // How far back the log of a container goes that the store knows nothing of.
  base::Duration backfill = std::chrono::hours(1);
  // Lines wait this long for others, to become durable together.
  base::Duration gather = std::chrono::milliseconds(250);
};

class PodLogs {
 public:
  // `source` may be null: then each container's log begins anew with the program.
  PodLogs(kube::SharedInformers& informers, LogTail& tail, telemetry::Workers& workers,
          telemetry::Sink& sink, telemetry::LogSource* source, PodLogOptions options = {});
  ~PodLogs();

  void Start();
  std::size_t followers() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// The lines of one container's log that were taken: all before `time_ns`, and `count` of that time.
struct LogPosition {
  std::int64_t time_ns = 0;
  std::size_t count = 0;
  bool operator==(const LogPosition&) const = default;
};
// Where a stream ends in a store; a position of zero when it has nothing.
base::Result<LogPosition> EndOfStream(telemetry::LogSource& source, const telemetry::Labels& stream,
                                      base::WallTime now);

}  // namespace enclave::observatory::scrape
