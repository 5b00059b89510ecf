// The machine whose processes are the pods' containers, reached as its owner would: through /proc,
// signals and cgroups. A container's processes carry its id in their environment, and descend from
// a shim that is started with it.
//
// One thread. PutBack is also done on destruction.
#pragma once

#include <string>
#include <vector>

#include "lab/drills/world.h"
#include "net/process.h"

namespace enclave::lab::drills {

class MachineHost final : public Host {
 public:
  // `visitors` is the program that plays visitors, with its arguments up to those that say how many
  // and for how long.
  explicit MachineHost(std::vector<std::string> visitors) : visitors_(std::move(visitors)) {}
  ~MachineHost() override { PutBack(); }
  MachineHost(const MachineHost&) = delete;
  MachineHost& operator=(const MachineHost&) = delete;

  base::Result<> Signal(const std::string& pod_uid, int signal) override;
  base::Result<> Burn(const std::string& pod_uid, int processes) override;
  base::Result<> BringVisitors(int users, base::Duration lasts) override;
  void PutBack() override;
  void Continue(const std::string& pod_uid) override;

 private:
  const std::vector<std::string> visitors_;
  std::vector<net::ProcessId> stopped_;
  std::vector<net::ProcessId> started_;  // children of ours
};

// Whether a command line as /proc/PID/cmdline has it is the shim of a container of the pod; the id,
// or
// "".
std::string ShimContainerIdOf(std::string_view command_line, std::string_view pod_uid);

// Whether an environment as /proc/PID/environ has it belongs to a container of the pod; the id, or
// "".
std::string ContainerIdOf(std::string_view environment, std::string_view pod_uid);

// The directories of the control groups that /proc/PID/cgroup names, below `root`
// ("/sys/fs/cgroup"). Parts that a container of the machine does not see are left out in front.
std::vector<std::string> CgroupDirectories(std::string_view cgroup_file, const std::string& root);

}  // namespace enclave::lab::drills
