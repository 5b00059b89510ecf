#include "observatory/ingest/series_labels.h"

#include <algorithm>

#include <fmt/format.h>

#include "observatory/ingest/metric_name.h"
#include "observatory/ingest/text.h"

namespace enclave::observatory::ingest {

using telemetry::LabelView;

std::string_view SeriesLabels::NameOf(const std::string& key) {
  const auto [at, added] = names_.try_emplace(key);
  if (added) {
    std::string name = LabelName(Cut(key, options_.attributes.max_key_bytes));
    at->second = name == key ? std::string_view(key) : result_.batch.Keep(std::move(name));
  }
  return at->second;
}

std::string_view SeriesLabels::ValueOf(const AnyValue& value) {
  std::string_view text;
  if (value.has_string_value()) {
    text = value.string_value();
  } else {
    text = result_.batch.Keep(ToText(value));
  }
  const std::string_view kept = Cut(text, options_.attributes.max_value_bytes);
  if (kept.size() < text.size()) ++result_.cut;
  return kept;
}

bool SeriesLabels::IsFixed(std::string_view name) const {
  return std::ranges::find(fixed_, name, &LabelView::name) != fixed_.end();
}

void SeriesLabels::Collect(const KeyValue& attribute, std::string_view reserved) {
  const std::string_view name = NameOf(attribute.key());
  if (name.empty() || name == reserved || IsFixed(name)) return;
  if (collected_.size() == options_.attributes.max_count) {
    ++result_.cut;
    return;
  }
  const std::string_view value = ValueOf(attribute.value());
  if (value.empty()) return;
  collision_ = collision_ || std::ranges::find(collected_, name, &Named::name) != collected_.end();
  collected_.push_back({name, attribute.key(), value});
}

void SeriesLabels::AppendCollected(std::vector<LabelView>& labels) {
  if (!collision_) {
    for (const Named& named : collected_) labels.push_back({named.name, named.value});
    collected_.clear();
    return;
  }
  std::ranges::sort(collected_, [](const Named& a, const Named& b) {
    return std::pair(a.name, a.key) < std::pair(b.name, b.key);
  });
  for (std::size_t i = 0; i < collected_.size();) {
    std::string joined(collected_[i].value);
    const std::string_view name = collected_[i].name;
    for (++i; i < collected_.size() && collected_[i].name == name; ++i) {
      joined += ';';
      joined += collected_[i].value;
    }
    labels.push_back({name, result_.batch.Keep(std::move(joined))});
  }
  collected_.clear();
  collision_ = false;
}

void SeriesLabels::SetResource(const KeyValues& attributes) {
  std::string_view service;
  std::string_view space;
  std::string_view instance;
  const auto identifies = [](const std::string& key) {
    return key == "service.name" || key == "service.namespace" || key == "service.instance.id";
  };
  for (const KeyValue& attribute : attributes) {
    if (!identifies(attribute.key())) continue;
    const std::string_view value = ValueOf(attribute.value());
    if (attribute.key() == "service.name") {
      service = value;
    } else if (attribute.key() == "service.namespace") {
      space = value;
    } else {
      instance = value;
    }
  }
  identity_.clear();
  if (!service.empty()) {
    identity_.push_back({"job", space.empty()
                                    ? service
                                    : result_.batch.Keep(fmt::format("{}/{}", space, service))});
  }
  if (!instance.empty()) identity_.push_back({"instance", instance});
  fixed_ = identity_;
  target_info_.clear();
  if (identity_.empty()) return;
  for (const KeyValue& attribute : attributes)
    if (!identifies(attribute.key())) Collect(attribute, "");
  if (collected_.empty()) return;
  target_info_ = identity_;
  AppendCollected(target_info_);
}

void SeriesLabels::SetScope(const opentelemetry::proto::common::v1::InstrumentationScope& scope) {
  fixed_ = identity_;
  if (!options_.scope_labels) return;
  for (const KeyValue& attribute : scope.attributes()) {
    const std::string_view name = NameOf(attribute.key());
    if (name.empty() || name == "name" || name == "version") continue;
    const std::string_view value = ValueOf(attribute.value());
    if (value.empty() || fixed_.size() >= options_.attributes.max_count) continue;
    const std::string_view label = result_.batch.Keep(fmt::format("otel_scope_{}", name));
    if (!IsFixed(label)) fixed_.push_back({label, value});
  }
  const auto bounded = [this](const std::string& text) {
    return Cut(text, options_.max_name_bytes);
  };
  if (!scope.name().empty()) fixed_.push_back({"otel_scope_name", bounded(scope.name())});
  if (!scope.version().empty()) fixed_.push_back({"otel_scope_version", bounded(scope.version())});
}

void SeriesLabels::OfPoint(const KeyValues& attributes, std::string_view reserved,
                           std::vector<LabelView>& labels) {
  labels = fixed_;
  for (const KeyValue& attribute : attributes) Collect(attribute, reserved);
  AppendCollected(labels);
}

}  // namespace enclave::observatory::ingest
