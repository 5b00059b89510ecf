// The Incident Context: everything known around an alert, frozen, each item with an id that
// conclusions cite.
//
// A value; it serialises to JSON (context_json.h) and replays bit for bit. Its size is bounded
// however large the window was: of each kind only the most telling items stay, `left_out` counts
// the others.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "telemetry/labels.h"
#include "trace/trace_id.h"

namespace enclave::incident {

// Names one item within its context: a letter for its kind and a number, as "m3" or "l12".
using EvidenceId = std::string;

// Since 1970, UTC; the first inclusive, the last exclusive.
struct Window {
  std::int64_t from_ns = 0;
  std::int64_t to_ns = 0;
  bool operator==(const Window&) const = default;
};

struct Alert {
  std::int64_t time_ns = 0;  // may be off by a minute
  std::string name{};
  std::string service{};  // whose objective broke; empty when the alert does not say
  std::string summary{};
  telemetry::Labels labels{};
  std::optional<trace::TraceId> trace_id{};  // a request that shows it
  bool operator==(const Alert&) const = default;
};

// What a series measures, told from its name and unit.
enum class Signal : std::uint8_t {
  kCpu,
  kMemory,
  kDisk,
  kNetwork,
  kLatency,
  kErrors,  // failures, or the share of successes
  kTraffic,
  kRestarts,
  kCertificate,  // time left until one expires
  kOther,
};

// A quantity over one window. Without observations all is 0.
struct Summary {
  std::uint64_t count = 0;
  double mean = 0;
  double median = 0;
  double spread = 0;  // 1.4826 × median absolute deviation: the standard deviation, if normal
  double high = 0;    // 90th percentile
  bool operator==(const Summary&) const = default;
};

struct Point {
  std::int64_t time_ns = 0;
  double value = 0;
  bool operator==(const Point&) const = default;
};

// m: a series that moved.
struct SeriesShift {
  EvidenceId id{};
  std::string service{};
  std::string instance{};   // the pod, when the series names one
  std::string caller{};     // of a series about the calls between two services
  bool on_the_way = false;  // of a call that both ends report: what the caller's side adds
  Signal signal = Signal::kOther;
  std::string metric{};  // the name alone
  std::string series{};  // with its labels, as Prometheus prints it
  Summary before{};
  Summary during{};
  double score = 0;  // signed: how many floors of its unit it moved; 0 is nothing
  std::int64_t onset_ns = 0;
  std::vector<Point> points{};  // thinned for a plot
  bool operator==(const SeriesShift&) const = default;
};

// g: how a service served its requests over the window, whether it moved or not.
struct GoldenSignals {
  EvidenceId id{};
  std::string service{};
  std::vector<Point> traffic{};      // requests, per sample
  std::vector<Point> latency_ms{};   // a request's, on average where a series says so
  std::vector<Point> error_share{};  // of the requests
  double latency_before_ms = 0;
  double latency_spread_ms = 0;
  double error_before = 0;
  double error_spread = 0;
  bool operator==(const GoldenSignals&) const = default;
};

// o: an operation of a service whose own time or errors moved. Times in milliseconds.
struct OperationShift {
  EvidenceId id{};
  std::string service{};
  std::string operation{};
  Summary duration_before{};
  Summary duration_during{};
  Summary self_before{};  // the duration less the time covered by the span's children
  Summary self_during{};
  std::uint64_t errors_before = 0;
  std::uint64_t errors_during = 0;
  double score = 0;
  std::int64_t onset_ns = 0;
  std::optional<trace::TraceId> example{};
  bool operator==(const OperationShift&) const = default;
};

// e: a call from one service to another that moved. The gap is the client's duration less the
// server's: what the network, proxies and queues between them take. Milliseconds.
struct EdgeShift {
  EvidenceId id{};
  std::string caller{};
  std::string callee{};
  std::string operation{};  // the callee's
  Summary gap_before{};
  Summary gap_during{};
  double calls_per_request_before = 0;  // calls for each request that the caller served; 0: unknown
  double calls_per_request_during = 0;
  std::uint64_t errors_before = 0;
  std::uint64_t errors_during = 0;
  double score = 0;
  std::int64_t onset_ns = 0;
  std::optional<trace::TraceId> example{};
  bool operator==(const EdgeShift&) const = default;
};

// f: the way an operation runs changed: how often it makes a step (a call to another service or to
// a part of its own), or, when `ends_after`, how often that step is its last.
struct FlowShift {
  EvidenceId id{};
  std::string service{};
  std::string operation{};
  std::string callee{};  // the service called; the same service for its own steps
  std::string step{};    // the operation of the step; empty: none, it ends before its first
  bool ends_after = false;
  std::uint64_t runs_before = 0;
  std::uint64_t runs_during = 0;
  double share_before = 0;  // of the runs that make the step, or end after it
  double share_during = 0;
  double score = 0;
  std::int64_t onset_ns = 0;
  std::optional<trace::TraceId> example{};
  bool operator==(const FlowShift&) const = default;
};

enum class LogChange : std::uint8_t { kNew, kVanished, kBursting, kDwindling };

// l: a statement of the program's log whose rate changed.
struct LogShift {
  EvidenceId id{};
  std::string service{};
  LogChange change = LogChange::kNew;
  std::string level{};               // upper case; empty when the line does not say
  std::string location{};            // class#line or file:line, when the line says it
  std::string text{};                // the template
  std::string example{};             // one line of it
  std::vector<std::string> names{};  // other services that it speaks of
  bool knows_runs = false;           // the counts are of runs of one operation
  bool usual = false;                // services complained in these words before, this or others
  std::string operation{};           // that writes it, when the lines say so
  std::uint64_t count_before = 0;    // of the runs of that operation (else lines of the service)...
  std::uint64_t count_during = 0;
  std::uint64_t runs_before = 0;  // ...of so many
  std::uint64_t runs_during = 0;
  double score = 0;
  std::int64_t onset_ns = 0;
  std::optional<trace::TraceId> example_trace{};
  bool operator==(const LogShift&) const = default;
};

// t: requests that failed alike, or were far slower than usual, with the deepest span that explains
// them.
struct FailingTrace {
  EvidenceId id{};
  std::optional<trace::TraceId> trace_id{};
  std::string service{};  // of the deepest failing span, or of the slow one
  std::string operation{};
  std::vector<std::string> path{};  // services from the entry to it
  std::string message{};            // the exception's, else the status message
  std::string exception{};          // its type
  std::string location{};           // file:line (function)
  double duration_ms = 0;
  bool slow = false;    // it did not fail; `operation` of `service` took `own_ms` of it for itself
  double usual_ms = 0;  // what such requests took before
  double own_ms = 0;
  bool unanswered = false;    // a caller's span failed, and `service` has none that answers
  std::uint64_t like_it = 0;  // requests in the window that fail the same way
  std::uint64_t before = 0;   // and before
  std::int64_t onset_ns = 0;
  bool operator==(const FailingTrace&) const = default;
};

// k: what Kubernetes says of an object: an event or a condition.
struct KubernetesFact {
  EvidenceId id{};
  std::int64_t time_ns = 0;
  std::string service{};
  std::string kind{};    // Pod, Deployment, Node, ...
  std::string object{};  // namespace/name
  std::string reason{};  // BackOff, OOMKilling, Unhealthy, ... as Kubernetes names it
  std::string message{};
  std::uint64_t count = 1;
  bool warning = false;
  bool operator==(const KubernetesFact&) const = default;
};

enum class ChangeKind : std::uint8_t {
  kRollout,        // another image or command
  kConfiguration,  // a ConfigMap, Secret, environment, flag
  kScale,
  kNetwork,  // a Service, policy, endpoint
  kDeletion,
  kOther,
};

// c: what somebody changed.
struct Change {
  EvidenceId id{};
  std::int64_t time_ns = 0;
  std::string service{};
  ChangeKind kind = ChangeKind::kOther;
  std::string object{};  // Kind namespace/name
  std::string from{};
  std::string to{};
  std::string who{};
  std::optional<trace::TraceId> trace_id{};
  bool operator==(const Change&) const = default;
};

struct Call {
  std::string caller{};
  std::string callee{};
  auto operator<=>(const Call&) const = default;
};

struct ServiceFacts {
  std::string name{};
  // Served requests and log lines, before and during: how much evidence there could be.
  std::uint64_t requests_before = 0;
  std::uint64_t requests_during = 0;
  std::uint64_t lines_before = 0;
  std::uint64_t lines_during = 0;
  bool operator==(const ServiceFacts&) const = default;
};

struct Context {
  std::string id{};
  Alert alert{};
  Window before{};                       // what is taken for normal
  Window during{};                       // begins where the evidence says that it began
  double onset_score = 0;                // how clearly, in nats
  std::vector<ServiceFacts> services{};  // by name
  std::vector<Call> topology{};          // sorted
  std::vector<SeriesShift> series{};     // each kind: the most telling first
  std::vector<GoldenSignals> golden{};   // by service
  std::vector<OperationShift> operations{};
  std::vector<EdgeShift> edges{};
  std::vector<FlowShift> flows{};
  std::vector<LogShift> logs{};
  std::vector<FailingTrace> traces{};
  std::vector<KubernetesFact> facts{};
  std::vector<Change> changes{};
  std::map<std::string, std::uint64_t> left_out{};  // by kind
  std::vector<std::string> missing{};               // "metrics: why", "logs: why", "traces: why"
  bool operator==(const Context&) const = default;
};

}  // namespace enclave::incident
