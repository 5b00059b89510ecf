// Templates in the labels and annotations of alerts: the part of Go's text/template, with the
// functions of Prometheus, that alerting rules use. What is not supported is refused by name when
// the rule is loaded, never when it fires.
//
// Actions: {{ pipeline }}, {{ $x := pipeline }}, if / else if / else / with / range / end,
// {{/* comment */}}, trimming with {{- and -}}.
// Data: .Labels .Value .ExternalLabels .ExternalURL, $labels $value $externalLabels $externalURL.
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
#include "observatory/rules/rule_engine.h"
#include "telemetry/labels.h"

namespace enclave::observatory::rules {

struct TemplateData {
  telemetry::Labels labels{};
  double value = 0;
  telemetry::Labels external_labels{};
  std::string external_url{};
  // What {{ query "..." }} asks; unset: an error.
  std::function<base::Result<std::vector<VectorSample>>(const std::string&)> query{};
};

struct TemplateNode;  // template_ast.h

class Template {
 public:
  // kInvalidArgument: what is wrong, with the line within the text.
  static base::Result<Template> Parse(std::string_view text);

  const std::string& text() const { return text_; }
  // An error at run time (a failed query, first of nothing): kUnprocessable.
  base::Result<std::string> Expand(const TemplateData& data) const;

 private:
  std::string text_;
  std::shared_ptr<const std::vector<TemplateNode>> nodes_;
};

}  // namespace enclave::observatory::rules
