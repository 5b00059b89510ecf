// Label sets: what names a series or a log stream, as Prometheus and Loki know them.
//
// Values; any thread.
#pragma once

#include <compare>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace enclave::telemetry {

inline constexpr std::string_view kMetricName = "__name__";

struct Label {
  std::string name;
  std::string value;
  auto operator<=>(const Label&) const = default;
};

// Invariants: sorted by name, names unique, no empty value (in Prometheus' model a label with an
// empty value is one that is not there).
class Labels {
 public:
  Labels() = default;
  Labels(std::initializer_list<Label> labels);
  // Sorts, drops empty values; of two with the same name the last one stays.
  static Labels From(std::vector<Label> labels);

  // "" when there is none.
  std::string_view Get(std::string_view name) const;
  bool Has(std::string_view name) const { return !Get(name).empty(); }
  // Sets, or with an empty value removes.
  void Set(std::string_view name, std::string_view value);
  void Remove(std::string_view name) { Set(name, ""); }

  // Only those named, and all but those named. `names` is sorted.
  Labels Keep(const std::vector<std::string>& names) const;
  Labels Drop(const std::vector<std::string>& names) const;

  bool empty() const { return labels_.empty(); }
  std::size_t size() const { return labels_.size(); }
  auto begin() const { return labels_.begin(); }
  auto end() const { return labels_.end(); }

  std::uint64_t Hash() const;  // XXH3 over names and values; the same in every process
  // http_requests_total{code="200", job="web"}, as Prometheus prints it; {} when empty.
  std::string ToString() const;

  auto operator<=>(const Labels&) const = default;

 private:
  std::vector<Label> labels_;
};

// A label in memory of somebody else.
struct LabelView {
  std::string_view name;
  std::string_view value;
  auto operator<=>(const LabelView&) const = default;
};

struct LabelsHash {
  std::size_t operator()(const Labels& labels) const { return labels.Hash(); }
};

}  // namespace enclave::telemetry
