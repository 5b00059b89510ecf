// The two text formats in which programs expose metrics: Prometheus' text format 0.0.4 and
// OpenMetrics 1.0, both with the quoted UTF-8 names of Prometheus 3.
// Sources: prometheus.io "Exposition formats", the OpenMetrics specification 1.0.0.
//
// The parser walks over a text that stays where it is and gives views into it. A scrape meets the
// same series each time, so a series is first given as its raw text, `{...}` included, which is the
// key of the caller's cache; only for a series that is not cached it is taken apart (ReadSeries).
//
// Thread safety: one parser by one thread at a time. Ownership: the text outlives the parser.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "telemetry/metric.h"
#include "telemetry/sink.h"

namespace enclave::observatory::scrape {

enum class ExpositionFormat : std::uint8_t { kPrometheusText, kOpenMetrics };

// By the Content-Type of an answer; anything that is not OpenMetrics is taken as Prometheus' text.
ExpositionFormat FormatOf(std::string_view content_type);
// What a scraper accepts, the better one first.
inline constexpr std::string_view kAcceptHeader =
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=1.0.0;q=0.5,"
    "text/plain;version=0.0.4;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";

class ExpositionParser {
 public:
  enum class Entry : std::uint8_t { kSample, kType, kHelp, kUnit, kEnd };

  ExpositionParser(std::string_view text, ExpositionFormat format) : text_(text), format_(format) {}

  // The next entry; kEnd stays kEnd. kInvalidArgument names line and fault; nothing can be read
  // after it.
  base::Result<Entry> Next();

  // --- of a sample ---
  // Metric name and labels as they stand in the text. Equal texts are equal series.
  std::string_view series() const { return series_; }
  double value() const { return value_; }
  std::optional<std::int64_t> time_ms() const { return time_ms_; }
  bool has_exemplar() const { return !exemplar_.empty(); }

  // Takes the series apart: __name__ and the labels, in their order, appended to `labels`. Views
  // point into the text or, for values with escapes, into `batch`.
  base::Result<> ReadSeries(std::vector<telemetry::LabelView>& labels,
                            telemetry::Batch& batch) const;
  // trace_id and span_id among the labels become ids where they are well-formed. Without a time of
  // its own the exemplar has that of the sample, and without that `default_time_ms`.
  base::Result<telemetry::Exemplar> ReadExemplar(std::int64_t default_time_ms) const;

  // --- of the others ---
  std::string_view metric() const { return metric_; }  // the metric family's name
  telemetry::MetricType type() const { return type_; }
  const std::string& description() const { return description_; }  // help or unit, unescaped

  int line() const { return line_; }

 private:
  bool AtEnd() const { return at_ >= text_.size(); }
  base::Result<Entry> ReadComment(std::string_view line);
  base::Result<Entry> ReadSample(std::string_view line);
  base::Result<> ReadExemplarText(std::string_view rest);
  base::Result<> ReadName(std::string_view& rest);
  std::unexpected<base::Error> Refuse(std::string_view why) const;

  std::string_view text_;
  ExpositionFormat format_;
  std::size_t at_ = 0;
  int line_ = 0;
  bool ended_ = false;

  std::string_view series_;
  std::string_view exemplar_;  // "{...} value [time]"
  double value_ = 0;
  std::optional<std::int64_t> time_ms_;
  std::string unquoted_;  // holds metric_ when its name had escapes
  std::string_view metric_;
  telemetry::MetricType type_ = telemetry::MetricType::kUnknown;
  std::string description_;
};

}  // namespace enclave::observatory::scrape
