// The engine alone, from memory: 10,000 counters of 8 labels, a sample each 15 s over 6 hours,
// queried at steps of a minute.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "base/check.h"
#include "observatory/promql/engine.h"
#include "observatory/promql/memory_source.h"
#include "observatory/promql/parser.h"

namespace enclave::observatory::promql {
namespace {

constexpr std::int64_t kHoursMs = std::int64_t{6} * 3600 * 1000;

MemorySource& Counters() {
  static MemorySource* source = [] {
    auto* made = new MemorySource;
    std::uint64_t state = 1;
    for (int i = 0; i < 10'000; ++i) {
      const telemetry::Labels labels = {
          {"__name__", "requests_total"},
          {"cluster", "main"},
          {"code", "200"},
          {"instance", fmt::format("10.0.{}.{}:8080", i / 250, i % 250)},
          {"job", fmt::format("job-{}", i % 20)},
          {"method", "GET"},
          {"namespace", "shop"},
          {"pod", fmt::format("pod-{}", i)}};
      std::vector<telemetry::Sample> samples;
      double value = 0;
      for (std::int64_t t = 0; t <= kHoursMs; t += 15'000) {
        samples.push_back({t, value});
        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        value += static_cast<double>(state >> 59U);
      }
      made->AddSeries(labels, std::move(samples));
    }
    return made;
  }();
  return *source;
}

void Range(benchmark::State& state, const char* query, std::size_t extra_workers) {
  Engine engine(Counters(), {.extra_workers = extra_workers, .concurrent_reads = true});
  for (auto _ : state) {
    const auto result = engine.Range(query, 0, kHoursMs, 60'000);
    CHECK(result, "the query is answered");
    benchmark::DoNotOptimize(result->value);
  }
}

void Instant(benchmark::State& state, const char* query) {
  Engine engine(Counters(), {.concurrent_reads = true});
  for (auto _ : state) {
    const auto result = engine.Instant(query, kHoursMs);
    CHECK(result, "the query is answered");
    benchmark::DoNotOptimize(result->value);
  }
}

void ParseQuery(benchmark::State& state) {
  for (auto _ : state)
    benchmark::DoNotOptimize(
        Parse("sum by (job) (rate(requests_total{code=~\"5..\"}[5m])) / on (job) group_left (team) "
              "sum by (job) (rate(requests_total[5m])) > 0.01"));
}

constexpr const char* kSumRate = "sum by (job) (rate(requests_total[5m]))";
BENCHMARK_CAPTURE(Range, sum_rate_one_thread, kSumRate, 0)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Range, sum_rate, kSumRate, 1)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(Range, sum, "sum(requests_total)", 1)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(Range, max_over_time, "max(max_over_time(requests_total[5m]))", 1)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(Instant, topk, "topk(10, requests_total)")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Instant, topk_rate, "topk(10, rate(requests_total[5m]))")
    ->Unit(benchmark::kMillisecond);
BENCHMARK(ParseQuery);

}  // namespace
}  // namespace enclave::observatory::promql
