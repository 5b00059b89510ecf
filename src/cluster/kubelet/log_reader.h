// Reads the log of one run of a container over its rotated files, from the start, from a time or
// from a number of lines before the end, and follows it while it is being written.
//
// Rotation only ever renames NAME to NAME.N with rising N (shim_log_writer.h), after which nothing
// is written to the old file; so a reader that finishes the file that it holds and then takes the
// next number, or NAME, misses nothing. Only a reader that falls behind by more than the kept files
// misses what was deleted.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "kube/log_stream.h"
#include "net/event_loop.h"

namespace enclave::cluster {

struct LogFile {
  std::string directory;  // ContainerSpec::log_directory
  std::int64_t attempt = 0;
  // Whether this run may still write; asked from any thread while following.
  std::function<bool()> running;
};

// A log that was never written is empty. The loop outlives the stream.
std::unique_ptr<kube::LogStream> OpenLogFile(net::EventLoop& loop, LogFile file,
                                             const kube::LogOptions& options);

}  // namespace enclave::cluster
