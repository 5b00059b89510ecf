// The receiver as HTTP clients see it.
#include "observatory/ingest/receiver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <snappy.h>

#include <nlohmann/json.hpp>
#include <protozero/pbf_reader.hpp>

#include "base/simulated_executor.h"
#include "observatory/ingest/ingest_testing.h"
#include "observatory/ingest/otlp_testing.h"
#include "observatory/ingest/remote_testing.h"

namespace enclave::observatory::ingest {
namespace {

using base::ErrorKind;
using nlohmann::json;
using protozero::pbf_reader;
using protozero::pbf_writer;
using telemetry::Labels;
using testing::HasSubstr;

std::string Snappy(const std::string& data) {
  std::string compressed;
  snappy::Compress(data.data(), data.size(), &compressed);
  return compressed;
}

class ReceiverTest : public testing::Test {
 protected:
  net::Response Otlp(OtlpSignal signal, const std::string& body, const std::string& type,
                     const std::string& encoding = "") {
    return receiver_.HandleOtlp(signal, Request(body, type, encoding));
  }
  net::Response Write(const std::string& body, const std::string& type = "application/x-protobuf",
                      const std::string& encoding = "snappy") {
    return receiver_.HandleRemoteWrite(Request(body, type, encoding));
  }
  net::Response Push(const std::string& body, const std::string& type,
                     const std::string& encoding = "") {
    return receiver_.HandleLokiPush(Request(body, type, encoding));
  }
  static net::Request Request(const std::string& body, const std::string& type,
                              const std::string& encoding) {
    net::Request request;
    request.method = "POST";
    request.body = body;
    if (!type.empty()) request.headers["Content-Type"] = type;
    if (!encoding.empty()) request.headers["Content-Encoding"] = encoding;
    return request;
  }

  static TracesRequest OneSpan() {
    TracesRequest request;
    auto& span = *request.add_resource_spans()->add_scope_spans()->add_spans();
    span.set_trace_id(kTraceBytes);
    span.set_span_id(kSpanBytes);
    span.set_start_time_unix_nano(1'700'000'000'000'000'000);
    return request;
  }
  static std::string OneSeries() {
    std::string body;
    pbf_writer request(body);
    AddSeries(request, {{"__name__", "m"}}, 1, 1);
    return Snappy(body);
  }
  const ProtocolStats& Stats(Protocol protocol) { return receiver_.stats().of(protocol); }

  RecordingSink sink_;
  base::SimulatedExecutor clock_;
  Receiver receiver_{sink_,
                     {.max_body_bytes = 1 << 20,
                      .max_in_flight_bytes = 64 << 20,
                      .retry_after = std::chrono::seconds(7)},
                     clock_};
};

TEST_F(ReceiverTest, OtlpIsAnsweredInTheTypeOfTheRequest) {
  const std::string body = OneSpan().SerializeAsString();
  for (const std::string encoding : {"", "identity", "gzip"}) {
    const auto response = Otlp(OtlpSignal::kTraces, encoding == "gzip" ? Gzip(body) : body,
                               "application/x-protobuf", encoding);
    EXPECT_EQ(response.status, 200) << response.body;
    EXPECT_EQ(response.headers.at("Content-Type"), "application/x-protobuf");
    EXPECT_EQ(response.body, "");
  }
  const std::string text = R"({"resourceSpans":[{"scopeSpans":[{"spans":[{
      "traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174",
      "startTimeUnixNano":"1700000000000000000"}]}]}]})";
  const auto response =
      Otlp(OtlpSignal::kTraces, Gzip(text), "application/json; charset=utf-8", "gzip");
  EXPECT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(response.headers.at("Content-Type"), "application/json");
  EXPECT_EQ(response.body, "{}");
  EXPECT_EQ(sink_.spans.size(), 4u);
  EXPECT_EQ(sink_.spans[0], sink_.spans[3]);
  EXPECT_EQ(Stats(Protocol::kOtlpHttp).requests, 4u);
  EXPECT_EQ(Stats(Protocol::kOtlpHttp).spans, 4u);
  EXPECT_GT(Stats(Protocol::kOtlpHttp).wire_bytes, 0u);
  EXPECT_EQ(receiver_.in_flight_bytes(), 0u);
}

TEST_F(ReceiverTest, AllSignalsAreWritten) {
  MetricsRequest metrics;
  auto& metric = *metrics.add_resource_metrics()->add_scope_metrics()->add_metrics();
  metric.set_name("m");
  metric.mutable_gauge()->add_data_points()->set_time_unix_nano(1'000'000);
  LogsRequest logs;
  logs.add_resource_logs()->add_scope_logs()->add_log_records()->mutable_body()->set_string_value(
      "now");
  EXPECT_EQ(
      Otlp(OtlpSignal::kMetrics, metrics.SerializeAsString(), "application/x-protobuf").status,
      200);
  EXPECT_EQ(Otlp(OtlpSignal::kLogs, logs.SerializeAsString(), "application/x-protobuf").status,
            200);
  EXPECT_EQ(sink_.series.at(0).labels, (Labels{{"__name__", "m"}}));
  EXPECT_EQ(sink_.streams.at(0).records.at(0).time_ns, clock_.WallNow().time_since_epoch().count());
  // Nothing at all is no error, and nothing to write.
  const int writes = sink_.writes;
  EXPECT_EQ(Otlp(OtlpSignal::kLogs, "", "application/x-protobuf").status, 200);
  EXPECT_EQ(sink_.writes, writes);
}

TEST_F(ReceiverTest, PartialSuccessNamesWhatWasRefused) {
  TracesRequest request = OneSpan();
  auto& spans = *request.mutable_resource_spans(0)->mutable_scope_spans(0)->mutable_spans();
  spans.Add()->set_name("anonymous");
  const auto response =
      Otlp(OtlpSignal::kTraces, request.SerializeAsString(), "application/x-protobuf");
  EXPECT_EQ(response.status, 200);
  collector::trace::v1::ExportTraceServiceResponse reply;
  ASSERT_TRUE(reply.ParseFromString(response.body));
  EXPECT_EQ(reply.partial_success().rejected_spans(), 1);
  EXPECT_THAT(reply.partial_success().error_message(), HasSubstr("1 of 2 spans were refused"));
  EXPECT_THAT(reply.partial_success().error_message(), HasSubstr("anonymous"));

  // What the sink refuses counts too.
  sink_.answer = telemetry::Refused{.records = 1, .why = "too old"};
  const auto text = Otlp(OtlpSignal::kLogs, R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[
      {"timeUnixNano":"1","body":{"stringValue":"a"}},{"timeUnixNano":"2"}]}]}]})",
                         "application/json");
  EXPECT_EQ(text.status, 200);
  const json partial = json::parse(text.body).at("partialSuccess");
  EXPECT_EQ(partial.at("rejectedLogRecords"), "1");
  EXPECT_THAT(partial.at("errorMessage").get<std::string>(), HasSubstr("too old"));
  EXPECT_EQ(Stats(Protocol::kOtlpHttp).refused_items, 2u);
  EXPECT_EQ(Stats(Protocol::kOtlpHttp).records, 1u);
}

TEST_F(ReceiverTest, OtlpErrorsAreRpcStatusInTheTypeOfTheRequest) {
  const auto bad = Otlp(OtlpSignal::kTraces, R"({"resourceSpans":7})", "application/json");
  EXPECT_EQ(bad.status, 400);
  EXPECT_EQ(json::parse(bad.body).at("code"), 3);
  EXPECT_THAT(json::parse(bad.body).at("message").get<std::string>(),
              HasSubstr("resourceSpans: an array is expected"));

  const auto broken = Otlp(OtlpSignal::kTraces, "\xff\xff", "application/x-protobuf");
  EXPECT_EQ(broken.status, 400);
  EXPECT_EQ(broken.headers.at("Content-Type"), "application/x-protobuf");
  pbf_reader status(broken.body);
  ASSERT_TRUE(status.next(1));
  EXPECT_EQ(status.get_int32(), 3);
  ASSERT_TRUE(status.next(2));
  EXPECT_THAT(status.get_string(), HasSubstr("ExportTraceServiceRequest"));

  EXPECT_EQ(Otlp(OtlpSignal::kTraces, "", "text/plain").status, 415);
  EXPECT_EQ(Otlp(OtlpSignal::kTraces, "", "").status, 415);
  EXPECT_EQ(Otlp(OtlpSignal::kTraces, "", "application/json", "br").status, 415);
  EXPECT_EQ(Otlp(OtlpSignal::kTraces, "no gzip", "application/json", "gzip").status, 400);
  EXPECT_EQ(
      Otlp(OtlpSignal::kTraces, Gzip(std::string(2 << 20, ' ')), "application/json", "gzip").status,
      413);
  EXPECT_EQ(Otlp(OtlpSignal::kTraces, std::string((1 << 20) + 1, ' '), "application/json").status,
            413);
  net::Request get = Request("", "application/json", "");
  get.method = "GET";
  const auto refused = receiver_.HandleOtlp(OtlpSignal::kTraces, get);
  EXPECT_EQ(refused.status, 405);
  EXPECT_EQ(refused.headers.at("Allow"), "POST");
  EXPECT_EQ(Stats(Protocol::kOtlpHttp).failed_invalid, 9u);
  EXPECT_EQ(sink_.writes, 0);
}

TEST_F(ReceiverTest, OverloadAndAFullDiskAskToComeBack) {
  sink_.answer = base::Fail(ErrorKind::kResourceExhausted, "the write queue is full");
  const auto busy =
      Otlp(OtlpSignal::kTraces, OneSpan().SerializeAsString(), "application/x-protobuf");
  EXPECT_EQ(busy.status, 429);
  EXPECT_EQ(busy.headers.at("Retry-After"), "7");
  EXPECT_EQ(Write(OneSeries()).status, 429);
  EXPECT_EQ(Write(OneSeries()).headers.at("Retry-After"), "7");
  const std::string line = R"({"streams":[{"stream":{"a":"b"},"values":[["1","x"]]}]})";
  EXPECT_EQ(Push(line, "application/json").status, 429);

  sink_.answer = base::Fail(ErrorKind::kUnavailable, "the disk is full");
  EXPECT_EQ(Write(OneSeries()).status, 503);
  EXPECT_EQ(Write(OneSeries()).headers.at("Retry-After"), "7");
  EXPECT_EQ(Push(line, "application/json").status, 503);
  const auto full = Otlp(OtlpSignal::kTraces, R"({"resourceSpans":[{"scopeSpans":[{"spans":[{
      "traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174",
      "startTimeUnixNano":"1700000000000000000"}]}]}]})",
                         "application/json");
  EXPECT_EQ(full.status, 503);
  const json status = json::parse(full.body);
  EXPECT_EQ(status.at("code"), 14);
  EXPECT_EQ(status.at("details").at(0).at("@type"), "type.googleapis.com/google.rpc.RetryInfo");
  EXPECT_EQ(status.at("details").at(0).at("retryDelay"), "7s");
  EXPECT_EQ(Stats(Protocol::kRemoteWrite).failed_exhausted, 2u);
  EXPECT_EQ(Stats(Protocol::kRemoteWrite).failed_unavailable, 2u);
  EXPECT_EQ(Stats(Protocol::kRemoteWrite).samples, 0u);
}

// A sink that holds a request while others come.
class NestedSink final : public telemetry::Sink {
 public:
  base::Result<telemetry::Refused> Write(telemetry::Batch) override {
    if (inside) std::exchange(inside, nullptr)();
    return telemetry::Refused{};
  }
  std::function<void()> inside;
};

TEST_F(ReceiverTest, MemoryInFlightIsBounded) {
  NestedSink sink;
  Receiver receiver(sink, {.max_body_bytes = 1 << 20, .max_in_flight_bytes = 3 << 20}, clock_);
  LogsRequest request;
  request.add_resource_logs()
      ->add_scope_logs()
      ->add_log_records()
      ->mutable_body()
      ->set_string_value(std::string(600'000, 'x'));
  const net::Request post = Request(request.SerializeAsString(), "application/x-protobuf", "");
  int second = 0;
  sink.inside = [&] { second = receiver.HandleOtlp(OtlpSignal::kLogs, post).status; };
  EXPECT_EQ(receiver.HandleOtlp(OtlpSignal::kLogs, post).status, 200);
  EXPECT_EQ(second, 429);
  EXPECT_EQ(receiver.in_flight_bytes(), 0u);
  EXPECT_EQ(receiver.HandleOtlp(OtlpSignal::kLogs, post).status, 200)
      << "and then it is free again";
}

TEST_F(ReceiverTest, RemoteWriteAnswersAsPrometheusDoes) {
  EXPECT_EQ(Write(OneSeries()).status, 204);
  EXPECT_EQ(Write(OneSeries(), "application/x-protobuf;proto=prometheus.WriteRequest").status, 204);
  EXPECT_EQ(sink_.series.size(), 2u);
  EXPECT_EQ(Stats(Protocol::kRemoteWrite).samples, 2u);
  EXPECT_EQ(Write("not snappy").status, 400);
  EXPECT_EQ(Write(OneSeries(), "application/json").status, 415);
  EXPECT_EQ(Write(OneSeries(), "application/x-protobuf;proto=something.Else").status, 415);
  EXPECT_EQ(Write(OneSeries(), "application/x-protobuf", "zstd").status, 415);
  EXPECT_EQ(Write("\xff\xff\xff\xff\x0f").status, 413);
  sink_.answer = telemetry::Refused{.samples = 1, .why = "the sample is out of order by 2h"};
  const auto refused = Write(OneSeries());
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.body, HasSubstr("out of order by 2h"));
}

TEST_F(ReceiverTest, RemoteWrite2SaysWhatWasWritten) {
  std::string body;
  pbf_writer request(body);
  for (const char* symbol : {"", "__name__", "m"}) request.add_string(4, symbol);
  {
    pbf_writer series(request, 5);
    const std::array<std::uint32_t, 2> references = {1, 2};
    series.add_packed_uint32(1, references.begin(), references.end());
    pbf_writer sample(series, 2);
    sample.add_int64(2, 5);
  }
  const std::string type = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
  const auto response = Write(Snappy(body), type);
  EXPECT_EQ(response.status, 204) << response.body;
  EXPECT_EQ(response.headers.at("X-Prometheus-Remote-Write-Samples-Written"), "1");
  EXPECT_EQ(response.headers.at("X-Prometheus-Remote-Write-Histograms-Written"), "0");
  EXPECT_EQ(response.headers.at("X-Prometheus-Remote-Write-Exemplars-Written"), "0");
  sink_.answer = telemetry::Refused{.samples = 1, .why = "too old"};
  const auto refused = Write(Snappy(body), type);
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.headers.at("X-Prometheus-Remote-Write-Samples-Written"), "0");
}

TEST_F(ReceiverTest, LokiPushInBothForms) {
  const std::string text = R"({"streams":[{"stream":{"app":"api"},"values":[["5","line"]]}]})";
  EXPECT_EQ(Push(text, "application/json").status, 204);
  EXPECT_EQ(Push(Gzip(text), "application/json", "gzip").status, 204);
  std::string body;
  pbf_writer request(body);
  AddStream(request, R"({app="api"})", 0, "line");
  EXPECT_EQ(Push(Snappy(body), "application/x-protobuf").status, 204);
  ASSERT_EQ(sink_.streams.size(), 3u);
  for (const telemetry::StreamWrite& stream : sink_.streams) {
    EXPECT_EQ(stream.labels, (Labels{{"app", "api"}}));
    EXPECT_EQ(stream.records.at(0), sink_.streams[0].records.at(0));
  }
  EXPECT_EQ(Stats(Protocol::kLokiPush).records, 3u);
  EXPECT_EQ(Push(text, "text/plain").status, 415);
  EXPECT_EQ(Push(text, "application/x-protobuf", "gzip").status, 415);
  EXPECT_EQ(Push("{}", "application/json").status, 400);
  const auto nameless =
      Push(R"({"streams":[{"stream":{},"values":[["5","line"]]}]})", "application/json");
  EXPECT_EQ(nameless.status, 400);
  EXPECT_THAT(nameless.body, HasSubstr("1 of 1 entries were refused"));
  sink_.answer = telemetry::Refused{.records = 1, .why = "the line is too long"};
  EXPECT_THAT(Push(text, "application/json").body, HasSubstr("the line is too long"));
}

}  // namespace
}  // namespace enclave::observatory::ingest
