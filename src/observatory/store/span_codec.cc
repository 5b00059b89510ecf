#include "observatory/store/span_codec.h"

#include <fmt/format.h>

#include <bit>

#include "observatory/store/log_rows.h"

namespace enclave::observatory::store {
namespace {

constexpr std::uint8_t kSpanVersion = 1;
enum SpanFlags : std::uint8_t { kHasParent = 1, kResourceElsewhere = 2, kAllSpanFlags = 3 };

// The order of telemetry::AttributeValue.
enum ValueKind : std::uint8_t { kTextValue, kBoolValue, kIntValue, kDoubleValue, kJsonValue };

std::unexpected<base::Error> NoSpan(std::string_view what) {
  return base::Fail(base::ErrorKind::kInternal, fmt::format("a kept span is corrupt: {}", what));
}

// As the attributes: what the vectors held before gives its memory to what is read.
base::Result<> ReadSpanEvents(ByteReader& reader, telemetry::Span& span) {
  const std::uint64_t count = reader.Varint();
  if (count > reader.left()) return NoSpan("more events than bytes");
  for (std::uint64_t i = 0; i < count; ++i) {
    if (i == span.events.size()) span.events.emplace_back();
    telemetry::SpanEvent& event = span.events[i];
    event.time_ns = WrapAdd(span.start_ns, reader.Signed());
    event.name.assign(reader.Text());
    if (!ReadAttributesInto(reader, event.attributes)) return NoSpan("the attributes of an event");
  }
  span.events.resize(count);
  return {};
}

base::Result<> ReadSpanLinks(ByteReader& reader, telemetry::Span& span) {
  span.links.clear();
  const std::uint64_t count = reader.Varint();
  if (count > reader.left()) return NoSpan("more links than bytes");
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t high = reader.Fixed64();
    const std::uint64_t low = reader.Fixed64();
    const auto trace_id = TraceIdOf(high, low);
    const auto span_id = SpanIdOf(reader.Fixed64());
    auto attributes = ReadAttributes(reader);
    if (!trace_id || !span_id || !attributes) return NoSpan("a link");
    span.links.push_back({*trace_id, *span_id, std::move(*attributes)});
  }
  return {};
}

}  // namespace

void PutAttributes(std::string& to, const telemetry::Attributes& attributes) {
  PutVarint(to, attributes.size());
  for (const telemetry::Attribute& attribute : attributes) {
    PutText(to, attribute.key);
    to += static_cast<char>(attribute.value.index());
    if (const auto* text = std::get_if<std::string>(&attribute.value)) {
      PutText(to, *text);
    } else if (const auto* truth = std::get_if<bool>(&attribute.value)) {
      to += static_cast<char>(*truth ? 1 : 0);
    } else if (const auto* number = std::get_if<std::int64_t>(&attribute.value)) {
      PutVarint(to, ZigZag(*number));
    } else if (const auto* real = std::get_if<double>(&attribute.value)) {
      PutFixed64(to, std::bit_cast<std::uint64_t>(*real));
    } else {
      PutText(to, std::get<telemetry::JsonText>(attribute.value).text);
    }
  }
}

bool ReadAttributesInto(ByteReader& reader, telemetry::Attributes& attributes) {
  const std::uint64_t count = reader.Varint();
  if (!reader.ok() || count > reader.left()) return false;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (i == attributes.size()) attributes.emplace_back();
    telemetry::Attribute& attribute = attributes[i];
    attribute.key.assign(reader.Text());
    switch (reader.Byte()) {
      case kTextValue: {
        const std::string_view text = reader.Text();
        if (auto* kept = std::get_if<std::string>(&attribute.value)) {
          kept->assign(text);
        } else {
          attribute.value.emplace<std::string>(text);
        }
        break;
      }
      case kBoolValue:
        attribute.value = reader.Byte() != 0;
        break;
      case kIntValue:
        attribute.value = reader.Signed();
        break;
      case kDoubleValue:
        attribute.value = std::bit_cast<double>(reader.Fixed64());
        break;
      case kJsonValue:
        attribute.value = telemetry::JsonText{std::string(reader.Text())};
        break;
      default:
        return false;
    }
    if (!reader.ok()) return false;
  }
  attributes.resize(count);
  return true;
}

std::optional<telemetry::Attributes> ReadAttributes(ByteReader& reader) {
  telemetry::Attributes attributes;
  if (!ReadAttributesInto(reader, attributes)) return std::nullopt;
  return attributes;
}

std::string EncodeSpan(const telemetry::Span& span, std::optional<std::uint64_t> resource) {
  std::string bytes;
  bytes.reserve(256);
  bytes += static_cast<char>(kSpanVersion);
  bytes +=
      static_cast<char>((span.parent_id ? kHasParent : 0) | (resource ? kResourceElsewhere : 0));
  bytes += static_cast<char>(span.kind);
  bytes += static_cast<char>(span.status);
  if (span.parent_id) PutFixed64(bytes, span.parent_id->value());
  PutVarint(bytes, ZigZag(WrapSub(span.end_ns, span.start_ns)));
  PutText(bytes, span.name);
  PutText(bytes, span.status_message);
  PutText(bytes, span.trace_state);
  PutText(bytes, span.scope);
  if (resource) {
    PutFixed64(bytes, *resource);
  } else {
    PutAttributes(bytes, span.resource);
  }
  PutAttributes(bytes, span.attributes);
  PutVarint(bytes, span.events.size());
  for (const telemetry::SpanEvent& event : span.events) {
    PutVarint(bytes, ZigZag(WrapSub(event.time_ns, span.start_ns)));
    PutText(bytes, event.name);
    PutAttributes(bytes, event.attributes);
  }
  PutVarint(bytes, span.links.size());
  for (const telemetry::SpanLink& link : span.links) {
    PutFixed64(bytes, link.trace_id.high());
    PutFixed64(bytes, link.trace_id.low());
    PutFixed64(bytes, link.span_id.value());
    PutAttributes(bytes, link.attributes);
  }
  return bytes;
}

base::Result<std::optional<std::uint64_t>> DecodeSpanInto(std::string_view bytes,
                                                          telemetry::Span& span,
                                                          telemetry::Attributes& own_resource) {
  ByteReader reader(bytes);
  if (reader.Byte() != kSpanVersion) return NoSpan("its version is not known");
  const std::uint8_t flags = reader.Byte();
  const std::uint8_t kind = reader.Byte();
  const std::uint8_t status = reader.Byte();
  if (flags > kAllSpanFlags || kind > static_cast<std::uint8_t>(telemetry::SpanKind::kConsumer) ||
      status > static_cast<std::uint8_t>(telemetry::SpanStatus::kError))
    return NoSpan("its flags, kind or status");
  span.kind = static_cast<telemetry::SpanKind>(kind);
  span.status = static_cast<telemetry::SpanStatus>(status);
  span.parent_id.reset();
  if ((flags & kHasParent) != 0) span.parent_id = SpanIdOf(reader.Fixed64());
  span.end_ns = WrapAdd(span.start_ns, reader.Signed());
  span.name.assign(reader.Text());
  span.status_message.assign(reader.Text());
  span.trace_state.assign(reader.Text());
  span.scope.assign(reader.Text());
  std::optional<std::uint64_t> resource;
  if ((flags & kResourceElsewhere) != 0) {
    resource = reader.Fixed64();
  } else if (!ReadAttributesInto(reader, own_resource)) {
    return NoSpan("its resource");
  }
  if (!ReadAttributesInto(reader, span.attributes)) return NoSpan("its attributes");
  RETURN_IF_ERROR(ReadSpanEvents(reader, span));
  RETURN_IF_ERROR(ReadSpanLinks(reader, span));
  if (!reader.ok() || !reader.AtEnd()) return NoSpan("it does not end where it should");
  return resource;
}

base::Result<DecodedSpan> DecodeSpan(std::string_view bytes, trace::TraceId trace_id,
                                     trace::SpanId span_id, std::int64_t start_ns) {
  DecodedSpan decoded{.span = {.trace_id = trace_id, .span_id = span_id, .start_ns = start_ns},
                      .resource = {}};
  ASSIGN_OR_RETURN(decoded.resource, DecodeSpanInto(bytes, decoded.span, decoded.span.resource));
  return decoded;
}

}  // namespace enclave::observatory::store
