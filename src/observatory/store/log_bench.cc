// What logs cost: MB of lines per second taken by one core (journal, heads, sealing, the trace
// index), bytes kept, and the time of a text search, of a trace and of the newest lines over 1 GB.
#include <array>
#include <filesystem>

#include <sys/resource.h>
#include <unistd.h>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "base/check.h"
#include "base/executor.h"
#include "base/random.h"
#include "observatory/store/store.h"

namespace enclave::observatory::store {
namespace {

constexpr std::int64_t kLogBenchStart = 1'700'000'000'000 / kWindowMs * kWindowMs * 1'000'000;
constexpr std::size_t kLogBenchBatch = 1000;
constexpr std::size_t kLogBenchStreams = 20;

// Lines as services write them, about 200 bytes: fixed words, numbers, ids that never repeat.
std::string LogBenchLine(base::Random& random, std::size_t i) {
  static constexpr std::string_view kPaths[] = {"/cart", "/product/66VCHSJNUP", "/cart/checkout",
                                                "/", "/setCurrency"};
  return fmt::format(
      R"({{"severity":"info","message":"request complete","http.req.method":"GET",)"
      R"("http.req.path":"{}","http.resp.status":{},"http.resp.took_ms":{},"http.req.id":"{:016x}",)"
      R"("session":"{:08x}","n":{}}})",
      kPaths[random.Below(5)], random.Below(50) == 0 ? 500 : 200, random.Below(300), random.Next(),
      random.Below(100'000), i);
}

class LogBench {
 public:
  LogBench() {
    std::string pattern = (std::filesystem::current_path() / "log-bench-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    StoreOptions options;
    options.directory = directory_;
    options.retention.age = base::Duration::zero();
    options.limits.future_ms = INT64_MAX;
    auto store = Store::Open(options, base::SystemClock());
    CHECK(store, "the store opens");
    store_ = std::move(*store);
  }
  ~LogBench() {
    store_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  Store& store() { return *store_; }

  telemetry::Batch Batch(bool traces) {
    telemetry::Batch batch;
    batch.streams.resize(kLogBenchStreams);
    for (std::size_t i = 0; i < kLogBenchStreams; ++i)
      batch.streams[i].labels = {{"app", fmt::format("service-{}", i % 10)},
                                 {"namespace", "boutique"},
                                 {"pod", fmt::format("service-{}-{}", i % 10, i)}};
    for (std::size_t i = 0; i < kLogBenchBatch; ++i, ++lines_) {
      telemetry::LogRecord record;
      record.time_ns = kLogBenchStart + static_cast<std::int64_t>(lines_) * 1'000'000;
      record.line = LogBenchLine(random_, lines_);
      record.metadata = {{"level", "info"}, {"severity_text", "INFO"}};
      if (traces) {
        // Three records of a trace in a stream.
        if (lines_ % 3 == 0) trace_ = trace::TraceId::Make(random_);
        record.trace_id = trace_;
        record.span_id = trace::SpanId::Make(random_);
      }
      bytes_ += record.line.size();
      batch.streams[lines_ / 3 % kLogBenchStreams].records.push_back(std::move(record));
    }
    return batch;
  }
  std::uint64_t bytes() const { return bytes_; }
  trace::TraceId trace() const { return *trace_; }

 private:
  std::string directory_;
  std::unique_ptr<Store> store_;
  base::SeededRandom random_{1};
  std::optional<trace::TraceId> trace_;
  std::size_t lines_ = 0;
  std::uint64_t bytes_ = 0;
};

double LogBenchCpu() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Argument: whether records carry trace ids.
void BM_LogIngest(benchmark::State& state) {
  LogBench bench;
  double cpu = 0;
  for (auto _ : state) {
    state.PauseTiming();
    telemetry::Batch batch = bench.Batch(state.range(0) != 0);
    const double before = LogBenchCpu();
    state.ResumeTiming();
    CHECK(bench.store().sink().Write(std::move(batch)), "the store takes it");
    cpu += LogBenchCpu() - before;
  }
  CHECK(bench.store().Checkpoint(), "a checkpoint is taken");
  state.counters["MB/s"] = static_cast<double>(bench.bytes()) / 1e6 / cpu;  // of CPU time
  state.counters["kept"] =
      static_cast<double>(bench.store().stats().log_bytes) / static_cast<double>(bench.bytes());
}
BENCHMARK(BM_LogIngest)->Arg(0)->Arg(1)->Iterations(1000)->Unit(benchmark::kMillisecond);

LogBench& Gigabyte() {
  static LogBench bench;
  while (bench.bytes() < 1'000'000'000)
    CHECK(bench.store().sink().Write(bench.Batch(true)), "the store takes it");
  return bench;
}

void LogSearch(benchmark::State& state, const std::string& text) {
  LogBench& bench = Gigabyte();
  std::size_t hits = 0;
  for (auto _ : state) {
    hits = 0;
    CHECK(bench.store().logs().Query({.matchers = {}, .range = {0, INT64_MAX}, .contains = {text}},
                                     [&](const telemetry::Labels&, const telemetry::LogRecord&) {
                                       ++hits;
                                       return true;
                                     }),
          "the search is answered");
  }
  state.counters["hits"] = static_cast<double>(hits);
  state.counters["GB/s"] = benchmark::Counter(static_cast<double>(bench.bytes()) / 1e9,
                                              benchmark::Counter::kIsIterationInvariantRate);
}
// Every block may have it (all its trigrams occur), so every block is unpacked; no line has it.
void BM_SearchUnpacksAll(benchmark::State& state) {
  LogSearch(state, "0\",\"session\":\"00f");
}
// No block has it: filters alone answer.
void BM_SearchByFilterAlone(benchmark::State& state) {
  LogSearch(state, "panic: runtime error");
}
// One line in fifty.
void BM_SearchManyHits(benchmark::State& state) {
  LogSearch(state, "\"http.resp.status\":500");
}
BENCHMARK(BM_SearchByFilterAlone)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_SearchUnpacksAll)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_SearchManyHits)->Iterations(1)->Unit(benchmark::kMillisecond);

void BM_LogsOfTrace(benchmark::State& state) {
  LogBench& bench = Gigabyte();
  CHECK(bench.store().Checkpoint(), "a checkpoint is taken");
  for (auto _ : state)
    CHECK(
        bench.store().logs().OfTrace(bench.trace(), [](const auto&, const auto&) { return true; }),
        "a trace is found");
}
BENCHMARK(BM_LogsOfTrace)->Unit(benchmark::kMicrosecond);

void BM_NewestHundred(benchmark::State& state) {
  LogBench& bench = Gigabyte();
  for (auto _ : state) {
    std::size_t lines = 0;
    CHECK(bench.store().logs().Query(
              {{}, {0, INT64_MAX}, telemetry::Direction::kBackward, {}},
              [&](const telemetry::Labels&, const telemetry::LogRecord&) { return ++lines < 100; }),
          "the newest are found");
  }
}
BENCHMARK(BM_NewestHundred)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace enclave::observatory::store
