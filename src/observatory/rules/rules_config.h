// The parts of Prometheus' configuration file that concern rules and alerts, read strictly:
//
// global:      evaluation_interval, rule_query_offset, external_labels
// rule_files:  patterns, relative to the file
// alerting:    alertmanagers: [{scheme, path_prefix, timeout, api_version: v2, static_configs}]
//
// and one of the observatory's own, for receivers that take Alertmanager's webhook without an
// Alertmanager in between:
//
// webhooks:    [{name, url, send_resolved, group_by, group_wait, group_interval, repeat_interval,
//                max_alerts}]
//
// Keys of the same file that other rooms read (scrape_configs, global.scrape_*) are left alone.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/result.h"
#include "observatory/rules/rule_file.h"
#include "telemetry/labels.h"

namespace enclave::observatory::rules {

struct AlertmanagerConfig {
  std::string url;  // "http://alertmanager:9093/api/v2/alerts"
  base::Duration timeout = std::chrono::seconds(10);
};

struct WebhookConfig {
  std::string name = "webhook";  // the receiver's
  std::string url{};
  bool send_resolved = true;
  std::vector<std::string> group_by = {"alertname"};  // "..." alone: every alert by itself
  base::Duration group_wait = std::chrono::seconds(1);
  base::Duration group_interval = std::chrono::seconds(10);
  base::Duration repeat_interval = std::chrono::hours(1);
  std::uint64_t max_alerts = 100;  // of one message; 0: all
  base::Duration timeout = std::chrono::seconds(10);
};

struct RulesConfig {
  RuleDefaults defaults{};
  telemetry::Labels external_labels{};
  std::vector<std::string> rule_files{};
  std::vector<AlertmanagerConfig> alertmanagers{};
  std::vector<WebhookConfig> webhooks{};
};

base::Result<RulesConfig> ParseRulesConfig(std::string_view text, std::string_view file,
                                           const std::string& directory = ".");

}  // namespace enclave::observatory::rules
