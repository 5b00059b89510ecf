// Stories for programs.
#include <nlohmann/json.hpp>

#include "cli/story_render.h"
#include "cli/story_span.h"

namespace enclave::cli {
namespace {

using telemetry::Span;
using telemetry::SpanKind;
using telemetry::SpanStatus;

nlohmann::json ValueToJson(const telemetry::AttributeValue& value) {
  return std::visit(
      [](const auto& held) -> nlohmann::json {
        if constexpr (std::is_same_v<std::decay_t<decltype(held)>, telemetry::JsonText>) {
          auto parsed = nlohmann::json::parse(held.text, nullptr, false);
          return parsed.is_discarded() ? nlohmann::json(held.text) : parsed;
        } else {
          return held;
        }
      },
      value);
}

nlohmann::json AttributesToJson(const telemetry::Attributes& attributes) {
  nlohmann::json json = nlohmann::json::object();
  for (const telemetry::Attribute& one : attributes)
    if (!json.contains(one.key)) json[one.key] = ValueToJson(one.value);
  return json;
}

nlohmann::json LabelsToJson(const telemetry::Labels& labels) {
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [name, value] : labels) json[name] = value;
  return json;
}

const char* KindText(SpanKind kind) {
  switch (kind) {
    case SpanKind::kInternal:
      return "internal";
    case SpanKind::kServer:
      return "server";
    case SpanKind::kClient:
      return "client";
    case SpanKind::kProducer:
      return "producer";
    case SpanKind::kConsumer:
      return "consumer";
    case SpanKind::kUnspecified:
      break;
  }
  return "unspecified";
}

const char* StatusText(SpanStatus status) {
  return status == SpanStatus::kError ? "error" : status == SpanStatus::kOk ? "ok" : "unset";
}

nlohmann::json SpanToJson(const Span& span) {
  nlohmann::json json = {{"traceId", span.trace_id.ToString()},
                         {"spanId", span.span_id.ToString()},
                         {"parentId", span.parent_id ? span.parent_id->ToString() : ""},
                         {"service", telemetry::ServiceName(span.resource)},
                         {"name", span.name},
                         {"kind", KindText(span.kind)},
                         {"status", StatusText(span.status)},
                         {"statusMessage", span.status_message},
                         {"startNs", std::to_string(span.start_ns)},
                         {"endNs", std::to_string(span.end_ns)},
                         {"place", PlaceOfSpan(span)},
                         {"attributes", AttributesToJson(span.attributes)},
                         {"resource", AttributesToJson(span.resource)},
                         {"events", nlohmann::json::array()},
                         {"links", nlohmann::json::array()}};
  for (const telemetry::SpanEvent& event : span.events)
    json["events"].push_back({{"timeNs", std::to_string(event.time_ns)},
                              {"name", event.name},
                              {"attributes", AttributesToJson(event.attributes)}});
  for (const telemetry::SpanLink& link : span.links)
    json["links"].push_back({{"traceId", link.trace_id.ToString()},
                             {"spanId", link.span_id.ToString()},
                             {"attributes", AttributesToJson(link.attributes)}});
  return json;
}

}  // namespace

nlohmann::json StoryToJson(const Story& story) {
  nlohmann::json json = {{"traceId", story.id.ToString()}};
  for (const char* list :
       {"links", "spans", "logs", "changes", "events", "objects", "incidents", "missing"})
    json[list] = nlohmann::json::array();
  for (const StoryLink& link : story.links)
    json["links"].push_back({{"traceId", link.id.ToString()}, {"what", link.what}});
  for (const Span& span : story.spans) json["spans"].push_back(SpanToJson(span));
  for (const StoryLine& line : story.lines)
    json["logs"].push_back(
        {{"traceId", line.record.trace_id ? line.record.trace_id->ToString() : ""},
         {"timeNs", std::to_string(line.record.time_ns)},
         {"line", line.record.line},
         {"spanId", line.record.span_id ? line.record.span_id->ToString() : ""},
         {"stream", LabelsToJson(line.stream)},
         {"metadata", LabelsToJson(line.record.metadata)}});
  for (const StoryChange& change : story.changes)
    json["changes"].push_back({{"traceId", change.trace},
                               {"timeNs", std::to_string(change.time_ns)},
                               {"verb", change.verb},
                               {"resource", change.resource},
                               {"subresource", change.subresource},
                               {"namespace", change.ns},
                               {"name", change.name},
                               {"user", change.user},
                               {"byCluster", change.by_cluster},
                               {"code", change.code}});
  for (const ClusterEvent& event : story.events)
    json["events"].push_back({{"timeNs", std::to_string(event.time_ns)},
                              {"count", event.count},
                              {"type", event.warning ? "Warning" : "Normal"},
                              {"kind", event.kind},
                              {"namespace", event.ns},
                              {"name", event.name},
                              {"reason", event.reason},
                              {"message", event.message}});
  for (const StoryObject& object : story.objects)
    json["objects"].push_back({{"traceId", object.trace},
                               {"kind", object.kind},
                               {"namespace", object.ns},
                               {"name", object.name},
                               {"actionId", object.action},
                               {"incident", object.incident}});
  for (const StoryIncident& incident : story.incidents) json["incidents"].push_back(incident.whole);
  for (const MissingSource& missing : story.missing)
    json["missing"].push_back({{"source", missing.source}, {"why", missing.why}});
  return json;
}

}  // namespace enclave::cli
