// The first byte chooses the format, the rest is an exposition. Whatever it is, the parser ends,
// gives views into its text and refuses with a line that exists; what it accepts has names.
#include <cstddef>
#include <cstdint>

#include <algorithm>

#include "base/check.h"
#include "observatory/scrape/exposition.h"
#include "observatory/scrape/exposition_text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave;
  using namespace enclave::observatory::scrape;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto format =
      data[0] % 2 == 0 ? ExpositionFormat::kPrometheusText : ExpositionFormat::kOpenMetrics;
  const auto lines = std::ranges::count(text, '\n') + 1;
  ExpositionParser parser(text, format);
  telemetry::Batch batch;
  std::vector<telemetry::LabelView> labels;
  while (true) {
    const auto entry = parser.Next();
    CHECK(parser.line() >= 1 && parser.line() <= lines + 1, "a line number is one of the text");
    if (!entry || *entry == ExpositionParser::Entry::kEnd) break;
    if (*entry != ExpositionParser::Entry::kSample) {
      CHECK(!parser.metric().empty(), "what is described has a name");
      continue;
    }
    const std::string_view series = parser.series();
    CHECK(
        series.data() >= text.data() && series.data() + series.size() <= text.data() + text.size(),
        "a series is a view into the text");
    labels.clear();
    if (parser.ReadSeries(labels, batch)) {
      CHECK(labels.front().name == telemetry::kMetricName && !labels.front().value.empty(),
            "a series has a name");
      for (const auto& label : labels) CHECK(IsUtf8(label.value), "labels are UTF-8");
    }
    if (parser.has_exemplar()) (void)parser.ReadExemplar(0);
  }
  return 0;
}
