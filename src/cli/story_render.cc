#include "cli/story_render.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/story_order.h"
#include "kube/time.h"

namespace enclave::cli {
namespace {

using telemetry::Span;
using telemetry::SpanKind;
using telemetry::SpanStatus;

constexpr int kDeepest = 24;  // of the indentation, in calls
constexpr std::size_t kLongestLine = 300;
constexpr const char* kTerminal = "terminal";  // the service of `enclave run`

// One step of the story. `rank` orders what happened at one time: causes first.
struct Step {
  std::int64_t time_ns = 0;
  int rank = 0;
  std::string layer{};
  std::string text{};
  std::vector<std::string> more{};  // lines below
};

std::string OneLine(std::string_view text) {
  std::string line(text.substr(0, std::min(text.size(), text.find('\n'))));
  for (char& c : line)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  if (line.size() > kLongestLine) {
    std::size_t end = kLongestLine;
    while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xc0U) == 0x80U) --end;
    line = line.substr(0, end) + "...";
  }
  return line;
}

// "850 us", "12.3 ms", "4.21 s", "2m03s"
std::string TimeSpan(std::int64_t ns) {
  const double ms = static_cast<double>(ns) / 1e6;
  if (ns == 0) return "0 ms";
  if (ms < 1) return fmt::format("{:.0f} us", ms * 1e3);
  if (ms < 1'000) return fmt::format("{:.1f} ms", ms);
  if (ms < 60'000) return fmt::format("{:.2f} s", ms / 1e3);
  const auto seconds = static_cast<std::int64_t>(ms / 1e3);
  if (seconds < 3600) return fmt::format("{}m{:02}s", seconds / 60, seconds % 60);
  return fmt::format("{}h{:02}m", seconds / 3600, seconds / 60 % 60);
}

std::string TextOf(const telemetry::Attributes& attributes, std::string_view key) {
  const telemetry::AttributeValue* value = telemetry::Find(attributes, key);
  return value == nullptr ? "" : telemetry::ToText(*value);
}

std::string PlaceIn(const telemetry::Attributes& attributes) {
  std::string file = TextOf(attributes, "code.filepath");
  if (file.empty()) file = TextOf(attributes, "code.file.path");
  std::string line = TextOf(attributes, "code.lineno");
  if (line.empty()) line = TextOf(attributes, "code.line.number");
  if (file.empty()) return {};
  std::string function = TextOf(attributes, "code.function");
  if (function.empty()) function = TextOf(attributes, "code.function.name");
  // Without the namespaces and classes around it: the file says where it is.
  function.erase(0, function.rfind("::") == std::string::npos ? 0 : function.rfind("::") + 2);
  std::string place = line.empty() ? file : file + ":" + line;
  if (!function.empty()) place += " in " + function;
  return place;
}

// Where a span failed: its exception's place before its own.
std::string PlaceOfSpan(const Span& span) {
  for (const telemetry::SpanEvent& event : span.events) {
    if (event.name != "exception") continue;
    if (std::string place = PlaceIn(event.attributes); !place.empty()) return place;
  }
  return PlaceIn(span.attributes);
}

std::string MessageOf(const Span& span) {
  for (const telemetry::SpanEvent& event : span.events) {
    if (event.name != "exception") continue;
    const std::string type = TextOf(event.attributes, "exception.type");
    const std::string message = TextOf(event.attributes, "exception.message");
    return type.empty() ? message : message.empty() ? type : type + ": " + message;
  }
  return span.status_message;
}

std::string LayerOf(const Span& span) {
  if (telemetry::ServiceName(span.resource) == kTerminal) return kTerminal;
  switch (span.kind) {
    case SpanKind::kServer:
    case SpanKind::kConsumer:
      return "request";
    case SpanKind::kClient:
    case SpanKind::kProducer:
      return "call";
    case SpanKind::kInternal:
    case SpanKind::kUnspecified:
      break;
  }
  return "code";
}

// How many calls deep each span stands. A parent that is not there, or a circle, is depth 0.
std::map<trace::SpanId, int> Depths(const std::vector<Span>& spans) {
  std::map<trace::SpanId, const Span*> by_id;
  for (const Span& span : spans) by_id.emplace(span.span_id, &span);
  std::map<trace::SpanId, int> depths;
  for (const Span& span : spans) {
    std::vector<const Span*> above;
    const Span* at = &span;
    std::set<trace::SpanId> seen;
    int depth = 0;
    while (at != nullptr && seen.insert(at->span_id).second) {
      if (const auto known = depths.find(at->span_id); known != depths.end()) {
        depth = known->second + 1;
        break;
      }
      above.push_back(at);
      const auto parent = at->parent_id ? by_id.find(*at->parent_id) : by_id.end();
      at = parent == by_id.end() ? nullptr : parent->second;
    }
    for (auto one = above.rbegin(); one != above.rend(); ++one) depths[(*one)->span_id] = depth++;
  }
  return depths;
}

std::string Indent(int depth) {
  return std::string(static_cast<std::size_t>(std::min(depth, kDeepest)) * 2, ' ');
}

Step StepOf(const Span& span, int depth, const StoryColours& colours) {
  const bool failed = span.status == SpanStatus::kError;
  const std::string service = telemetry::ServiceName(span.resource);
  const std::string layer = LayerOf(span);
  std::string what = OneLine(span.name);
  if (layer == kTerminal) {
    const std::string line = TextOf(span.attributes, "process.command_line");
    if (!line.empty()) what = line.starts_with(what) ? line : what + ": " + line;
    what = OneLine(what);
    if (const std::string who = TextOf(span.attributes, "user.name"); !who.empty())
      what += colours.dim("  by " + OneLine(who));
  } else {
    what = OneLine(service) + "  " + what;
  }
  Step step{.time_ns = span.start_ns, .rank = depth, .layer = layer};
  step.text = Indent(depth) + what + "  " + colours.dim(TimeSpan(span.end_ns - span.start_ns));
  if (failed) step.text += "  " + colours.bad("error");
  const std::string place = OneLine(PlaceOfSpan(span));
  if (failed) {
    if (const std::string message = OneLine(MessageOf(span)); !message.empty())
      step.more.push_back(Indent(depth + 1) + colours.bad(message));
    if (!place.empty()) step.more.push_back(Indent(depth + 1) + "at " + colours.mark(place));
  } else if (!place.empty()) {
    step.text += "  " + colours.dim(place);
  }
  return step;
}

// Loki's stream labels and what OpenTelemetry calls a service.
std::string SourceOf(const telemetry::Labels& stream) {
  for (const char* label : {"service_name", "app", "pod", "job"})
    if (stream.Has(label)) return std::string(stream.Get(label));
  return stream.ToString();
}

// What a structured line says, and the line itself where it is not one.
std::string Said(const std::string& line) {
  const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return line;
  for (const char* key : {"message", "msg", "body"}) {
    const auto found = json.find(key);
    if (found != json.end() && found->is_string()) return found->get<std::string>();
  }
  return line;
}

bool IsGrave(const telemetry::LogRecord& record) {
  std::string level(record.metadata.Get("level"));
  std::ranges::transform(level, level.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  return level == "error" || level == "fatal" || level == "critical";
}

Step StepOf(const StoryLine& line, int depth, const StoryColours& colours) {
  const std::string said = OneLine(Said(line.record.line));
  return {.time_ns = line.record.time_ns,
          .rank = 1'000,
          .layer = "log",
          .text = Indent(depth) + OneLine(SourceOf(line.stream)) + "  " +
                  (IsGrave(line.record) ? colours.bad(said) : said),
          .more = {}};
}

std::string NameIn(const std::string& ns, const std::string& name) {
  return ns.empty() ? name : ns + "/" + name;
}

Step StepOf(const StoryChange& change, const StoryColours& colours) {
  std::string resource = change.resource;
  if (!change.subresource.empty()) resource += "/" + change.subresource;
  std::string text = fmt::format("{} {} {}", change.verb, resource, NameIn(change.ns, change.name));
  text = OneLine(text) + colours.dim("  by " + OneLine(change.user));
  if (change.code >= 400) text += "  " + colours.bad(fmt::format("refused: {}", change.code));
  return {.time_ns = change.time_ns,
          .rank = 500,
          .layer = "change",
          .text = Indent(change.by_cluster ? 1 : 0) + text,
          .more = {}};
}

// Events tell their second alone: told at its end, none comes before its cause.
constexpr std::int64_t kEndOfSecondNs = 999'000'000;

Step StepOf(const ClusterEvent& event, const StoryColours& colours) {
  std::string said = OneLine(event.reason + ": " + event.message);
  if (event.count > 1) said += fmt::format(" ({} times)", event.count);
  return {
      .time_ns = event.time_ns + kEndOfSecondNs,
      .rank = 600,
      .layer = "event",
      .text = fmt::format("  {} {}  {}", OneLine(event.kind), OneLine(NameIn(event.ns, event.name)),
                          event.warning ? colours.bad(said) : said),
      .more = {}};
}

// Of the agent's kinds of event, what touches the cluster is an action.
std::string LayerOf(const StoryEvent& event) {
  return event.kind.contains("action") || event.kind.contains("undo") ? "action" : "incident";
}

std::vector<Step> StepsOf(const Story& story, const StoryColours& colours) {
  std::vector<Step> steps;
  const auto depths = Depths(story.spans);
  for (const Span& span : story.spans)
    steps.push_back(StepOf(span, depths.at(span.span_id), colours));
  for (const StoryLine& line : story.lines) {
    const auto span = line.record.span_id ? depths.find(*line.record.span_id) : depths.end();
    steps.push_back(StepOf(line, span == depths.end() ? 0 : span->second + 1, colours));
  }
  for (const StoryChange& change : story.changes) steps.push_back(StepOf(change, colours));
  for (const ClusterEvent& event : story.events) steps.push_back(StepOf(event, colours));
  for (const StoryIncident& incident : story.incidents) {
    for (const StoryEvent& event : incident.events) {
      steps.push_back({.time_ns = event.time_ns,
                       .rank = 2'000,
                       .layer = LayerOf(event),
                       .text = incident.id + "  " + OneLine(event.sentence),
                       .more = {}});
    }
  }
  OrderBy(steps, [](const Step& step) { return std::pair(step.time_ns, step.rank); });
  return steps;
}

std::string Count(std::size_t number, const char* one, const char* many) {
  return fmt::format("{} {}", number, number == 1 ? one : many);
}

std::string Head(const Story& story, const std::vector<Step>& steps) {
  std::set<std::string> services;
  for (const Span& span : story.spans) services.insert(telemetry::ServiceName(span.resource));
  std::string head = "trace " + story.id.ToString();
  if (!steps.empty())
    head += "  " + kube::FormatTime(base::WallTime(base::Duration(steps.front().time_ns)));
  head += fmt::format("\n{} in {}, {}, {}", Count(story.spans.size(), "span", "spans"),
                      Count(services.size(), "service", "services"),
                      Count(story.lines.size(), "log line", "log lines"),
                      Count(story.changes.size(), "change", "changes"));
  if (!story.incidents.empty())
    head += ", " + Count(story.incidents.size(), "incident", "incidents");
  return head + "\n";
}

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
  nlohmann::json json = {{"spanId", span.span_id.ToString()},
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

std::string RenderStory(const Story& story, const StoryColours& colours) {
  const std::vector<Step> steps = StepsOf(story, colours);
  std::string text = Head(story, steps);
  if (!steps.empty()) text += '\n';
  for (const Step& step : steps) {
    text += fmt::format("{:>10}  {:<8}  {}\n", "+" + TimeSpan(step.time_ns - steps.front().time_ns),
                        step.layer, step.text);
    for (const std::string& more : step.more) text += fmt::format("{:22}{}\n", "", more);
  }
  if (!story.objects.empty()) {
    text += "\ncarried by\n";
    for (const StoryObject& object : story.objects) {
      text += fmt::format("  {:<14} {}", object.kind, OneLine(NameIn(object.ns, object.name)));
      if (!object.action.empty()) text += "  action " + OneLine(object.action);
      if (!object.incident.empty()) text += colours.dim("  of " + OneLine(object.incident));
      text += '\n';
    }
  }
  if (!story.missing.empty()) text += '\n';
  for (const MissingSource& missing : story.missing)
    text += colours.dim(fmt::format("without {}: {}", missing.source, OneLine(missing.why))) + "\n";
  return text;
}

nlohmann::json StoryToJson(const Story& story) {
  nlohmann::json json = {{"traceId", story.id.ToString()}};
  for (const char* list : {"spans", "logs", "changes", "events", "objects", "incidents", "missing"})
    json[list] = nlohmann::json::array();
  for (const Span& span : story.spans) json["spans"].push_back(SpanToJson(span));
  for (const StoryLine& line : story.lines)
    json["logs"].push_back({{"timeNs", std::to_string(line.record.time_ns)},
                            {"line", line.record.line},
                            {"spanId", line.record.span_id ? line.record.span_id->ToString() : ""},
                            {"stream", LabelsToJson(line.stream)},
                            {"metadata", LabelsToJson(line.record.metadata)}});
  for (const StoryChange& change : story.changes)
    json["changes"].push_back({{"timeNs", std::to_string(change.time_ns)},
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
    json["objects"].push_back({{"kind", object.kind},
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
