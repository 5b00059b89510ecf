#include <algorithm>
#include <cstdint>

#include <fmt/format.h>

#include "base/quote.h"
#include "observatory/ingest/otlp.h"
#include "observatory/ingest/text.h"

namespace enclave::observatory::ingest {
namespace {

namespace trace_wire = opentelemetry::proto::trace::v1;
using telemetry::SpanKind;
using telemetry::SpanStatus;

SpanKind KindOf(trace_wire::Span::SpanKind kind) {
  switch (kind) {
    case trace_wire::Span::SPAN_KIND_INTERNAL:
      return SpanKind::kInternal;
    case trace_wire::Span::SPAN_KIND_SERVER:
      return SpanKind::kServer;
    case trace_wire::Span::SPAN_KIND_CLIENT:
      return SpanKind::kClient;
    case trace_wire::Span::SPAN_KIND_PRODUCER:
      return SpanKind::kProducer;
    case trace_wire::Span::SPAN_KIND_CONSUMER:
      return SpanKind::kConsumer;
    default:
      return SpanKind::kUnspecified;
  }
}

SpanStatus StatusOf(trace_wire::Status::StatusCode code) {
  switch (code) {
    case trace_wire::Status::STATUS_CODE_OK:
      return SpanStatus::kOk;
    case trace_wire::Status::STATUS_CODE_ERROR:
      return SpanStatus::kError;
    default:
      return SpanStatus::kUnset;
  }
}

std::size_t MemoryNeededFor(const trace_wire::Span& span) {
  auto attributes = static_cast<std::size_t>(span.attributes_size());
  for (const trace_wire::Span::Event& event : span.events())
    attributes += static_cast<std::size_t>(event.attributes_size());
  for (const trace_wire::Span::Link& link : span.links())
    attributes += static_cast<std::size_t>(link.attributes_size());
  return sizeof(telemetry::Span) + 2 * span.ByteSizeLong() +
         attributes * sizeof(telemetry::Attribute) +
         static_cast<std::size_t>(span.events_size()) * sizeof(telemetry::SpanEvent) +
         static_cast<std::size_t>(span.links_size()) * sizeof(telemetry::SpanLink);
}

class SpanTranslator {
 public:
  SpanTranslator(const OtlpOptions& options, ByteBudget::Hold& hold, Translated& result)
      : options_(options), hold_(hold), result_(result) {}

  base::Result<> Resource(const trace_wire::ResourceSpans& group) {
    resource_ = ToAttributes(group.resource().attributes(), options_.attributes, result_.cut);
    resource_bytes_ = MemoryOf(resource_);
    for (const trace_wire::ScopeSpans& scope : group.scope_spans())
      for (const trace_wire::Span& span : scope.spans())
        RETURN_IF_ERROR(Add(span, scope.scope().name()));
    return {};
  }

 private:
  base::Result<> Add(const trace_wire::Span& from, const std::string& scope) {
    ++result_.items;
    const auto trace_id = TraceIdOf(from.trace_id());
    const auto span_id = SpanIdOf(from.span_id());
    if (!trace_id || !span_id) {
      Refuse(from, trace_id ? "the span id is not 8 bytes, not all zero"
                            : "the trace id is not 16 bytes, not all zero");
      return {};
    }
    if (from.start_time_unix_nano() == 0 || from.start_time_unix_nano() > INT64_MAX ||
        from.end_time_unix_nano() > INT64_MAX) {
      Refuse(from, "its time is missing or past the year 2262");
      return {};
    }
    RETURN_IF_ERROR(hold_.Charge(resource_bytes_ + MemoryNeededFor(from)));
    telemetry::Span span{.trace_id = *trace_id, .span_id = *span_id};
    // An id that is none, in place of a parent, is no parent: the span is kept, as a root.
    span.parent_id = SpanIdOf(from.parent_span_id());
    if (!from.parent_span_id().empty() && !span.parent_id &&
        from.parent_span_id() != std::string_view("\0\0\0\0\0\0\0\0", 8))
      ++result_.cut;
    span.name = Text(from.name());
    span.kind = KindOf(from.kind());
    span.status = StatusOf(from.status().code());
    span.status_message = Text(from.status().message());
    span.start_ns = static_cast<std::int64_t>(from.start_time_unix_nano());
    // A clock that was set back while the span ran makes no negative duration.
    span.end_ns = std::max(span.start_ns, static_cast<std::int64_t>(from.end_time_unix_nano()));
    span.trace_state = Text(from.trace_state());
    span.scope = Text(scope);
    span.resource = resource_;
    span.attributes = ToAttributes(from.attributes(), options_.attributes, result_.cut);
    for (const trace_wire::Span::Event& event : from.events()) {
      if (span.events.size() == options_.max_events || event.time_unix_nano() > INT64_MAX) {
        ++result_.cut;
        continue;
      }
      span.events.push_back(
          {.time_ns = static_cast<std::int64_t>(event.time_unix_nano()),
           .name = Text(event.name()),
           .attributes = ToAttributes(event.attributes(), options_.attributes, result_.cut)});
    }
    for (const trace_wire::Span::Link& link : from.links()) {
      const auto to_trace = TraceIdOf(link.trace_id());
      const auto to_span = SpanIdOf(link.span_id());
      if (!to_trace || !to_span || span.links.size() == options_.max_links) {
        ++result_.cut;
        continue;
      }
      span.links.push_back(
          {.trace_id = *to_trace,
           .span_id = *to_span,
           .attributes = ToAttributes(link.attributes(), options_.attributes, result_.cut)});
    }
    result_.batch.spans.push_back(std::move(span));
    return {};
  }

  void Refuse(const trace_wire::Span& span, std::string_view why) {
    if (result_.refused.count > 0) {
      result_.refused.Add(1, "");
      return;
    }
    result_.refused.Add(1, fmt::format("span {}: {}", base::Quote(Cut(span.name(), 200)), why));
  }

  std::string Text(const std::string& text) {
    const std::string_view kept = Cut(text, options_.max_name_bytes);
    if (kept.size() < text.size()) ++result_.cut;
    return std::string(kept);
  }

  const OtlpOptions& options_;
  ByteBudget::Hold& hold_;
  Translated& result_;
  telemetry::Attributes resource_;
  std::size_t resource_bytes_ = 0;
};

}  // namespace

base::Result<Translated> TranslateTraces(const TracesRequest& request, const OtlpOptions& options,
                                         ByteBudget::Hold& hold) {
  Translated result;
  SpanTranslator translator(options, hold, result);
  for (const trace_wire::ResourceSpans& group : request.resource_spans())
    RETURN_IF_ERROR(translator.Resource(group));
  return result;
}

}  // namespace enclave::observatory::ingest
