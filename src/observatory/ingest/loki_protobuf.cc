#include <cstdint>
#include <vector>

#include <fmt/format.h>
#include <protozero/pbf_reader.hpp>

#include "observatory/ingest/label_text.h"
#include "observatory/ingest/loki_push.h"
#include "observatory/ingest/loki_record.h"
#include "observatory/ingest/text.h"

// logproto.PushRequest: streams (1) of labels as text (1) and entries (2) of a timestamp (1), a
// line (2) and structured metadata (3).

namespace enclave::observatory::ingest {
namespace {

using protozero::pbf_reader;
using protozero::pbf_wire_type;
using protozero::tag_and_type;
using telemetry::Label;
using telemetry::LogRecord;

constexpr pbf_wire_type kLokiBytes = pbf_wire_type::length_delimited;

std::string_view Bytes(pbf_reader& message) {
  const protozero::data_view view = message.get_view();
  return {view.data(), view.size()};
}

base::Result<std::int64_t> ReadTimestamp(pbf_reader message) {
  std::int64_t seconds = 0;
  std::int32_t nanos = 0;
  while (message.next()) {
    switch (message.tag_and_type()) {
      case tag_and_type(1, pbf_wire_type::varint):
        seconds = message.get_int64();
        break;
      case tag_and_type(2, pbf_wire_type::varint):
        nanos = message.get_int32();
        break;
      default:
        message.skip();
    }
  }
  std::int64_t time_ns = 0;
  if (__builtin_mul_overflow(seconds, std::int64_t{1'000'000'000}, &time_ns) ||
      __builtin_add_overflow(time_ns, std::int64_t{nanos}, &time_ns))
    return base::Fail(base::ErrorKind::kInvalidArgument,
                      fmt::format("the time of {} s is past the year 2262", seconds));
  return time_ns;
}

Label ReadPair(pbf_reader message) {
  Label label;
  while (message.next()) {
    switch (message.tag_and_type()) {
      case tag_and_type(1, kLokiBytes):
        label.name = ToUtf8(Bytes(message));
        break;
      case tag_and_type(2, kLokiBytes):
        label.value = ToUtf8(Bytes(message));
        break;
      default:
        message.skip();
    }
  }
  return label;
}

base::Result<LogRecord> ReadEntry(pbf_reader message, ByteBudget::Hold& hold) {
  LogRecord record;
  std::vector<Label> metadata;
  const std::size_t bytes = message.length();
  while (message.next()) {
    switch (message.tag_and_type()) {
      case tag_and_type(1, kLokiBytes): {
        ASSIGN_OR_RETURN(record.time_ns, ReadTimestamp(message.get_message()));
        break;
      }
      case tag_and_type(2, kLokiBytes):
        record.line = ToUtf8(Bytes(message));
        break;
      case tag_and_type(3, kLokiBytes):
        if (metadata.size() == kMaxMetadata)
          return base::Fail(
              base::ErrorKind::kInvalidArgument,
              fmt::format("more than {} entries of structured metadata", kMaxMetadata));
        metadata.push_back(ReadPair(message.get_message()));
        break;
      default:
        message.skip();
    }
  }
  // A byte that is no UTF-8 becomes three.
  RETURN_IF_ERROR(ChargeRecord(bytes, 2 * bytes, metadata.size(), hold));
  SetMetadata(std::move(metadata), record);
  return record;
}

base::Result<> ReadPushStream(pbf_reader message, ByteBudget::Hold& hold, LokiPush& push) {
  RETURN_IF_ERROR(hold.Charge(2 * sizeof(telemetry::StreamWrite)));
  std::string_view labels;
  std::vector<LogRecord> records;
  while (message.next()) {
    switch (message.tag_and_type()) {
      case tag_and_type(1, kLokiBytes):
        labels = Bytes(message);
        break;
      case tag_and_type(2, kLokiBytes): {
        ASSIGN_OR_RETURN(LogRecord record, ReadEntry(message.get_message(), hold));
        records.push_back(std::move(record));
        break;
      }
      default:
        message.skip();
    }
  }
  // The shortest label is five bytes of text.
  RETURN_IF_ERROR(hold.Charge(labels.size() / 5 * 3 * sizeof(Label)));
  TakeStream(ParseLabelText(labels), std::move(records), push);
  return {};
}

}  // namespace

base::Result<LokiPush> ReadLokiProtobuf(std::string_view bytes, ByteBudget::Hold& hold) {
  LokiPush push;
  std::size_t index = 0;
  const auto failed = [&](base::ErrorKind kind, std::string_view why) {
    return base::Fail(kind, fmt::format("stream {} of logproto.PushRequest: {}", index, why));
  };
  try {
    for (pbf_reader message(bytes.data(), bytes.size()); message.next();) {
      if (message.tag_and_type() != tag_and_type(1, kLokiBytes)) {
        message.skip();
        continue;
      }
      if (auto read = ReadPushStream(message.get_message(), hold, push); !read)
        return failed(read.error().kind(), read.error().message());
      ++index;
    }
  } catch (const protozero::exception& error) {
    return failed(base::ErrorKind::kInvalidArgument, error.what());
  }
  return push;
}

}  // namespace enclave::observatory::ingest
