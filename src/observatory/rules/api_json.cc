#include "observatory/rules/api_json.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "observatory/rules/rule_times.h"
#include "observatory/text/humanize.h"

namespace enclave::observatory::rules {
namespace {

using nlohmann::json;

json ShownLabels(const telemetry::Labels& labels) {
  json object = json::object();
  for (const telemetry::Label& label : labels) object[label.name] = label.value;
  return object;
}

json ShownTemplates(const std::map<std::string, text::Template>& templates, bool expanded) {
  json object = json::object();
  for (const auto& [name, text] : templates) {
    // Labels of recording rules are literal texts.
    object[name] = expanded ? text.Expand({}).value_or("") : text.text();
  }
  return object;
}

double Seconds(base::Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

std::string TimeOrNone(base::WallTime time) {
  return time == base::WallTime{} ? std::string(kNoTime) : FormatRfc3339(time);
}

// As Go's strconv with 'e' and the shortest digits.
std::string AlertValue(double value) {
  if (!std::isfinite(value)) return text::FormatGoFloat(value);
  std::string text = fmt::format("{:.17e}", value);
  for (int digits = 0; digits < 17; ++digits) {
    const std::string shorter = fmt::format("{:.{}e}", value, digits);
    double back = 0;
    const auto [end, error] =
        std::from_chars(shorter.data(), shorter.data() + shorter.size(), back);
    if (error == std::errc() && back == value) return shorter;
  }
  return text;
}

std::string_view StateName(AlertState state) {
  switch (state) {
    case AlertState::kPending:
      return "pending";
    case AlertState::kFiring:
      return "firing";
    case AlertState::kResolved:
      break;
  }
  return "inactive";
}

json ShownAlert(const Alert& alert) {
  json shown = {{"labels", ShownLabels(alert.labels)},
                {"annotations", ShownLabels(alert.annotations)},
                {"state", StateName(alert.state)},
                {"activeAt", FormatRfc3339(alert.active_at)},
                {"value", AlertValue(alert.value)}};
  if (alert.keep_firing_since) shown["keepFiringSince"] = FormatRfc3339(*alert.keep_firing_since);
  return shown;
}

json ShownRule(const RuleStatus& status, bool with_alerts) {
  const Rule& rule = status.rule;
  const bool alerting = rule.kind == Rule::Kind::kAlerting;
  json shown = {{"name", rule.name},
                {"query", rule.expression},
                {"labels", ShownTemplates(rule.labels, !alerting)},
                {"health", !status.evaluated           ? "unknown"
                           : status.last_error.empty() ? "ok"
                                                       : "err"},
                {"evaluationTime", Seconds(status.evaluation_time)},
                {"lastEvaluation", TimeOrNone(status.last_evaluation)},
                {"type", alerting ? "alerting" : "recording"}};
  if (!status.last_error.empty()) shown["lastError"] = status.last_error;
  if (!alerting) return shown;
  AlertState state = AlertState::kResolved;
  json alerts = json::array();
  for (const Alert& alert : status.alerts) {
    if (alert.state == AlertState::kFiring || state == AlertState::kResolved) state = alert.state;
    if (with_alerts) alerts.push_back(ShownAlert(alert));
  }
  shown["state"] = StateName(state);
  shown["duration"] = Seconds(rule.hold);
  shown["keepFiringFor"] = Seconds(rule.keep_firing);
  shown["annotations"] = ShownTemplates(rule.annotations, false);
  shown["alerts"] = std::move(alerts);
  return shown;
}

bool Chosen(const std::vector<std::string>& names, const std::string& name) {
  return names.empty() || std::ranges::find(names, name) != names.end();
}

std::string Rendered(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

std::string RenderRules(const std::vector<GroupStatus>& groups, const RulesFilter& filter) {
  json shown = json::array();
  for (const GroupStatus& status : groups) {
    if (!Chosen(filter.rule_groups, status.group.name) ||
        !Chosen(filter.files, status.group.file)) {
      continue;
    }
    json rules = json::array();
    for (const RuleStatus& rule : status.rules) {
      const bool alerting = rule.rule.kind == Rule::Kind::kAlerting;
      if ((filter.type == "alert" && !alerting) || (filter.type == "record" && alerting) ||
          !Chosen(filter.rule_names, rule.rule.name)) {
        continue;
      }
      rules.push_back(ShownRule(rule, !filter.exclude_alerts));
    }
    const bool filtered = !filter.type.empty() || !filter.rule_names.empty();
    if (filtered && rules.empty()) continue;
    shown.push_back({{"name", status.group.name},
                     {"file", status.group.file},
                     {"rules", std::move(rules)},
                     {"interval", Seconds(status.group.interval)},
                     {"limit", status.group.limit},
                     {"evaluationTime", Seconds(status.evaluation_time)},
                     {"lastEvaluation", TimeOrNone(status.last_evaluation)}});
  }
  return Rendered({{"groups", std::move(shown)}});
}

std::string RenderAlerts(const std::vector<GroupStatus>& groups) {
  json alerts = json::array();
  for (const GroupStatus& status : groups) {
    for (const RuleStatus& rule : status.rules) {
      for (const Alert& alert : rule.alerts) alerts.push_back(ShownAlert(alert));
    }
  }
  return Rendered({{"alerts", std::move(alerts)}});
}

}  // namespace enclave::observatory::rules
