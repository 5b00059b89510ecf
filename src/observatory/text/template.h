// The part of Go's text/template that alerting rules and log queries use, with the functions of
// Prometheus or Loki. What is not supported is refused by name when the text is read, never when it
// is expanded.
//
// Actions: {{ pipeline }}, {{ $x := pipeline }}, if / else if / else / with / range / end,
// {{/* comment */}}, trimming with {{- and -}}.
// Data of alerts: .Labels .Value .ExternalLabels .ExternalURL, $labels $value $externalLabels
// $externalURL. Of log lines: each label as .name, and the function __line__.
//
// Bounds: nesting, and length of the result.
//
// Thread safety: a Template is immutable; any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "telemetry/labels.h"

namespace enclave::observatory::text {

struct Sample {
  telemetry::Labels labels;
  double value = 0;
};

enum class Dialect : std::uint8_t { kAlert, kLine };

struct TemplateData {
  telemetry::Labels labels{};
  std::string_view line{};  // of log lines; the rest is of alerts
  double value = 0;
  telemetry::Labels external_labels{};
  std::string external_url{};
  // What {{ query "..." }} asks; unset: an error.
  std::function<base::Result<std::vector<Sample>>(const std::string&)> query{};
};

struct TemplateNode;  // template_ast.h

class Template {
 public:
  // kInvalidArgument: what is wrong, with the line within the text.
  static base::Result<Template> Parse(std::string_view text, Dialect dialect);

  const std::string& text() const { return text_; }
  // An error at run time (a failed query, first of nothing): kUnprocessable.
  base::Result<std::string> Expand(const TemplateData& data) const;

 private:
  std::string text_;
  Dialect dialect_ = Dialect::kAlert;
  std::shared_ptr<const std::vector<TemplateNode>> nodes_;
};

}  // namespace enclave::observatory::text
