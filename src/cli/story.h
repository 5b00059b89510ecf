// The story of one trace: what happened under it, wherever it is kept. Spans and log lines are the
// observatory's; changes are the cluster's audit log and the annotation `enclave.dev/trace-id` of
// its objects; incidents and actions are the agent's.
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
#include "telemetry/span.h"
#include "trace/trace_id.h"

namespace enclave::cli {

struct StoryLine {
  telemetry::Labels stream{};
  telemetry::LogRecord record{};
};

// A write to the cluster, from its audit log.
struct StoryChange {
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

struct MissingSource {
  std::string source{};  // "spans"
  std::string why{};
};

struct Story {
  explicit Story(const trace::TraceId& id) : id(id) {}

  trace::TraceId id;
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

// Of at most so many changes it is read, so that no trace is too large to tell.
inline constexpr std::size_t kMaxStoryChanges = 2'000;

// `path` and the older files that were rotated away from it. kNotFound when there is none.
base::Result<> ReadChanges(const std::filesystem::path& path, Story& story);
// Objects and events.
base::Result<> ReadObjects(kube::Api& api, Story& story);

// Asks something of the agent's console: the JSON at a path.
using AskAgent = std::function<base::Result<nlohmann::json>(const std::string& path)>;
base::Result<> ReadIncidents(const AskAgent& ask, Story& story);

}  // namespace enclave::cli
