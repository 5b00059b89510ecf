#include "telemetry/templates/variable.h"

#include <charconv>
#include <string>

#include "telemetry/templates/head_parts.h"
#include "telemetry/templates/value_forms.h"

namespace enclave::telemetry::templates {
namespace {

std::optional<double> Number(std::string_view text) {
  if (text.starts_with('+') && text.size() > 1 && text[1] != '-') text.remove_prefix(1);
  if (text.ends_with('%')) text.remove_suffix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// `1m30s`, `7.3 MB`, `<1 sec`: the sum of its numbers, each in its unit.
std::optional<double> Sum(std::string_view text, double (*factor)(std::string_view)) {
  if (text.starts_with('<')) text.remove_prefix(1);
  double sum = 0;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    const std::size_t number = NumberEnd(text, 0);
    const auto value = Number(text.substr(0, number));
    if (number == 0 || !value) return std::nullopt;
    text.remove_prefix(number);
    if (text.starts_with(' ')) text.remove_prefix(1);
    std::size_t unit = 0;
    while (unit < text.size() && IsLetter(text[unit])) ++unit;
    const double scale = factor(text.substr(0, unit));
    if (scale == 0) return std::nullopt;
    sum += *value * scale;
    text.remove_prefix(unit);
  }
  return sum;
}

}  // namespace

std::string_view ToString(VariableType type) {
  switch (type) {
    case VariableType::kText:
      return "text";
    case VariableType::kNumber:
      return "number";
    case VariableType::kDuration:
      return "duration";
    case VariableType::kSize:
      return "size";
    case VariableType::kHex:
      return "hex";
    case VariableType::kUuid:
      return "uuid";
    case VariableType::kIp:
      return "ip";
    case VariableType::kHost:
      return "host";
    case VariableType::kPath:
      return "path";
    case VariableType::kUrl:
      return "url";
    case VariableType::kTime:
      return "time";
    case VariableType::kQuoted:
      return "quoted";
    case VariableType::kList:
      return "list";
  }
  return "text";
}

std::optional<double> ValueOf(VariableType type, std::string_view text) {
  switch (type) {
    case VariableType::kNumber:
      return Number(text);
    case VariableType::kDuration:
      return Sum(text, SecondsOfUnit);
    case VariableType::kSize:
      return Sum(text, BytesOfUnit);
    default:
      return std::nullopt;
  }
}

}  // namespace enclave::telemetry::templates
