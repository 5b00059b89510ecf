#include "cluster/api/columns.h"

#include <fmt/format.h>

#include "kube/selector.h"
#include "kube/time.h"

namespace enclave::cluster {
namespace {

using kube::At;
using kube::Json;
using kube::StringAt;

const std::vector<Column>& DefaultColumns() {
  static const std::vector<Column> columns = {NameColumn(), AgeColumn()};
  return columns;
}

const std::vector<Column>& ColumnsOf(const Resource& resource) {
  return resource.columns.empty() ? DefaultColumns() : resource.columns;
}

std::string JoinOf(const Json& list, std::string_view field) {
  std::string text;
  if (!list.is_array()) return text;
  for (const Json& element : list) {
    if (!text.empty()) text += ',';
    text += StringAt(element, field);
  }
  return text;
}

}  // namespace

Column NameColumn() {
  return {.name = "Name",
          .cell = [](const Json& object, base::WallTime) -> Json {
            return StringAt(object, "metadata.name");
          },
          .format = "name"};
}

Column AgeColumn(int priority) {
  return {.name = "Age", .priority = priority, .cell = [](const Json& object, base::WallTime now) {
            return Json(AgeAt(object, "metadata.creationTimestamp", now));
          }};
}

Column PathColumn(std::string name, std::string path, std::string type, int priority,
                  Json fallback) {
  return {.name = std::move(name),
          .type = std::move(type),
          .priority = priority,
          .cell = [path = std::move(path), fallback = std::move(fallback)](const Json& object,
                                                                           base::WallTime) -> Json {
            const Json& value = At(object, path);
            return value.is_null() ? fallback : value;
          }};
}

Column ComputedColumn(std::string name, std::string type, int priority,
                      std::function<Json(const Json&)> compute) {
  return {.name = std::move(name),
          .type = std::move(type),
          .priority = priority,
          .cell = [compute = std::move(compute)](const Json& object, base::WallTime) {
            return compute(object);
          }};
}

std::vector<Column> ContainerColumns(const std::string& pod_spec) {
  const std::string path = pod_spec + ".containers";
  return {ComputedColumn(
              "Containers", "string", kWide,
              [path](const Json& object) -> Json { return JoinOf(At(object, path), "name"); }),
          ComputedColumn(
              "Images", "string", kWide,
              [path](const Json& object) -> Json { return JoinOf(At(object, path), "image"); }),
          ComputedColumn("Selector", "string", kWide, [](const Json& object) -> Json {
            return FormatSelector(At(object, "spec.selector"));
          })};
}

Json OrNone(const std::string& text) {
  return text.empty() ? "<none>" : text;
}

std::string FormatSelector(const Json& selector) {
  const auto parsed = kube::LabelSelector::FromJson(selector);
  if (!parsed || parsed->empty() || selector.is_null()) return "<none>";
  return parsed->ToString();
}

std::string HumanDuration(base::Duration duration) {
  using std::chrono::duration_cast;
  const std::int64_t seconds = duration_cast<std::chrono::seconds>(duration).count();
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 60 * 2) return fmt::format("{}s", seconds);
  const std::int64_t minutes = seconds / 60;
  if (minutes < 10) {
    const std::int64_t rest = seconds % 60;
    return rest == 0 ? fmt::format("{}m", minutes) : fmt::format("{}m{}s", minutes, rest);
  }
  if (minutes < 60 * 3) return fmt::format("{}m", minutes);
  const std::int64_t hours = minutes / 60;
  if (hours < 8) {
    const std::int64_t rest = minutes % 60;
    return rest == 0 ? fmt::format("{}h", hours) : fmt::format("{}h{}m", hours, rest);
  }
  if (hours < 48) return fmt::format("{}h", hours);
  const std::int64_t days = hours / 24;
  if (hours < 24 * 8) {
    const std::int64_t rest = hours % 24;
    return rest == 0 ? fmt::format("{}d", days) : fmt::format("{}d{}h", days, rest);
  }
  if (hours < 24 * 365 * 2) return fmt::format("{}d", days);
  const std::int64_t years = hours / 24 / 365;
  if (hours < 24 * 365 * 8) {
    const std::int64_t rest = hours / 24 % 365;
    return rest == 0 ? fmt::format("{}y", years) : fmt::format("{}y{}d", years, rest);
  }
  return fmt::format("{}y", years);
}

std::string AgeAt(const Json& object, std::string_view path, base::WallTime now) {
  const auto time = kube::TimeAt(object, path);
  return time ? HumanDuration(now - *time) : "<unknown>";
}

Json ColumnDefinitions(const Resource& resource) {
  Json definitions = Json::array();
  for (const Column& column : ColumnsOf(resource)) {
    definitions.push_back({{"name", column.name},
                           {"type", column.type},
                           {"format", column.format},
                           {"description", column.name},
                           {"priority", column.priority}});
  }
  return definitions;
}

Json Cells(const Resource& resource, const Json& object, base::WallTime now) {
  Json cells = Json::array();
  for (const Column& column : ColumnsOf(resource)) cells.push_back(column.cell(object, now));
  return cells;
}

}  // namespace enclave::cluster
