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
// Spans looked at to answer one search whose condition the index cannot answer alone, and how many
// of them are held at once.
constexpr std::size_t kMostSpans = 64'000;
constexpr std::size_t kPageSpans = 2000;
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

// What is told of a trace: the trace itself, thousand of them, would be hundreds of megabytes.
struct TempoApi::Found {
  struct Matched {
    trace::SpanId id;
    std::string service;
    std::string name;
    std::int64_t start_ns = 0;
    std::int64_t duration_ns = 0;
  };
  trace::TraceId id;
  std::string root_service;
  std::string root_name;
  std::int64_t start_ns = 0;
  std::int64_t duration_ns = 0;
  std::size_t spans = 0;
  std::size_t matched = 0;
  std::vector<Matched> shown{};  // the first of those that match
};

struct TempoApi::Wanted {
  SpanFilter filter;
  std::size_t traces = 20;
  std::size_t shown = 3;  // spans of each
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

std::optional<TempoApi::Found> TempoApi::Describe(const Wanted& wanted,
                                                  const std::vector<Span>& trace) {
  const Span& root = RootOf(trace);
  const TraceFacts facts{telemetry::ServiceName(root.resource), root.name, DurationOf(trace)};
  if (facts.duration_ns < wanted.shortest_ns || facts.duration_ns > wanted.longest_ns)
    return std::nullopt;
  Found found{.id = root.trace_id,
              .root_service = facts.root_service,
              .root_name = root.name,
              .start_ns = std::ranges::min(trace, {}, &Span::start_ns).start_ns,
              .duration_ns = facts.duration_ns,
              .spans = trace.size()};
  // All spans of the trace that match, not only those that led to it.
  for (const Span& span : trace) {
    if (!wanted.filter.Matches(span, facts)) continue;
    if (++found.matched > wanted.shown) continue;
    found.shown.push_back({span.span_id, telemetry::ServiceName(span.resource), span.name,
                           span.start_ns, span.end_ns - span.start_ns});
  }
  if (found.matched == 0) return std::nullopt;
  return found;
}

base::Result<std::vector<TempoApi::Found>> TempoApi::FindTraces(const Wanted& wanted,
                                                                telemetry::SpanQuery query,
                                                                const Call& call) {
  std::vector<Found> found;
  std::set<trace::TraceId> seen;
  // Page by page back in time, until there are traces enough or no more spans.
  query.limit = kPageSpans;
  for (std::size_t looked_at = 0; looked_at < kMostSpans;) {
    ASSIGN_OR_RETURN(const std::vector<Span> page, traces_.FindSpans(query));
    for (const Span& span : page) {
      if (call.stop.stop_requested()) return Fail(ErrorKind::kCancelled, "the client has gone");
      if (clock_.Now() >= call.deadline)
        return Fail(ErrorKind::kDeadlineExceeded,
                    "the search took too long: narrow its time or its conditions");
      if (!wanted.filter.needs_trace() && !wanted.filter.Matches(span, {})) continue;
      if (!seen.insert(span.trace_id).second) continue;
      ASSIGN_OR_RETURN(const std::vector<Span> trace, traces_.Trace(span.trace_id));
      if (trace.empty()) continue;  // dropped by retention meanwhile
      if (auto one = Describe(wanted, trace)) found.push_back(std::move(*one));
      if (found.size() == wanted.traces) return found;
    }
    looked_at += page.size();
    if (page.size() < query.limit) break;
    // Those that begin at the same instant as the last may go on into the next page; where they
    // fill a whole one, it takes a larger one to get past them.
    const std::int64_t last = page.back().start_ns;
    if (last + 1 == query.range.to)
      query.limit *= 2;
    else
      query.range.to = last + 1;
  }
  return found;
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
  Wanted wanted{.filter = *filter,
                .traces = std::clamp<std::size_t>(limit->value_or(20), 1, kMostTraces),
                .shown = std::max<std::size_t>(spans_per_set->value_or(3), 1)};
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
  std::size_t inspected = 0;
  for (const Found& one : *found) {
    inspected += one.spans;
    json.BeginObject();
    json.Key("traceID").String(one.id.ToString());
    json.Key("rootServiceName").String(one.root_service);
    json.Key("rootTraceName").String(one.root_name);
    json.Key("startTimeUnixNano").String(fmt::format_int(one.start_ns).str());
    json.Key("durationMs").Integer(one.duration_ns / 1'000'000);
    json.Key("spanSets").BeginArray().BeginObject().Key("spans").BeginArray();
    for (const Found::Matched& span : one.shown) {
      json.BeginObject();
      json.Key("spanID").String(span.id.ToString());
      json.Key("name").String(span.name);
      json.Key("startTimeUnixNano").String(fmt::format_int(span.start_ns).str());
      json.Key("durationNanos").String(fmt::format_int(span.duration_ns).str());
      json.Key("attributes");
      WriteAttributes(&json, {{"service.name", span.service}});
      json.EndObject();
    }
    json.EndArray().Key("matched").Integer(static_cast<std::int64_t>(one.matched));
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
