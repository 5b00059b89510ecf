// The kubelet's ports to the machine: running containers as processes, probing them, resolving
// images. Each has a real implementation (process_runtime.h, network_prober.h, image_catalog.h) and
// a simulated twin (simulated_runtime.h) for tests and the deterministic simulator.
//
// All callbacks run as tasks on the kubelet's executor.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/result.h"

namespace enclave::cluster {

// One run of one container: `attempt` is the restart count of that run.
struct ContainerId {
  std::string pod_uid;
  std::string container;
  std::int64_t attempt = 0;
  auto operator<=>(const ContainerId&) const = default;
};

struct Mount {
  std::string source;  // a path of the kubelet's own
  std::string target;  // absolute path inside the container
  bool read_only = false;
  bool optional = false;  // the container starts without it where it cannot be made
};

struct ContainerSpec {
  ContainerId id;
  std::string pod_namespace;
  std::string pod_name;
  std::string pod_ip;
  std::vector<std::string> argv;
  std::vector<std::string> environment;  // "KEY=value"
  std::string working_directory;
  std::vector<Mount> mounts;    // volumes and the pod's own /etc/hosts
  std::int64_t cpu_millis = 0;  // limit; 0: none
  std::int64_t cpu_request_millis = 0;
  std::int64_t memory_bytes = 0;  // limit; 0: none
  std::string log_directory;      // holds ATTEMPT.log and its rotations, in CRI format
};

struct ContainerExit {
  int exit_code = 0;  // 128 + signal when killed
  int signal = 0;
  bool oom_killed = false;
  base::WallTime started_at{};
  base::WallTime finished_at{};
};

struct ContainerState {
  ContainerId id;
  std::int64_t pid = 0;
  base::WallTime started_at{};
  std::optional<ContainerExit> exit;  // set once it ended
  // At its start: why its mounts are not at their targets; "" when they are.
  std::string mounts_refused{};
};

struct ContainerStats {
  std::chrono::nanoseconds cpu_time{};  // since start
  std::int64_t memory_bytes = 0;        // resident (working set)
  std::int64_t oom_kills = 0;
};

struct ExecOutput {
  int exit_code = 0;
  std::string output;  // the first 10 KiB of standard output and error together
};

class ContainerRuntime {
 public:
  virtual ~ContainerRuntime() = default;
  // Every container of this enclave that is running or whose exit was not removed yet, whoever
  // started it: a kubelet that comes back adopts them from here.
  virtual std::vector<ContainerState> List() = 0;
  // Returns when the program runs (exec succeeded). kNotFound, kPermissionDenied, kUnavailable.
  virtual base::Result<ContainerState> Start(const ContainerSpec& spec) = 0;
  virtual base::Result<> Signal(const ContainerId& id, int signal) = 0;
  // Kills what is left of it and forgets it; one that runs may take a moment to be gone. Its logs
  // stay.
  virtual void Remove(const ContainerId& id) = 0;
  virtual base::Result<ContainerStats> Stats(const ContainerId& id) = 0;
  // Called once for every container that ends, adopted ones too.
  virtual void OnExit(std::function<void(const ContainerState&)> callback) = 0;
  // Runs a command as the container's program runs (its environment, mounts, address); its exit
  // code.
  virtual void Exec(const ContainerId& id, std::vector<std::string> argv,
                    std::chrono::milliseconds timeout,
                    std::function<void(base::Result<int>)> done) = 0;
  // The same with what the command printed, for runtimes that can tell. kDeadlineExceeded when it
  // was stopped after `timeout`.
  virtual void ExecCapture(const ContainerId& id, std::vector<std::string> argv,
                           std::chrono::milliseconds timeout,
                           std::function<void(base::Result<ExecOutput>)> done) {
    Exec(id, std::move(argv), timeout, [done = std::move(done)](base::Result<int> code) {
      if (!code) {
        done(std::unexpected(std::move(code).error()));
      } else {
        done(ExecOutput{*code, ""});
      }
    });
  }
};

struct Probe {
  enum class Type { kHttpGet, kTcpSocket, kGrpc, kExec };
  Type type = Type::kTcpSocket;
  std::string host;  // pod address unless the manifest says otherwise
  std::uint16_t port = 0;
  std::string path;    // HTTP
  bool https = false;  // HTTP; certificates are not checked, as Kubernetes does not
  std::vector<std::pair<std::string, std::string>> headers;  // HTTP
  std::string service;                                       // gRPC health service name
  std::vector<std::string> command;                          // exec
  std::chrono::milliseconds timeout{1000};
};

class Prober {
 public:
  virtual ~Prober() = default;
  // An Error's message becomes the Unhealthy event.
  virtual void Run(const ContainerId& id, const Probe& probe,
                   std::function<void(base::Result<>)> done) = 0;
};

struct Image {
  std::string program;            // path on this machine
  std::vector<std::string> args;  // may hold $(VAR) references to the container's environment
  std::vector<std::string> environment;
  std::string version;
};

class ImageSource {
 public:
  virtual ~ImageSource() = default;
  // kNotFound for a name that the catalogue does not have; kUnavailable when its program is
  // missing.
  virtual base::Result<Image> Resolve(const std::string& name) = 0;
};

}  // namespace enclave::cluster
