// What a visit of all spans of a window costs: a million spans as ten services write them, 25 to a
// trace, six attributes each, read one after the other from files.
#include <filesystem>

#include <unistd.h>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "base/check.h"
#include "base/executor.h"
#include "base/random.h"
#include "observatory/store/store.h"

namespace enclave::observatory::store {
namespace {

constexpr std::int64_t kSpanBenchStart = 1'700'000'000'000 / kWindowMs * kWindowMs * 1'000'000;
constexpr std::size_t kSpanBenchSpans = 1'000'000;
constexpr std::size_t kSpanBenchBatch = 2000;

class SpanBench {
 public:
  SpanBench() {
    std::string pattern = (std::filesystem::current_path() / "span-bench-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    Open();
    for (std::size_t i = 0; i < kSpanBenchSpans; i += kSpanBenchBatch) {
      telemetry::Batch batch;
      for (std::size_t j = 0; j < kSpanBenchBatch; ++j) batch.spans.push_back(MakeSpan(i + j));
      CHECK(store_->sink().Write(std::move(batch)), "a disk with space takes spans");
    }
    store_.reset();
    Open();
  }
  ~SpanBench() {
    store_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  Store& store() { return *store_; }

 private:
  void Open() {
    StoreOptions options;
    options.directory = directory_;
    options.retention.age = base::Duration::zero();
    options.limits.future_ms = INT64_MAX;
    auto store = Store::Open(options, base::SystemClock());
    CHECK(store, "the store opens");
    store_ = std::move(*store);
  }

  // Over ten minutes.
  telemetry::Span MakeSpan(std::size_t i) {
    if (i % 25 == 0) trace_ = trace::TraceId::Make(random_);
    telemetry::Span span{.trace_id = *trace_, .span_id = trace::SpanId::Make(random_)};
    if (i % 25 != 0) span.parent_id = trace::SpanId::Make(random_);
    span.name = fmt::format("hipstershop.ProductCatalogService/Method{}", i % 7);
    span.kind = telemetry::SpanKind::kServer;
    span.start_ns = kSpanBenchStart + static_cast<std::int64_t>(i) * 600'000;
    span.end_ns = span.start_ns + static_cast<std::int64_t>(random_.Below(10'000'000));
    span.scope = "enclave";
    span.resource = {{"service.name", fmt::format("service-{}", i % 10)},
                     {"service.version", "v1"},
                     {"k8s.namespace.name", "boutique"},
                     {"k8s.pod.name", fmt::format("service-{}-5d8f6c7b9-abcde", i % 10)},
                     {"telemetry.sdk.language", "cpp"}};
    span.attributes = {{"rpc.system", "grpc"},
                       {"rpc.service", "hipstershop.ProductCatalogService"},
                       {"rpc.method", fmt::format("Method{}", i % 7)},
                       {"client.address", fmt::format("127.105.0.{}", random_.Below(250))},
                       {"rpc.grpc.status_code", std::int64_t{0}},
                       {"app.product.id", "OLJCESPC7Z"}};
    return span;
  }

  std::string directory_;
  base::SeededRandom random_{1};
  std::optional<trace::TraceId> trace_;
  std::unique_ptr<Store> store_;
};

void BM_VisitAMillionSpans(benchmark::State& state) {
  SpanBench bench;
  std::size_t seen = 0;
  for (auto _ : state) {
    std::int64_t sum = 0;
    const auto done =
        bench.store().traces().Visit({0, INT64_MAX}, [&](const telemetry::Span& span) {
          sum += span.end_ns - span.start_ns + static_cast<std::int64_t>(span.resource.size());
          ++seen;
          return true;
        });
    CHECK(done, "kept spans can be read");
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(seen));
}
BENCHMARK(BM_VisitAMillionSpans)->Unit(benchmark::kMillisecond)->Iterations(3);

// Half a second of the ten minutes: through the index.
void BM_VisitASliver(benchmark::State& state) {
  SpanBench bench;
  std::size_t seen = 0;
  for (auto _ : state) {
    const std::int64_t from = kSpanBenchStart + 300'000'000'000;
    const auto done = bench.store().traces().Visit(
        {from, from + 500'000'000}, [&](const telemetry::Span&) { return ++seen > 0; });
    CHECK(done, "kept spans can be read");
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(seen));
}
BENCHMARK(BM_VisitASliver)->Unit(benchmark::kMillisecond)->Iterations(3);

}  // namespace
}  // namespace enclave::observatory::store
