// Building blocks for the columns of `kubectl get`, as its server-side printers
// (k8s.io/kubernetes/pkg/printers/internalversion) write them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/api/resource.h"

namespace enclave::cluster {

inline constexpr int kWide = 1;  // Column::priority

Column NameColumn();
Column AgeColumn(int priority = 0);
// The value at a dotted path, `fallback` when absent.
Column PathColumn(std::string name, std::string path, std::string type = "string", int priority = 0,
                  kube::Json fallback = "");
// Computed from the object alone.
Column ComputedColumn(std::string name, std::string type, int priority,
                      std::function<kube::Json(const kube::Json&)> compute);

// Containers, Images and Selector: the wide columns of workloads. `pod_spec` is the path.
std::vector<Column> ContainerColumns(const std::string& pod_spec);
// The text, "<none>" when empty.
kube::Json OrNone(const std::string& text);
// A LabelSelector as text, "<none>" when empty.
std::string FormatSelector(const kube::Json& selector);

// "45s", "3m10s", "5h2m", "3d", "2y10d": k8s.io/apimachinery/pkg/util/duration.HumanDuration.
std::string HumanDuration(base::Duration duration);
// The age of a time at a path; "<unknown>" when absent.
std::string AgeAt(const kube::Json& object, std::string_view path, base::WallTime now);

// Table.columnDefinitions.
kube::Json ColumnDefinitions(const Resource& resource);
// The cells of one row.
kube::Json Cells(const Resource& resource, const kube::Json& object, base::WallTime now);

}  // namespace enclave::cluster
