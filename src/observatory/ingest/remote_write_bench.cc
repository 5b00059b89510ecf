// What taking in costs per item before the store: remote write as Prometheus sends it, and each
// signal of OTLP. The sink drops what it gets.
#include <benchmark/benchmark.h>
#include <snappy.h>

#include <fmt/format.h>

#include "base/check.h"
#include "base/executor.h"
#include "observatory/ingest/otlp_testing.h"
#include "observatory/ingest/receiver.h"
#include "observatory/ingest/remote_testing.h"

namespace enclave::observatory::ingest {
namespace {

constexpr int kItems = 2000;

class DroppingSink final : public telemetry::Sink {
 public:
  base::Result<telemetry::Refused> Write(telemetry::Batch batch) override {
    benchmark::DoNotOptimize(batch.series.data());
    return telemetry::Refused{};
  }
};

struct Bench {
  DroppingSink sink;
  Receiver receiver{sink, {}, base::SystemClock()};
};

net::Request Post(std::string body, const char* type) {
  net::Request request;
  request.method = "POST";
  request.headers["Content-Type"] = type;
  request.body = std::move(body);
  return request;
}

// 2,000 series of 8 labels, one sample each.
std::string WriteRequest() {
  std::string body;
  protozero::pbf_writer request(body);
  for (int i = 0; i < kItems; ++i) {
    const std::string instance = fmt::format("10.0.{}.{}:9100", i / 250, i % 250);
    const std::string path = fmt::format("/api/v1/resource/{}", i % 50);
    AddSeries(request,
              {{"__name__", "http_requests_total"},
               {"cluster", "production-eu"},
               {"code", i % 10 == 0 ? "500" : "200"},
               {"instance", instance},
               {"job", "frontend"},
               {"method", "GET"},
               {"namespace", "shop"},
               {"path", path}},
              i * 1.5, 1'700'000'000'000 + i);
  }
  std::string compressed;
  snappy::Compress(body.data(), body.size(), &compressed);
  return compressed;
}

void BM_RemoteWrite(benchmark::State& state) {
  Bench bench;
  const net::Request request = Post(WriteRequest(), "application/x-protobuf");
  for (auto _ : state) CHECK(bench.receiver.HandleRemoteWrite(request).status == 204, "taken");
  state.SetItemsProcessed(state.iterations() * kItems);
}
BENCHMARK(BM_RemoteWrite);

void AddAttributes(KeyValues* attributes, int i) {
  Set(attributes, "http.request.method", "GET");
  Set(attributes, "http.route", fmt::format("/api/v1/resource/{}", i % 50));
  Set(attributes, "http.response.status_code", i % 10 == 0 ? "500" : "200");
  Set(attributes, "server.address", fmt::format("10.0.{}.{}", i / 250, i % 250));
  Set(attributes, "url.scheme", "http");
}

void AddResource(KeyValues* attributes) {
  Set(attributes, "service.name", "frontend");
  Set(attributes, "service.instance.id", "frontend-1");
  Set(attributes, "k8s.namespace.name", "shop");
  Set(attributes, "k8s.pod.name", "frontend-1");
  Set(attributes, "k8s.deployment.name", "frontend");
}

void Run(benchmark::State& state, OtlpSignal signal, const google::protobuf::Message& message) {
  Bench bench;
  const net::Request request = Post(message.SerializeAsString(), "application/x-protobuf");
  for (auto _ : state)
    CHECK(bench.receiver.HandleOtlp(signal, request).body.empty(), "taken whole");
  state.SetItemsProcessed(state.iterations() * kItems);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(request.body.size()));
}

void BM_OtlpMetrics(benchmark::State& state) {
  MetricsRequest message;
  auto& group = *message.add_resource_metrics();
  AddResource(group.mutable_resource()->mutable_attributes());
  auto& metric = *group.add_scope_metrics()->add_metrics();
  metric.set_name("http.server.requests");
  auto& sum = *metric.mutable_sum();
  sum.set_is_monotonic(true);
  sum.set_aggregation_temporality(
      opentelemetry::proto::metrics::v1::AGGREGATION_TEMPORALITY_CUMULATIVE);
  for (int i = 0; i < kItems; ++i) {
    auto& point = *sum.add_data_points();
    point.set_time_unix_nano(1'700'000'000'000'000'000);
    point.set_as_int(i);
    AddAttributes(point.mutable_attributes(), i);
  }
  Run(state, OtlpSignal::kMetrics, message);
}
BENCHMARK(BM_OtlpMetrics);

void BM_OtlpTraces(benchmark::State& state) {
  TracesRequest message;
  auto& group = *message.add_resource_spans();
  AddResource(group.mutable_resource()->mutable_attributes());
  auto& scope = *group.add_scope_spans();
  for (int i = 0; i < kItems; ++i) {
    auto& span = *scope.add_spans();
    span.set_trace_id(kTraceBytes);
    span.set_span_id(kSpanBytes);
    span.set_parent_span_id(kSpanBytes);
    span.set_name("GET /api/v1/resource");
    span.set_start_time_unix_nano(1'700'000'000'000'000'000);
    span.set_end_time_unix_nano(1'700'000'000'001'000'000);
    AddAttributes(span.mutable_attributes(), i);
  }
  Run(state, OtlpSignal::kTraces, message);
}
BENCHMARK(BM_OtlpTraces);

void BM_OtlpLogs(benchmark::State& state) {
  LogsRequest message;
  auto& group = *message.add_resource_logs();
  AddResource(group.mutable_resource()->mutable_attributes());
  auto& scope = *group.add_scope_logs();
  for (int i = 0; i < kItems; ++i) {
    auto& record = *scope.add_log_records();
    record.set_time_unix_nano(1'700'000'000'000'000'000);
    record.set_severity_number(9);
    record.set_severity_text("INFO");
    record.set_trace_id(kTraceBytes);
    record.set_span_id(kSpanBytes);
    record.mutable_body()->set_string_value(
        fmt::format("request {} answered in {} ms by backend-{}", i, i % 97, i % 7));
    Set(record.mutable_attributes(), "user.id", fmt::format("u{}", i));
  }
  Run(state, OtlpSignal::kLogs, message);
}
BENCHMARK(BM_OtlpLogs);

void BM_LokiPushJson(benchmark::State& state) {
  Bench bench;
  std::string body = R"({"streams":[{"stream":{"app":"api","namespace":"shop"},"values":[)";
  for (int i = 0; i < kItems; ++i)
    body += fmt::format(R"({}["{}","request {} answered in {} ms by backend-{}"])",
                        i == 0 ? "" : ",", 1'700'000'000'000'000'000 + i, i, i % 97, i % 7);
  body += "]}]}";
  const net::Request request = Post(body, "application/json");
  for (auto _ : state) CHECK(bench.receiver.HandleLokiPush(request).status == 204, "taken");
  state.SetItemsProcessed(state.iterations() * kItems);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(body.size()));
}
BENCHMARK(BM_LokiPushJson);

}  // namespace
}  // namespace enclave::observatory::ingest
