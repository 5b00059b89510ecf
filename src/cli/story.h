// The story of one trace: what happened under it, wherever it is kept. Spans and log lines come
// from whoever answers as Tempo and Loki do; changes are the cluster's audit log and the annotation
// `enclave.dev/trace-id` of its objects; incidents and actions are the agent's.
//
// An incident has the trace of the request that shows it best, and what brought it about another
// one: whichever of them is asked for, the story is that of both.
//
// Each source may be missing: what the others know is told all the same, and `missing` says what
// could not be asked, and why.
//
// Threading: values; the reading functions block.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "kube/api.h"
#include "telemetry/log_record.h"
#include "telemetry/source.h"
#include "telemetry/span.h"
#include "trace/trace_id.h"

namespace enclave::cli {

struct StoryLine {
  telemetry::Labels stream{};
  telemetry::LogRecord record{};
};

// A write to the cluster, from its audit log.
struct StoryChange {
  std::string trace{};
  std::int64_t time_ns = 0;  // since 1970, UTC
  std::string verb{};        // "create", "patch", ...
  std::string resource{};    // "deployments.apps"
  std::string subresource{};
  std::string ns{};
  std::string name{};
  std::string user{};
  bool by_cluster = false;  // by a controller, in consequence of another change
  int code = 0;             // the answer's HTTP status
};

// An object that carries the TraceID now.
struct StoryObject {
  std::string trace{};
  std::string kind{};
  std::string ns{};
  std::string name{};
  std::string action{};    // `enclave.dev/action-id`; "": no action of the agent
  std::string incident{};  // `enclave.dev/incident`
};

// An Event of the cluster about an object that carried the TraceID.
struct ClusterEvent {
  std::int64_t time_ns = 0;                         // of the last time, to the second
  kube::Revision revision = kube::Revision::kNone;  // orders those of one second
  std::int64_t count = 1;
  bool warning = false;
  std::string kind{};  // of the object
  std::string ns{};
  std::string name{};
  std::string reason{};
  std::string message{};
};

// A step of the agent.
struct StoryEvent {
  std::int64_t time_ns = 0;
  std::string kind{};
  std::string sentence{};
};

struct StoryIncident {
  std::string id{};
  std::string stage{};
  std::vector<StoryEvent> events{};
  nlohmann::json whole{};  // as the agent tells it
};

// A trace that the one asked for leads to, or comes from.
struct StoryLink {
  trace::TraceId id;
  std::string what{};  // "the trace of incident inc-7k2"
};

struct MissingSource {
  std::string source{};  // "spans"
  std::string why{};
};

struct Story {
  explicit Story(const trace::TraceId& id) : id(id) {}

  trace::TraceId id;                     // that was asked for
  std::vector<StoryLink> links{};        // told as well
  std::vector<telemetry::Span> spans{};  // by start
  std::vector<StoryLine> lines{};        // by time
  std::vector<StoryChange> changes{};    // by time
  std::vector<StoryObject> objects{};
  std::vector<ClusterEvent> events{};
  std::vector<StoryIncident> incidents{};
  std::vector<MissingSource> missing{};

  bool empty() const {
    return spans.empty() && lines.empty() && changes.empty() && objects.empty() &&
           incidents.empty();
  }
};

// Of at most so many of each it is read, so that no trace is too large to tell.
inline constexpr std::size_t kMaxStorySpans = 10'000;
inline constexpr std::size_t kMaxStoryLines = 2'000;
inline constexpr std::size_t kMaxStoryChanges = 2'000;
inline constexpr std::size_t kMaxStoryLinks = 4;

// The spans of the trace asked for, and, once the incidents are read, of those it is linked with:
// a second call adds what the first did not know of.
base::Result<> ReadSpans(telemetry::TraceSource& traces, Story& story);
// The lines of all of them.
base::Result<> ReadLines(telemetry::LogSource& logs, Story& story);

// `path` and the older files that were rotated away from it. kNotFound when there is none.
base::Result<> ReadChanges(const std::filesystem::path& path, Story& story);
// Objects and events.
base::Result<> ReadObjects(kube::Api& api, Story& story);

// Asks something of the agent's console: the JSON at a path.
using AskAgent = std::function<base::Result<nlohmann::json>(const std::string& path)>;
// Those whose trace it is, those that name it as of a change or a request of theirs, and those that
// a failed span of it falls into, when the service held to be the cause took part. Adds links.
base::Result<> ReadIncidents(const AskAgent& ask, Story& story);

}  // namespace enclave::cli
