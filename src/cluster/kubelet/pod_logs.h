// The logs of this node's pods by name: finds the run of a container that is asked for in the pod's
// status and opens its files.
//
// Thread safety: as kube::LogSource. The api answers Get without waiting; api and loop outlive this
// and its streams.
#pragma once

#include <string>

#include "kube/api.h"
#include "kube/log_stream.h"
#include "net/event_loop.h"

namespace enclave::cluster {

class PodLogs final : public kube::LogSource {
 public:
  // `directory` holds all pods' logs, as DiskVolumeStore lays them out.
  PodLogs(kube::Api& api, net::EventLoop& loop, std::string directory)
      : api_(api), loop_(loop), directory_(std::move(directory)) {}

  base::Result<std::unique_ptr<kube::LogStream>> OpenLog(const std::string& ns,
                                                         const std::string& pod,
                                                         const kube::LogOptions& options) override;

 private:
  kube::Api& api_;
  net::EventLoop& loop_;
  const std::string directory_;
};

}  // namespace enclave::cluster
