// The memory at its stated size: how long a million fingerprints take to build, to open and to
// search, and how many of the truly nearest ten the index finds.
//
//   enclave_memory_million [COUNT] [DIRECTORY]
//
// The incidents are made up as real ones are: a fault of one of many services and kinds shows
// features of its own, symptoms that it shares with other faults, and bystanders that are there by
// chance, all in weights that differ from day to day.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <set>

#include <fmt/format.h>
#include <unistd.h>

#include "base/random.h"
#include "memory/exact_index.h"
#include "memory/hnsw_index.h"
#include "memory/memory.h"

namespace enclave::memory {
namespace {

constexpr std::size_t kServices = 300;
constexpr std::size_t kKinds = 14;
constexpr std::size_t kQueries = 200;

class Clock {
 public:
  double Seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

Fingerprint MadeUp(base::Random& random) {
  const std::uint64_t service = random.Below(kServices);
  const std::uint64_t kind = random.Below(kKinds);
  std::vector<Feature> features;
  const auto add = [&](std::string key, double weight) {
    if (std::ranges::find(features, key, &Feature::key) != features.end()) return;
    const auto family = static_cast<Family>(key.size() % kFamilies);
    features.push_back({.family = family,
                        .key = std::move(key),
                        .weight = static_cast<float>(weight * (0.5 + random.Unit()))});
  };
  for (std::uint64_t i = 0; i < 6; ++i)
    if (random.Below(8) != 0) add(fmt::format("service {} kind {} sign {}", service, kind, i), 1);
  add(fmt::format("service {}", service), 0.8);
  add(fmt::format("kind {}", kind), 0.35);
  for (std::uint64_t i = 0; i < 4; ++i) add(fmt::format("symptom {} of {}", i, service % 12), 0.4);
  for (std::uint64_t i = random.Below(6); i > 0; --i)
    add(fmt::format("bystander {}", random.Below(3000)), 0.4);
  return FingerprintOf(std::move(features));
}

double Percentile(std::vector<double> values, double share) {
  std::ranges::sort(values);
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
}

void Print(std::string_view what, const std::vector<double>& ms) {
  fmt::print("{:<34} p50 {:.3f} ms, p99 {:.3f} ms\n", what, Percentile(ms, 0.5),
             Percentile(ms, 0.99));
}

int Run(std::size_t count, const std::string& directory) {
  base::SeededRandom random(1);
  ExactIndex exact;
  const MemoryOptions options{.directory = directory, .capacity = 2'000'000};
  {
    const auto ledger = Ledger::Open({.directory = directory});
    if (!ledger) return fmt::print("{}\n", ledger.error().message()), 1;
    Clock clock;
    std::size_t made = 0;
    const auto merged = (*ledger)->Merge([&]() -> base::Result<std::optional<Incident>> {
      if (made == count) return std::nullopt;
      Incident incident;
      incident.id = fmt::format("incident-{}", made++);
      incident.time_ns = static_cast<std::int64_t>(made);
      incident.fingerprint = MadeUp(random);
      const CodedVector vector{.code = Ledger::Code(incident.fingerprint.values),
                               .values = incident.fingerprint.values};
      if (auto put = exact.Put(std::span(&vector, 1)); !put) return base::Fail(put.error());
      return incident;
    });
    if (!merged) return fmt::print("{}\n", merged.error().message()), 1;
    fmt::print("{:<34} {:.1f} s for {}\n", "made up and written to SQLite", clock.Seconds(), count);
  }
  {
    Clock clock;
    auto memory = Memory::Open(options, base::SystemClock());
    if (!memory) return fmt::print("{}\n", memory.error().message()), 1;
    if (auto saved = (*memory)->Save(); !saved)
      return fmt::print("{}\n", saved.error().message()), 1;
    fmt::print("{:<34} {:.1f} s\n", "index built and saved", clock.Seconds());
  }
  const auto size = [&](const char* name) {
    return static_cast<double>(
               std::filesystem::file_size(std::filesystem::path(directory) / name)) /
           1e6;
  };
  fmt::print("{:<34} {:.0f} MB database, {:.0f} MB index\n", "on disk", size("memory.db"),
             size("memory.hnsw"));
  Clock opening;
  auto memory = Memory::Open(options, base::SystemClock());
  if (!memory) return fmt::print("{}\n", memory.error().message()), 1;
  fmt::print("{:<34} {:.2f} s\n", "opened", opening.Seconds());

  std::size_t found = 0;
  std::size_t all = 0;
  std::vector<double> index_ms;
  std::vector<double> recall_ms;
  for (std::size_t i = 0; i < kQueries; ++i) {
    const Fingerprint query = MadeUp(random);
    const auto wanted = *exact.Search(query.values, 10);
    Clock search;
    const auto neighbours = (*memory)->index().Search(query.values, 10);
    index_ms.push_back(1e3 * search.Seconds());
    Clock whole;
    const auto recalled = (*memory)->Recall(query, {.k = 10});
    recall_ms.push_back(1e3 * whole.Seconds());
    if (!neighbours || !recalled) return fmt::print("a search failed\n"), 1;
    std::set<std::uint64_t> codes;
    for (const Neighbour& neighbour : *neighbours) codes.insert(neighbour.code);
    for (const Neighbour& neighbour : wanted) found += codes.contains(neighbour.code) ? 1 : 0;
    all += wanted.size();
  }
  fmt::print("{:<34} {:.4f} ({} searches)\n", "recall@10 against comparing all",
             static_cast<double>(found) / static_cast<double>(all), kQueries);
  Print("index search, k=10", index_ms);
  Print("Recall: with ledger and reasons", recall_ms);
  return 0;
}

}  // namespace
}  // namespace enclave::memory

int main(int argc, char** argv) {
  std::size_t count = 1'000'000;
  if (argc > 1) {
    const std::string_view text = argv[1];
    if (std::from_chars(text.data(), text.data() + text.size(), count).ec != std::errc()) {
      fmt::print("usage: {} [COUNT] [DIRECTORY]\n", argv[0]);
      return 2;
    }
  }
  const std::string directory =
      argc > 2 ? argv[2]
               : (std::filesystem::temp_directory_path() / fmt::format("memory-{}", ::getpid()))
                     .string();
  const int code = enclave::memory::Run(count, directory);
  if (argc <= 2) {
    std::error_code error;
    std::filesystem::remove_all(directory, error);
  }
  return code;
}
