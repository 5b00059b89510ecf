#include "observatory/rules/alerting_rule.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "base/log.h"
#include "net/http.h"
#include "observatory/rules/rule_times.h"

namespace enclave::observatory::rules {
namespace {

using base::WallTime;
using telemetry::Labels;

// As long as Alertmanager may have to be told that an alert is over.
constexpr base::Duration kResolvedRetention = std::chrono::minutes(15);

double ToSeconds(WallTime time) {
  return static_cast<double>(
      std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count());
}

}  // namespace

std::string Fingerprint(const Labels& labels) {
  std::uint64_t hash = 14695981039346656037ULL;
  const auto add = [&hash](std::string_view text) {
    for (const char c : text) {
      hash ^= static_cast<unsigned char>(c);
      hash *= 1099511628211ULL;
    }
    hash ^= 0xff;
    hash *= 1099511628211ULL;
  };
  for (const telemetry::Label& label : labels) {
    add(label.name);
    add(label.value);
  }
  return fmt::format("{:016x}", hash);
}

base::Result<Alert> AlertingRule::MakeAlert(const VectorSample& sample, WallTime now,
                                            base::Duration query_offset, RuleEngine& engine,
                                            const AlertContext& context) const {
  text::TemplateData data;
  data.labels = sample.labels;
  data.value = sample.value;
  data.external_labels = context.external_labels;
  data.external_url = context.external_url;
  data.query = [&](const std::string& expression) {
    return engine.Query(expression, ToMs(now - query_offset));
  };
  // A template that fails shows its fault in its place: the alert must not be lost for it.
  const auto expand = [&](const std::string& name, const text::Template& text) {
    auto expanded = text.Expand(data);
    if (expanded) return std::move(*expanded);
    base::LogWarning("rules", "a template of an alert fails",
                     {{"alert", rule_.name}, {"in", name}, {"error", expanded.error().message()}});
    return fmt::format("<error expanding template: {}>", expanded.error().message());
  };
  Alert alert;
  alert.active_at = now;
  alert.value = sample.value;
  alert.labels = sample.labels;
  alert.labels.Remove(telemetry::kMetricName);
  for (const auto& [name, text] : rule_.labels) alert.labels.Set(name, expand(name, text));
  alert.labels.Set("alertname", rule_.name);
  for (const auto& [name, text] : rule_.annotations) {
    alert.annotations.Set(name, expand(name, text));
  }
  return alert;
}

base::Result<std::vector<RuleSample>> AlertingRule::Evaluate(
    WallTime now, base::Duration query_offset, std::uint64_t limit, RuleEngine& engine,
    const AlertContext& context, const Restore& restore) {
  ASSIGN_OR_RETURN(const std::vector<VectorSample> found,
                   engine.Query(rule_.expression, ToMs(now - query_offset)));
  std::map<Labels, Alert> present;
  for (const VectorSample& sample : found) {
    ASSIGN_OR_RETURN(Alert alert, MakeAlert(sample, now, query_offset, engine, context));
    Labels labels = alert.labels;
    if (!present.emplace(std::move(labels), std::move(alert)).second) {
      return base::Fail(base::ErrorKind::kUnprocessable,
                        "the result has several series with the same labels once those of the "
                        "alert are applied");
    }
  }
  for (auto& [labels, alert] : present) {
    const auto known = alerts_.find(labels);
    if (known != alerts_.end() && known->second.state != AlertState::kResolved) {
      known->second.value = alert.value;
      known->second.annotations = std::move(alert.annotations);
      continue;
    }
    if (restore) {
      if (const auto before = restore(labels)) alert.active_at = *before;
    }
    alerts_[labels] = std::move(alert);
  }
  std::size_t active = 0;
  for (auto it = alerts_.begin(); it != alerts_.end();) {
    Alert& alert = it->second;
    const bool is_present = present.contains(it->first);
    if (!is_present && alert.state == AlertState::kFiring &&
        rule_.keep_firing > base::Duration::zero()) {
      if (!alert.keep_firing_since) alert.keep_firing_since = now;
    }
    const bool kept = !is_present && alert.keep_firing_since &&
                      now - *alert.keep_firing_since < rule_.keep_firing;
    if (is_present) alert.keep_firing_since.reset();
    if (!is_present && !kept) {
      const bool forgotten =
          alert.state == AlertState::kPending ||
          (alert.state == AlertState::kResolved && now - *alert.resolved_at > kResolvedRetention);
      if (forgotten) {
        it = alerts_.erase(it);
        continue;
      }
      if (alert.state == AlertState::kFiring) {
        alert.state = AlertState::kResolved;
        alert.resolved_at = now;
        alert.keep_firing_since.reset();
      }
      ++it;
      continue;
    }
    ++active;
    if (alert.state == AlertState::kPending && now - alert.active_at >= rule_.hold) {
      alert.state = AlertState::kFiring;
      alert.fired_at = now;
    }
    ++it;
  }
  if (limit != 0 && active > limit) {
    alerts_.clear();
    return base::Fail(base::ErrorKind::kResourceExhausted,
                      fmt::format("{} alerts, which is over the limit of {}", active, limit));
  }
  std::vector<RuleSample> samples;
  for (const auto& [labels, alert] : alerts_) {
    if (alert.state == AlertState::kResolved) continue;
    Labels series = labels;
    series.Set(telemetry::kMetricName, "ALERTS_FOR_STATE");
    samples.push_back({series, ToSeconds(alert.active_at)});
    series.Set(telemetry::kMetricName, "ALERTS");
    series.Set("alertstate", alert.state == AlertState::kFiring ? "firing" : "pending");
    samples.push_back({std::move(series), 1});
  }
  return samples;
}

std::vector<Notification> AlertingRule::Due(WallTime now, base::Duration resend,
                                            base::Duration interval, const AlertContext& context) {
  std::vector<Notification> due;
  // A firing alert counts as over when it is not sent again for a while: four times as long as it
  // should take.
  const WallTime valid_until = now + 4 * std::max(resend, interval);
  for (auto& [labels, alert] : alerts_) {
    if (alert.state == AlertState::kPending) continue;
    const bool resolved = alert.state == AlertState::kResolved;
    const bool fresh = !alert.last_sent || (resolved && *alert.resolved_at > *alert.last_sent);
    if (!fresh && *alert.last_sent + resend > now) continue;
    alert.last_sent = now;
    Notification notification;
    notification.labels = labels;
    for (const telemetry::Label& label : context.external_labels) {
      if (!notification.labels.Has(label.name)) notification.labels.Set(label.name, label.value);
    }
    notification.annotations = alert.annotations;
    notification.starts_at = alert.fired_at.value_or(alert.active_at);
    notification.ends_at = resolved ? *alert.resolved_at : valid_until;
    notification.resolved = resolved;
    notification.generator_url = fmt::format("{}/graph?g0.expr={}&g0.tab=1", context.external_url,
                                             net::PercentEncode(rule_.expression));
    due.push_back(std::move(notification));
  }
  return due;
}

std::vector<Alert> AlertingRule::Active() const {
  std::vector<Alert> active;
  for (const auto& [labels, alert] : alerts_) {
    if (alert.state != AlertState::kResolved) active.push_back(alert);
  }
  return active;
}

}  // namespace enclave::observatory::rules
