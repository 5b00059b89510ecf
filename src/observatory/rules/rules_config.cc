#include "observatory/rules/rules_config.h"

#include <fmt/format.h>

#include <set>

#include "base/quote.h"
#include "net/url.h"
#include "telemetry/config_node.h"

namespace enclave::observatory::rules {
namespace {

using telemetry::ConfigError;
using telemetry::ConfigNode;
using telemetry::ConfigReader;

base::Result<> ReadAlertmanager(const ConfigNode& node, std::string_view file,
                                RulesConfig& config) {
  std::string scheme = "http";
  std::string prefix;
  std::string version = "v2";
  base::Duration timeout = AlertmanagerConfig().timeout;
  std::vector<std::string> targets;
  ConfigReader reader(node, "an alertmanager config", file);
  reader.Text("scheme", &scheme);
  reader.Text("path_prefix", &prefix);
  reader.Text("api_version", &version);
  reader.Duration("timeout", &timeout);
  reader.Each("static_configs", [&](const ConfigNode& value) {
    std::vector<std::string> some;
    ConfigReader inner(value, "a static config", file);
    inner.Texts("targets", &some);
    targets.insert(targets.end(), some.begin(), some.end());
    return inner.Finish();
  });
  RETURN_IF_ERROR(reader.Finish());
  if (version != "v2") {
    return base::Fail(ConfigError(file, reader.LineOf("api_version"), "api_version must be v2"));
  }
  while (prefix.ends_with('/')) prefix.pop_back();
  if (!prefix.empty() && !prefix.starts_with('/')) prefix.insert(0, "/");
  for (const std::string& target : targets) {
    std::string url = fmt::format("{}://{}{}/api/v2/alerts", scheme, target, prefix);
    if (const auto origin = net::ParseOrigin(url); !origin) {
      return base::Fail(
          ConfigError(file, reader.LineOf("static_configs"), origin.error().message()));
    }
    config.alertmanagers.push_back({std::move(url), timeout});
  }
  return {};
}

base::Result<WebhookConfig> ReadWebhook(const ConfigNode& node, std::string_view file) {
  WebhookConfig webhook;
  ConfigReader reader(node, "a webhook", file);
  reader.Text("name", &webhook.name);
  reader.Text("url", &webhook.url);
  reader.Bool("send_resolved", &webhook.send_resolved);
  reader.Texts("group_by", &webhook.group_by);
  reader.Duration("group_wait", &webhook.group_wait);
  reader.Duration("group_interval", &webhook.group_interval);
  reader.Duration("repeat_interval", &webhook.repeat_interval);
  reader.Duration("timeout", &webhook.timeout);
  reader.Unsigned("max_alerts", &webhook.max_alerts);
  RETURN_IF_ERROR(reader.Finish());
  const auto origin = net::ParseOrigin(webhook.url);
  if (!origin) {
    return base::Fail(ConfigError(file, reader.LineOf("url"), origin.error().message()));
  }
  if (webhook.group_interval <= base::Duration::zero() ||
      webhook.repeat_interval < webhook.group_interval) {
    return base::Fail(ConfigError(file, reader.LineOf("group_interval"),
                                  "group_interval must be above 0 and at most repeat_interval"));
  }
  return webhook;
}

}  // namespace

base::Result<RulesConfig> ParseRulesConfig(std::string_view text, std::string_view file,
                                           const std::string& directory) {
  ASSIGN_OR_RETURN(const ConfigNode root, telemetry::ParseConfig(text, file));
  RulesConfig config;
  ConfigReader reader(root, "the configuration", file);
  reader.Value("global", [&](const ConfigNode& node) -> base::Result<> {
    std::map<std::string, std::string> labels;
    ConfigReader global(node, "global", file);
    global.Duration("evaluation_interval", &config.defaults.interval);
    global.Duration("rule_query_offset", &config.defaults.query_offset);
    global.TextMap("external_labels", &labels);
    global.Ignore("scrape_interval");
    global.Ignore("scrape_timeout");
    RETURN_IF_ERROR(global.Finish());
    for (const auto& [name, value] : labels) config.external_labels.Set(name, value);
    if (config.defaults.interval <= base::Duration::zero()) {
      return base::Fail(ConfigError(file, global.LineOf("evaluation_interval"),
                                    "evaluation_interval must be above 0"));
    }
    return {};
  });
  reader.Texts("rule_files", &config.rule_files);
  for (std::string& pattern : config.rule_files) {
    if (!pattern.starts_with('/')) pattern = directory + "/" + pattern;
  }
  reader.Value("alerting", [&](const ConfigNode& node) -> base::Result<> {
    ConfigReader alerting(node, "alerting", file);
    alerting.Each("alertmanagers",
                  [&](const ConfigNode& value) { return ReadAlertmanager(value, file, config); });
    return alerting.Finish();
  });
  reader.Each("webhooks", [&](const ConfigNode& node) -> base::Result<> {
    ASSIGN_OR_RETURN(WebhookConfig webhook, ReadWebhook(node, file));
    config.webhooks.push_back(std::move(webhook));
    return {};
  });
  reader.Ignore("scrape_configs");
  RETURN_IF_ERROR(reader.Finish());
  return config;
}

}  // namespace enclave::observatory::rules
