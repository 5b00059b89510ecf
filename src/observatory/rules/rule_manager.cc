#include "observatory/rules/rule_manager.h"

#include <xxhash.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "observatory/rules/group_evaluation.h"

namespace enclave::observatory::rules {
namespace {

using base::Duration;
using base::WallTime;

constexpr Duration kEndRetry = std::chrono::seconds(1);

}  // namespace

struct RuleManager::Impl : std::enable_shared_from_this<RuleManager::Impl> {
  Impl(base::Executor& on, telemetry::Workers& pool, RuleEngine& asks, telemetry::Sink& to,
       telemetry::MetricSource* from, Notify handler, RuleManagerOptions given)
      : executor(on),
        workers(pool),
        engine(asks),
        sink(to),
        source(from),
        notify(std::move(handler)),
        options(std::move(given)) {}

  // The executor's, except `evaluation`, which belongs to the work under way.
  struct Group {
    Group(RuleGroup group, const GroupEvaluation::Dependencies& dependencies,
          const RuleManagerOptions& with)
        : key(group.Key()),
          fingerprint(group.Fingerprint()),
          interval(group.interval),
          evaluation(std::move(group), dependencies, with) {}

    const std::string key;
    const std::string fingerprint;
    const Duration interval;
    GroupEvaluation evaluation;
    base::Executor::TimerId timer = base::Executor::TimerId::kNone;
    WallTime due{};
    bool busy = false;
    std::size_t missed = 0;
  };
  using GroupPtr = std::shared_ptr<Group>;

  template <typename F>
  std::function<void()> Guarded(F f) {
    return [weak = weak_from_this(), f = std::move(f)] {
      if (const auto self = weak.lock()) f(*self);
    };
  }

  void Sync();
  void Plan(const GroupPtr& group);
  void Turn(const GroupPtr& group);
  void End(const GroupPtr& group, WallTime now);
  void Publish(const Group& group, GroupStatus status);

  base::Executor& executor;
  telemetry::Workers& workers;
  RuleEngine& engine;
  telemetry::Sink& sink;
  telemetry::MetricSource* const source;
  const Notify notify;
  const RuleManagerOptions options;

  std::map<std::string, GroupPtr> groups;        // by key
  std::optional<std::vector<RuleGroup>> wanted;  // waits until no changed group is busy

  mutable std::mutex mutex;
  std::map<std::string, GroupStatus> statuses;  // by key; guarded by mutex
};

// Makes the groups those that are wanted, unless one that must change is being evaluated: then the
// end of its evaluation calls again.
void RuleManager::Impl::Sync() {
  if (!wanted) return;
  std::map<std::string, RuleGroup*> next;
  for (RuleGroup& group : *wanted) next[group.Key()] = &group;
  const auto changes = [&](const GroupPtr& group) {
    const auto found = next.find(group->key);
    return found == next.end() || found->second->Fingerprint() != group->fingerprint;
  };
  for (const auto& [key, group] : groups) {
    if (group->busy && changes(group)) return;
  }
  std::map<std::string, GroupPtr> old;
  for (const auto& [key, group] : groups) {
    if (changes(group)) old[key] = group;
  }
  for (const auto& [key, group] : old) {
    executor.Cancel(group->timer);
    groups.erase(key);
  }
  {
    const std::lock_guard lock(mutex);
    for (const auto& [key, group] : old) statuses.erase(key);
  }
  const GroupEvaluation::Dependencies dependencies{executor, engine, sink, source};
  for (auto& [key, group] : next) {
    if (groups.contains(key)) continue;
    const auto made = std::make_shared<Group>(std::move(*group), dependencies, options);
    if (const auto before = old.find(key); before != old.end()) {
      made->evaluation.TakeOver(before->second->evaluation);
      old.erase(before);
    }
    groups[key] = made;
    Publish(*made, made->evaluation.Status());
    Plan(made);
  }
  for (const auto& [key, group] : old) End(group, executor.WallNow());
  wanted.reset();
}

void RuleManager::Impl::End(const GroupPtr& group, WallTime now) {
  if (workers.Submit([group, now] { group->evaluation.End(now); })) return;
  executor.After(kEndRetry, Guarded([group, now](Impl& self) { self.End(group, now); }));
}

void RuleManager::Impl::Publish(const Group& group, GroupStatus status) {
  status.missed = group.missed;
  const std::lock_guard lock(mutex);
  statuses[group.key] = std::move(status);
}

void RuleManager::Impl::Plan(const GroupPtr& group) {
  const Duration now = executor.WallNow().time_since_epoch();
  const std::uint64_t hash = XXH3_64bits(group->key.data(), group->key.size());
  const Duration offset(
      static_cast<std::int64_t>(hash % static_cast<std::uint64_t>(group->interval.count())));
  Duration due =
      std::chrono::floor<std::chrono::milliseconds>(now - now % group->interval + offset);
  while (due <= now) due += group->interval;
  group->due = WallTime(due);
  group->timer = executor.After(due - now, Guarded([group](Impl& self) { self.Turn(group); }));
}

void RuleManager::Impl::Turn(const GroupPtr& group) {
  if (const auto found = groups.find(group->key); found == groups.end() || found->second != group) {
    return;
  }
  const WallTime now = group->due;
  Plan(group);
  if (group->busy) {
    ++group->missed;
    return;
  }
  group->busy = true;
  const bool submitted =
      workers.Submit([weak = weak_from_this(), &executor = executor, group, now] {
        auto due = std::make_shared<std::vector<Notification>>(group->evaluation.Evaluate(now));
        auto status = std::make_shared<GroupStatus>(group->evaluation.Status());
        executor.Post([weak, group, due, status] {
          const auto self = weak.lock();
          if (self == nullptr) return;
          group->busy = false;
          self->Publish(*group, std::move(*status));
          if (!due->empty() && self->notify) self->notify(*due);
          self->Sync();
        });
      });
  if (!submitted) {
    group->busy = false;
    ++group->missed;
  }
}

RuleManager::RuleManager(base::Executor& executor, telemetry::Workers& workers, RuleEngine& engine,
                         telemetry::Sink& sink, telemetry::MetricSource* source, Notify notify,
                         RuleManagerOptions options)
    : impl_(std::make_shared<Impl>(executor, workers, engine, sink, source, std::move(notify),
                                   std::move(options))) {}

RuleManager::~RuleManager() = default;

void RuleManager::Apply(std::vector<RuleGroup> groups) {
  impl_->wanted = std::move(groups);
  impl_->Sync();
}

std::vector<GroupStatus> RuleManager::Status() const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<GroupStatus> all;
  for (const auto& [key, status] : impl_->statuses) all.push_back(status);
  return all;
}

}  // namespace enclave::observatory::rules
