#include <algorithm>
#include <cstdint>
#include <functional>
#include <unordered_map>

#include <fmt/format.h>

#include "observatory/ingest/metric_name.h"
#include "observatory/ingest/otlp.h"
#include "observatory/ingest/text.h"

namespace enclave::observatory::ingest {
namespace {

namespace logs_wire = opentelemetry::proto::logs::v1;
using telemetry::Label;
using telemetry::Labels;

// Of the severity's number, else of its text; "" when neither says.
std::string_view LevelOf(const logs_wire::LogRecord& record) {
  constexpr std::string_view kLevels[] = {"trace", "debug", "info", "warn", "error", "fatal"};
  const int number = record.severity_number();
  if (number >= 1 && number <= 24) return kLevels[(number - 1) / 4];
  if (record.severity_text().empty() || record.severity_text().size() > 16) return "";
  const std::string text = AsciiLower(record.severity_text());
  if (text == "information" || text == "notice") return "info";
  if (text == "warning") return "warn";
  if (text == "err" || text == "severe") return "error";
  if (text == "critical" || text == "emergency" || text == "alert" || text == "panic")
    return "fatal";
  const auto* known = std::ranges::find(kLevels, text);
  return known == std::end(kLevels) ? "" : *known;
}

std::size_t LabelBytes(const std::vector<Label>& labels) {
  std::size_t bytes = labels.size() * sizeof(Label);
  for (const Label& label : labels) bytes += label.name.size() + label.value.size();
  return bytes;
}

class LogTranslator {
 public:
  LogTranslator(const OtlpOptions& options, std::int64_t now_ns, ByteBudget::Hold& hold,
                Translated& result)
      : options_(options), now_ns_(now_ns), hold_(hold), result_(result) {}

  base::Result<> Resource(const logs_wire::ResourceLogs& group) {
    std::vector<Label> stream;
    std::vector<Label> common;
    const auto indexed = [this](const std::string& key) {
      return std::ranges::find(options_.stream_attributes, key) != options_.stream_attributes.end();
    };
    const KeyValues& attributes = group.resource().attributes();
    AppendLabels(attributes, options_.attributes, result_.cut, stream, indexed);
    AppendLabels(attributes, options_.attributes, result_.cut, common, std::not_fn(indexed));
    Labels labels = ToLabels(std::move(stream));
    if (!labels.Has("service_name")) labels.Set("service_name", "unknown_service");
    const std::size_t index = StreamOf(labels);
    for (const logs_wire::ScopeLogs& scope : group.scope_logs()) {
      std::vector<Label> metadata = common;
      if (!scope.scope().name().empty())
        metadata.push_back({"scope_name", Short(scope.scope().name())});
      if (!scope.scope().version().empty())
        metadata.push_back({"scope_version", Short(scope.scope().version())});
      AppendLabels(scope.scope().attributes(), options_.attributes, result_.cut, metadata);
      const std::size_t metadata_bytes = LabelBytes(metadata);
      for (const logs_wire::LogRecord& record : scope.log_records()) {
        RETURN_IF_ERROR(
            hold_.Charge(sizeof(telemetry::LogRecord) + metadata_bytes + 2 * record.ByteSizeLong() +
                         (static_cast<std::size_t>(record.attributes_size()) + 4) * sizeof(Label)));
        RETURN_IF_ERROR(Add(record, metadata, result_.batch.streams[index]));
      }
    }
    return {};
  }

 private:
  std::size_t StreamOf(const Labels& labels) {
    const auto [at, added] = streams_.try_emplace(labels, result_.batch.streams.size());
    if (added) result_.batch.streams.push_back({.labels = labels, .records = {}});
    return at->second;
  }

  base::Result<> Add(const logs_wire::LogRecord& from, const std::vector<Label>& common,
                     telemetry::StreamWrite& stream) {
    ++result_.items;
    const std::uint64_t time =
        from.time_unix_nano() != 0 ? from.time_unix_nano() : from.observed_time_unix_nano();
    if (time > INT64_MAX) {
      result_.refused.Add(1, fmt::format("a log record of {}: its time is past the year 2262",
                                         stream.labels.ToString()));
      return {};
    }
    telemetry::LogRecord record{.time_ns = time != 0 ? static_cast<std::int64_t>(time) : now_ns_};
    record.line = ToText(from.body());
    // As JSON a body can be longer than it was.
    RETURN_IF_ERROR(hold_.Charge(record.line.size()));
    record.trace_id = TraceIdOf(from.trace_id());
    if (record.trace_id) record.span_id = SpanIdOf(from.span_id());
    std::vector<Label> metadata;
    metadata.reserve(common.size() + static_cast<std::size_t>(from.attributes_size()) + 3);
    metadata = common;
    // First, so that an attribute of this name, which the program chose, has the last word.
    if (const std::string_view level = LevelOf(from); !level.empty())
      metadata.push_back({"level", std::string(level)});
    AppendLabels(from.attributes(), options_.attributes, result_.cut, metadata);
    if (!from.severity_text().empty())
      metadata.push_back({"severity_text", Short(from.severity_text())});
    if (from.severity_number() != 0)
      metadata.push_back({"severity_number", fmt::format("{}", from.severity_number())});
    if (!from.event_name().empty()) metadata.push_back({"event_name", Short(from.event_name())});
    record.metadata = ToLabels(std::move(metadata));
    stream.records.push_back(std::move(record));
    return {};
  }

  std::string Short(const std::string& text) {
    const std::string_view kept = Cut(text, options_.max_name_bytes);
    if (kept.size() < text.size()) ++result_.cut;
    return std::string(kept);
  }

  const OtlpOptions& options_;
  const std::int64_t now_ns_;
  ByteBudget::Hold& hold_;
  Translated& result_;
  std::unordered_map<Labels, std::size_t, telemetry::LabelsHash> streams_;
};

}  // namespace

base::Result<Translated> TranslateLogs(const LogsRequest& request, const OtlpOptions& options,
                                       std::int64_t now_ns, ByteBudget::Hold& hold) {
  Translated result;
  LogTranslator translator(options, now_ns, hold, result);
  for (const logs_wire::ResourceLogs& group : request.resource_logs())
    RETURN_IF_ERROR(translator.Resource(group));
  std::erase_if(result.batch.streams,
                [](const telemetry::StreamWrite& stream) { return stream.records.empty(); });
  return result;
}

}  // namespace enclave::observatory::ingest
