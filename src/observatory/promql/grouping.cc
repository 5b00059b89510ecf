#include "observatory/promql/grouping.h"

#include <algorithm>

namespace enclave::observatory::promql {

Groups::Groups(const Aggregate& node) : without_(node.without), names_(node.grouping) {
  if (without_) names_.emplace_back(telemetry::kMetricName);
  std::ranges::sort(names_);
}

std::size_t Groups::IndexOf(const Series& series) {
  // Both are sorted. 0xff is in no UTF-8 text, so different labels give different keys.
  key_.clear();
  auto name = names_.begin();
  for (const telemetry::Label& label : series.labels) {
    while (name != names_.end() && *name < label.name) ++name;
    const bool named = name != names_.end() && *name == label.name;
    if (named == without_) continue;
    key_ += label.name;
    key_ += '\xff';
    key_ += label.value;
    key_ += '\xff';
  }
  auto at = index_.find(std::string_view(key_));
  if (at == index_.end()) {
    at = index_.emplace(key_, groups_.size()).first;
    groups_.push_back(
        {.labels = without_ ? series.labels.Drop(names_) : series.labels.Keep(names_)});
  }
  if (series.drop_name) groups_[at->second].drop_name = true;
  return at->second;
}

}  // namespace enclave::observatory::promql
