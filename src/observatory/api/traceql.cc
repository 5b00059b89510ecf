#include "traceql.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "parameters.h"
#include "traceql_node.h"

namespace enclave::observatory::api {
namespace {

using Node = SpanFilter::Node;
using telemetry::Attributes;
using telemetry::AttributeValue;
using telemetry::Span;
using telemetry::SpanStatus;

// Text of tags (http.status=500) finds numbers too, since tags know no types.
bool CompareText(const Node& node, const std::string& text) {
  switch (node.op) {
    case CompareOp::kRe:
      return re2::RE2::FullMatch(text, *node.regex);
    case CompareOp::kNotRe:
      return !re2::RE2::FullMatch(text, *node.regex);
    default:
      break;
  }
  const auto* wanted = std::get_if<std::string>(&node.value);
  if (wanted == nullptr) return node.op == CompareOp::kNe;
  const int order = text.compare(*wanted);
  switch (node.op) {
    case CompareOp::kEq:
      return order == 0;
    case CompareOp::kNe:
      return order != 0;
    case CompareOp::kLt:
      return order < 0;
    case CompareOp::kLe:
      return order <= 0;
    case CompareOp::kGt:
      return order > 0;
    default:
      return order >= 0;
  }
}

bool CompareNumber(const Node& node, double number) {
  const auto* wanted = std::get_if<double>(&node.value);
  if (wanted == nullptr) return node.op == CompareOp::kNe;
  switch (node.op) {
    case CompareOp::kEq:
      return number == *wanted;
    case CompareOp::kNe:
      return number != *wanted;
    case CompareOp::kLt:
      return number < *wanted;
    case CompareOp::kLe:
      return number <= *wanted;
    case CompareOp::kGt:
      return number > *wanted;
    case CompareOp::kGe:
      return number >= *wanted;
    default:
      return false;
  }
}

bool CompareAttribute(const Node& node, const AttributeValue* value) {
  const bool wants_nil = std::holds_alternative<std::monostate>(node.value);
  if (wants_nil) return (value == nullptr) == (node.op == CompareOp::kEq);
  // A span without the attribute matches no comparison of it, != among them.
  if (value == nullptr) return false;
  if (std::holds_alternative<std::string>(node.value))
    return CompareText(node, telemetry::ToText(*value));
  if (const auto* boolean = std::get_if<bool>(&node.value)) {
    const auto* is = std::get_if<bool>(value);
    return is != nullptr && (*is == *boolean) == (node.op == CompareOp::kEq);
  }
  if (const auto* whole = std::get_if<std::int64_t>(value))
    return CompareNumber(node, static_cast<double>(*whole));
  if (const auto* number = std::get_if<double>(value)) return CompareNumber(node, *number);
  return node.op == CompareOp::kNe;
}

std::string_view StatusName(SpanStatus status) {
  return status == SpanStatus::kError ? "error" : status == SpanStatus::kOk ? "ok" : "unset";
}

std::string_view KindName(telemetry::SpanKind kind) {
  static constexpr std::array<std::string_view, 6> kNames = {"unspecified", "internal", "server",
                                                             "client",      "producer", "consumer"};
  return kNames[static_cast<std::size_t>(kind)];
}

bool CompareField(const Node& node, const Span& span, const TraceFacts& facts) {
  switch (node.field) {
    case SpanField::kResource:
      return CompareAttribute(node, telemetry::Find(span.resource, node.name));
    case SpanField::kSpan:
      return CompareAttribute(node, telemetry::Find(span.attributes, node.name));
    case SpanField::kEither: {
      const AttributeValue* value = telemetry::Find(span.attributes, node.name);
      if (value == nullptr) value = telemetry::Find(span.resource, node.name);
      return CompareAttribute(node, value);
    }
    case SpanField::kName:
      return CompareText(node, span.name);
    case SpanField::kStatus:
      return CompareText(node, std::string(StatusName(span.status)));
    case SpanField::kStatusMessage:
      return CompareText(node, span.status_message);
    case SpanField::kKind:
      return CompareText(node, std::string(KindName(span.kind)));
    case SpanField::kDuration:
      return CompareNumber(node, static_cast<double>(span.end_ns - span.start_ns));
    case SpanField::kRootService:
      return CompareText(node, facts.root_service);
    case SpanField::kRootName:
      return CompareText(node, facts.root_name);
    case SpanField::kTraceDuration:
      return CompareNumber(node, static_cast<double>(facts.duration_ns));
    case SpanField::kParent:
      return CompareNumber(node, span.parent_id ? 1 : -1);
    case SpanField::kTraceId:
      return CompareText(node, span.trace_id.ToString());
    case SpanField::kSpanId:
      break;
  }
  return CompareText(node, span.span_id.ToString());
}

bool MatchesNode(const Node& node, const Span& span, const TraceFacts& facts) {
  switch (node.kind) {
    case Node::Kind::kAnd:
      return MatchesNode(*node.left, span, facts) && MatchesNode(*node.right, span, facts);
    case Node::Kind::kOr:
      return MatchesNode(*node.left, span, facts) || MatchesNode(*node.right, span, facts);
    case Node::Kind::kCompare:
      return CompareField(node, span, facts);
    case Node::Kind::kConstant:
      break;
  }
  return node.constant;
}

bool NeedsTrace(const Node& node) {
  if (node.kind == Node::Kind::kAnd || node.kind == Node::Kind::kOr)
    return NeedsTrace(*node.left) || NeedsTrace(*node.right);
  return node.kind == Node::Kind::kCompare &&
         (node.field == SpanField::kRootService || node.field == SpanField::kRootName ||
          node.field == SpanField::kTraceDuration);
}

void NarrowDuration(const Node& node, telemetry::SpanQuery* query) {
  const auto* bound = std::get_if<double>(&node.value);
  if (bound == nullptr || !(std::fabs(*bound) < 9e18)) return;
  const auto nanos = static_cast<std::int64_t>(*bound);
  if (node.op == CompareOp::kGt || node.op == CompareOp::kGe || node.op == CompareOp::kEq)
    query->min_duration_ns = std::max(query->min_duration_ns, nanos);
  if (node.op == CompareOp::kLt || node.op == CompareOp::kLe || node.op == CompareOp::kEq)
    query->max_duration_ns = std::min(query->max_duration_ns, nanos);
}

void NarrowNode(const Node& node, telemetry::SpanQuery* query) {
  if (node.kind == Node::Kind::kAnd) {
    NarrowNode(*node.left, query);
    NarrowNode(*node.right, query);
    return;
  }
  if (node.kind != Node::Kind::kCompare) return;
  if (node.field == SpanField::kDuration) return NarrowDuration(node, query);
  const auto* text = std::get_if<std::string>(&node.value);
  if (node.op != CompareOp::kEq || text == nullptr) return;
  if (node.field == SpanField::kName) {
    if (!query->operation) query->operation = *text;
  } else if (node.field == SpanField::kStatus) {
    if (*text == "error") query->status = SpanStatus::kError;
    if (*text == "ok") query->status = SpanStatus::kOk;
    if (*text == "unset") query->status = SpanStatus::kUnset;
  } else if (node.field == SpanField::kResource && node.name == "service.name") {
    if (!query->service) query->service = *text;
  } else if (node.field == SpanField::kEither || node.field == SpanField::kSpan ||
             node.field == SpanField::kResource) {
    query->tags.push_back({node.name, *text});
  }
}

}  // namespace

bool SpanFilter::Matches(const Span& span, const TraceFacts& facts) const {
  return root_ == nullptr || MatchesNode(*root_, span, facts);
}

bool SpanFilter::needs_trace() const {
  return root_ != nullptr && NeedsTrace(*root_);
}

void SpanFilter::Narrow(telemetry::SpanQuery* query) const {
  if (root_ != nullptr) NarrowNode(*root_, query);
}

}  // namespace enclave::observatory::api
