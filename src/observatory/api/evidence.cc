#include "evidence.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "base/quote.h"
#include "json_writer.h"
#include "parameters.h"
#include "reply.h"
#include "trace_format.h"

namespace enclave::observatory::api {
namespace {

using base::ErrorKind;
using base::Fail;
using telemetry::Span;

constexpr std::size_t kLongestText = 4096;
constexpr std::size_t kLeastBytes = 16 << 10;
constexpr std::size_t kMostBytes = 8 << 20;
constexpr std::int64_t kMostMarginNs = 3600'000'000'000;

std::string Id(std::string_view kind, std::string_view of) {
  return fmt::format("{}/{:016x}", kind, XXH3_64bits(of.data(), of.size()));
}

// Long texts (stack traces, dumped bodies) lose their end, and say so.
std::string Clip(std::string_view text) {
  if (text.size() <= kLongestText) return std::string(text);
  std::size_t end = kLongestText;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return fmt::format("{}... ({} bytes in all)", text.substr(0, end), text.size());
}

void WriteClipped(JsonWriter* json, const telemetry::Attributes& attributes) {
  json->BeginObject();
  for (const telemetry::Attribute& attribute : attributes)
    json->Key(attribute.key).String(Clip(telemetry::ToText(attribute.value)));
  json->EndObject();
}

void WriteNanos(JsonWriter* json, std::string_view key, std::int64_t nanos) {
  json->Key(key).String(fmt::format_int(nanos).str());
}

std::string SpanItem(const Span& span) {
  std::string item;
  JsonWriter json(&item);
  json.BeginObject();
  json.Key("id").String(
      fmt::format("span/{}/{}", span.trace_id.ToString(), span.span_id.ToString()));
  json.Key("trace_id").String(span.trace_id.ToString());
  json.Key("span_id").String(span.span_id.ToString());
  if (span.parent_id) json.Key("parent_id").String(span.parent_id->ToString());
  json.Key("service").String(telemetry::ServiceName(span.resource));
  json.Key("name").String(Clip(span.name));
  static constexpr const char* kKinds[] = {"unspecified", "internal", "server",
                                           "client",      "producer", "consumer"};
  json.Key("kind").String(kKinds[static_cast<std::size_t>(span.kind)]);
  if (span.status != telemetry::SpanStatus::kUnset)
    json.Key("status").String(span.status == telemetry::SpanStatus::kError ? "error" : "ok");
  if (!span.status_message.empty()) json.Key("status_message").String(Clip(span.status_message));
  WriteNanos(&json, "start_ns", span.start_ns);
  WriteNanos(&json, "duration_ns", span.end_ns - span.start_ns);
  json.Key("attributes");
  WriteClipped(&json, span.attributes);
  json.Key("resource");
  WriteClipped(&json, span.resource);
  if (!span.events.empty()) {
    json.Key("events").BeginArray();
    for (const telemetry::SpanEvent& event : span.events) {
      json.BeginObject().Key("name").String(Clip(event.name));
      WriteNanos(&json, "time_ns", event.time_ns);
      json.Key("attributes");
      WriteClipped(&json, event.attributes);
      json.EndObject();
    }
    json.EndArray();
  }
  json.EndObject();
  return item;
}

std::string LogItem(const EvidenceLog& log) {
  std::string item;
  JsonWriter json(&item);
  json.BeginObject();
  json.Key("id").String(Id("log", fmt::format("{}\n{}\n{}", log.stream.ToString(),
                                              log.record.time_ns, log.record.line)));
  WriteNanos(&json, "time_ns", log.record.time_ns);
  json.Key("line").String(Clip(log.record.line));
  json.Key("stream").LabelSet(log.stream);
  if (!log.record.metadata.empty()) json.Key("metadata").LabelSet(log.record.metadata);
  if (log.record.trace_id) json.Key("trace_id").String(log.record.trace_id->ToString());
  if (log.record.span_id) json.Key("span_id").String(log.record.span_id->ToString());
  json.Key("of_trace").Bool(log.of_trace);
  json.EndObject();
  return item;
}

std::string ExemplarItem(const telemetry::Labels& series, const telemetry::Exemplar& exemplar) {
  std::string item;
  JsonWriter json(&item);
  json.BeginObject();
  const std::string trace = exemplar.trace_id ? exemplar.trace_id->ToString() : "";
  json.Key("id").String(
      Id("exemplar", fmt::format("{}\n{}\n{}", series.ToString(), exemplar.time_ms, trace)));
  json.Key("series").LabelSet(series);
  json.Key("time_ms").Integer(exemplar.time_ms);
  std::string value;
  AppendSampleValue(&value, exemplar.value);
  json.Key("value").String(value);
  if (!trace.empty()) json.Key("trace_id").String(trace);
  if (exemplar.span_id) json.Key("span_id").String(exemplar.span_id->ToString());
  if (!exemplar.labels.empty()) json.Key("labels").LabelSet(exemplar.labels);
  json.EndObject();
  return item;
}

std::string SeriesItem(const EvidenceSeries& series) {
  std::string item;
  JsonWriter json(&item);
  json.BeginObject();
  json.Key("id").String(Id("series", series.labels.ToString()));
  json.Key("labels").LabelSet(series.labels);
  json.Key("change").Number(series.change);
  json.Key("points").BeginArray();
  for (const telemetry::Sample& sample : series.samples) json.Point(sample.time_ms, sample.value);
  json.EndArray().EndObject();
  return item;
}

// Fills a list with items until its share of the document is used; what one list leaves, the next
// may use.
class Budget {
 public:
  explicit Budget(std::size_t bytes) : left_(bytes) {}

  // The items are in the order of their worth; `share` is of what is left.
  std::size_t Fill(JsonWriter* json, std::size_t count, double share, const auto& item_of) {
    std::size_t room = static_cast<std::size_t>(static_cast<double>(left_) * share);
    std::size_t written = 0;
    std::size_t misses = 0;
    // A few that do not fit are passed over: the next may be smaller.
    for (std::size_t i = 0; i < count && misses < 16; ++i) {
      const std::string item = item_of(i);
      if (item.size() + 1 > room) {
        ++misses;
        continue;
      }
      json->Raw(item);
      room -= item.size() + 1;
      left_ -= item.size() + 1;
      ++written;
    }
    return written;
  }

  std::size_t left() const { return left_; }

 private:
  std::size_t left_;
};

std::string ServiceItem(const std::string& name, const EvidenceService& service) {
  std::string item;
  JsonWriter json(&item);
  json.BeginObject().Key("name").String(Clip(name));
  json.Key("spans").Integer(static_cast<std::int64_t>(service.spans));
  json.Key("errors").Integer(static_cast<std::int64_t>(service.errors));
  for (const auto& [key, set] :
       {std::pair{"pods", &service.pods}, std::pair{"nodes", &service.nodes},
        std::pair{"versions", &service.versions}}) {
    json.Key(key).BeginArray();
    for (const std::string& text : *set) json.String(text);
    json.EndArray();
  }
  json.Key("calls").BeginObject();
  for (const auto& [to, count] : service.calls)
    json.Key(to).Integer(static_cast<std::int64_t>(count));
  json.EndObject().EndObject();
  return item;
}

}  // namespace

std::string WriteEvidence(const EvidenceQuery& query, const Evidence& evidence) {
  std::string body;
  JsonWriter json(&body);
  json.BeginObject().Key("status").String("success").Key("data").BeginObject();
  if (query.trace) json.Key("trace_id").String(query.trace->ToString());
  json.Key("window").BeginObject();
  WriteNanos(&json, "start_ns", evidence.window.from);
  WriteNanos(&json, "end_ns", evidence.window.to);
  json.EndObject();

  // The frame around the items: keys, the counts at the end, and at most a kilobyte of warnings.
  constexpr std::size_t kFrame = 3072;
  Budget budget(query.max_bytes - std::min(query.max_bytes, body.size() + kFrame));
  std::vector<const std::pair<const std::string, EvidenceService>*> services;
  for (const auto& service : evidence.services) services.push_back(&service);
  std::ranges::sort(services, [](const auto* a, const auto* b) {
    if (a->second.errors != b->second.errors) return a->second.errors > b->second.errors;
    if (a->second.spans != b->second.spans) return a->second.spans > b->second.spans;
    return a->first < b->first;
  });
  json.Key("services").BeginArray();
  const std::size_t services_written = budget.Fill(&json, services.size(), 0.2, [&](std::size_t i) {
    return ServiceItem(services[i]->first, services[i]->second);
  });
  json.EndArray().Key("spans").BeginArray();
  const std::size_t spans = budget.Fill(&json, evidence.spans.size(), 0.45,
                                        [&](std::size_t i) { return SpanItem(evidence.spans[i]); });
  json.EndArray().Key("logs").BeginArray();
  const std::size_t logs = budget.Fill(&json, evidence.logs.size(), 0.5,
                                       [&](std::size_t i) { return LogItem(evidence.logs[i]); });
  json.EndArray().Key("exemplars").BeginArray();
  std::vector<std::pair<const telemetry::Labels*, const telemetry::Exemplar*>> exemplars;
  for (const telemetry::SeriesExemplars& series : evidence.exemplars)
    for (const telemetry::Exemplar& exemplar : series.exemplars)
      exemplars.emplace_back(&series.series, &exemplar);
  const std::size_t exemplars_written = budget.Fill(
      &json, exemplars.size(), 0.2,
      [&](std::size_t i) { return ExemplarItem(*exemplars[i].first, *exemplars[i].second); });
  json.EndArray().Key("series").BeginArray();
  const std::size_t series = budget.Fill(&json, evidence.series.size(), 1.0, [&](std::size_t i) {
    return SeriesItem(evidence.series[i]);
  });
  json.EndArray().Key("omitted").BeginObject();
  const auto omitted = [&](std::string_view key, std::size_t found, std::size_t written) {
    json.Key(key).Integer(static_cast<std::int64_t>(found - written));
  };
  omitted("services", services.size(), services_written);
  omitted("spans", evidence.spans.size(), spans);
  omitted("logs", evidence.logs.size(), logs);
  omitted("exemplars", exemplars.size(), exemplars_written);
  omitted("series", evidence.series.size() + evidence.unread_series, series);
  json.Key("more_spans").Bool(evidence.more_spans);
  json.Key("more_logs").Bool(evidence.more_logs);
  json.EndObject();
  if (!evidence.warnings.empty()) {
    json.Key("warnings").BeginArray();
    for (std::size_t i = 0; i < std::min<std::size_t>(evidence.warnings.size(), 4); ++i)
      json.String(evidence.warnings[i].substr(0, 200));
    json.EndArray();
  }
  json.EndObject().EndObject();
  return body;
}

void EvidenceApi::AddRoutes(RouteTable* routes) {
  routes->GetOrForm("/api/v1/evidence", [this](const Call& call) { return Answer(call); });
}

net::Response EvidenceApi::Answer(const Call& call) {
  const Parameters parameters = Parameters::Of(call.request);
  EvidenceQuery query;
  query.services = parameters.All("service");
  std::erase(query.services, "");
  if (query.services.size() > 100) return BadData("at most 100 services can be asked for at once");
  const auto bytes = ParseLimit(parameters.Get("max_bytes"));
  if (!bytes) return InvalidParameter("max_bytes", bytes.error());
  query.max_bytes = std::clamp(bytes->value_or(query.max_bytes), kLeastBytes, kMostBytes);
  if (parameters.Has("margin")) {
    const auto margin = ParseGoDuration(parameters.Get("margin"));
    if (!margin) return InvalidParameter("margin", margin.error());
    query.margin_ns = std::clamp<std::int64_t>(*margin, 0, kMostMarginNs);
  }
  if (parameters.Has("trace")) {
    query.trace = trace::TraceId::Parse(parameters.Get("trace"));
    if (!query.trace)
      return BadData(fmt::format("{} is no trace id: it has 32 hexadecimal digits",
                                 base::Quote(parameters.Get("trace"))));
  } else if (parameters.Has("start")) {
    const auto start = ParsePrometheusTime(parameters.Get("start"));
    if (!start) return InvalidParameter("start", start.error());
    query.window.from = NanosOf(*start);
    query.window.to = clock_.WallNow().time_since_epoch().count();
    if (parameters.Has("end")) {
      const auto end = ParsePrometheusTime(parameters.Get("end"));
      if (!end) return InvalidParameter("end", end.error());
      query.window.to = NanosOf(*end);
    }
    if (query.window.to <= query.window.from)
      return BadData("end timestamp must not be before start time");
  } else {
    return BadData("ask for trace=ID, or for a window with start and end (and service)");
  }
  const auto evidence = CollectEvidence(query, metrics_, logs_, traces_);
  if (!evidence) return PrometheusError(evidence.error());
  return JsonReply(200, WriteEvidence(query, *evidence));
}

}  // namespace enclave::observatory::api
