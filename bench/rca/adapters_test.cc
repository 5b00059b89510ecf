// (in progress)
#include <gtest/gtest.h>

#include <cstdlib>

#include "bench/rca/pack.h"

namespace enclave::bench::rca {
namespace {
TEST(Try, All) {
  const char* dir = std::getenv("PACKS");
  if (dir == nullptr) return;
  for (const auto& path : FindPacks(dir)) {
    auto pack = ReadPack(path);
    ASSERT_TRUE(pack) << pack.error().message();
    for (const auto& entry : pack->cases) {
      auto loaded = LoadCase(path, entry);
      ASSERT_TRUE(loaded) << loaded.error().message();
      auto series = loaded->metrics.Series({}, {0, INT64_MAX}, 1000000);
      std::printf(
          "%s spans %zu logs %zu series %zu calls %zu alert %s +%.0f normal %zu (%.0f s) missing "
          "%zu available %.0f s:",
          entry.id.c_str(), loaded->traces.size(), loaded->logs.size(), series->size(),
          loaded->topology.size(), loaded->alert_service.c_str(),
          double(loaded->alert_time_ns - loaded->available.from_ns) / 1e9, loaded->normal.size(),
          loaded->normal.empty()
              ? 0
              : double(loaded->normal[0].to_ns - loaded->normal[0].from_ns) / 1e9,
          loaded->missing.size(),
          double(loaded->available.to_ns - loaded->available.from_ns) / 1e9);
      for (const auto& s : loaded->skipped)
        std::printf(" %s:%zu %s x%zu", s.file.c_str(), s.first_line, s.why.c_str(), s.rows);
      std::printf("\n");
    }
  }
}
}  // namespace
}  // namespace enclave::bench::rca
