#include "bench/rca/nezha_spans.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "bench/rca/csv.h"
#include "bench/rca/nezha.h"

namespace enclave::bench::rca {
namespace {

using telemetry::Labels;
using telemetry::LogRecord;
using telemetry::Span;
using telemetry::SpanKind;

// Reads the header and then each row whose fields all exist, in the order of `wanted`.
template <std::size_t N, typename Take>
void ForEachRow(std::string& text, std::string_view file,
                const std::array<std::string_view, N>& wanted, LoadedCase& loaded,
                const Take& take) {
  CsvReader reader(text);
  std::vector<std::string_view> fields;
  if (reader.Next(fields) != CsvReader::Row::kFields) {
    Skip(loaded, file, 1, "no header");
    return;
  }
  const std::size_t width = fields.size();
  std::array<std::size_t, N> places{};
  const auto found = FindColumns(fields, wanted);
  for (std::size_t i = 0; i < N; ++i) {
    if (!found[i]) {
      Skip(loaded, file, 1, "the header lacks a column that is needed");
      return;
    }
    places[i] = *found[i];
  }
  for (;;) {
    const CsvReader::Row row = reader.Next(fields);
    if (row == CsvReader::Row::kEnd) return;
    if (row == CsvReader::Row::kMalformed || fields.size() != width) {
      Skip(loaded, file, reader.line(), "malformed row");
      continue;
    }
    std::array<std::string_view, N> values;
    for (std::size_t i = 0; i < N; ++i) values[i] = fields[places[i]];
    if (const std::string_view why = take(values); !why.empty())
      Skip(loaded, file, reader.line(), why);
  }
}

// The program's line of Docker's {"log":"...\n","stream":"stdout","time":"..."}; a text that is no
// such object is taken for the line itself.
std::string LineOf(std::string_view docker) {
  const nlohmann::json json = nlohmann::json::parse(docker, nullptr, /*allow_exceptions=*/false);
  std::string line(docker);
  if (json.is_object()) {
    const auto log = json.find("log");
    if (log != json.end() && log->is_string()) line = log->get<std::string>();
  }
  while (line.ends_with('\n') || line.ends_with('\r')) line.pop_back();
  return line;
}

}  // namespace

void TimeBounds::Add(std::int64_t time_ns) {
  first_ns = std::min(first_ns, time_ns);
  last_ns = std::max(last_ns, time_ns);
}

TimeBounds NezhaSpans::Read(std::string text, std::string_view file, LoadedCase& loaded) {
  static constexpr auto kColumns =
      std::to_array<std::string_view>({"TraceID", "SpanID", "ParentID", "PodName", "OperationName",
                                       "StartTimeUnixNano", "EndTimeUnixNano"});
  TimeBounds bounds;
  ForEachRow(text, file, kColumns, loaded, [&](const auto& row) -> std::string_view {
    const auto& [trace, id, parent, pod, operation, start, end] = row;
    const auto trace_id = trace::TraceId::Parse(trace);
    const auto span_id = trace::SpanId::Parse(id);
    const auto start_ns = ParseInteger(start);
    const auto end_ns = ParseInteger(end);
    if (!trace_id || !span_id || pod.empty()) return "no trace, span or pod";
    if (!start_ns || !end_ns || *start_ns <= 0 || *end_ns < *start_ns) return "impossible times";
    Span span{.trace_id = *trace_id, .span_id = *span_id};
    if (parent != "root" && !parent.empty()) {
      span.parent_id = trace::SpanId::Parse(parent);
      if (!span.parent_id) return "malformed parent";
    }
    if (!places_.try_emplace(IdOf(span, span_id->value()), spans_.size()).second)
      return "span seen before";
    span.name = operation;
    span.start_ns = *start_ns;
    span.end_ns = *end_ns;
    span.resource = {{"service.name", std::string(ServiceOfPod(pod))},
                     {"k8s.pod.name", std::string(pod)}};
    pods_.push_back(
        pod_numbers_.try_emplace(std::string(pod), static_cast<std::uint32_t>(pod_numbers_.size()))
            .first->second);
    spans_.push_back(std::move(span));
    bounds.Add(*start_ns);
    return "";
  });
  return bounds;
}

std::string NezhaSpans::Finish(LoadedCase& loaded) {
  std::vector<bool> calls_out(spans_.size());
  std::map<std::string, std::size_t> roots;
  for (std::size_t i = 0; i < spans_.size(); ++i) {
    Span& span = spans_[i];
    if (!span.parent_id) {
      span.kind = SpanKind::kServer;
      ++roots[telemetry::ServiceName(span.resource)];
      continue;
    }
    const auto parent = places_.find(IdOf(span, span.parent_id->value()));
    if (parent == places_.end()) continue;  // whose child it is nobody can tell
    const bool is_remote = pods_[parent->second] != pods_[i];
    span.kind = is_remote ? SpanKind::kServer : SpanKind::kInternal;
    if (is_remote) calls_out[parent->second] = true;
  }
  for (std::size_t i = 0; i < spans_.size(); ++i) {
    if (calls_out[i] && spans_[i].kind != SpanKind::kServer) spans_[i].kind = SpanKind::kClient;
    loaded.traces.Add(std::move(spans_[i]));
  }
  spans_.clear();
  const auto most =
      std::ranges::max_element(roots, {}, [](const auto& root) { return root.second; });
  return most == roots.end() ? "" : most->first;
}

TimeBounds ReadNezhaLog(std::string text, std::string_view file,
                        std::map<std::string, std::string>& nodes, LoadedCase& loaded) {
  static constexpr auto kColumns = std::to_array<std::string_view>(
      {"TimeUnixNano", "Node", "PodName", "Container", "TraceID", "SpanID", "Log"});
  TimeBounds bounds;
  std::map<std::array<std::string_view, 3>, std::vector<LogRecord>> streams;
  ForEachRow(text, file, kColumns, loaded, [&](const auto& row) -> std::string_view {
    const auto& [time, node, pod, container, trace, span, docker] = row;
    const auto time_ns = ParseInteger(time);
    if (!time_ns || *time_ns <= 0) return "impossible time";
    if (pod.empty()) return "no pod";
    bounds.Add(*time_ns);
    streams[{pod, container, node}].push_back({.time_ns = *time_ns,
                                               .line = LineOf(docker),
                                               .trace_id = trace::TraceId::Parse(trace),
                                               .span_id = trace::SpanId::Parse(span)});
    return "";
  });
  for (auto& [stream, records] : streams) {
    const auto& [pod, container, node] = stream;
    if (!node.empty()) nodes[std::string(pod)] = node;
    loaded.logs.Add(Labels::From({{"service_name", std::string(ServiceOfPod(pod))},
                                  {"k8s_pod_name", std::string(pod)},
                                  {"container", std::string(container)},
                                  {"k8s_node_name", std::string(node)}}),
                    std::move(records));
  }
  return bounds;
}

}  // namespace enclave::bench::rca
