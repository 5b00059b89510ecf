// What metrics cost: CPU per sample taken, bytes per sample kept, memory per series, time to read
// and to open. Counters with random increments of 0 to 49 every 15 s, eight labels, 2,000 samples a
// batch, handed to the sink as a decoder of remote write would: labels as views, samples by time.
//
// Each runs once, over a directory below the working directory's file system's idea of temporary.
#include <array>
#include <filesystem>
#include <fstream>
#include <thread>

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

constexpr std::int64_t kBenchStart = 1'700'000'000'000 / kWindowMs * kWindowMs;
constexpr std::int64_t kBenchStep = 15'000;
constexpr std::size_t kBatch = 2000;

double ProcessCpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  file >> total >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double DirectoryBytes(const std::string& path) {
  double bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path))
    if (entry.is_regular_file() && entry.path().extension() == ".sst")
      bytes += static_cast<double>(entry.file_size());
  return bytes;
}

class Load {
 public:
  explicit Load(std::size_t series) : values_(series) {
    for (std::size_t i = 0; i < series; ++i) {
      texts_.push_back({fmt::format("pod-{:05}", i),
                        fmt::format("10.0.{}.{}:8080", i / 250, i % 250),
                        fmt::format("job-{}", i % 10), fmt::format("handler-{}", i % 100)});
    }
  }
  // The samples of all series at one time, kBatch a batch.
  void WriteAt(Store& store, std::int64_t time_ms) {
    for (std::size_t from = 0; from < values_.size(); from += kBatch) {
      telemetry::Batch batch;
      const std::size_t to = std::min(from + kBatch, values_.size());
      batch.series.reserve(to - from);
      for (std::size_t i = from; i < to; ++i) {
        values_[i] += static_cast<double>(random_.Below(50));
        batch.series.push_back({.labels = {{"__name__", "bench_requests_total"},
                                           {"code", i % 2 == 0 ? "200" : "500"},
                                           {"handler", texts_[i][3]},
                                           {"instance", texts_[i][1]},
                                           {"job", texts_[i][2]},
                                           {"method", "GET"},
                                           {"pod", texts_[i][0]},
                                           {"zone", "eu-west-1a"}},
                                .samples = {{time_ms, values_[i]}}});
      }
      const double begun = ProcessCpuSeconds();
      const auto refused = store.sink().Write(std::move(batch));
      CHECK(refused && !refused->any(), "the store takes what it gets");
      cpu_seconds_ += ProcessCpuSeconds() - begun;
    }
  }
  void WriteSteps(Store& store, std::size_t steps) {
    for (std::size_t i = 0; i < steps; ++i, ++step_)
      WriteAt(store, kBenchStart + static_cast<std::int64_t>(step_) * kBenchStep);
  }
  double cpu_seconds() const { return cpu_seconds_; }  // of writing, not of making the load

 private:
  std::vector<std::array<std::string, 4>> texts_;
  std::vector<double> values_;
  base::SeededRandom random_{1};
  std::size_t step_ = 0;
  double cpu_seconds_ = 0;
};

class Directory {
 public:
  Directory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "store-bench-XXXXXX").string();
    path = mkdtemp(pattern.data());
  }
  ~Directory() { std::filesystem::remove_all(path); }
  std::string path;
};

std::unique_ptr<Store> OpenBench(const std::string& path) {
  StoreOptions options;
  options.directory = path;
  options.retention.age = base::Duration::zero();
  auto store = Store::Open(options, base::SystemClock());
  CHECK(store, "the store opens");
  return std::move(*store);
}

std::unique_ptr<telemetry::SeriesSet> SelectAll(Store& store, telemetry::TimeRangeMs range) {
  auto set = store.metrics().Select({telemetry::Matcher::Equal("__name__", "bench_requests_total")},
                                    range);
  CHECK(set, "a selection is answered");
  return std::move(*set);
}

std::size_t ReadEverything(telemetry::SeriesSet& set) {
  std::vector<telemetry::Sample> samples;
  std::size_t count = 0;
  for (std::size_t i = 0; i < set.size(); ++i) {
    CHECK(set.Read(i, samples), "samples are read");
    count += samples.size();
  }
  return count;
}

// 10,000 series, 6 h: 14.4 million samples in, then all of them out.
void BM_IngestAndReadSixHours(benchmark::State& state) {
  constexpr std::size_t kSeries = 10'000;
  constexpr std::size_t kSteps = 6 * 240;
  constexpr double kMillions = kSeries * kSteps / 1e6;
  for (auto _ : state) {
    const Directory directory;
    auto store = OpenBench(directory.path);
    Load load(kSeries);
    load.WriteSteps(*store, kSteps);
    state.counters["cpu_s_per_million"] = load.cpu_seconds() / kMillions;
    const double before = ProcessCpuSeconds();
    CHECK(store->Checkpoint(), "a checkpoint is taken");
    state.counters["last_checkpoint_cpu_s"] = ProcessCpuSeconds() - before;
    const Stats stats = store->stats();
    state.counters["bytes_per_sample"] = DirectoryBytes(directory.path) / (kMillions * 1e6);
    state.counters["chunk_bytes_per_sample"] =
        static_cast<double>(stats.chunk_bytes) / (kMillions * 1e6);
    state.counters["checkpoints"] = static_cast<double>(stats.checkpoints);
    const telemetry::TimeRangeMs range = {
        kBenchStart, kBenchStart + static_cast<std::int64_t>(kSteps) * kBenchStep};
    for (const char* name : {"read_cold_ms", "read_warm_ms"}) {
      const base::MonoTime begun = base::SystemClock().Now();
      auto set = SelectAll(*store, range);
      const base::MonoTime selected = base::SystemClock().Now();
      CHECK(ReadEverything(*set) == kSeries * kSteps, "all samples are there");
      state.counters[name] = static_cast<double>((base::SystemClock().Now() - begun).count()) / 1e6;
      state.counters["select_ms"] = static_cast<double>((selected - begun).count()) / 1e6;
    }
    const base::MonoTime begun = base::SystemClock().Now();
    auto set = SelectAll(*store, {range.to - 300'000, range.to});
    CHECK(ReadEverything(*set) > 0, "the newest samples are there");
    state.counters["read_instant_ms"] =
        static_cast<double>((base::SystemClock().Now() - begun).count()) / 1e6;
  }
}
BENCHMARK(BM_IngestAndReadSixHours)->Iterations(1)->Unit(benchmark::kSecond);

// 100,000 series of 60 samples: what a series takes in memory.
void BM_ResidentPerSeries(benchmark::State& state) {
  constexpr std::size_t kSeries = 100'000;
  for (auto _ : state) {
    const Directory directory;
    auto store = OpenBench(directory.path);
    Load load(kSeries);
    const double before = ResidentBytes();
    load.WriteSteps(*store, 60);
    state.counters["bytes_per_series"] = (ResidentBytes() - before) / kSeries;
    state.counters["cpu_s_per_million"] = load.cpu_seconds() / (kSeries * 60 / 1e6);
    state.counters["head_bytes_per_series"] =
        static_cast<double>(store->stats().head_bytes) / kSeries;
    store.reset();
    const base::MonoTime begun = base::SystemClock().Now();
    store = OpenBench(directory.path);
    state.counters["open_ms"] =
        static_cast<double>((base::SystemClock().Now() - begun).count()) / 1e6;
  }
}
BENCHMARK(BM_ResidentPerSeries)->Iterations(1)->Unit(benchmark::kSecond);

// 24 h of 1,000 series, opened after the process was killed, so with the journal as it then was.
void BM_OpenOneDay(benchmark::State& state) {
  constexpr std::size_t kSeries = 1000;
  for (auto _ : state) {
    const Directory directory;
    const Directory copy;
    auto store = OpenBench(directory.path);
    Load load(kSeries);
    load.WriteSteps(*store, 24 * 240);
    state.counters["pending_bytes"] = static_cast<double>(store->stats().pending_bytes);
    // A copy of the files while they are open is what a kill would leave.
    std::filesystem::copy(directory.path, copy.path,
                          std::filesystem::copy_options::recursive |
                              std::filesystem::copy_options::overwrite_existing);
    const base::MonoTime begun = base::SystemClock().Now();
    auto opened = OpenBench(copy.path);
    state.counters["open_ms"] =
        static_cast<double>((base::SystemClock().Now() - begun).count()) / 1e6;
    CHECK(ReadEverything(*SelectAll(*opened, {INT64_MIN, INT64_MAX})) == kSeries * 24 * 240,
          "all samples are there");
  }
}
BENCHMARK(BM_OpenOneDay)->Iterations(1)->Unit(benchmark::kSecond);

}  // namespace
}  // namespace enclave::observatory::store
