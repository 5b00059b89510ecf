// Lines per second on one core. ENCLAVE_BENCH_LOG=FILE adds a log of your own, as it is.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "base/random.h"
#include "telemetry/templates/line_head.h"
#include "telemetry/templates/miner.h"

namespace enclave::telemetry::templates {
namespace {

constexpr std::size_t kLines = 20'000;

const std::vector<std::string>& Messages() {
  static const std::vector<std::string> lines = [] {
    base::SeededRandom random(1);
    std::vector<std::string> made;
    for (std::size_t i = 0; i < kLines; ++i) {
      const auto n = [&random](std::uint64_t below) { return random.Below(below); };
      switch (n(6)) {
        case 0:
          made.push_back(fmt::format("Accepted connection from /10.0.{}.{}:{} after {} ms", n(250),
                                     n(250), n(60'000), n(900)));
          break;
        case 1:
          made.push_back(
              fmt::format("Block broadcast_{}_piece{} stored as bytes in memory "
                          "(estimated size {}.{} KB, free {} MB)",
                          n(90), n(4), n(90), n(9), n(900)));
          break;
        case 2:
          made.push_back(
              fmt::format("order {} of user={} total={}.{:02} currency=EUR items=[{}, "
                          "{}, {}] status=CONFIRMED",
                          random.Uuid(), n(9999), n(500), n(99), n(99), n(99), n(99)));
          break;
        case 3:
          made.push_back(fmt::format("GET /api/v1/carts/{}/items HTTP/1.1 200 {} \"Mozilla/5.0\"",
                                     n(99'999), n(9999)));
          break;
        case 4:
          made.push_back("Interrupted while waiting for message on queue");
          break;
        default:
          made.push_back(fmt::format("worker-{} wrote /var/lib/shop/segments/{:08x}.log in {} us",
                                     n(32), random.Next() & 0xFFFFFFFFU, n(9999)));
      }
    }
    return made;
  }();
  return lines;
}

void Report(benchmark::State& state, const std::vector<std::string>& lines) {
  std::size_t bytes = 0;
  for (const std::string& line : lines) bytes += line.size();
  const auto rounds = static_cast<std::int64_t>(state.iterations());
  state.SetItemsProcessed(rounds * static_cast<std::int64_t>(lines.size()));
  state.SetBytesProcessed(rounds * static_cast<std::int64_t>(bytes));
}

void AddMessages(benchmark::State& state, const std::vector<std::string>& lines) {
  Miner miner;
  for (auto _ : state)
    for (const std::string& line : lines) benchmark::DoNotOptimize(miner.Add(line));
  state.counters["templates"] = static_cast<double>(miner.size());
  Report(state, lines);
}

void BM_Add(benchmark::State& state) {
  AddMessages(state, Messages());
}
BENCHMARK(BM_Add)->Unit(benchmark::kMillisecond);

// No line like another: every one is a new template, and another one is forgotten for it.
void BM_AddNeverSeen(benchmark::State& state) {
  base::SeededRandom random(2);
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < 5 * kLines; ++i) {
    std::string line;
    for (std::uint64_t words = random.Below(20) + 1; words > 0; --words)
      line += random.Text("abcdefghijklmnopqrstuvwxyz", random.Below(8) + 1) + " ";
    lines.push_back(std::move(line));
  }
  AddMessages(state, lines);
}
BENCHMARK(BM_AddNeverSeen)->Unit(benchmark::kMillisecond);

void BM_Variables(benchmark::State& state) {
  Miner miner;
  for (const std::string& line : Messages()) miner.Add(line);
  for (auto _ : state)
    for (const std::string& line : Messages()) benchmark::DoNotOptimize(miner.Variables(line));
  Report(state, Messages());
}
BENCHMARK(BM_Variables)->Unit(benchmark::kMillisecond);

void BM_Snapshot(benchmark::State& state) {
  Miner miner;
  for (const std::string& line : Messages()) miner.Add(line);
  for (auto _ : state) benchmark::DoNotOptimize(Miner::Restore(miner.Snapshot()));
}
BENCHMARK(BM_Snapshot)->Unit(benchmark::kMicrosecond);

void BM_SplitHead(benchmark::State& state, const char* head, const char* tail) {
  std::vector<std::string> lines;
  for (const std::string& message : Messages())
    if (message.find('"') == std::string::npos) lines.push_back(head + message + tail);
  for (auto _ : state)
    for (const std::string& line : lines) benchmark::DoNotOptimize(SplitHead(line));
  Report(state, lines);
}
BENCHMARK_CAPTURE(BM_SplitHead, plain, "", "");
BENCHMARK_CAPTURE(BM_SplitHead, logback,
                  "16:48:42.424 INFO  c.s.OrderServiceImpl#532 TraceID: "
                  "0af7651916cd43dd8448eb211c80319c SpanID: b7ad6b7169203331 ",
                  "");
BENCHMARK_CAPTURE(BM_SplitHead, json,
                  R"({"time":"2024-01-02T10:11:12.5Z","severity":"INFO","message":")",
                  R"(","service":"cart","trace_id":"0af7651916cd43dd8448eb211c80319c"})");
BENCHMARK_CAPTURE(BM_SplitHead, klog, "I0102 15:04:05.678901       1 controller.go:114] ", "");
BENCHMARK_CAPTURE(BM_SplitHead, docker, R"({"log":"10:11:12 INFO c.s.Cart#4 )",
                  R"(\n","stream":"stdout","time":"2024-01-02T10:11:12.5Z"})");

void BM_File(benchmark::State& state, const char* path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  Miner miner;
  for (auto _ : state)
    for (const std::string& line : lines)
      benchmark::DoNotOptimize(miner.Add(SplitHead(line).message));
  state.counters["templates"] = static_cast<double>(miner.size());
  Report(state, lines);
}

const bool kFileGiven = [] {
  const char* path = std::getenv("ENCLAVE_BENCH_LOG");
  if (path == nullptr) return false;
  benchmark::RegisterBenchmark("BM_File", BM_File, path)->Unit(benchmark::kMillisecond);
  return true;
}();

}  // namespace
}  // namespace enclave::telemetry::templates
