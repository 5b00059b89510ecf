#include "cli/story.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>

#include "cli/story_order.h"
#include "cluster/api/object_meta.h"
#include "kube/time.h"

namespace enclave::cli {
namespace {

using kube::Json;
using kube::StringAt;

constexpr int kMaxAuditFiles = 16;

const kube::Kind kMarkedKinds[] = {
    kube::kNamespace,      kube::kConfigMap,  kube::kSecret,     kube::kService,
    kube::kServiceAccount, kube::kDeployment, kube::kReplicaSet, kube::kPod};

std::string AnnotationIn(const Json& object, const char* key) {
  const Json& annotations = kube::At(object, "metadata.annotations");
  if (!annotations.is_object()) return {};
  const auto found = annotations.find(key);
  return found != annotations.end() && found->is_string() ? found->get<std::string>() : "";
}

std::int64_t TimeNs(const std::string& text) {
  const auto time = kube::ParseTime(text);
  return time ? time->time_since_epoch().count() : 0;
}

// Of what the cluster's own parts do, only what makes or resizes something is a step of a story:
// the rest is status, and the end of pods whose trace was another's.
bool IsStep(const StoryChange& change) {
  if (!change.by_cluster) return true;
  if (change.resource == "events") return false;  // told as themselves
  if (change.verb == "create") return change.subresource.empty();
  return change.resource == "replicasets.apps" && change.subresource.empty() &&
         (change.verb == "update" || change.verb == "patch");
}

// All the traces that are told.
std::set<std::string> TracesOf(const Story& story) {
  std::set<std::string> ids{story.id.ToString()};
  for (const StoryLink& link : story.links) ids.insert(link.id.ToString());
  return ids;
}

void AddLink(Story& story, const std::string& trace, std::string what) {
  const auto id = trace::TraceId::Parse(trace);
  if (!id || TracesOf(story).contains(trace) || story.links.size() >= kMaxStoryLinks) return;
  story.links.push_back({.id = *id, .what = std::move(what)});
}

void ReadAuditFile(const std::filesystem::path& path, const std::set<std::string>& ids,
                   Story& story) {
  std::ifstream file(path);
  for (std::string text; std::getline(file, text);) {
    if (std::ranges::none_of(ids, [&](const std::string& id) { return text.contains(id); }))
      continue;
    const Json line = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!line.is_object() || !ids.contains(StringAt(line, "traceId"))) continue;
    if (kube::BoolAt(line, "dryRun")) continue;
    StoryChange change{.trace = StringAt(line, "traceId"),
                       .time_ns = TimeNs(StringAt(line, "time")),
                       .verb = StringAt(line, "verb"),
                       .resource = StringAt(line, "resource"),
                       .subresource = StringAt(line, "subresource"),
                       .ns = StringAt(line, "namespace"),
                       .name = StringAt(line, "name"),
                       .user = StringAt(line, "user"),
                       .by_cluster = StringAt(line, "source") == "in-process",
                       .code = static_cast<int>(kube::IntAt(line, "code"))};
    if (IsStep(change) && story.changes.size() < kMaxStoryChanges)
      story.changes.push_back(std::move(change));
  }
}

}  // namespace

base::Result<> ReadChanges(const std::filesystem::path& path, Story& story) {
  std::error_code error;
  if (!std::filesystem::exists(path, error))
    return base::Fail(base::ErrorKind::kNotFound,
                      fmt::format("there is no audit log {}", path.string()));
  const std::set<std::string> ids = TracesOf(story);
  for (int i = kMaxAuditFiles; i >= 1; --i) {
    const std::filesystem::path older = fmt::format("{}.{}", path.string(), i);
    if (std::filesystem::exists(older, error)) ReadAuditFile(older, ids, story);
  }
  ReadAuditFile(path, ids, story);
  OrderBy(story.changes, &StoryChange::time_ns);
  return {};
}

namespace {

base::Result<> ReadClusterEvents(kube::Api& api, const std::set<std::string>& ids, Story& story) {
  ASSIGN_OR_RETURN(const kube::ObjectList list, api.List(kube::kEvent, {}));
  for (const kube::ObjectPtr& object : list.items) {
    const Json& json = object->json();
    if (!ids.contains(AnnotationIn(json, cluster::kTraceIdAnnotation))) continue;
    story.events.push_back({.time_ns = TimeNs(StringAt(json, "lastTimestamp")),
                            .revision = object->revision(),
                            .count = kube::IntAt(json, "count", 1),
                            .warning = StringAt(json, "type") == "Warning",
                            .kind = StringAt(json, "involvedObject.kind"),
                            .ns = StringAt(json, "involvedObject.namespace"),
                            .name = StringAt(json, "involvedObject.name"),
                            .reason = StringAt(json, "reason"),
                            .message = StringAt(json, "message")});
  }
  OrderBy(story.events,
          [](const ClusterEvent& event) { return std::pair(event.time_ns, event.revision); });
  return {};
}

}  // namespace

base::Result<> ReadObjects(kube::Api& api, Story& story) {
  const std::set<std::string> ids = TracesOf(story);
  for (const kube::Kind& kind : kMarkedKinds) {
    ASSIGN_OR_RETURN(const kube::ObjectList list, api.List(kind, {}));
    for (const kube::ObjectPtr& object : list.items) {
      const std::string trace = AnnotationIn(object->json(), cluster::kTraceIdAnnotation);
      if (!ids.contains(trace)) continue;
      story.objects.push_back({.trace = trace,
                               .kind = kind.kind,
                               .ns = object->ns(),
                               .name = object->name(),
                               .action = AnnotationIn(object->json(), "enclave.dev/action-id"),
                               .incident = AnnotationIn(object->json(), "enclave.dev/incident")});
    }
  }
  return ReadClusterEvents(api, ids, story);
}

base::Result<> ReadSpans(telemetry::TraceSource& traces, Story& story) {
  std::set<trace::TraceId> known;
  for (const telemetry::Span& span : story.spans) known.insert(span.trace_id);
  for (const std::string& id : TracesOf(story)) {
    const trace::TraceId trace = *trace::TraceId::Parse(id);
    if (known.contains(trace)) continue;
    ASSIGN_OR_RETURN(std::vector<telemetry::Span> spans, traces.Trace(trace));
    if (story.spans.size() + spans.size() > kMaxStorySpans) {
      story.missing.push_back(
          {"some spans", fmt::format("{} has {}, which are too many", id, spans.size())});
      continue;
    }
    std::ranges::move(spans, std::back_inserter(story.spans));
  }
  OrderBy(story.spans, &telemetry::Span::start_ns);
  return {};
}

base::Result<> ReadLines(telemetry::LogSource& logs, Story& story) {
  for (const std::string& id : TracesOf(story)) {
    RETURN_IF_ERROR(
        logs.OfTrace(*trace::TraceId::Parse(id),
                     [&](const telemetry::Labels& stream, const telemetry::LogRecord& record) {
                       story.lines.push_back({stream, record});
                       return story.lines.size() < kMaxStoryLines;
                     }));
  }
  if (story.lines.size() >= kMaxStoryLines)
    story.missing.push_back({"some log lines", fmt::format("only {} are told", kMaxStoryLines)});
  OrderBy(story.lines, [](const StoryLine& line) { return line.record.time_ns; });
  return {};
}

namespace {

// Whether the incident names the trace as of one of its changes or requests.
bool Names(const Json& incident, const std::string& trace) {
  return std::ranges::any_of(kube::At(incident, "links"),
                             [&](const Json& link) { return StringAt(link, "trace") == trace; });
}

// Whether the trace failed while the incident lasted, and the service held for the cause had a part
// in it: of all the requests that fail, an incident names but a few.
bool FallsInto(const Story& story, const Json& incident) {
  constexpr std::int64_t kBeforeNs = 60'000'000'000;  // of what opened it
  const std::string& service = StringAt(incident, "cause.service");
  const std::int64_t opened_ns = TimeNs(StringAt(incident, "opened"));
  const std::string& closed = StringAt(incident, "closed");
  const std::int64_t closed_ns = closed.empty() ? INT64_MAX : TimeNs(closed);
  bool failed = false;
  bool took_part = false;
  for (const telemetry::Span& span : story.spans) {
    if (span.trace_id != story.id) continue;
    failed |= span.status == telemetry::SpanStatus::kError &&
              span.start_ns >= opened_ns - kBeforeNs && span.start_ns <= closed_ns;
    took_part |= !service.empty() && telemetry::ServiceName(span.resource) == service;
  }
  return failed && took_part;
}

}  // namespace

base::Result<> ReadIncidents(const AskAgent& ask, Story& story) {
  ASSIGN_OR_RETURN(const Json all, ask("/api/incidents"));
  const Json& incidents = kube::At(all, "incidents");
  if (!incidents.is_array()) return {};
  for (const Json& brief : incidents) {
    const std::string asked = story.id.ToString();
    if (StringAt(brief, "trace") != asked && !Names(brief, asked) && !FallsInto(story, brief))
      continue;
    const std::string& id = StringAt(brief, "id");
    AddLink(story, StringAt(brief, "trace"), "the trace of incident " + id);
    for (const Json& link : kube::At(brief, "links"))
      if (StringAt(link, "kind") == "change")
        AddLink(story, StringAt(link, "trace"), StringAt(link, "what"));
    ASSIGN_OR_RETURN(Json whole, ask("/api/incidents/" + id));
    StoryIncident incident{.id = id, .stage = StringAt(whole, "stage")};
    if (const Json& events = kube::At(whole, "events"); events.is_array()) {
      for (const Json& event : events) {
        incident.events.push_back({.time_ns = TimeNs(StringAt(event, "time")),
                                   .kind = StringAt(event, "kind"),
                                   .sentence = StringAt(event, "sentence")});
      }
    }
    incident.whole = std::move(whole);
    story.incidents.push_back(std::move(incident));
  }
  return {};
}

}  // namespace enclave::cli
