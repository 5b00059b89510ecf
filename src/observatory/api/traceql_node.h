// The tree of a span filter, shared by its parser and its evaluation.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "observatory/api/traceql.h"

namespace re2 {
class RE2;
}

namespace enclave::observatory::api {

enum class SpanField : std::uint8_t {
  kResource,  // resource.NAME
  kSpan,      // span.NAME
  kEither,    // .NAME
  kName,
  kStatus,
  kStatusMessage,
  kKind,
  kDuration,
  kRootService,
  kRootName,
  kTraceDuration,
  kParent,  // nestedSetParent
  kTraceId,
  kSpanId,
};

enum class CompareOp : std::uint8_t { kEq, kNe, kLt, kLe, kGt, kGe, kRe, kNotRe };

// Numbers, and durations in nanoseconds, as double; nil is monostate.
using TraceQlValue = std::variant<std::monostate, std::string, double, bool>;

struct SpanFilter::Node {
  enum class Kind : std::uint8_t { kAnd, kOr, kCompare, kConstant };
  Kind kind = Kind::kConstant;
  // kAnd, kOr
  std::shared_ptr<const Node> left{};
  std::shared_ptr<const Node> right{};
  // kCompare
  SpanField field = SpanField::kName;
  std::string name{};  // of the attribute
  CompareOp op = CompareOp::kEq;
  TraceQlValue value{};
  std::shared_ptr<const re2::RE2> regex{};
  // kConstant
  bool constant = true;
};

}  // namespace enclave::observatory::api
