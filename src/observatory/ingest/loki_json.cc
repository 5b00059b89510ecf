#include <charconv>
#include <cstdint>
#include <vector>

#include <fmt/format.h>

#include "base/quote.h"
#include "observatory/ingest/any_value.h"
#include "observatory/ingest/json.h"
#include "observatory/ingest/loki_push.h"
#include "observatory/ingest/loki_record.h"
#include "observatory/ingest/text.h"

// {"streams": [{"stream": {"app": "api"}, "values": [["1700000000000000000", "line", {"pod":
// "a"}]]}]}

namespace enclave::observatory::ingest {
namespace {

using base::ErrorKind;
using simdjson::dom::element;
using telemetry::Label;
using telemetry::Labels;
using telemetry::LogRecord;

std::unexpected<base::Error> WrongBody(std::string what) {
  return base::Fail(ErrorKind::kInvalidArgument, std::move(what));
}

base::Result<std::int64_t> TimeOf(element value) {
  std::string_view text;
  std::int64_t time_ns = 0;
  if (value.get(text) == simdjson::SUCCESS) {
    const auto end = std::from_chars(text.data(), text.data() + text.size(), time_ns);
    if (end.ec == std::errc() && end.ptr == text.data() + text.size()) return time_ns;
  } else if (value.get(time_ns) == simdjson::SUCCESS) {
    return time_ns;
  }
  return base::Fail(ErrorKind::kInvalidArgument,
                    "the time has to be text of nanoseconds since 1970");
}

base::Result<std::vector<Label>> MetadataOf(element value) {
  simdjson::dom::object object;
  if (value.get(object) != simdjson::SUCCESS)
    return base::Fail(ErrorKind::kInvalidArgument, "structured metadata has to be an object");
  if (object.size() > kMaxMetadata)
    return base::Fail(ErrorKind::kInvalidArgument,
                      fmt::format("more than {} entries of structured metadata", kMaxMetadata));
  std::vector<Label> metadata;
  metadata.reserve(object.size());
  for (const auto [name, item] : object) {
    std::string_view text;
    if (item.get(text) != simdjson::SUCCESS)
      return base::Fail(
          ErrorKind::kInvalidArgument,
          fmt::format("structured metadata {} has to be text", base::Quote(Cut(name, 100))));
    metadata.push_back({std::string(name), std::string(text)});
  }
  return metadata;
}

base::Result<LogRecord> RecordOf(element value, ByteBudget::Hold& hold) {
  simdjson::dom::array entry;
  if (value.get(entry) != simdjson::SUCCESS)
    return base::Fail(ErrorKind::kInvalidArgument, "an entry is an array: time, line, metadata");
  LogRecord record;
  std::vector<Label> metadata;
  std::size_t metadata_bytes = 0;
  std::size_t index = 0;
  for (const element part : entry) {
    if (index == 0) {
      ASSIGN_OR_RETURN(record.time_ns, TimeOf(part));
    } else if (index == 1) {
      std::string_view line;
      if (part.get(line) != simdjson::SUCCESS)
        return base::Fail(ErrorKind::kInvalidArgument, "the line has to be text");
      record.line = line;
    } else if (index == 2) {
      ASSIGN_OR_RETURN(metadata, MetadataOf(part));
      for (const Label& label : metadata) metadata_bytes += label.name.size() + label.value.size();
    }
    ++index;
  }
  if (index < 2 || index > 3)
    return base::Fail(ErrorKind::kInvalidArgument, "an entry is time, line and metadata");
  RETURN_IF_ERROR(ChargeRecord(record.line.size(), metadata_bytes, metadata.size(), hold));
  SetMetadata(std::move(metadata), record);
  return record;
}

base::Result<Labels> StreamOf(simdjson::dom::object stream) {
  std::vector<Label> labels;
  for (const auto [name, value] : stream) {
    std::string_view text;
    if (!IsLabelName(name) || value.get(text) != simdjson::SUCCESS)
      return base::Fail(ErrorKind::kInvalidArgument,
                        fmt::format("label {} has to be named by [a-zA-Z_][a-zA-Z0-9_]* and to "
                                    "have text",
                                    base::Quote(Cut(name, 100))));
    labels.push_back({std::string(name), std::string(text)});
  }
  return ToLabels(std::move(labels));
}

base::Result<> ReadJsonStream(std::size_t index, element value, ByteBudget::Hold& hold,
                              LokiPush& push) {
  RETURN_IF_ERROR(hold.Charge(2 * sizeof(telemetry::StreamWrite)));
  simdjson::dom::object object;
  if (value.get(object) != simdjson::SUCCESS)
    return WrongBody(fmt::format("streams[{}]: an object is expected here", index));
  simdjson::dom::object stream;
  simdjson::dom::array values;
  if (object["stream"].get(stream) != simdjson::SUCCESS)
    return WrongBody(
        fmt::format("streams[{}].stream: an object of labels is expected here", index));
  if (object["values"].get(values) != simdjson::SUCCESS)
    return WrongBody(fmt::format("streams[{}].values: an array is expected here", index));
  std::vector<LogRecord> records;
  RETURN_IF_ERROR(hold.Charge(values.size() * sizeof(LogRecord)));
  records.reserve(values.size());
  for (const element entry : values) {
    auto record = RecordOf(entry, hold);
    if (!record) {
      return base::Fail(record.error().kind(),
                        fmt::format("streams[{}].values[{}]: {}", index, records.size(),
                                    record.error().message()));
    }
    records.push_back(std::move(*record));
  }
  // Labels, each with its bytes: they are at most what the JSON took, which is charged.
  TakeStream(StreamOf(stream), std::move(records), push);
  return {};
}

}  // namespace

base::Result<LokiPush> ReadLokiJson(std::string_view text, ByteBudget::Hold& hold) {
  simdjson::dom::parser parser;
  ASSIGN_OR_RETURN(const element root, ParseJson(parser, text, hold));
  simdjson::dom::array streams;
  simdjson::dom::object object;
  if (root.get(object) != simdjson::SUCCESS || object["streams"].get(streams) != simdjson::SUCCESS)
    return WrongBody("the body has to be an object with an array \"streams\"");
  LokiPush push;
  std::size_t index = 0;
  for (const element stream : streams) {
    RETURN_IF_ERROR(ReadJsonStream(index, stream, hold, push));
    ++index;
  }
  return push;
}

}  // namespace enclave::observatory::ingest
