#include "lab/drills/requests.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <vector>

#include "net/http.h"

namespace enclave::lab::drills {
namespace {

using base::Duration;
using base::Result;
using base::WallTime;
using kube::At;
using kube::Json;
using kube::StringAt;

// 64-bit numbers are texts in OTLP's JSON.
std::int64_t Nanoseconds(const Json& json, const char* key) {
  const Json& value = At(json, key);
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (!value.is_string()) return 0;
  const auto& digits = value.get_ref<const std::string&>();
  std::int64_t number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

std::string TextOf(const Json& value) {
  for (const char* type : {"stringValue", "intValue", "doubleValue", "boolValue"}) {
    const auto found = value.find(type);
    if (found == value.end()) continue;
    return found->is_string() ? found->get<std::string>() : found->dump();
  }
  return "";
}

std::map<std::string, std::string> AttributesOf(const Json& list) {
  std::map<std::string, std::string> attributes;
  for (const Json& one : list)
    if (At(one, "value").is_object()) attributes[StringAt(one, "key")] = TextOf(At(one, "value"));
  return attributes;
}

struct SpanOfTrace {
  std::string id;
  std::string parent;
  std::string service;
  std::string name;
  std::string error;
  std::string place;
  std::int64_t start_ns = 0;
  std::int64_t end_ns = 0;
  bool failed = false;
  bool exception = false;  // it recorded one, and names the line that threw
};

SpanOfTrace ReadSpan(const Json& json, const std::string& service) {
  SpanOfTrace span{.id = StringAt(json, "spanId"),
                   .parent = StringAt(json, "parentSpanId"),
                   .service = service,
                   .name = StringAt(json, "name"),
                   .error = StringAt(json, "status.message"),
                   .place = "",
                   .start_ns = Nanoseconds(json, "startTimeUnixNano"),
                   .end_ns = Nanoseconds(json, "endTimeUnixNano")};
  const Json& code = At(json, "status.code");
  span.failed = code == 2 || code == "STATUS_CODE_ERROR";
  auto attributes = AttributesOf(At(json, "attributes"));
  if (attributes.contains("code.filepath") && attributes.contains("code.lineno"))
    span.place = attributes["code.filepath"] + ":" + attributes["code.lineno"];
  for (const Json& event : At(json, "events")) {
    auto details = AttributesOf(At(event, "attributes"));
    const std::string& message = details["exception.message"];
    if (StringAt(event, "name") != "exception" || message.empty()) continue;
    span.exception = true;
    span.error =
        details["exception.type"].empty() ? message : details["exception.type"] + ": " + message;
    if (details.contains("code.filepath") && details.contains("code.lineno"))
      span.place = details["code.filepath"] + ":" + details["code.lineno"];
  }
  return span;
}

std::vector<SpanOfTrace> ReadSpans(const Json& trace) {
  std::vector<SpanOfTrace> spans;
  for (const Json& batch : At(trace, "batches")) {
    const std::string service = AttributesOf(At(batch, "resource.attributes"))["service.name"];
    for (const Json& scope : At(batch, "scopeSpans"))
      for (const Json& span : At(scope, "spans")) spans.push_back(ReadSpan(span, service));
  }
  return spans;
}

// How many spans stand above it. A circle in broken data ends with the number of spans.
std::size_t DepthOf(const SpanOfTrace& span, const std::map<std::string, const SpanOfTrace*>& byId,
                    std::size_t most) {
  std::size_t depth = 0;
  const SpanOfTrace* at = &span;
  while (depth < most) {
    const auto parent = byId.find(at->parent);
    if (parent == byId.end()) break;
    at = parent->second;
    ++depth;
  }
  return depth;
}

void Describe(const std::vector<SpanOfTrace>& spans, FailingRequest* request) {
  std::map<std::string, const SpanOfTrace*> by_id;
  for (const SpanOfTrace& span : spans) by_id[span.id] = &span;
  const SpanOfTrace* deepest = nullptr;
  std::size_t depth = 0;
  for (const SpanOfTrace& span : spans) {
    if (!span.failed) continue;
    const std::size_t its = DepthOf(span, by_id, spans.size());
    // What an exception passes through on its way up fails too, and knows less.
    const bool better = deepest == nullptr || (span.exception && !deepest->exception) ||
                        (span.exception == deepest->exception &&
                         (its > depth || (its == depth && !span.place.empty())));
    if (!better) continue;
    deepest = &span;
    depth = its;
  }
  request->spans = spans.size();
  // A slow request has no span that failed: the line that most calls come from says where.
  std::map<std::string, std::pair<std::size_t, const SpanOfTrace*>> lines;
  if (deepest == nullptr)
    for (const SpanOfTrace& span : spans)
      if (!span.place.empty()) {
        auto& [count, first] = lines[span.place];
        if (++count == 1) first = &span;
      }
  std::size_t most = 1;
  for (const auto& [place, seen] : lines)
    if (seen.first > most) {
      most = seen.first;
      deepest = seen.second;
    }
  if (deepest == nullptr) return;
  request->service = deepest->service;
  request->place = deepest->place;
  request->error = deepest->failed
                       ? deepest->error
                       : fmt::format("{} calls of {} from one line", most, deepest->name);
}

}  // namespace

Result<std::optional<FailingRequest>> FirstRequest(const World& world, const std::string& query,
                                                   WallTime from, WallTime to) {
  const auto seconds = [](WallTime time) {
    return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  };
  ASSIGN_OR_RETURN(
      const Json found,
      world.observatory.Ask(fmt::format("/api/search?limit=500&start={}&end={}&q={}", seconds(from),
                                        seconds(to) + 1, net::PercentEncode(query))));
  std::optional<FailingRequest> first;
  for (const Json& one : At(found, "traces")) {
    const WallTime start{Duration(Nanoseconds(one, "startTimeUnixNano"))};
    if (start < from || start > to || (first && first->time <= start)) continue;
    first = FailingRequest{.trace = StringAt(one, "traceID"),
                           .name = StringAt(one, "rootTraceName"),
                           .time = start,
                           .took = std::chrono::milliseconds(kube::IntAt(one, "durationMs"))};
  }
  if (!first) return first;
  ASSIGN_OR_RETURN(const Json trace, world.observatory.Ask("/api/traces/" + first->trace));
  Describe(ReadSpans(trace), &*first);
  return first;
}

}  // namespace enclave::lab::drills
