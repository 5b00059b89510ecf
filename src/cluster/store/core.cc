#include "cluster/store/core.h"

#include <utility>

#include <fmt/format.h>

#include "base/check.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using base::Fail;
using kube::Revision;

// Changes copied out of history under one lock while replaying.
constexpr std::size_t kReplaySlice = 256;
// Ended subscribers are swept when they are this many and more than the others.
constexpr std::size_t kSweepAt = 16;

}  // namespace

Core::Core(HistoryLimits limits, ObjectTable objects, Revision revision)
    : objects_(std::move(objects)), history_(limits, revision), revision_(revision) {}

kube::ObjectPtr Core::Get(const Key& key) const {
  return Find(key).object;
}

Entry Core::Find(const Key& key) const {
  ReadLock lock(mutex_);
  return objects_.Find(key);
}

kube::ObjectList Core::List(const std::string& resource, const std::string& ns) const {
  ReadLock lock(mutex_);
  return {objects_.List(resource, ns), revision_};
}

Revision Core::revision() const {
  ReadLock lock(mutex_);
  return revision_;
}

void Core::FillMetrics(StoreMetrics& metrics) const {
  ReadLock lock(mutex_);
  metrics.objects = objects_.CountByResource();
  metrics.history_changes = history_.size();
  metrics.history_bytes = history_.bytes();
  const std::size_t ended = ended_->load();
  const std::size_t all = subscribers_.load();
  metrics.subscriptions = all > ended ? all - ended : 0;
}

base::Result<std::unique_ptr<Subscription>> Core::Subscribe(const std::string& resource,
                                                            Revision from, ChangeSink sink) {
  CHECK(sink != nullptr, "a subscription needs a sink");
  WriteLock lock(mutex_);
  if (from == Revision::kNone) from = revision_;
  if (from > revision_) {
    return Fail(ErrorKind::kDeadlineExceeded,
                fmt::format("Too large resource version: {}, current: {}", std::to_underlying(from),
                            std::to_underlying(revision_)));
  }
  if (!history_.Reaches(from)) {
    return Fail(ErrorKind::kExpired,
                fmt::format("too old resource version: {} ({})", std::to_underlying(from),
                            std::to_underlying(history_.floor())));
  }
  auto subscriber = std::make_shared<Subscriber>(resource, from, std::move(sink));
  starting_.push_back(subscriber);
  subscribers_.fetch_add(1);
  return MakeSubscription(std::move(subscriber), ended_);
}

void Core::StartSubscribers() {
  std::vector<std::shared_ptr<Subscriber>> starting;
  {
    WriteLock lock(mutex_);
    starting.swap(starting_);
  }
  for (auto& subscriber : starting) {
    Replay(*subscriber);
    live_[subscriber->resource].push_back(std::move(subscriber));
  }
  const std::size_t ended = ended_->load();
  if (ended >= kSweepAt && ended * 2 > subscribers_.load()) Sweep();
}

// Only the store's thread changes history, so it cannot move on between two slices.
void Core::Replay(Subscriber& subscriber) {
  Revision from = subscriber.from;
  for (bool more = true; more && !subscriber.ended();) {
    History::Slice slice;
    {
      ReadLock lock(mutex_);
      slice = history_.After(subscriber.resource, from, kReplaySlice);
    }
    for (const Change& change : slice.changes) subscriber.Deliver(change);
    from = slice.scanned_to;
    more = slice.more;
  }
}

void Core::Sweep() {
  std::size_t swept = 0;
  for (auto it = live_.begin(); it != live_.end();) {
    swept += std::erase_if(it->second, [](const auto& s) { return s->ended(); });
    it = it->second.empty() ? live_.erase(it) : std::next(it);
  }
  subscribers_.fetch_sub(swept);
  ended_->fetch_sub(swept);
}

void Core::Publish(std::span<const Commit> commits) {
  std::vector<Change> evicted;  // freed after the lock
  for (bool published = false; !published;) {
    StartSubscribers();
    WriteLock lock(mutex_);
    if (!starting_.empty()) continue;
    for (const Commit& commit : commits) {
      const Change& change = commit.change;
      CHECK(change.revision > revision_, "revisions must rise");
      if (change.type == kube::EventType::kDeleted) {
        objects_.Erase(commit.key);
      } else {
        objects_.Set(commit.key, {change.object, commit.created});
      }
      history_.Add(commit.key.resource, change, evicted);
      revision_ = change.revision;
    }
    published = true;
  }
  for (const Commit& commit : commits) {
    const auto watchers = live_.find(commit.key.resource);
    if (watchers == live_.end()) continue;
    for (const auto& subscriber : watchers->second) subscriber->Deliver(commit.change);
  }
}

}  // namespace enclave::cluster
