#include "observatory/ingest/receiver.h"

#include <algorithm>

#include <fmt/format.h>
#include <google/protobuf/arena.h>
#include <google/protobuf/stubs/logging.h>
#include <protozero/pbf_writer.hpp>

#include "base/quote.h"
#include "observatory/ingest/decompress.h"
#include "observatory/ingest/loki_push.h"
#include "observatory/ingest/otlp_json.h"
#include "observatory/ingest/otlp_protobuf.h"
#include "observatory/ingest/remote_write.h"
#include "observatory/ingest/rpc_status.h"
#include "observatory/ingest/text.h"

namespace enclave::observatory::ingest {
namespace {

using base::ErrorKind;
constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr const char* kProtobufType = "application/x-protobuf";
constexpr const char* kJsonType = "application/json";

void CountFailure(ErrorKind kind, ProtocolStats& stats) {
  const int status = HttpStatus(kind);
  auto& counter = status == 429  ? stats.failed_exhausted
                  : status < 500 ? stats.failed_invalid
                                 : stats.failed_unavailable;
  counter.fetch_add(1, kRelaxed);
}

void AddRetryAfter(const base::Error& error, std::chrono::seconds retry_after,
                   net::Response& response) {
  if (error.kind() == ErrorKind::kResourceExhausted || error.kind() == ErrorKind::kUnavailable)
    response.headers["Retry-After"] = fmt::format("{}", retry_after.count());
  if (error.kind() == ErrorKind::kMethodNotAllowed) response.headers["Allow"] = "POST";
}

net::Response TextResponse(int status, std::string text) {
  return {.status = status,
          .headers = {{"Content-Type", "text/plain; charset=utf-8"}},
          .body = std::move(text)};
}

base::Result<> CheckPost(const net::Request& request) {
  if (request.method == "POST") return {};
  return base::Fail(ErrorKind::kMethodNotAllowed, fmt::format("{} takes POST alone", request.path));
}

base::Result<OtlpFormat> FormatOf(const net::Request& request) {
  const std::string type = MediaType(request.Header("Content-Type"));
  if (type == kProtobufType || type == "application/protobuf") return OtlpFormat::kProtobuf;
  if (type == kJsonType) return OtlpFormat::kJson;
  return base::Fail(ErrorKind::kUnsupportedMedia,
                    fmt::format("Content-Type {} is not known; use application/x-protobuf or "
                                "application/json",
                                base::Quote(type)));
}

std::string ToJson(const OtlpReply& reply, OtlpSignal signal) {
  if (reply.message.empty()) return "{}";
  constexpr std::array<std::string_view, 3> kNames = {"rejectedSpans", "rejectedDataPoints",
                                                      "rejectedLogRecords"};
  return fmt::format(R"({{"partialSuccess":{{"{}":"{}","errorMessage":{}}}}})",
                     kNames[static_cast<std::size_t>(signal)], reply.rejected,
                     base::Quote(reply.message));
}

struct Counts {
  std::size_t samples = 0;
  std::size_t exemplars = 0;
  std::size_t records = 0;
  std::size_t spans = 0;
};

Counts Count(const telemetry::Batch& batch) {
  Counts counts{.spans = batch.spans.size()};
  for (const telemetry::SeriesWrite& series : batch.series) {
    counts.samples += series.samples.size();
    counts.exemplars += series.exemplars.size();
  }
  for (const telemetry::StreamWrite& stream : batch.streams)
    counts.records += stream.records.size();
  return counts;
}

// "2 of 10 samples were refused; the first: ...".
std::string RefusedText(std::size_t refused, std::size_t all, std::string_view items,
                        std::string_view why) {
  return fmt::format("{} of {} {} were refused; the first: {}", refused, all, items, why);
}

}  // namespace

std::string ToProtobuf(const OtlpReply& reply) {
  std::string bytes;
  if (reply.message.empty()) return bytes;
  protozero::pbf_writer response(bytes);
  protozero::pbf_writer partial_success(response, 1);
  if (reply.rejected > 0) partial_success.add_int64(1, static_cast<std::int64_t>(reply.rejected));
  partial_success.add_string(2, reply.message);
  partial_success.commit();
  return bytes;
}

Receiver::Receiver(telemetry::Sink& sink, ReceiverOptions options, const base::Clock& clock)
    : sink_(sink),
      options_(std::move(options)),
      clock_(clock),
      budget_(options_.max_in_flight_bytes) {
  // Protobuf writes a line to standard error for each text that is not UTF-8; whoever sent it is
  // told instead, and cannot fill the disk.
  google::protobuf::SetLogHandler(nullptr);
}

base::Result<telemetry::Refused> Receiver::Write(telemetry::Batch batch, ProtocolStats& stats) {
  if (batch.empty()) return telemetry::Refused{};
  const Counts counts = Count(batch);
  ASSIGN_OR_RETURN(telemetry::Refused refused, sink_.Write(std::move(batch)));
  const auto written = [](std::size_t all, std::size_t less) { return all - std::min(all, less); };
  stats.samples.fetch_add(written(counts.samples, refused.samples), kRelaxed);
  stats.exemplars.fetch_add(written(counts.exemplars, refused.exemplars), kRelaxed);
  stats.records.fetch_add(written(counts.records, refused.records), kRelaxed);
  stats.spans.fetch_add(written(counts.spans, refused.spans), kRelaxed);
  stats.refused_items.fetch_add(
      refused.samples + refused.exemplars + refused.records + refused.spans, kRelaxed);
  return refused;
}

// --- OTLP.

base::Result<OtlpReply> Receiver::Export(OtlpSignal signal, OtlpFormat format,
                                         std::string_view body, ByteBudget::Hold& hold,
                                         ProtocolStats& stats) {
  stats.body_bytes.fetch_add(body.size(), kRelaxed);
  // Nearly all of a message is on the arena, which is given back at once.
  google::protobuf::ArenaOptions arena_options;
  arena_options.start_block_size = std::clamp<std::size_t>(body.size(), 1024, 64 << 10);
  arena_options.max_block_size = 64 << 10;
  google::protobuf::Arena arena(arena_options);
  const auto read = [&](google::protobuf::Message& message) {
    return format == OtlpFormat::kProtobuf ? ReadOtlpProtobuf(body, arena, message, hold)
                                           : ReadOtlpJson(body, message, hold);
  };
  Translated translated;
  switch (signal) {
    case OtlpSignal::kTraces: {
      auto& request = *google::protobuf::Arena::CreateMessage<TracesRequest>(&arena);
      RETURN_IF_ERROR(read(request));
      ASSIGN_OR_RETURN(translated, TranslateTraces(request, options_.otlp, hold));
      break;
    }
    case OtlpSignal::kMetrics: {
      auto& request = *google::protobuf::Arena::CreateMessage<MetricsRequest>(&arena);
      RETURN_IF_ERROR(read(request));
      ASSIGN_OR_RETURN(translated, TranslateMetrics(request, options_.otlp, hold));
      break;
    }
    case OtlpSignal::kLogs: {
      auto& request = *google::protobuf::Arena::CreateMessage<LogsRequest>(&arena);
      RETURN_IF_ERROR(read(request));
      const std::int64_t now_ns = clock_.WallNow().time_since_epoch().count();
      ASSIGN_OR_RETURN(translated, TranslateLogs(request, options_.otlp, now_ns, hold));
      break;
    }
  }
  ASSIGN_OR_RETURN(const telemetry::Refused refused, Write(std::move(translated.batch), stats));
  stats.refused_items.fetch_add(translated.refused.count, kRelaxed);
  stats.cut_items.fetch_add(translated.cut, kRelaxed);

  // A histogram's data point is many samples: what is told to the client counts data points, as
  // well as can be said.
  const std::size_t by_sink = refused.samples + refused.records + refused.spans;
  OtlpReply reply{.rejected = std::min(translated.refused.count + by_sink, translated.items)};
  if (reply.rejected > 0) {
    constexpr std::array<std::string_view, 3> kItems = {"spans", "data points", "log records"};
    reply.message =
        RefusedText(reply.rejected, translated.items, kItems[static_cast<std::size_t>(signal)],
                    translated.refused.count > 0 ? translated.refused.why : refused.why);
  } else if (refused.exemplars > 0) {
    reply.message =
        fmt::format("{} exemplars were refused; the first: {}", refused.exemplars, refused.why);
  }
  return reply;
}

base::Result<OtlpReply> Receiver::ExportGrpc(OtlpSignal signal, std::string_view message) {
  ProtocolStats& stats = stats_.of(Protocol::kOtlpGrpc);
  stats.requests.fetch_add(1, kRelaxed);
  stats.wire_bytes.fetch_add(message.size(), kRelaxed);
  ByteBudget::Hold hold(budget_);
  const auto run = [&]() -> base::Result<OtlpReply> {
    // No message of OTLP begins with these bytes: 0x1f would be a field of a type that does not
    // exist, 0x78 a number in field 15.
    const bool gzip = message.starts_with("\x1f\x8b");
    const bool zlib = message.size() > 2 && message[0] == '\x78';
    if (!gzip && !zlib) {
      if (message.size() > options_.max_body_bytes)
        return base::Fail(ErrorKind::kTooLarge,
                          fmt::format("the message is larger than {} bytes; send it in smaller "
                                      "parts",
                                      options_.max_body_bytes));
      RETURN_IF_ERROR(hold.Charge(message.size()));
      return Export(signal, OtlpFormat::kProtobuf, message, hold, stats);
    }
    ASSIGN_OR_RETURN(const std::string body,
                     Inflate(message, gzip ? ZlibFormat::kGzip : ZlibFormat::kZlib,
                             options_.max_body_bytes, hold));
    return Export(signal, OtlpFormat::kProtobuf, body, hold, stats);
  };
  auto reply = run();
  if (!reply) CountFailure(reply.error().kind(), stats);
  return reply;
}

base::Result<OtlpReply> Receiver::ExportHttp(OtlpSignal signal, OtlpFormat format,
                                             const net::Request& request) {
  ByteBudget::Hold hold(budget_);
  RETURN_IF_ERROR(hold.Charge(request.body.size()));
  // What came uncompressed is read where it is.
  const std::string encoding = AsciiLower(Trim(request.Header("Content-Encoding")));
  ProtocolStats& stats = stats_.of(Protocol::kOtlpHttp);
  if ((encoding.empty() || encoding == "identity") &&
      request.body.size() <= options_.max_body_bytes)
    return Export(signal, format, request.body, hold, stats);
  ASSIGN_OR_RETURN(const std::string body,
                   DecodeContent(encoding, request.body, options_.max_body_bytes, hold));
  return Export(signal, format, body, hold, stats);
}

net::Response Receiver::HandleOtlp(OtlpSignal signal, const net::Request& request) {
  ProtocolStats& stats = stats_.of(Protocol::kOtlpHttp);
  stats.requests.fetch_add(1, kRelaxed);
  stats.wire_bytes.fetch_add(request.body.size(), kRelaxed);
  const auto format = FormatOf(request);
  base::Result<OtlpReply> reply = [&]() -> base::Result<OtlpReply> {
    RETURN_IF_ERROR(CheckPost(request));
    if (!format) return base::Fail(format.error());
    return ExportHttp(signal, *format, request);
  }();
  // A type that is not known is answered in the one that people can read.
  const bool protobuf = format && *format == OtlpFormat::kProtobuf;
  net::Response response{.headers = {{"Content-Type", protobuf ? kProtobufType : kJsonType}}};
  if (reply) {
    response.body = protobuf ? ToProtobuf(*reply) : ToJson(*reply, signal);
    return response;
  }
  CountFailure(reply.error().kind(), stats);
  response.status = HttpStatus(reply.error().kind());
  const RpcStatus status = ToRpcStatus(reply.error(), options_.retry_after);
  response.body = protobuf ? ToProtobuf(status) : ToJson(status);
  AddRetryAfter(reply.error(), options_.retry_after, response);
  return response;
}

// --- Prometheus remote write.

base::Result<net::Response> Receiver::RemoteWriteBody(const net::Request& request) {
  RETURN_IF_ERROR(CheckPost(request));
  const std::string_view content_type = request.Header("Content-Type");
  const std::string proto = MediaParameter(content_type, "proto");
  const bool second = proto == "io.prometheus.write.v2.Request";
  // Senders of the first days named no type.
  const std::string type = MediaType(content_type);
  if ((type != kProtobufType && !type.empty()) ||
      (!second && !proto.empty() && proto != "prometheus.WriteRequest"))
    return base::Fail(ErrorKind::kUnsupportedMedia,
                      fmt::format("Content-Type {} is not known; use application/x-protobuf, with "
                                  "proto=prometheus.WriteRequest or "
                                  "proto=io.prometheus.write.v2.Request",
                                  base::Quote(Cut(content_type, 200))));
  if (const std::string encoding = AsciiLower(Trim(request.Header("Content-Encoding")));
      encoding != "snappy" && !encoding.empty())
    return base::Fail(
        ErrorKind::kUnsupportedMedia,
        fmt::format("Content-Encoding {} is not known; use snappy", base::Quote(encoding)));
  ProtocolStats& stats = stats_.of(Protocol::kRemoteWrite);
  ByteBudget::Hold hold(budget_);
  RETURN_IF_ERROR(hold.Charge(request.body.size()));
  ASSIGN_OR_RETURN(const std::string body, Unsnappy(request.body, options_.max_body_bytes, hold));
  stats.body_bytes.fetch_add(body.size(), kRelaxed);
  ASSIGN_OR_RETURN(RemoteWrite write,
                   second ? DecodeRemoteWriteV2(body, hold) : DecodeRemoteWrite(body, hold));
  const Counts counts = Count(write.batch);
  ASSIGN_OR_RETURN(const telemetry::Refused refused, Write(std::move(write.batch), stats));
  stats.refused_items.fetch_add(write.refused.count, kRelaxed);

  // As in Prometheus, exemplars that are refused do not fail the request.
  const std::size_t count = write.refused.count + refused.samples;
  net::Response response{.status = 204};
  if (count > 0) {
    response =
        TextResponse(400, RefusedText(count, write.samples + write.histograms, "samples",
                                      write.refused.count > 0 ? write.refused.why : refused.why));
  }
  if (second) {
    const auto written = [](std::size_t all, std::size_t less) {
      return fmt::format("{}", all - std::min(all, less));
    };
    response.headers["X-Prometheus-Remote-Write-Samples-Written"] =
        written(counts.samples, refused.samples);
    response.headers["X-Prometheus-Remote-Write-Histograms-Written"] = "0";
    response.headers["X-Prometheus-Remote-Write-Exemplars-Written"] =
        written(counts.exemplars, refused.exemplars);
  }
  return response;
}

net::Response Receiver::HandleRemoteWrite(const net::Request& request) {
  ProtocolStats& stats = stats_.of(Protocol::kRemoteWrite);
  stats.requests.fetch_add(1, kRelaxed);
  stats.wire_bytes.fetch_add(request.body.size(), kRelaxed);
  auto response = RemoteWriteBody(request);
  if (response) return std::move(*response);
  CountFailure(response.error().kind(), stats);
  net::Response failed =
      TextResponse(HttpStatus(response.error().kind()), response.error().message() + "\n");
  AddRetryAfter(response.error(), options_.retry_after, failed);
  return failed;
}

// --- Loki push.

base::Result<std::string> Receiver::LokiPushBody(const net::Request& request) {
  RETURN_IF_ERROR(CheckPost(request));
  ProtocolStats& stats = stats_.of(Protocol::kLokiPush);
  const std::string type = MediaType(request.Header("Content-Type"));
  const std::string_view encoding = request.Header("Content-Encoding");
  ByteBudget::Hold hold(budget_);
  RETURN_IF_ERROR(hold.Charge(request.body.size()));
  LokiPush push;
  if (type == kJsonType) {
    ASSIGN_OR_RETURN(const std::string body,
                     DecodeContent(encoding, request.body, options_.max_body_bytes, hold));
    stats.body_bytes.fetch_add(body.size(), kRelaxed);
    ASSIGN_OR_RETURN(push, ReadLokiJson(body, hold));
  } else if (type == kProtobufType || type.empty()) {
    const std::string name = AsciiLower(Trim(encoding));
    if (!name.empty() && name != "snappy")
      return base::Fail(ErrorKind::kUnsupportedMedia,
                        fmt::format("Content-Encoding {} is not known for protobuf; use snappy",
                                    base::Quote(name)));
    ASSIGN_OR_RETURN(const std::string body, Unsnappy(request.body, options_.max_body_bytes, hold));
    stats.body_bytes.fetch_add(body.size(), kRelaxed);
    ASSIGN_OR_RETURN(push, ReadLokiProtobuf(body, hold));
  } else {
    return base::Fail(ErrorKind::kUnsupportedMedia,
                      fmt::format("Content-Type {} is not known; use application/json or "
                                  "application/x-protobuf",
                                  base::Quote(type)));
  }
  ASSIGN_OR_RETURN(const telemetry::Refused refused, Write(std::move(push.batch), stats));
  stats.refused_items.fetch_add(push.refused.count, kRelaxed);
  const std::size_t count = push.refused.count + refused.records;
  if (count == 0) return "";
  return RefusedText(count, push.records, "entries",
                     push.refused.count > 0 ? push.refused.why : refused.why);
}

net::Response Receiver::HandleLokiPush(const net::Request& request) {
  ProtocolStats& stats = stats_.of(Protocol::kLokiPush);
  stats.requests.fetch_add(1, kRelaxed);
  stats.wire_bytes.fetch_add(request.body.size(), kRelaxed);
  const auto refused = LokiPushBody(request);
  if (refused) return refused->empty() ? net::Response{.status = 204} : TextResponse(400, *refused);
  CountFailure(refused.error().kind(), stats);
  net::Response failed =
      TextResponse(HttpStatus(refused.error().kind()), refused.error().message() + "\n");
  AddRetryAfter(refused.error(), options_.retry_after, failed);
  return failed;
}

}  // namespace enclave::observatory::ingest
