#include "observatory/ingest/remote_series.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/quote.h"
#include "observatory/ingest/text.h"

namespace enclave::observatory::ingest {

using telemetry::LabelView;

const char* FaultOf(std::vector<LabelView>& labels) {
  bool sorted = true;
  bool named = false;
  std::string_view before;
  for (const LabelView& label : labels) {
    if (label.name.empty()) return "a label has no name";
    if (!IsUtf8(label.name) || !IsUtf8(label.value)) return "a label is not UTF-8";
    sorted = sorted && before < label.name;
    before = label.name;
    named = named || label.name == telemetry::kMetricName;
  }
  if (!named) return "it has no label __name__";
  if (!sorted) {
    std::ranges::sort(labels, {}, &LabelView::name);
    if (std::ranges::adjacent_find(labels, {}, &LabelView::name) != labels.end())
      return "a label occurs twice";
  }
  return nullptr;
}

std::string Describe(const std::vector<LabelView>& labels) {
  std::string text = "{";
  for (const LabelView& label : labels) {
    if (text.size() > 1) text += ", ";
    if (text.size() > 300) {
      text += "...";
      break;
    }
    const std::string name = base::Quote(Cut(label.name, 100));
    text += fmt::format("{}={}", std::string_view(name).substr(1, name.size() - 2),
                        base::Quote(Cut(label.value, 100)));
  }
  return text + "}";
}

telemetry::Sample ReadSample(protozero::pbf_reader message) {
  telemetry::Sample sample;
  while (message.next()) {
    switch (message.tag_and_type()) {
      case protozero::tag_and_type(1, protozero::pbf_wire_type::fixed64):
        sample.value = message.get_double();
        break;
      case protozero::tag_and_type(2, protozero::pbf_wire_type::varint):
        sample.time_ms = message.get_int64();
        break;
      default:
        message.skip();
    }
  }
  return sample;
}

void AddExemplarLabel(std::string_view name, std::string_view value,
                      std::vector<telemetry::Label>& labels, telemetry::Exemplar& exemplar) {
  if (name == "trace_id" && !exemplar.trace_id) {
    exemplar.trace_id = trace::TraceId::Parse(value);
    if (exemplar.trace_id) return;
  }
  if (name == "span_id" && !exemplar.span_id) {
    exemplar.span_id = trace::SpanId::Parse(value);
    if (exemplar.span_id) return;
  }
  if (name.empty() || !IsUtf8(name) || !IsUtf8(value)) return;
  labels.push_back({std::string(name), std::string(value)});
}

void Finish(telemetry::SeriesWrite series, std::size_t histograms, RemoteWrite& result) {
  result.samples += series.samples.size();
  result.exemplars += series.exemplars.size();
  result.histograms += histograms;
  if (const char* fault = FaultOf(series.labels)) {
    const std::size_t items = series.samples.size() + histograms;
    if (result.refused.count == 0) {
      result.refused.Add(items, fmt::format("series {}: {}", Describe(series.labels), fault));
    } else {
      result.refused.Add(items, "");
    }
    return;
  }
  if (histograms > 0) {
    result.refused.Add(histograms,
                       result.refused.count > 0
                           ? ""
                           : fmt::format("series {}: native histograms are not kept; send classic "
                                         "buckets (scrape_classic_histograms)",
                                         Describe(series.labels)));
  }
  if (!series.samples.empty() || !series.exemplars.empty())
    result.batch.series.push_back(std::move(series));
}

}  // namespace enclave::observatory::ingest
