// A page of 20,000 series with seven labels, as a busy service exposes it. Bytes per second by one
// core.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "base/check.h"
#include "observatory/scrape/exposition.h"
#include "observatory/scrape/series_cache.h"

namespace enclave::observatory::scrape {
namespace {

std::string Page() {
  std::string page = "# HELP http_requests_total Requests.\n# TYPE http_requests_total counter\n";
  for (int i = 0; i < 20'000; ++i) {
    page += fmt::format(
        "http_requests_total{{code=\"{}\",handler=\"/api/v1/thing/{}\",method=\"GET\","
        "namespace=\"shop\",pod=\"frontend-7d4b9c6f5-{}\",zone=\"eu-west-1a\"}} {}.{}\n",
        200 + i % 5, i % 50, i, i * 17, i % 10);
  }
  return page;
}

void BM_Parse(benchmark::State& state) {
  const std::string page = Page();
  for (auto _ : state) {
    ExpositionParser parser(page, ExpositionFormat::kPrometheusText);
    double sum = 0;
    while (true) {
      const auto entry = parser.Next();
      CHECK(entry, "the page is well-formed");
      if (*entry == ExpositionParser::Entry::kEnd) break;
      if (*entry == ExpositionParser::Entry::kSample) sum += parser.value();
    }
    benchmark::DoNotOptimize(sum);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(page.size()) * state.iterations());
}
BENCHMARK(BM_Parse)->Unit(benchmark::kMillisecond);

void BM_ParseAndTakeApart(benchmark::State& state) {
  const std::string page = Page();
  std::vector<telemetry::LabelView> labels;
  telemetry::Batch batch;
  for (auto _ : state) {
    ExpositionParser parser(page, ExpositionFormat::kPrometheusText);
    while (true) {
      const auto entry = parser.Next();
      CHECK(entry, "the page is well-formed");
      if (*entry == ExpositionParser::Entry::kEnd) break;
      if (*entry != ExpositionParser::Entry::kSample) continue;
      labels.clear();
      CHECK(parser.ReadSeries(labels, batch), "the page is well-formed");
    }
    benchmark::DoNotOptimize(labels.data());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(page.size()) * state.iterations());
}
BENCHMARK(BM_ParseAndTakeApart)->Unit(benchmark::kMillisecond);

// What a scrape costs whose series are known: everything but the write.
void BM_ScrapeAgain(benchmark::State& state) {
  const std::string page = Page();
  SeriesCache cache(std::make_shared<const ScrapeJob>(), {{"job", "web"}, {"instance", "a:1"}});
  std::int64_t time_ms = 0;
  for (auto _ : state) {
    {
      telemetry::Batch batch;
      CHECK(cache.Fill(page, ExpositionFormat::kPrometheusText, time_ms += 15'000, batch),
            "the page is well-formed");
      benchmark::DoNotOptimize(batch.series.data());
    }
    cache.Commit(true);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(page.size()) * state.iterations());
}
BENCHMARK(BM_ScrapeAgain)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace enclave::observatory::scrape
