#include "cli/story_evidence.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "cli/story_order.h"
#include "kube/object.h"
#include "net/http_client.h"

namespace enclave::cli {
namespace {

using base::ErrorKind;
using base::Fail;
using kube::At;
using kube::StringAt;
using nlohmann::json;

constexpr std::size_t kMostEvidenceBytes = 8 << 20;  // the most that is answered

std::int64_t Nanos(const json& item, const char* key) {
  const std::string& text = StringAt(item, key);
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

telemetry::Attributes AttributesIn(const json& item, const char* key) {
  telemetry::Attributes attributes;
  const json& object = At(item, key);
  if (!object.is_object()) return attributes;
  for (const auto& [name, value] : object.items())
    if (value.is_string()) attributes.push_back({name, value.get<std::string>()});
  return attributes;
}

telemetry::Labels LabelsIn(const json& item, const char* key) {
  telemetry::Labels labels;
  const json& object = At(item, key);
  if (!object.is_object()) return labels;
  for (const auto& [name, value] : object.items())
    if (value.is_string()) labels.Set(name, value.get_ref<const std::string&>());
  return labels;
}

telemetry::SpanKind KindOf(const std::string& text) {
  constexpr std::array<std::string_view, 6> kNames = {"unspecified", "internal", "server",
                                                      "client",      "producer", "consumer"};
  const auto found = std::ranges::find(kNames, text);
  return found == kNames.end() ? telemetry::SpanKind::kUnspecified
                               : static_cast<telemetry::SpanKind>(found - kNames.begin());
}

void AddEvidenceSpan(const json& item, Story& story) {
  const auto id = trace::SpanId::Parse(StringAt(item, "span_id"));
  if (!id || StringAt(item, "trace_id") != story.id.ToString()) return;
  telemetry::Span& span =
      story.spans.emplace_back(telemetry::Span{.trace_id = story.id, .span_id = *id});
  span.parent_id = trace::SpanId::Parse(StringAt(item, "parent_id"));
  span.name = StringAt(item, "name");
  span.kind = KindOf(StringAt(item, "kind"));
  const std::string& status = StringAt(item, "status");
  span.status = status == "error" ? telemetry::SpanStatus::kError
                : status == "ok"  ? telemetry::SpanStatus::kOk
                                  : telemetry::SpanStatus::kUnset;
  span.status_message = StringAt(item, "status_message");
  span.start_ns = Nanos(item, "start_ns");
  span.end_ns = span.start_ns + std::max<std::int64_t>(0, Nanos(item, "duration_ns"));
  span.attributes = AttributesIn(item, "attributes");
  span.resource = AttributesIn(item, "resource");
  if (const json& events = At(item, "events"); events.is_array()) {
    for (const json& event : events)
      span.events.push_back({.time_ns = Nanos(event, "time_ns"),
                             .name = StringAt(event, "name"),
                             .attributes = AttributesIn(event, "attributes")});
  }
}

void AddEvidenceLine(const json& item, Story& story) {
  if (!kube::BoolAt(item, "of_trace")) return;
  story.lines.push_back({LabelsIn(item, "stream"),
                         {.time_ns = Nanos(item, "time_ns"),
                          .line = StringAt(item, "line"),
                          .metadata = LabelsIn(item, "metadata"),
                          .trace_id = story.id,
                          .span_id = trace::SpanId::Parse(StringAt(item, "span_id"))}});
}

}  // namespace

base::Result<> AddEvidence(const json& document, Story& story) {
  const json& data = At(document, "data");
  if (!data.is_object() || !At(data, "spans").is_array() || !At(data, "logs").is_array())
    return Fail(ErrorKind::kInvalidArgument, "the answer is no evidence document");
  for (const json& item : At(data, "spans")) AddEvidenceSpan(item, story);
  for (const json& item : At(data, "logs")) AddEvidenceLine(item, story);
  OrderBy(story.spans, &telemetry::Span::start_ns);
  OrderBy(story.lines, [](const StoryLine& line) { return line.record.time_ns; });
  if (const std::int64_t omitted = kube::IntAt(data, "omitted.spans"); omitted > 0)
    story.missing.push_back({"some spans", fmt::format("{} did not fit into the answer", omitted)});
  if (const json& warnings = At(data, "warnings"); warnings.is_array()) {
    for (const json& warning : warnings)
      if (warning.is_string()) story.missing.push_back({"a source", warning.get<std::string>()});
  }
  return {};
}

base::Result<> ReadEvidence(const std::string& url, net::EventLoop& loop, Story& story) {
  ASSIGN_OR_RETURN(const auto client, net::HttpClient::Create(loop, {.base_url = url, .tls = {}}));
  ASSIGN_OR_RETURN(const net::Response answer,
                   client->SendAndWait(
                       {.target = fmt::format("/api/v1/evidence?trace={}&margin=1ms&max_bytes={}",
                                              story.id.ToString(), kMostEvidenceBytes)}));
  if (answer.status == 404) return {};
  if (answer.status != 200)
    return Fail(ErrorKind::kUnavailable, fmt::format("the observatory at {} answers {}: {}", url,
                                                     answer.status, answer.body.substr(0, 200)));
  return AddEvidence(json::parse(answer.body, nullptr, /*allow_exceptions=*/false), story);
}

}  // namespace enclave::cli
