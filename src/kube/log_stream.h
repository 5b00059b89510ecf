// The port to the logs of containers: the kubelet implements it, the API's `log` subresource reads
// from it. A stream is pulled piece by piece, so that a slow client holds back the reader and
// nothing piles up in between.
//
// Thread safety: all methods may be called from any thread; one Next at a time per stream.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/executor.h"
#include "base/result.h"

namespace enclave::kube {

// PodLogOptions of the Kubernetes API.
struct LogOptions {
  std::string container;  // empty: the pod's only container
  bool follow = false;
  bool previous = false;    // of the run before the present one
  bool timestamps = false;  // each line starts with its RFC 3339 time
  std::optional<std::int64_t> tail_lines;
  std::optional<std::int64_t> since_seconds;
  std::optional<base::WallTime> since_time;
  std::optional<std::int64_t> limit_bytes;
};

class LogStream {
 public:
  // Ends a Next that waits: its callback is then destroyed without being called.
  virtual ~LogStream() = default;
  // The next piece, some whole or partial lines; an empty one is the end. With `follow` it waits
  // until there is something or the container ended for good. `done` runs on a thread of the
  // implementation's loop.
  virtual void Next(std::function<void(base::Result<std::string>)> done) = 0;
};

class LogSource {
 public:
  virtual ~LogSource() = default;
  // kNotFound: no such pod; kInvalidArgument, with Kubernetes' words: the container is not of the
  // pod, must be named, is still waiting to start, or has no previous run.
  virtual base::Result<std::unique_ptr<LogStream>> OpenLog(const std::string& ns,
                                                           const std::string& pod,
                                                           const LogOptions& options) = 0;
};

}  // namespace enclave::kube
