#include "trace/trace_context.h"

#include <fmt/format.h>

#include <array>

namespace enclave::trace {
namespace {

constexpr std::string_view kTraceParent = "traceparent";
constexpr std::string_view kTraceState = "tracestate";
constexpr std::string_view kB3 = "b3";
constexpr std::string_view kB3TraceId = "X-B3-TraceId";
constexpr std::string_view kB3SpanId = "X-B3-SpanId";
constexpr std::string_view kB3Sampled = "X-B3-Sampled";
constexpr std::string_view kB3Flags = "X-B3-Flags";
constexpr std::string_view kB3ParentSpanId = "X-B3-ParentSpanId";

std::string_view ValueOf(const net::Headers& headers, std::string_view name) {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

bool LowerHex(std::string_view text) {
  for (const char c : text) {
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
  }
  return true;
}

int HexDigit(char c) {
  return c <= '9' ? c - '0' : c - 'a' + 10;
}

// version "-" trace-id "-" parent-id "-" trace-flags; later versions may append "-" and more.
std::optional<TraceContext> FromTraceParent(std::string_view text) {
  constexpr std::size_t kLength = 55;
  if (text.size() < kLength || text[2] != '-' || text[35] != '-' || text[52] != '-') {
    return std::nullopt;
  }
  const std::string_view version = text.substr(0, 2);
  const std::string_view flags = text.substr(53, 2);
  if (!LowerHex(version) || version == "ff" || !LowerHex(flags)) return std::nullopt;
  if (text.size() > kLength && (version == "00" || text[kLength] != '-')) return std::nullopt;
  // Capital letters are no hexadecimal digits here.
  if (!LowerHex(text.substr(3, 32)) || !LowerHex(text.substr(36, 16))) return std::nullopt;
  const auto trace_id = TraceId::Parse(text.substr(3, 32));
  const auto parent = SpanId::Parse(text.substr(36, 16));
  if (!trace_id || !parent) return std::nullopt;
  const bool sampled = (HexDigit(flags[1]) & 1) != 0;
  return TraceContext{*trace_id, parent, sampled ? Sampling::kYes : Sampling::kNo};
}

// "true" and "false" are what old clients send.
std::optional<Sampling> B3Sampling(std::string_view text) {
  if (text == "1" || text == "true") return Sampling::kYes;
  if (text == "0" || text == "false") return Sampling::kNo;
  if (text == "d") return Sampling::kDebug;
  return std::nullopt;
}

// {trace id}-{span id}[-{sampling}[-{parent span id}]]; the parent's parent is of no use here.
std::optional<TraceContext> FromB3Single(std::string_view text) {
  std::array<std::string_view, 4> parts;
  std::size_t count = 0;
  while (count < parts.size()) {
    const std::size_t dash = text.find('-');
    parts[count++] = text.substr(0, dash);
    if (dash == std::string_view::npos) {
      text = {};
      break;
    }
    text.remove_prefix(dash + 1);
    if (count == parts.size()) return std::nullopt;  // a fifth part
  }
  if (count < 2) return std::nullopt;
  const auto trace_id = TraceId::Parse(parts[0]);
  const auto span_id = SpanId::Parse(parts[1]);
  if (!trace_id || !span_id) return std::nullopt;
  TraceContext context{*trace_id, span_id};
  if (count > 2) {
    const auto sampling = B3Sampling(parts[2]);
    if (!sampling) return std::nullopt;
    context.sampling = *sampling;
  }
  return context;
}

std::optional<TraceContext> FromB3Multi(const net::Headers& headers) {
  const auto trace_id = TraceId::Parse(ValueOf(headers, kB3TraceId));
  if (!trace_id) return std::nullopt;
  TraceContext context{*trace_id, SpanId::Parse(ValueOf(headers, kB3SpanId))};
  if (ValueOf(headers, kB3Flags) == "1") {
    context.sampling = Sampling::kDebug;
  } else if (const auto sampling = B3Sampling(ValueOf(headers, kB3Sampled))) {
    context.sampling = *sampling;
  }
  return context;
}

}  // namespace

std::optional<TraceContext> Extract(const net::Headers& headers) {
  if (auto context = FromTraceParent(ValueOf(headers, kTraceParent))) {
    const std::string_view state = ValueOf(headers, kTraceState);
    if (state.size() <= kMaxTraceStateBytes) context->trace_state = state;
    return context;
  }
  if (const auto context = FromB3Single(ValueOf(headers, kB3))) return context;
  return FromB3Multi(headers);
}

void Inject(const TraceContext& context, net::Headers& headers) {
  for (const std::string_view name : {kTraceParent, kTraceState, kB3, kB3TraceId, kB3SpanId,
                                      kB3Sampled, kB3Flags, kB3ParentSpanId}) {
    headers.erase(std::string(name));
  }
  const bool sampled = context.sampling == Sampling::kYes || context.sampling == Sampling::kDebug;
  headers[std::string(kB3TraceId)] = context.trace_id.ToString();
  if (context.parent) {
    headers[std::string(kB3SpanId)] = context.parent->ToString();
    headers[std::string(kTraceParent)] =
        fmt::format("00-{}-{}-{}", context.trace_id.ToString(), context.parent->ToString(),
                    sampled ? "01" : "00");
    if (!context.trace_state.empty()) headers[std::string(kTraceState)] = context.trace_state;
  }
  if (context.sampling == Sampling::kDebug) {
    headers[std::string(kB3Flags)] = "1";
  } else if (context.sampling != Sampling::kUndecided) {
    headers[std::string(kB3Sampled)] = sampled ? "1" : "0";
  }
}

}  // namespace enclave::trace
