// Any bytes in any file of a pack: rows are read or counted as skipped, and nothing else happens.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "base/check.h"
#include "bench/rca/nezha.h"
#include "bench/rca/nezha_spans.h"
#include "bench/rca/pack.h"
#include "bench/rca/petshop.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave::bench::rca;
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  LoadedCase loaded;
  std::map<std::string, std::string> nodes;
  switch (data[0] % 8) {
    case 0:
      ReadPodMetrics(text, "cart-7b6dc75c45-2z9p2_metric.csv", "node", INT64_MAX, loaded);
      break;
    case 1:
      ReadUserMetrics(text, "front_service.csv", "web", INT64_MAX, loaded);
      break;
    case 2:
      ReadEdgeMetrics(text, "source_50.csv", "source", INT64_MAX, loaded);
      break;
    case 3: {
      NezhaSpans spans;
      spans.Read(text, "08_52_trace.csv", loaded);
      spans.Finish(loaded);
      break;
    }
    case 4:
      ReadNezhaLog(text, "08_52_log.csv", nodes, loaded);
      break;
    case 5: {
      const auto window = ReadNodeMetrics(text, "metrics.csv", loaded);
      CHECK(window.from_ns <= window.to_ns, "a window ends after it begins");
      break;
    }
    case 6:
      ReadGraph(text, "graph.csv", loaded);
      break;
    default:
      if (const auto pack = ParsePack(text, "d", "cases.json"))
        for (const CaseEntry& entry : pack->cases)
          CHECK(pack->truths.contains(entry.id), "each case has its labels apart");
  }
  for (const SkippedRows& skipped : loaded.skipped)
    CHECK(skipped.rows > 0 && skipped.first_line > 0, "skipped rows are counted and placed");
  return 0;
}
