#include "lab/drills/slo_watch.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "net/http.h"

namespace enclave::lab::drills {
namespace {

std::optional<double> NumberOf(const Json& text) {
  if (!text.is_string()) return std::nullopt;
  const auto& digits = text.get_ref<const std::string&>();
  double number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size() || std::isnan(number))
    return std::nullopt;
  return number;
}

}  // namespace

std::string QueryOf(const std::vector<Objective>& objectives) {
  std::string query;
  for (const Objective& objective : objectives)
    query += fmt::format("{}label_replace(max({}), \"objective\", \"{}\", \"\", \"\")",
                         query.empty() ? "" : " or ", objective.query, objective.name);
  return query;
}

Reading SloWatch::Read(const World& world) const {
  Reading reading{.time = world.pace.WallNow()};
  const auto answer =
      world.observatory.Ask("/api/v1/query?query=" + net::PercentEncode(QueryOf(objectives_)));
  if (!answer) {
    reading.error = answer.error().message();
    return reading;
  }
  for (const Json& one : kube::At(*answer, "data.result")) {
    const Json& value = kube::At(one, "value");
    if (!value.is_array() || value.size() != 2) continue;
    if (const auto number = NumberOf(value[1]))
      reading.values[kube::StringAt(one, "metric.objective")] = *number;
  }
  for (const Objective& objective : objectives_) {
    if (objective.shown_only) continue;
    const auto found = reading.values.find(objective.name);
    if (found == reading.values.end())
      reading.unknown.push_back(objective.name);
    else if (found->second > objective.at_most)
      reading.broken.push_back(objective.name);
  }
  return reading;
}

base::Result<std::vector<std::string>> SloWatch::Paging(const World& world) {
  ASSIGN_OR_RETURN(const Json answer, world.observatory.Ask("/api/v1/alerts"));
  std::vector<std::string> paging;
  for (const Json& alert : kube::At(answer, "data.alerts"))
    if (kube::StringAt(alert, "state") == "firing" &&
        kube::StringAt(alert, "labels.severity") == "page" &&
        !kube::StringAt(alert, "labels.slo").empty())
      paging.push_back(fmt::format("{} of {}", kube::StringAt(alert, "labels.alertname"),
                                   kube::StringAt(alert, "labels.service")));
  return paging;
}

}  // namespace enclave::lab::drills
