#include "telemetry/labels.h"

#include <xxhash.h>

#include <algorithm>

namespace enclave::telemetry {

Labels::Labels(std::initializer_list<Label> labels)
    : Labels(From(std::vector<Label>(labels.begin(), labels.end()))) {}

Labels Labels::From(std::vector<Label> labels) {
  Labels result;
  // Mostly they come sorted and unique.
  const bool sorted = std::ranges::adjacent_find(labels, std::ranges::greater_equal(),
                                                 &Label::name) == labels.end();
  if (sorted) {
    std::erase_if(labels, [](const Label& label) { return label.value.empty(); });
    result.labels_ = std::move(labels);
  } else {
    for (const Label& label : labels) result.Set(label.name, label.value);
  }
  return result;
}

std::string_view Labels::Get(std::string_view name) const {
  const auto at = std::ranges::lower_bound(labels_, name, {}, &Label::name);
  return at != labels_.end() && at->name == name ? std::string_view(at->value) : "";
}

void Labels::Set(std::string_view name, std::string_view value) {
  const auto at = std::ranges::lower_bound(labels_, name, {}, &Label::name);
  const bool there = at != labels_.end() && at->name == name;
  if (value.empty()) {
    if (there) labels_.erase(at);
  } else if (there) {
    at->value = value;
  } else {
    labels_.insert(at, Label{std::string(name), std::string(value)});
  }
}

Labels Labels::Keep(const std::vector<std::string>& names) const {
  Labels result;
  for (const Label& label : labels_)
    if (std::ranges::binary_search(names, label.name)) result.labels_.push_back(label);
  return result;
}

Labels Labels::Drop(const std::vector<std::string>& names) const {
  Labels result;
  for (const Label& label : labels_)
    if (!std::ranges::binary_search(names, label.name)) result.labels_.push_back(label);
  return result;
}

std::uint64_t Labels::Hash() const {
  // 0xff occurs in no UTF-8 text, so different sets give different bytes.
  std::string bytes;
  for (const Label& label : labels_) {
    bytes += label.name;
    bytes += '\xff';
    bytes += label.value;
    bytes += '\xff';
  }
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::string Labels::ToString() const {
  std::string text(Get(kMetricName));
  std::string inside;
  for (const Label& label : labels_) {
    if (label.name == kMetricName) continue;
    if (!inside.empty()) inside += ", ";
    inside += label.name;
    inside += "=\"";
    for (const char c : label.value) {
      if (c == '\n') {
        inside += "\\n";
        continue;
      }
      if (c == '"' || c == '\\') inside += '\\';
      inside += c;
    }
    inside += '"';
  }
  if (!inside.empty() || text.empty()) text += "{" + inside + "}";
  return text;
}

}  // namespace enclave::telemetry
