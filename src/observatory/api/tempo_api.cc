#include "tempo_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/quote.h"
#include "front.h"
#include "json_writer.h"
#include "parameters.h"
#include "reply.h"
#include "trace_format.h"

namespace enclave::observatory::api {
namespace {

using base::ErrorKind;
using base::Fail;
using telemetry::Span;

constexpr std::size_t kMostTraces = 1000;
// Spans looked at to answer one search whose condition the index cannot answer alone.
constexpr std::size_t kMostSpans = 64'000;
constexpr std::size_t kRecentSpans = 2000;
constexpr std::size_t kMostValues = 5000;

// Tempo answers errors as a line of text.
net::Response TextError(const base::Error& error) {
  return PlainText(HttpStatus(error.kind()), error.message() + "\n");
}

// A trace without a root (its root has not come yet, or was lost) is told by its first span.
const Span& RootOf(const std::vector<Span>& spans) {
  for (const Span& span : spans)
    if (!span.parent_id) return span;
  return spans.front();
}

std::int64_t DurationOf(const std::vector<Span>& spans) {
  std::int64_t begin = spans.front().start_ns;
  std::int64_t end = spans.front().end_ns;
  for (const Span& span : spans) {
    begin = std::min(begin, span.start_ns);
    end = std::max(end, span.end_ns);
  }
  return end - begin;
}

bool WantsProtobuf(const net::Request& request) {
  return request.Header("Accept").find("application/protobuf") != std::string_view::npos ||
         request.Header("Accept").find("application/x-protobuf") != std::string_view::npos;
}

// Field 1 of Tempo's TraceByIDResponse is the trace.
std::string WrapTrace(const std::string& trace) {
  std::string bytes("\x0a");
  for (std::size_t size = trace.size();; size >>= 7) {
    const bool last = size < 0x80;
    bytes.push_back(static_cast<char>((size & 0x7f) | (last ? 0 : 0x80)));
    if (last) break;
  }
  return bytes + trace;
}

void CollectTags(const telemetry::Attributes& attributes, std::set<std::string>* names) {
  for (const telemetry::Attribute& attribute : attributes) names->insert(attribute.key);
}

void WriteNames(JsonWriter* json, const auto& names) {
  json->BeginArray();
  for (const auto& name : names) json->String(name);
  json->EndArray();
}

constexpr std::string_view kIntrinsicTags[] = {
    "duration",        "kind",   "name",          "rootName",
    "rootServiceName", "status", "statusMessage", "traceDuration"};

std::string_view TypeOf(const telemetry::AttributeValue& value) {
  if (std::holds_alternative<bool>(value)) return "bool";
  if (std::holds_alternative<std::int64_t>(value)) return "int";
  if (std::holds_alternative<double>(value)) return "float";
  return "string";
}

}  // namespace

struct TempoApi::Found {
  std::vector<Span> trace;
  std::vector<Span> matched;
};

struct TempoApi::Wanted {
  SpanFilter filter;
  std::size_t traces = 20;
  // Of the whole trace.
  std::int64_t shortest_ns = 0;
  std::int64_t longest_ns = INT64_MAX;
};

void TempoApi::AddRoutes(RouteTable* routes) {
  routes->Get("/api/traces/{}", [this](const Call& call) { return Trace(call, false); });
  routes->Get("/api/v2/traces/{}", [this](const Call& call) { return Trace(call, true); });
  routes->Get("/api/search", [this](const Call& call) { return Search(call); });
  routes->Get("/api/search/tags", [this](const Call& call) { return Tags(call, false); });
  routes->Get("/api/v2/search/tags", [this](const Call& call) { return Tags(call, true); });
  routes->Get("/api/search/tag/{}/values",
              [this](const Call& call) { return TagValues(call, false); });
  routes->Get("/api/v2/search/tag/{}/values",
              [this](const Call& call) { return TagValues(call, true); });
  routes->Get("/api/echo", [](const Call&) { return PlainText(200, "echo"); }, Lane::kSelf);
  for (const char* path : {"/api/metrics/query_range", "/api/metrics/query"})
    routes->GetOrForm(path, [](const Call&) {
      return PlainText(501,
                       "TraceQL metrics are not supported; the spans' metrics are in PromQL\n");
    });
}

net::Response TempoApi::Trace(const Call& call, bool v2) {
  const auto id = trace::TraceId::Parse(call.captures[0]);
  if (!id)
    return PlainText(400, fmt::format("{} is no trace id: it has 32 hexadecimal digits\n",
                                      base::Quote(call.captures[0])));
  const auto spans = traces_.Trace(*id);
  if (!spans) return TextError(spans.error());
  if (spans->empty()) return PlainText(404, "trace not found\n");
  if (WantsProtobuf(call.request)) {
    std::string trace = ResourceSpansProto(*spans);
    return {200, {{"Content-Type", "application/protobuf"}}, v2 ? WrapTrace(trace) : trace};
  }
  std::string body;
  JsonWriter json(&body);
  json.BeginObject();
  if (v2) json.Key("trace").BeginObject();
  json.Key(v2 ? "resourceSpans" : "batches");
  WriteResourceSpans(&json, *spans);
  if (v2) json.EndObject().Key("metrics").BeginObject().EndObject();
  json.EndObject();
  return JsonReply(200, std::move(body));
}

base::Result<telemetry::TimeRangeNs> TempoApi::RangeOf(const Parameters& parameters) const {
  // Traces that begin just now, on a machine whose clock is a little ahead, belong to it.
  constexpr std::int64_t kAheadNs = 3600'000'000'000;
  telemetry::TimeRangeNs range{0, clock_.WallNow().time_since_epoch().count() + kAheadNs};
  if (parameters.Has("start")) {
    ASSIGN_OR_RETURN(range.from, ParseLokiTime(parameters.Get("start")));
  }
  if (parameters.Has("end")) {
    ASSIGN_OR_RETURN(range.to, ParseLokiTime(parameters.Get("end")));
    range.to += 1'000'000'000;  // Tempo's end is a whole second, that second included
  }
  if (range.to < range.from)
    return Fail(ErrorKind::kInvalidArgument, "the end of the search lies before its start");
  return range;
}

base::Result<std::vector<TempoApi::Found>> TempoApi::FindTraces(const Wanted& wanted,
                                                                telemetry::SpanQuery query,
                                                                const Call& call) {
  std::vector<Found> found;
  std::set<trace::TraceId> seen;
  // More and more spans are asked for, until there are traces enough or no more spans.
  for (query.limit = wanted.traces * 8;; query.limit *= 4) {
    query.limit = std::min(query.limit, kMostSpans);
    ASSIGN_OR_RETURN(const std::vector<Span> spans, traces_.FindSpans(query));
    for (const Span& span : spans) {
      if (call.stop.stop_requested()) return Fail(ErrorKind::kCancelled, "the client has gone");
      if (clock_.Now() >= call.deadline)
        return Fail(ErrorKind::kDeadlineExceeded,
                    "the search took too long: narrow its time or its conditions");
      if (!wanted.filter.needs_trace() && !wanted.filter.Matches(span, {})) continue;
      if (!seen.insert(span.trace_id).second) continue;
      ASSIGN_OR_RETURN(std::vector<Span> whole, traces_.Trace(span.trace_id));
      if (whole.empty()) continue;  // dropped by retention meanwhile
      const Span& root = RootOf(whole);
      const TraceFacts facts{telemetry::ServiceName(root.resource), root.name, DurationOf(whole)};
      if (facts.duration_ns < wanted.shortest_ns || facts.duration_ns > wanted.longest_ns) continue;
      // All spans of the trace that match, not only those this page of spans brought.
      std::vector<Span> matched;
      for (const Span& candidate : whole)
        if (wanted.filter.Matches(candidate, facts)) matched.push_back(candidate);
      if (matched.empty()) continue;
      found.push_back({std::move(whole), std::move(matched)});
      if (found.size() == wanted.traces) return found;
    }
    if (spans.size() < query.limit || query.limit == kMostSpans) return found;
  }
}

net::Response TempoApi::Search(const Call& call) {
  const Parameters parameters = Parameters::Of(call.request);
  const auto range = RangeOf(parameters);
  if (!range) return TextError(range.error());
  const auto limit = ParseLimit(parameters.Get("limit"));
  if (!limit) return TextError(limit.error());
  const auto spans_per_set = ParseLimit(parameters.Get("spss"));
  if (!spans_per_set) return TextError(spans_per_set.error().While("spss"));
  const bool by_tags = !parameters.Has("q");
  const auto filter = by_tags ? SpanFilter::ParseTags(parameters.Get("tags"))
                              : SpanFilter::Parse(parameters.Get("q"));
  if (!filter) return TextError(filter.error());

  telemetry::SpanQuery query{.range = *range};
  filter->Narrow(&query);
  Wanted wanted{*filter, std::clamp<std::size_t>(limit->value_or(20), 1, kMostTraces)};
  for (const auto& [name, bound] : {std::pair{"minDuration", &wanted.shortest_ns},
                                    std::pair{"maxDuration", &wanted.longest_ns}}) {
    if (!parameters.Has(name)) continue;
    const auto nanos = ParseGoDuration(parameters.Get(name));
    if (!nanos) return TextError(nanos.error().While(name));
    *bound = *nanos;
  }
  // No span is longer than its trace.
  query.max_duration_ns = std::min(query.max_duration_ns, wanted.longest_ns);

  const auto found = FindTraces(wanted, std::move(query), call);
  if (!found) return TextError(found.error());

  std::string body;
  JsonWriter json(&body);
  json.BeginObject().Key("traces").BeginArray();
  const std::size_t shown = std::max<std::size_t>(spans_per_set->value_or(3), 1);
  std::size_t inspected = 0;
  for (const Found& one : *found) {
    const Span& root = RootOf(one.trace);
    std::int64_t start = root.start_ns;
    for (const Span& span : one.trace) start = std::min(start, span.start_ns);
    inspected += one.trace.size();
    json.BeginObject();
    json.Key("traceID").String(root.trace_id.ToString());
    json.Key("rootServiceName").String(telemetry::ServiceName(root.resource));
    json.Key("rootTraceName").String(root.name);
    json.Key("startTimeUnixNano").String(fmt::format_int(start).str());
    json.Key("durationMs").Integer(DurationOf(one.trace) / 1'000'000);
    json.Key("spanSets").BeginArray().BeginObject().Key("spans").BeginArray();
    for (std::size_t i = 0; i < std::min(shown, one.matched.size()); ++i) {
      const Span& span = one.matched[i];
      json.BeginObject();
      json.Key("spanID").String(span.span_id.ToString());
      json.Key("name").String(span.name);
      json.Key("startTimeUnixNano").String(fmt::format_int(span.start_ns).str());
      json.Key("durationNanos").String(fmt::format_int(span.end_ns - span.start_ns).str());
      json.Key("attributes");
      WriteAttributes(&json, {{"service.name", telemetry::ServiceName(span.resource)}});
      json.EndObject();
    }
    json.EndArray().Key("matched").Integer(static_cast<std::int64_t>(one.matched.size()));
    json.EndObject().EndArray().EndObject();
  }
  json.EndArray().Key("metrics").BeginObject();
  json.Key("inspectedTraces").Integer(static_cast<std::int64_t>(found->size()));
  json.Key("inspectedSpans").String(fmt::format_int(inspected).str());
  json.EndObject().EndObject();
  return JsonReply(200, std::move(body));
}

base::Result<std::vector<Span>> TempoApi::Recent(const Parameters& parameters) {
  ASSIGN_OR_RETURN(const telemetry::TimeRangeNs range, RangeOf(parameters));
  telemetry::SpanQuery query{.range = range};
  // The query that is being written narrows what is offered, once it can be read.
  if (const auto filter = SpanFilter::Parse(parameters.Get("q"))) filter->Narrow(&query);
  query.limit = kRecentSpans;
  return traces_.FindSpans(query);
}

net::Response TempoApi::Tags(const Call& call, bool v2) {
  const Parameters parameters = Parameters::Of(call.request);
  const auto spans = Recent(parameters);
  if (!spans) return TextError(spans.error());
  std::set<std::string> of_spans;
  std::set<std::string> of_resources;
  for (const Span& span : *spans) {
    CollectTags(span.attributes, &of_spans);
    CollectTags(span.resource, &of_resources);
  }
  std::string body;
  JsonWriter json(&body);
  json.BeginObject();
  if (!v2) {
    of_spans.merge(of_resources);
    json.Key("tagNames");
    WriteNames(&json, of_spans);
  } else {
    const std::string scope = parameters.Get("scope");
    const auto wanted = [&](std::string_view name) { return scope.empty() || scope == name; };
    json.Key("scopes").BeginArray();
    if (wanted("resource")) {
      json.BeginObject().Key("name").String("resource").Key("tags");
      WriteNames(&json, of_resources);
      json.EndObject();
    }
    if (wanted("span")) {
      json.BeginObject().Key("name").String("span").Key("tags");
      WriteNames(&json, of_spans);
      json.EndObject();
    }
    if (wanted("intrinsic")) {
      json.BeginObject().Key("name").String("intrinsic").Key("tags");
      WriteNames(&json, kIntrinsicTags);
      json.EndObject();
    }
    json.EndArray();
  }
  json.EndObject();
  return JsonReply(200, std::move(body));
}

net::Response TempoApi::TagValues(const Call& call, bool v2) {
  const Parameters parameters = Parameters::Of(call.request);
  std::string tag = call.captures[0];
  std::set<std::pair<std::string, std::string>> values;  // type and text
  const auto range = RangeOf(parameters);
  if (!range) return TextError(range.error());
  const bool any_scope = tag.starts_with('.');
  bool resource = true;
  bool attributes = true;
  if (any_scope) tag.erase(0, 1);
  if (tag.starts_with("resource.")) {
    attributes = false;
    tag.erase(0, 9);
  } else if (tag.starts_with("span.")) {
    resource = false;
    tag.erase(0, 5);
  }
  if (tag == "status" || tag == "span:status") {
    for (const char* status : {"error", "ok", "unset"}) values.emplace("keyword", status);
  } else if (tag == "kind" || tag == "span:kind") {
    for (const char* kind : {"client", "consumer", "internal", "producer", "server", "unspecified"})
      values.emplace("keyword", kind);
  } else if (tag == "service.name" || tag == "rootServiceName" || tag == "trace:rootService") {
    const auto services = traces_.Services(*range);
    if (!services) return TextError(services.error());
    for (const std::string& service : *services) values.emplace("string", service);
  } else {
    const auto spans = Recent(parameters);
    if (!spans) return TextError(spans.error());
    const bool name =
        tag == "name" || tag == "span:name" || tag == "rootName" || tag == "trace:rootName";
    const bool root = tag.ends_with("ootName");
    for (const Span& span : *spans) {
      if (values.size() >= kMostValues) break;
      if (name) {
        if (!root || !span.parent_id) values.emplace("string", span.name);
        continue;
      }
      for (const auto& [wanted, source] :
           {std::pair{attributes, &span.attributes}, std::pair{resource, &span.resource}})
        if (wanted)
          if (const auto* value = telemetry::Find(*source, tag))
            values.emplace(TypeOf(*value), telemetry::ToText(*value));
    }
  }
  std::string body;
  JsonWriter json(&body);
  json.BeginObject().Key("tagValues").BeginArray();
  for (const auto& [type, value] : values) {
    if (v2)
      json.BeginObject().Key("type").String(type).Key("value").String(value).EndObject();
    else
      json.String(value);
  }
  json.EndArray().EndObject();
  return JsonReply(200, std::move(body));
}

}  // namespace enclave::observatory::api
