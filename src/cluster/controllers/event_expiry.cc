#include "cluster/controllers/event_expiry.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "kube/time.h"

namespace enclave::cluster {
namespace {

using kube::ObjectPtr;

// New events gather for this long before a namespace is looked through: cost is per second, not per
// event.
constexpr std::chrono::seconds kGather{5};

base::WallTime LastSeen(const kube::Object& event) {
  for (const char* field :
       {"series.lastObservedTime", "lastTimestamp", "eventTime", "metadata.creationTimestamp"}) {
    if (const auto time = kube::TimeAt(event.json(), field)) return *time;
  }
  return {};
}

}  // namespace

EventExpiry::EventExpiry(kube::SharedInformers& informers, Options options)
    : informers_(informers),
      options_(options),
      events_(informers.For(kube::kEvent)),
      reconciler_(informers, {.name = "event-expiry"},
                  [this](const kube::ObjectName& key) { return Reconcile(key.name); }) {
  events_.OnChange([this](const ObjectPtr&, const ObjectPtr& after) {
    if (after != nullptr) reconciler_.EnqueueAfter({"", after->ns()}, kGather);
  });
}

kube::Reconciler::Outcome EventExpiry::Reconcile(const std::string& ns) {
  const base::WallTime now = informers_.executor().WallNow();
  std::vector<std::pair<base::WallTime, ObjectPtr>> events;
  for (ObjectPtr& event : events_.List(ns)) {
    events.emplace_back(LastSeen(*event), std::move(event));
  }
  std::ranges::sort(events, [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : a.second->name() < b.second->name();
  });
  const std::size_t too_many =
      events.size() > options_.max_per_namespace ? events.size() - options_.max_per_namespace : 0;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const auto& [seen, event] = events[i];
    if (i >= too_many && seen + options_.time_to_live > now) {
      // At most once a minute when events trickle out of their hour.
      return std::max<base::Duration>(seen + options_.time_to_live - now, std::chrono::minutes(1));
    }
    const auto deleted =
        informers_.api().Delete(kube::kEvent, event->ns(), event->name(), {.uid = event->uid()});
    if (!deleted && deleted.error().kind() != base::ErrorKind::kNotFound &&
        deleted.error().kind() != base::ErrorKind::kConflict) {
      return std::unexpected(deleted.error());
    }
  }
  return std::nullopt;
}

}  // namespace enclave::cluster
