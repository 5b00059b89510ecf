#include "cli/tempo_client.h"

#include <fmt/format.h>
#include <google/protobuf/arena.h>

#include <algorithm>
#include <latch>
#include <set>

#include "base/quote.h"
#include "observatory/ingest/otlp.h"
#include "observatory/ingest/otlp_protobuf.h"

namespace enclave::cli {

using base::ErrorKind;
using base::Fail;
using base::Result;
using kube::At;
using kube::Json;
using kube::StringAt;
using telemetry::Span;
using telemetry::TimeRangeNs;
using trace::TraceId;

namespace {

namespace ingest = observatory::ingest;

constexpr std::int64_t kSecondNs = 1'000'000'000;
// A trace that has not grown for so long is over.
constexpr std::int64_t kOverNs = 15 * kSecondNs;
constexpr std::size_t kMostTraceBytes = std::size_t{64} << 20U;

// Tempo's Trace and OTLP's request are one message on the wire: field 1, repeated ResourceSpans.
Result<std::vector<Span>> Decode(std::string_view bytes) {
  ingest::ByteBudget budget(kMostTraceBytes);
  ingest::ByteBudget::Hold hold(budget);
  google::protobuf::Arena arena;
  auto* request = google::protobuf::Arena::CreateMessage<ingest::TracesRequest>(&arena);
  RETURN_IF_ERROR(ingest::ReadOtlpProtobuf(bytes, arena, *request, hold));
  ASSIGN_OR_RETURN(ingest::Translated translated,
                   ingest::TranslateTraces(*request, ingest::OtlpOptions{}, hold));
  return std::move(translated.batch.spans);
}

std::string TagText(const telemetry::Attribute& tag) {
  return fmt::format(".{} = {}", tag.key, base::Quote(telemetry::ToText(tag.value)));
}

bool Matches(const Span& span, const telemetry::SpanQuery& query) {
  if (span.start_ns < query.range.from || span.start_ns >= query.range.to) return false;
  if (query.service && telemetry::ServiceName(span.resource) != *query.service) return false;
  if (query.operation && span.name != *query.operation) return false;
  if (query.status && span.status != *query.status) return false;
  const std::int64_t duration_ns = span.end_ns - span.start_ns;
  if (duration_ns < query.min_duration_ns || duration_ns > query.max_duration_ns) return false;
  return std::ranges::all_of(query.tags, [&](const telemetry::Attribute& tag) {
    for (const telemetry::Attributes* attributes : {&span.attributes, &span.resource})
      if (const auto* value = telemetry::Find(*attributes, tag.key))
        if (telemetry::ToText(*value) == telemetry::ToText(tag.value)) return true;
    return false;
  });
}

}  // namespace

Result<std::unique_ptr<telemetry::TraceSource>> TempoClient::Create(net::EventLoop& loop,
                                                                    const std::string& url) {
  ASSIGN_OR_RETURN(auto http, TelemetryHttp::Create(loop, url));
  return std::unique_ptr<telemetry::TraceSource>(new TempoClient(std::move(http), loop));
}

Result<std::vector<TraceId>> TempoClient::Search(const std::string& query, TimeRangeNs range,
                                                 std::size_t limit) const {
  ASSIGN_OR_RETURN(const Json answer,
                   http_->GetJson("/api/search",
                                  {{"q", query},
                                   {"start", std::to_string(range.from / kSecondNs)},
                                   {"end", std::to_string((range.to + kSecondNs - 1) / kSecondNs)},
                                   {"limit", std::to_string(limit)},
                                   {"spss", "1"}}));
  std::vector<TraceId> ids;
  for (const Json& one : At(answer, "traces")) {
    // Tempo leaves leading zeros out.
    const std::string text = fmt::format("{:0>32}", StringAt(one, "traceID"));
    if (const auto id = TraceId::Parse(text)) ids.push_back(*id);
  }
  return ids;
}

Result<TempoClient::Spans> TempoClient::Read(TraceId trace_id) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = kept_.find(trace_id); found != kept_.end()) return found->second;
  }
  const auto body =
      http_->Get("/api/traces/" + trace_id.ToString(), {}, {{"Accept", "application/protobuf"}});
  if (!body && body.error().kind() == ErrorKind::kNotFound)
    return std::make_shared<const std::vector<Span>>();
  if (!body) return Fail(body.error());
  ASSIGN_OR_RETURN(std::vector<Span> decoded, Decode(*body));
  std::ranges::sort(decoded, {}, &Span::start_ns);
  auto spans = std::make_shared<const std::vector<Span>>(std::move(decoded));
  std::int64_t ended_ns = 0;
  for (const Span& span : *spans) ended_ns = std::max(ended_ns, span.end_ns);
  const std::int64_t now_ns = clock_.WallNow().time_since_epoch().count();
  if (spans->empty() || now_ns - ended_ns < kOverNs) return spans;
  const std::lock_guard lock(mutex_);
  if (!kept_.emplace(trace_id, spans).second) return spans;
  kept_order_.push_back(trace_id);
  if (kept_order_.size() > kMostKept) {
    kept_.erase(kept_order_.front());
    kept_order_.pop_front();
  }
  return spans;
}

Result<std::vector<TempoClient::Spans>> TempoClient::ReadAll(const std::vector<TraceId>& ids) {
  std::vector<Spans> all(ids.size());
  std::optional<base::Error> error;
  std::mutex error_mutex;
  std::latch left(static_cast<std::ptrdiff_t>(ids.size()));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto read = [&, i] {
      auto spans = Read(ids[i]);
      if (spans) {
        all[i] = *std::move(spans);
      } else {
        const std::lock_guard lock(error_mutex);
        error = spans.error();
      }
      left.count_down();
    };
    // When the queue is full, this thread reads.
    if (!readers_.Submit(read)) read();
  }
  left.wait();
  const std::size_t missing = static_cast<std::size_t>(std::ranges::count(all, nullptr));
  if (error && missing == ids.size()) return Fail(*error);
  std::erase(all, nullptr);
  return all;
}

Result<> TempoClient::Visit(TimeRangeNs range, const telemetry::SpanVisitor& visit) {
  std::vector<TraceId> ids;
  std::set<TraceId> seen;
  for (const auto& [query, limit] :
       {std::pair{"{ status = error }", kMostFailed}, std::pair{"{ }", kMostTraces}}) {
    ASSIGN_OR_RETURN(const std::vector<TraceId> found, Search(query, range, limit));
    for (const TraceId& id : found)
      if (ids.size() < kMostTraces && seen.insert(id).second) ids.push_back(id);
  }
  ASSIGN_OR_RETURN(const std::vector<Spans> traces, ReadAll(ids));
  for (const Spans& trace : traces)
    for (const Span& span : *trace)
      if (span.start_ns >= range.from && span.start_ns < range.to && !visit(span)) return {};
  return {};
}

Result<std::vector<Span>> TempoClient::Trace(TraceId trace_id) {
  ASSIGN_OR_RETURN(const Spans spans, Read(trace_id));
  return *spans;
}

Result<std::vector<Span>> TempoClient::FindSpans(const telemetry::SpanQuery& query) {
  std::vector<std::string> parts;
  if (query.service) parts.push_back("resource.service.name = " + base::Quote(*query.service));
  if (query.operation) parts.push_back("name = " + base::Quote(*query.operation));
  if (query.status)
    parts.push_back(
        fmt::format("status = {}", *query.status == telemetry::SpanStatus::kError ? "error"
                                   : *query.status == telemetry::SpanStatus::kOk  ? "ok"
                                                                                  : "unset"));
  if (query.min_duration_ns > 0)
    parts.push_back(fmt::format("duration >= {}ns", query.min_duration_ns));
  if (query.max_duration_ns < INT64_MAX)
    parts.push_back(fmt::format("duration <= {}ns", query.max_duration_ns));
  for (const telemetry::Attribute& tag : query.tags) parts.push_back(TagText(tag));
  ASSIGN_OR_RETURN(const std::vector<TraceId> ids,
                   Search(fmt::format("{{ {} }}", fmt::join(parts, " && ")), query.range,
                          std::min(query.limit, kMostTraces)));
  ASSIGN_OR_RETURN(const std::vector<Spans> traces, ReadAll(ids));
  std::vector<Span> found;
  for (const Spans& trace : traces)
    for (const Span& span : *trace)
      if (Matches(span, query)) found.push_back(span);
  std::ranges::sort(found, std::greater<>{}, &Span::start_ns);
  if (found.size() > query.limit)
    found.erase(found.begin() + static_cast<std::ptrdiff_t>(query.limit), found.end());
  return found;
}

Result<std::vector<std::string>> TempoClient::Services(TimeRangeNs range) {
  std::set<std::string> names;
  RETURN_IF_ERROR(Visit(range, [&](const Span& span) {
    names.insert(telemetry::ServiceName(span.resource));
    return true;
  }));
  return std::vector(names.begin(), names.end());
}

Result<std::vector<std::string>> TempoClient::Operations(const std::string& service,
                                                         TimeRangeNs range) {
  std::set<std::string> names;
  RETURN_IF_ERROR(Visit(range, [&](const Span& span) {
    if (telemetry::ServiceName(span.resource) == service) names.insert(span.name);
    return true;
  }));
  return std::vector(names.begin(), names.end());
}

}  // namespace enclave::cli
