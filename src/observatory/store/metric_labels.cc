// What MetricStore answers apart from samples: labels, exemplars, metadata.
#include <algorithm>
#include <mutex>
#include <set>
#include <shared_mutex>

#include "observatory/store/metric_section.h"

namespace enclave::observatory::store {

using telemetry::SeriesExemplars;
using telemetry::TimeRangeMs;

bool MetricStore::Active(const Postings& refs, TimeRangeMs range) const {
  return std::ranges::any_of(refs, [&](SeriesRef ref) { return head_.MayHave(ref, range); });
}

base::Result<std::vector<telemetry::Labels>> MetricStore::Series(
    const std::vector<telemetry::Matchers>& any_of, TimeRangeMs range, std::size_t limit) {
  const std::shared_lock lock(mutex_);
  std::vector<telemetry::Labels> found;
  for (const SeriesRef ref : head_.table().SelectAny(any_of)) {
    if (found.size() >= limit) break;
    if (head_.MayHave(ref, range)) found.push_back(head_.table().LabelsOf(ref));
  }
  return found;
}

base::Result<std::vector<std::string>> MetricStore::LabelNames(
    const std::vector<telemetry::Matchers>& any_of, TimeRangeMs range) {
  const std::shared_lock lock(mutex_);
  const SeriesTable& table = head_.table();
  std::set<std::string_view> names;
  if (any_of.empty()) {
    table.Names([&](std::string_view name) {
      table.Values(name, [&](std::string_view, const Postings& refs) {
        if (Active(refs, range)) names.insert(name);
        return !names.contains(name);
      });
    });
  } else {
    for (const SeriesRef ref : table.SelectAny(any_of)) {
      if (!head_.MayHave(ref, range)) continue;
      table.LabelsOf(ref, [&](std::string_view name, std::string_view) { names.insert(name); });
    }
  }
  return std::vector<std::string>(names.begin(), names.end());
}

base::Result<std::vector<std::string>> MetricStore::LabelValues(
    const std::string& name, const std::vector<telemetry::Matchers>& any_of, TimeRangeMs range) {
  const std::shared_lock lock(mutex_);
  const SeriesTable& table = head_.table();
  std::set<std::string_view> values;
  if (any_of.empty()) {
    table.Values(name, [&](std::string_view value, const Postings& refs) {
      if (Active(refs, range)) values.insert(value);
      return true;
    });
  } else {
    for (const SeriesRef ref : table.SelectAny(any_of)) {
      const std::string_view value = table.ValueOf(ref, name);
      if (!value.empty() && head_.MayHave(ref, range)) values.insert(value);
    }
  }
  return std::vector<std::string>(values.begin(), values.end());
}

base::Result<std::vector<SeriesExemplars>> MetricStore::Exemplars(
    const std::vector<telemetry::Matchers>& any_of, TimeRangeMs range) {
  const std::shared_lock lock(mutex_);
  std::vector<SeriesExemplars> found;
  for (const SeriesRef ref : head_.table().SelectAny(any_of)) {
    if (!exemplars_.Has(ref)) continue;
    ASSIGN_OR_RETURN(std::vector<telemetry::Exemplar> exemplars, exemplars_.Of(ref, range));
    if (!exemplars.empty()) found.push_back({head_.table().LabelsOf(ref), std::move(exemplars)});
  }
  return found;
}

base::Result<std::vector<SeriesExemplars>> MetricStore::ExemplarsOf(trace::TraceId trace_id) {
  const std::shared_lock lock(mutex_);
  ASSIGN_OR_RETURN(const auto exemplars, exemplars_.OfTrace(trace_id));
  std::vector<SeriesExemplars> found;
  SeriesRef last = UINT32_MAX;
  for (const auto& [ref, exemplar] : exemplars) {
    if (!head_.table().Alive(ref)) continue;
    if (ref != last) found.push_back({head_.table().LabelsOf(ref), {}});
    last = ref;
    found.back().exemplars.push_back(exemplar);
  }
  return found;
}

base::Result<std::map<std::string, std::vector<telemetry::MetricMetadata>>> MetricStore::Metadata(
    const std::string& metric, std::size_t limit) {
  const std::shared_lock lock(mutex_);
  std::map<std::string, std::vector<telemetry::MetricMetadata>> found;
  if (!metric.empty()) {
    if (const auto at = metadata_.find(metric); at != metadata_.end())
      found[metric].push_back(at->second);
    return found;
  }
  for (const auto& [name, metadata] : metadata_) {
    if (found.size() >= limit) break;
    found[name].push_back(metadata);
  }
  return found;
}

}  // namespace enclave::observatory::store
