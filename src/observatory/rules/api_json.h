// What Prometheus' API shows of rules and alerts, as JSON: the `data` of GET /api/v1/rules and
// GET /api/v1/alerts.
#pragma once

#include <string>
#include <vector>

#include "observatory/rules/rule_manager.h"

namespace enclave::observatory::rules {

// The parameters of GET /api/v1/rules; empty ones choose all.
struct RulesFilter {
  std::string type{};  // "alert", "record"
  std::vector<std::string> rule_names{};
  std::vector<std::string> rule_groups{};
  std::vector<std::string> files{};
  bool exclude_alerts = false;
};

std::string RenderRules(const std::vector<GroupStatus>& groups, const RulesFilter& filter = {});
std::string RenderAlerts(const std::vector<GroupStatus>& groups);

}  // namespace enclave::observatory::rules
