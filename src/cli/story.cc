#include "cli/story.h"

#include <fmt/format.h>

#include <fstream>

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

void ReadAuditFile(const std::filesystem::path& path, const std::string& id, Story& story) {
  std::ifstream file(path);
  for (std::string text; std::getline(file, text);) {
    if (!text.contains(id)) continue;
    const Json line = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!line.is_object() || StringAt(line, "traceId") != id) continue;
    if (kube::BoolAt(line, "dryRun")) continue;
    StoryChange change{.time_ns = TimeNs(StringAt(line, "time")),
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
  const std::string id = story.id.ToString();
  for (int i = kMaxAuditFiles; i >= 1; --i) {
    const std::filesystem::path older = fmt::format("{}.{}", path.string(), i);
    if (std::filesystem::exists(older, error)) ReadAuditFile(older, id, story);
  }
  ReadAuditFile(path, id, story);
  OrderBy(story.changes, &StoryChange::time_ns);
  return {};
}

namespace {

base::Result<> ReadClusterEvents(kube::Api& api, Story& story) {
  ASSIGN_OR_RETURN(const kube::ObjectList list, api.List(kube::kEvent, {}));
  for (const kube::ObjectPtr& object : list.items) {
    const Json& json = object->json();
    if (AnnotationIn(json, cluster::kTraceIdAnnotation) != story.id.ToString()) continue;
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
  const std::string id = story.id.ToString();
  for (const kube::Kind& kind : kMarkedKinds) {
    ASSIGN_OR_RETURN(const kube::ObjectList list, api.List(kind, {}));
    for (const kube::ObjectPtr& object : list.items) {
      if (AnnotationIn(object->json(), cluster::kTraceIdAnnotation) != id) continue;
      story.objects.push_back({.kind = kind.kind,
                               .ns = object->ns(),
                               .name = object->name(),
                               .action = AnnotationIn(object->json(), "enclave.dev/action-id"),
                               .incident = AnnotationIn(object->json(), "enclave.dev/incident")});
    }
  }
  return ReadClusterEvents(api, story);
}

base::Result<> ReadIncidents(const AskAgent& ask, Story& story) {
  ASSIGN_OR_RETURN(const Json all, ask("/api/incidents"));
  const Json& incidents = kube::At(all, "incidents");
  if (!incidents.is_array()) return {};
  for (const Json& brief : incidents) {
    if (StringAt(brief, "trace") != story.id.ToString()) continue;
    const std::string& id = StringAt(brief, "id");
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
