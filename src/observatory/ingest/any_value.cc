#include "observatory/ingest/any_value.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <ranges>

#include <fmt/format.h>

#include "base/quote.h"
#include "net/tls.h"
#include "observatory/ingest/metric_name.h"
#include "observatory/ingest/text.h"

namespace enclave::observatory::ingest {
namespace {

std::string NumberText(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return fmt::format("{}", value);
}

void AppendJson(const AnyValue& value, std::string& json) {
  switch (value.value_case()) {
    case AnyValue::kStringValue:
      json += base::Quote(value.string_value());
      break;
    case AnyValue::kBoolValue:
      json += value.bool_value() ? "true" : "false";
      break;
    case AnyValue::kIntValue:
      json += fmt::format("{}", value.int_value());
      break;
    case AnyValue::kDoubleValue:
      if (std::isfinite(value.double_value())) {
        json += NumberText(value.double_value());
      } else {
        json += base::Quote(NumberText(value.double_value()));
      }
      break;
    case AnyValue::kArrayValue: {
      json += '[';
      bool first = true;
      for (const AnyValue& item : value.array_value().values()) {
        if (!first) json += ',';
        first = false;
        AppendJson(item, json);
      }
      json += ']';
      break;
    }
    case AnyValue::kKvlistValue: {
      json += '{';
      bool first = true;
      for (const KeyValue& item : value.kvlist_value().values()) {
        if (!first) json += ',';
        first = false;
        json += base::Quote(item.key());
        json += ':';
        AppendJson(item.value(), json);
      }
      json += '}';
      break;
    }
    case AnyValue::kBytesValue:
      json += base::Quote(net::Base64Encode(value.bytes_value()));
      break;
    case AnyValue::VALUE_NOT_SET:
      json += "null";
      break;
  }
}

class LabelAppender {
 public:
  LabelAppender(const AttributeLimits& limits, std::size_t& cut,
                std::vector<telemetry::Label>& labels)
      : limits_(limits), cut_(cut), labels_(labels) {}

  void Append(const std::string& prefix, const KeyValues& attributes,
              const std::function<bool(const std::string&)>& wanted) {
    for (const KeyValue& attribute : attributes) {
      if (wanted && !wanted(attribute.key())) continue;
      const std::string key = prefix + attribute.key();
      if (attribute.value().has_kvlist_value()) {
        // Cut here already: deep maps under long keys would cost the square of their size.
        Append(std::string(Cut(key, limits_.max_key_bytes)) + ".",
               attribute.value().kvlist_value().values(), {});
        continue;
      }
      std::string name = LabelName(Cut(key, limits_.max_key_bytes));
      std::string value = ToText(attribute.value());
      if (name.empty() || value.empty()) continue;
      if (count_ == limits_.max_count) {
        ++cut_;
        continue;
      }
      ++count_;
      if (value.size() > limits_.max_value_bytes) {
        value.resize(Cut(value, limits_.max_value_bytes).size());
        ++cut_;
      }
      labels_.push_back({std::move(name), std::move(value)});
    }
  }

 private:
  const AttributeLimits& limits_;
  std::size_t& cut_;
  std::vector<telemetry::Label>& labels_;
  std::size_t count_ = 0;
};

}  // namespace

std::string ToJson(const AnyValue& value) {
  std::string json;
  AppendJson(value, json);
  return json;
}

std::string ToText(const AnyValue& value) {
  switch (value.value_case()) {
    case AnyValue::kStringValue:
      return value.string_value();
    case AnyValue::kDoubleValue:
      return NumberText(value.double_value());
    case AnyValue::kBytesValue:
      return net::Base64Encode(value.bytes_value());
    case AnyValue::VALUE_NOT_SET:
      return "";
    default:
      return ToJson(value);
  }
}

telemetry::Attributes ToAttributes(const KeyValues& attributes, const AttributeLimits& limits,
                                   std::size_t& cut) {
  telemetry::Attributes result;
  result.reserve(std::min(static_cast<std::size_t>(attributes.size()), limits.max_count));
  const auto bounded = [&](std::string text) {
    if (text.size() > limits.max_value_bytes) {
      text.resize(Cut(text, limits.max_value_bytes).size());
      ++cut;
    }
    return text;
  };
  for (const KeyValue& attribute : attributes) {
    if (attribute.key().empty()) continue;
    if (result.size() == limits.max_count) {
      ++cut;
      continue;
    }
    telemetry::Attribute& added =
        result.emplace_back(std::string(Cut(attribute.key(), limits.max_key_bytes)), "");
    const AnyValue& value = attribute.value();
    switch (value.value_case()) {
      case AnyValue::kBoolValue:
        added.value = value.bool_value();
        break;
      case AnyValue::kIntValue:
        added.value = std::int64_t{value.int_value()};
        break;
      case AnyValue::kDoubleValue:
        added.value = value.double_value();
        break;
      case AnyValue::kArrayValue:
      case AnyValue::kKvlistValue: {
        std::string json = ToJson(value);
        // Half of a JSON text is none.
        if (json.size() <= limits.max_value_bytes) {
          added.value = telemetry::JsonText{std::move(json)};
        } else {
          added.value = bounded(std::move(json));
        }
        break;
      }
      default:
        added.value = bounded(ToText(value));
    }
  }
  return result;
}

std::size_t MemoryOf(const telemetry::Attributes& attributes) {
  std::size_t bytes = attributes.size() * sizeof(telemetry::Attribute);
  for (const telemetry::Attribute& attribute : attributes) {
    bytes += attribute.key.size();
    if (const auto* text = std::get_if<std::string>(&attribute.value)) bytes += text->size();
    if (const auto* json = std::get_if<telemetry::JsonText>(&attribute.value))
      bytes += json->text.size();
  }
  return bytes;
}

void AppendLabels(const KeyValues& attributes, const AttributeLimits& limits, std::size_t& cut,
                  std::vector<telemetry::Label>& labels,
                  const std::function<bool(const std::string& key)>& wanted) {
  LabelAppender(limits, cut, labels).Append("", attributes, wanted);
}

telemetry::Labels ToLabels(std::vector<telemetry::Label> labels) {
  using telemetry::Label;
  const bool sorted = std::ranges::adjacent_find(labels, std::ranges::greater_equal(),
                                                 &Label::name) == labels.end();
  if (sorted) return telemetry::Labels::From(std::move(labels));
  // By name, and of the same name by place: std::sort is not stable, and the labels are heavy.
  std::vector<std::size_t> order(labels.size());
  std::ranges::iota_view places(std::size_t{0}, labels.size());
  std::ranges::copy(places, order.begin());
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
    const int names = labels[a].name.compare(labels[b].name);
    return names != 0 ? names < 0 : a < b;
  });
  std::vector<Label> unique;
  unique.reserve(labels.size());
  for (const std::size_t place : order) {
    if (!unique.empty() && unique.back().name == labels[place].name) {
      unique.back() = std::move(labels[place]);
    } else {
      unique.push_back(std::move(labels[place]));
    }
  }
  return telemetry::Labels::From(std::move(unique));
}

}  // namespace enclave::observatory::ingest
