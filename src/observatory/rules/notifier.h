// Sends alerts on: to Alertmanagers (POST /api/v2/alerts), and directly to webhooks in the form in
// which Alertmanager would (payload version "4"), grouped.
//
// An Alertmanager gets each notification as it comes; what it does not take is tried again by
// policy and then dropped, as the rule sends a firing alert again anyway. All Alertmanagers get all
// alerts. The queue is bounded: the oldest ones give way.
//
// A webhook's group begins with its first alert, is sent after group_wait, then looked at each
// group_interval: it is sent when something changed, and each repeat_interval while alerts fire. A
// resolved alert leaves the group once the receiver has been told. A firing alert that is not sent
// again by its rule (the rule is gone, the program was away) counts as resolved at its end.
//
// Thread safety: all on one executor. Ownership: destroyed from a task of the executor or once it
// has stopped; executor, poster and random outlive them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/random.h"
#include "base/retry.h"
#include "observatory/rules/alert.h"
#include "observatory/rules/poster.h"
#include "observatory/rules/rules_config.h"

namespace enclave::observatory::rules {

inline constexpr base::RetryPolicy kNotifyRetry{
    .base_delay = std::chrono::seconds(1),
    .factor = 2.0,
    .max_delay = std::chrono::seconds(30),
    .jitter = 0.2,
    .max_attempts = 4,
};

class AlertmanagerNotifier {
 public:
  AlertmanagerNotifier(base::Executor& executor, Poster& poster, base::Random& random,
                       std::vector<AlertmanagerConfig> alertmanagers,
                       std::size_t max_queued = 10'000, base::RetryPolicy retry = kNotifyRetry);
  ~AlertmanagerNotifier();
  void Send(const std::vector<Notification>& notifications);
  std::size_t dropped() const;  // notifications that gave way or were not taken

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

class WebhookNotifier {
 public:
  // `external_url`: where the receiver finds the observatory.
  WebhookNotifier(base::Executor& executor, Poster& poster, base::Random& random,
                  WebhookConfig config, std::string external_url = {},
                  std::size_t max_groups = 1000, base::RetryPolicy retry = kNotifyRetry);
  ~WebhookNotifier();
  void Send(const std::vector<Notification>& notifications);
  std::size_t groups() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// The bodies, as pure functions.
std::string AlertmanagerBody(const std::vector<Notification>& notifications);
struct WebhookMessage {
  std::string receiver;
  telemetry::Labels group_labels;
  std::vector<Notification> alerts;  // by labels
  std::size_t truncated = 0;
  std::string external_url;
};
std::string WebhookBody(const WebhookMessage& message);

}  // namespace enclave::observatory::rules
