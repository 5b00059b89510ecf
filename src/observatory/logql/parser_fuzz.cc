// LogQL from outside: any text is a query or an error with its place; what was parsed can be run
// over a line that is taken from the same bytes.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "observatory/logql/parser.h"
#include "observatory/logql/pipeline.h"
#include "observatory/logql/window.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace logql = enclave::observatory::logql;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::size_t middle = std::min(bytes.find('\0'), bytes.size());
  const enclave::telemetry::Labels stream{{"app", "web"}, {"pod", "web-1"}};
  enclave::telemetry::LogRecord record;
  record.line = bytes.substr(std::min(middle + 1, bytes.size()));
  record.metadata = {{"level", "error"}, {"took", "5ms"}};
  for (const std::string_view fixed :
       {bytes.substr(0, middle), std::string_view("{app=\"web\"} | json | logfmt"),
        std::string_view("{app=\"web\"} | json a=\"b[0].c\" | logfmt --strict"),
        std::string_view(
            "max_over_time({app=\"web\"} | logfmt | line_format `{{.n}} {{__line__}}` | "
            "label_format n=`{{trunc 3 .n}}` | unwrap n [1m])")}) {
    const auto query = logql::Parse(fixed);
    if (!query) {
      CHECK(query.error().message().starts_with("parse error at line "), "errors say where");
      continue;
    }
    const auto* metric = std::get_if<logql::MetricExprPtr>(&*query);
    const auto* range =
        metric != nullptr ? std::get_if<logql::RangeAggregation>(&(*metric)->what) : nullptr;
    const auto* selector =
        range != nullptr ? &range->selector : std::get_if<logql::LogSelector>(&*query);
    if (selector == nullptr) continue;
    logql::Pipeline pipeline(*selector);
    if (!pipeline.Process(stream, record)) continue;
    const auto value =
        range != nullptr && range->unwrap ? pipeline.Value(*range->unwrap) : std::nullopt;
    if (value) {
      const logql::UnwrappedSample sample{range->range_ns, *value};
      logql::OverWindow(*range, std::span(&sample, 1), range->range_ns);
    }
    for (const auto& label : pipeline.All()) CHECK(!label.value.empty(), "no label is empty");
  }
  return 0;
}
