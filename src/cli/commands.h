// The subcommands, one function each. Every function returns the process's exit code: 0 done, 1
// failed, 2 wrong usage.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/output.h"

namespace enclave::cli {

struct UpOptions {
  std::string state;
  bool bare = false;  // the cluster alone, without observatory, agent, boutique and load
  bool wait = false;  // until every pod of every Deployment is Ready
  std::chrono::seconds timeout{120};
  std::uint16_t port = 0;  // of the API server; 0: the one it had before, else 6443
  OutputFormat output = OutputFormat::kText;
};
// Starts the enclave of a state directory in the background, and returns once its node is Ready and
// the laboratory's manifests are applied; what runs already goes on running.
int Up(const UpOptions& options);

struct DownOptions {
  std::string state;
  bool delete_state = false;
  std::chrono::seconds grace{5};  // between SIGTERM and SIGKILL for what runs in pods
  OutputFormat output = OutputFormat::kText;
};
// Ends the cluster process and all that runs in its pods. The state stays, and `up` brings it back.
int Down(const DownOptions& options);

struct StatusOptions {
  std::string state;
  OutputFormat output = OutputFormat::kText;
};
// Exit code 0 when the enclave runs and its node is Ready.
int Status(const StatusOptions& options);

struct ClusterOptions {
  std::string state;
  std::string node_name = "enclave";
  std::uint16_t port = 0;           // 0: the one it had before, else 6443
  bool supervise = false;           // a parent process starts it again when it dies
  int ready_fd = -1;                // "ready\n" is written here once the node is Ready
  std::vector<std::string> images;  // further image catalogues
};
// The one root process, in the foreground: API server, store, controllers, scheduler, kubelet.
int Cluster(const ClusterOptions& given);

struct ObservatoryOptions {
  std::string state;                    // the directory of its data
  std::string http = "127.0.0.1:9090";  // everything: queries, OTLP over HTTP, remote write, Loki
  std::string otlp_grpc;                // "": not served
  std::string config;                   // in Prometheus' format; "": the default jobs
  std::string kubeconfig;               // a file, or "in-cluster"; "": no cluster
  std::string retention = "15d";
  std::uint64_t retention_bytes = 0;  // 0: no bound
  std::string query_timeout = "2m";
  std::string version;  // of the program, shown
};
// Metrics, logs and traces, taken in, kept and asked for, in the foreground.
int RunObservatory(const ObservatoryOptions& options);

struct LoadCommandOptions {
  std::string target;  // "http://HOST:PORT" of the shop
  int users = 10;
  double spawn_rate = 1.0;
  std::optional<double> rate;                         // actions per second of all users together
  std::optional<std::chrono::milliseconds> duration;  // unset: until SIGINT or SIGTERM
  std::optional<std::uint64_t> actions;
  std::uint64_t seed = 1;
  std::chrono::milliseconds timeout{10'000};     // of one request
  std::chrono::milliseconds every{5'000};        // between two lines of what users saw
  std::chrono::milliseconds wait_for_target{0};  // for a target that is not there yet
  OutputFormat output = OutputFormat::kText;
};
// Plays visitors of the shop and prints what they saw. Exit code 0 when nothing went wrong for
// them.
int Load(const LoadCommandOptions& options);

enum class LogsFormat { kText, kJson, kCsv };

struct LogTemplatesOptions {
  std::string file;    // "-": standard input
  std::string column;  // of a CSV file with a head, that holds the messages; "": lines of a log
  bool whole = false;  // lines are messages: no time, level and so on is split off
  std::size_t max_templates = 16'384;
  std::size_t max_bytes = std::size_t{256} << 20U;
  LogsFormat output = LogsFormat::kText;
};
// The statements behind a program's log lines, and how often each was printed.
int LogTemplates(const LogTemplatesOptions& options);

// Replaces this process by kubectl with the enclave's kubeconfig.
int Kubectl(const std::string& state, const std::vector<std::string>& arguments);

}  // namespace enclave::cli
