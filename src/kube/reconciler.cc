#include "kube/reconciler.h"

#include <deque>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "base/log.h"
#include "base/retry.h"

namespace enclave::kube {
namespace {

constexpr int kImmediateConflicts = 3;

std::optional<ObjectName> ControllerOf(const Object& object, const Kind& owner) {
  const Json& references = At(object.json(), "metadata.ownerReferences");
  if (!references.is_array()) return std::nullopt;
  for (const Json& reference : references) {
    if (!BoolAt(reference, "controller") || StringAt(reference, "kind") != owner.kind) continue;
    // The group decides, not its version.
    const std::string& version = StringAt(reference, "apiVersion");
    const std::size_t slash = version.find('/');
    const std::string group = slash == std::string::npos ? "" : version.substr(0, slash);
    if (group != owner.group) continue;
    return ObjectName{owner.namespaced ? object.ns() : "", StringAt(reference, "name")};
  }
  return std::nullopt;
}

}  // namespace

struct Reconciler::Impl : std::enable_shared_from_this<Impl> {
  Impl(SharedInformers& informers, Options options,
       std::function<Outcome(const ObjectName&)> reconcile)
      : informers(informers),
        options(std::move(options)),
        reconcile(std::move(reconcile)),
        policy{.base_delay = this->options.base_delay,
               .factor = 2.0,
               .max_delay = this->options.max_delay,
               .jitter = 0.1,
               .max_attempts = std::numeric_limits<int>::max()} {}

  struct Alarm {
    base::MonoTime due;
    base::Executor::TimerId timer;
  };
  using Alarms = std::map<ObjectName, Alarm>;

  void Enqueue(const ObjectName& key) {
    if (queued.insert(key).second) queue.push_back(key);
    Pump();
  }

  void Pump() {
    if (pumping || queue.empty() || !informers.AllSynced()) return;
    pumping = true;
    informers.executor().Post([weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self == nullptr) return;
      self->pumping = false;
      if (self->informers.AllSynced()) self->RunNext();
      self->Pump();
    });
  }

  void RunNext() {
    if (queue.empty()) return;
    const ObjectName key = std::move(queue.front());
    queue.pop_front();
    queued.erase(key);
    Silence(repeats, key);  // this turn decides anew when to repeat
    const Outcome outcome = reconcile(key);
    if (outcome) {
      failures.erase(key);
      if (*outcome) SetAlarm(repeats, key, **outcome);
      return;
    }
    const int attempt = ++failures[key];
    const bool conflict = outcome.error().kind() == base::ErrorKind::kConflict;
    if (conflict && attempt <= kImmediateConflicts) {
      Enqueue(key);
      return;
    }
    const auto delay = base::RetryDelay(policy, attempt, informers.random());
    base::LogWarning(options.name, "reconcile failed",
                     {{"namespace", key.ns},
                      {"name", key.name},
                      {"attempt", attempt},
                      {"error", outcome.error().ToString()}});
    SetAlarm(repeats, key, delay.value_or(options.max_delay));
  }

  // The earlier of two alarms stays.
  void SetAlarm(Alarms& alarms, const ObjectName& key, base::Duration delay) {
    const base::MonoTime due = informers.executor().Now() + delay;
    if (const auto found = alarms.find(key); found != alarms.end()) {
      if (found->second.due <= due) return;
      Silence(alarms, key);
    }
    const auto timer = informers.executor().After(delay, [weak = weak_from_this(), &alarms, key] {
      // `alarms` is a member of what `weak` points to.
      const auto self = weak.lock();
      if (self == nullptr) return;
      alarms.erase(key);
      self->Enqueue(key);
    });
    alarms[key] = {due, timer};
  }

  void Silence(Alarms& alarms, const ObjectName& key) {
    const auto found = alarms.find(key);
    if (found == alarms.end()) return;
    informers.executor().Cancel(found->second.timer);
    alarms.erase(found);
  }

  SharedInformers& informers;
  const Options options;
  const std::function<Outcome(const ObjectName&)> reconcile;
  const base::RetryPolicy policy;
  std::deque<ObjectName> queue;
  std::set<ObjectName> queued;
  bool pumping = false;
  Alarms repeats;   // after a failure or as the last outcome asked
  Alarms requests;  // by EnqueueAfter
  std::map<ObjectName, int> failures;
};

Reconciler::Reconciler(SharedInformers& informers, Options options,
                       std::function<Outcome(const ObjectName&)> reconcile)
    : impl_(std::make_shared<Impl>(informers, std::move(options), std::move(reconcile))) {
  informers.OnAllSynced([weak = std::weak_ptr(impl_)] {
    if (const auto impl = weak.lock()) impl->Pump();
  });
}

Reconciler::~Reconciler() = default;

void Reconciler::Enqueue(const ObjectName& key) {
  impl_->Enqueue(key);
}

void Reconciler::EnqueueAfter(const ObjectName& key, base::Duration delay) {
  impl_->SetAlarm(impl_->requests, key, delay);
}

void Reconciler::EnqueueChangesOf(Informer& informer) {
  informer.OnChange([weak = std::weak_ptr(impl_)](const ObjectPtr& before, const ObjectPtr& after) {
    const Object& object = after != nullptr ? *after : *before;
    if (const auto impl = weak.lock()) impl->Enqueue({object.ns(), object.name()});
  });
}

void Reconciler::EnqueueOwnersOf(Informer& informer, const Kind& owner) {
  informer.OnChange(
      [weak = std::weak_ptr(impl_), owner](const ObjectPtr& before, const ObjectPtr& after) {
        const auto impl = weak.lock();
        if (impl == nullptr) return;
        for (const ObjectPtr& object : {before, after}) {
          if (object == nullptr) continue;
          if (const auto key = ControllerOf(*object, owner)) impl->Enqueue(*key);
        }
      });
}

}  // namespace enclave::kube
