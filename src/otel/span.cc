#include "otel/span.h"

#include <algorithm>
#include <utility>

#include "otel/code_location.h"
#include "otel/tracer.h"

namespace enclave::otel {
namespace {

std::int64_t Nanoseconds(base::WallTime time) {
  return time.time_since_epoch().count();
}

void Put(Attributes& attributes, std::string_view key, AttributeValue value,
         std::uint32_t& dropped) {
  const auto found = std::ranges::find(attributes, key, &Attribute::key);
  if (found != attributes.end()) {
    found->value = std::move(value);
  } else if (attributes.size() < kMaxAttributes) {
    attributes.push_back(Attribute{std::string(key), std::move(value)});
  } else {
    ++dropped;
  }
}

// Where the span of a server or a client begins is the instrumentation and says nothing.
SpanOptions WithPlace(SpanOptions options, const std::source_location& where) {
  if (options.kind != SpanKind::kInternal) return options;
  const Attributes& code = CodeAttributes(where);
  options.attributes.insert(options.attributes.end(), code.begin(), code.end());
  return options;
}

}  // namespace

Span& Span::operator=(Span&& other) noexcept {
  if (this != &other) {
    End();
    data_ = std::move(other.data_);
  }
  return *this;
}

void Span::SetName(std::string_view name) {
  if (recording()) data_->span.name = name;
}

void Span::SetAttribute(std::string_view key, AttributeValue value) {
  if (recording()) Put(data_->span.attributes, key, std::move(value), data_->dropped_attributes);
}

void Span::SetStatus(SpanStatus status, std::string_view message) {
  if (!recording()) return;
  data_->span.status = status;
  // The specification has a description for errors only.
  data_->span.status_message = status == SpanStatus::kError ? message : std::string_view();
}

void Span::AddEvent(std::string_view name, Attributes attributes) {
  if (!recording()) return;
  if (data_->span.events.size() >= kMaxEvents) {
    ++data_->dropped_events;
    return;
  }
  data_->span.events.push_back({.time_ns = Nanoseconds(data_->tracer->clock_.WallNow()),
                                .name = std::string(name),
                                .attributes = std::move(attributes)});
}

void Span::AddLink(const SpanContext& context, Attributes attributes) {
  if (!recording()) return;
  if (data_->span.links.size() >= kMaxLinks) {
    ++data_->dropped_links;
    return;
  }
  data_->span.links.push_back({.trace_id = context.trace_id,
                               .span_id = context.span_id,
                               .attributes = std::move(attributes)});
}

void Span::RecordException(const ExceptionInfo& exception) {
  if (!recording()) return;
  AddEvent("exception", ExceptionAttributes(exception));
  if (!exception.file.empty()) {
    SetAttribute("code.filepath", exception.file);
    SetAttribute("code.function", exception.function);
    SetAttribute("code.lineno", std::int64_t{exception.line});
  }
  SetAttribute("error.type", exception.type);
  SetStatus(SpanStatus::kError, exception.message);
}

void Span::RecordError(const base::Error& error) {
  SetAttribute("error.type", std::string(base::ToString(error.kind())));
  SetStatus(SpanStatus::kError, error.message());
}

base::Duration Span::Elapsed() const {
  return data_ ? data_->tracer->clock_.Now() - data_->started : base::Duration::zero();
}

void Span::End() {
  if (!data_) return;
  const std::unique_ptr<Data> data = std::move(data_);
  if (!data->context.sampled) return;
  // The wall clock may be set meanwhile; the monotonic one says how long it was.
  data->span.end_ns = data->span.start_ns + (data->tracer->clock_.Now() - data->started).count();
  data->tracer->ended_({.span = std::move(data->span),
                        .dropped_attributes = data->dropped_attributes,
                        .dropped_events = data->dropped_events,
                        .dropped_links = data->dropped_links});
}

Tracer::Tracer(const base::Clock& clock, base::Random& random, std::function<void(EndedSpan)> ended)
    : clock_(clock), random_(random), ended_(std::move(ended)) {}

Span Tracer::StartSpan(std::string_view name, SpanOptions options) {
  std::optional<trace::TraceContext> parent;
  if (!options.new_trace) {
    parent = std::move(options.parent);
    if (!parent && Current().span) parent = ToTraceContext(*Current().span);
  }
  SpanContext context{.trace_id = parent ? parent->trace_id : trace::TraceId::Make(random_),
                      .span_id = trace::SpanId::Make(random_),
                      // Who left the decision to us gets a yes: a laboratory keeps every trace.
                      .sampled = !parent || parent->sampling != trace::Sampling::kNo,
                      .trace_state = parent ? parent->trace_state : std::string()};
  auto data = std::make_unique<Span::Data>(
      Span::Data{.tracer = this,
                 .context = context,
                 .span = {.trace_id = context.trace_id, .span_id = context.span_id},
                 .started = clock_.Now() - options.ago});
  if (data->context.sampled) {
    if (parent) data->span.parent_id = parent->parent;
    data->span.name = name;
    data->span.kind = options.kind;
    data->span.start_ns = Nanoseconds(clock_.WallNow() - options.ago);
    data->span.trace_state = data->context.trace_state;
    data->span.attributes = std::move(options.attributes);
    data->span.links = std::move(options.links);
  }
  return Span(std::move(data));
}

ScopedSpan::ScopedSpan(Tracer& tracer, std::string_view name, SpanOptions options,
                       const std::source_location& where)
    : span_(tracer.StartSpan(name, WithPlace(std::move(options), where))),
      scope_(Context{.span = *span_.context(), .deadline = Current().deadline}),
      exceptions_(std::uncaught_exceptions()) {}

ScopedSpan::~ScopedSpan() {
  if (std::uncaught_exceptions() > exceptions_)
    span_.SetStatus(SpanStatus::kError, "left by an exception");
}

Attributes ExceptionAttributes(const ExceptionInfo& exception) {
  Attributes attributes = {{"exception.type", exception.type},
                           {"exception.message", exception.message},
                           {"exception.stacktrace", exception.stack}};
  if (!exception.file.empty()) {
    attributes.push_back({"code.filepath", exception.file});
    attributes.push_back({"code.function", exception.function});
    attributes.push_back({"code.lineno", std::int64_t{exception.line}});
  }
  return attributes;
}

}  // namespace enclave::otel
