// Writes the Prometheus text exposition format, version 0.0.4: families in the order they are
// begun, each with its HELP and TYPE, label values escaped.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace enclave::cluster {

class MetricsText {
 public:
  using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  // Samples that follow belong to this family. `type` is "gauge", "counter" or "histogram".
  void Family(std::string_view name, std::string_view type, std::string_view help);
  // A sample of the present family.
  void Sample(Labels labels, double value) { Sample("", labels, value); }
  // One whose labels are only known at run time.
  void Sample(std::span<const std::pair<std::string, std::string>> labels, double value);
  // One with a suffix: "_bucket", "_sum", "_count".
  void Sample(std::string_view suffix, Labels labels, double value);

  std::string Take() { return std::move(text_); }

 private:
  void AddLabel(char before, std::string_view name, std::string_view content);

  std::string family_;
  std::string text_;
};

}  // namespace enclave::cluster
