#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "base/log.h"
#include "observatory/rules/notifier.h"

namespace enclave::observatory::rules {
namespace {

using base::WallTime;
using telemetry::Labels;

constexpr std::size_t kMaxAlertsOfGroup = 10'000;

}  // namespace

struct WebhookNotifier::Impl : std::enable_shared_from_this<WebhookNotifier::Impl> {
  struct Entry {
    Notification notification;
    bool told_firing = false;   // the receiver knows that it fires
    std::uint64_t version = 0;  // counts its changes
  };
  struct Group {
    Labels labels;
    std::map<Labels, Entry> alerts{};
    std::optional<WallTime> sent_at{};
    bool changed = true;
    bool busy = false;
    int attempt = 0;
    std::map<Labels, std::uint64_t> sending{};  // versions that are under way
    std::string body{};
  };
  using GroupPtr = std::shared_ptr<Group>;

  Impl(base::Executor& on, Poster& through, base::Random& chance, WebhookConfig how,
       std::string url, std::size_t bound, const base::RetryPolicy& policy)
      : executor(on),
        poster(through),
        random(chance),
        config(std::move(how)),
        external_url(std::move(url)),
        max_groups(bound),
        retry(policy) {
    std::ranges::sort(config.group_by);
  }

  Labels GroupOf(const Notification& notification) const {
    if (config.group_by.size() == 1 && config.group_by.front() == "...") return notification.labels;
    return notification.labels.Keep(config.group_by);
  }

  void Take(const Notification& notification) {
    const Labels labels = GroupOf(notification);
    auto found = groups.find(labels);
    if (found == groups.end()) {
      if (notification.resolved) return;  // nobody was told that it fired
      if (groups.size() >= max_groups) {
        base::LogWarning("rules", "an alert is not sent to the webhook: too many groups",
                         {{"url", config.url}, {"limit", max_groups}});
        return;
      }
      found = groups.emplace(labels, std::make_shared<Group>(Group{.labels = labels})).first;
      Tick(found->second, config.group_wait);
    }
    Group& group = *found->second;
    const auto known = group.alerts.find(notification.labels);
    if (known == group.alerts.end()) {
      if (notification.resolved || group.alerts.size() >= kMaxAlertsOfGroup) return;
      group.alerts[notification.labels] = {.notification = notification, .version = ++version};
      group.changed = true;
      return;
    }
    Entry& entry = known->second;
    const bool turned = entry.notification.resolved != notification.resolved;
    entry.notification = notification;
    if (!turned) return;
    entry.version = ++version;
    group.changed = true;
  }

  void Tick(const GroupPtr& group, base::Duration delay) {
    executor.After(delay, [weak = weak_from_this(), group] {
      if (const auto self = weak.lock()) self->Look(group);
    });
  }

  void Look(const GroupPtr& group) {
    const WallTime now = executor.WallNow();
    for (auto it = group->alerts.begin(); it != group->alerts.end();) {
      Entry& entry = it->second;
      if (!entry.notification.resolved && entry.notification.ends_at <= now) {
        entry.notification.resolved = true;
        entry.version = ++version;
        group->changed = true;
      }
      // Over before the receiver heard of it, or nobody wants to hear of the end.
      const bool silent =
          entry.notification.resolved && (!entry.told_firing || !config.send_resolved);
      const bool under_way = group->busy && group->sending.contains(it->first);
      it = silent && !under_way ? group->alerts.erase(it) : std::next(it);
    }
    if (group->alerts.empty() && !group->busy) {
      groups.erase(group->labels);
      return;
    }
    const bool repeat = group->sent_at && now - *group->sent_at >= config.repeat_interval;
    if (!group->busy && (group->changed || repeat)) Send(group);
    Tick(group, config.group_interval);
  }

  void Send(const GroupPtr& group) {
    WebhookMessage message;
    message.receiver = config.name;
    message.group_labels = group->labels;
    message.external_url = external_url;
    group->sending.clear();
    for (const auto& [labels, entry] : group->alerts) {
      if (config.max_alerts != 0 && message.alerts.size() >= config.max_alerts) {
        ++message.truncated;
      } else {
        message.alerts.push_back(entry.notification);
      }
      group->sending[labels] = entry.version;
    }
    group->changed = false;
    group->busy = true;
    group->attempt = 0;
    group->body = WebhookBody(message);
    Try(group);
  }

  void Try(const GroupPtr& group) {
    poster.Post(
        config.url, group->body, config.timeout,
        [weak = weak_from_this(), &executor = executor, group](base::Result<net::Response> answer) {
          auto shared = std::make_shared<base::Result<net::Response>>(std::move(answer));
          executor.Post([weak, group, shared] {
            if (const auto self = weak.lock()) self->Answered(group, *shared);
          });
        });
  }

  void Answered(const GroupPtr& group, const base::Result<net::Response>& answer) {
    const bool taken = answer && answer->status / 100 == 2;
    const bool later =
        !answer || answer->status >= 500 || answer->status == 429 || answer->status == 408;
    if (!taken && later) {
      if (const auto delay = base::RetryDelay(retry, ++group->attempt, random)) {
        executor.After(*delay, [weak = weak_from_this(), group] {
          if (const auto self = weak.lock()) self->Try(group);
        });
        return;
      }
    }
    group->busy = false;
    group->body.clear();
    if (!taken) {
      base::LogWarning("rules", "a webhook does not take alerts",
                       {{"url", config.url},
                        {"status", answer ? answer->status : 0},
                        {"error", answer ? "" : answer.error().message()}});
      group->changed = true;  // with the next look at the group
      return;
    }
    group->sent_at = executor.WallNow();
    for (const auto& [labels, sent_version] : group->sending) {
      const auto found = group->alerts.find(labels);
      if (found == group->alerts.end()) continue;
      Entry& entry = found->second;
      if (entry.version != sent_version) {
        // It turned meanwhile; what was sent was its state before.
        entry.told_firing = entry.notification.resolved;
      } else if (entry.notification.resolved) {
        group->alerts.erase(found);
      } else {
        entry.told_firing = true;
      }
    }
    group->sending.clear();
  }

  base::Executor& executor;
  Poster& poster;
  base::Random& random;
  WebhookConfig config;
  const std::string external_url;
  const std::size_t max_groups;
  const base::RetryPolicy retry;
  std::map<Labels, GroupPtr> groups;
  std::uint64_t version = 0;
};

WebhookNotifier::WebhookNotifier(base::Executor& executor, Poster& poster, base::Random& random,
                                 WebhookConfig config, std::string external_url,
                                 std::size_t max_groups, base::RetryPolicy retry)
    : impl_(std::make_shared<Impl>(executor, poster, random, std::move(config),
                                   std::move(external_url), max_groups, retry)) {}

WebhookNotifier::~WebhookNotifier() = default;

void WebhookNotifier::Send(const std::vector<Notification>& notifications) {
  for (const Notification& notification : notifications) impl_->Take(notification);
}

std::size_t WebhookNotifier::groups() const {
  return impl_->groups.size();
}

}  // namespace enclave::observatory::rules
