#include "cluster/api/metrics_text.h"

#include <fmt/format.h>

#include <iterator>

namespace enclave::cluster {
namespace {

void AppendEscaped(std::string& text, std::string_view value) {
  for (const char c : value) {
    if (c == '\\' || c == '"') text += '\\';
    if (c == '\n') {
      text += "\\n";
    } else {
      text += c;
    }
  }
}

}  // namespace

void MetricsText::Family(std::string_view name, std::string_view type, std::string_view help) {
  family_ = name;
  fmt::format_to(std::back_inserter(text_), "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

void MetricsText::AddLabel(char before, std::string_view name, std::string_view content) {
  text_ += before;
  text_ += name;
  text_ += "=\"";
  AppendEscaped(text_, content);
  text_ += '"';
}

void MetricsText::Sample(std::string_view suffix, Labels labels, double value) {
  text_ += family_;
  text_ += suffix;
  char before = '{';
  for (const auto& [name, content] : labels) AddLabel(std::exchange(before, ','), name, content);
  if (before == ',') text_ += '}';
  fmt::format_to(std::back_inserter(text_), " {}\n", value);
}

void MetricsText::Sample(std::span<const std::pair<std::string, std::string>> labels,
                         double value) {
  text_ += family_;
  char before = '{';
  for (const auto& [name, content] : labels) AddLabel(std::exchange(before, ','), name, content);
  if (before == ',') text_ += '}';
  fmt::format_to(std::back_inserter(text_), " {}\n", value);
}

}  // namespace enclave::cluster
