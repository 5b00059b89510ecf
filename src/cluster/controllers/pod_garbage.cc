#include "cluster/controllers/pod_garbage.h"

#include <algorithm>
#include <optional>
#include <set>
#include <vector>

#include "cluster/controllers/objects.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using kube::ObjectPtr;
using kube::StringAt;

const kube::ObjectName kAll{"", "all"};

}  // namespace

PodGarbage::PodGarbage(kube::SharedInformers& informers, Options options)
    : informers_(informers),
      options_(options),
      pods_(informers.For(kube::kPod)),
      nodes_(informers.For(kube::kNode)),
      reconciler_(informers, {.name = "pod-garbage"},
                  [this](const kube::ObjectName&) { return Reconcile(); }) {
  nodes_.OnChange([this](const ObjectPtr& before, const ObjectPtr& after) {
    if (before == nullptr || after == nullptr) reconciler_.Enqueue(kAll);
  });
  pods_.OnChange([this](const ObjectPtr& before, const ObjectPtr& after) {
    if (after == nullptr) return;
    const std::string& node = StringAt(after->json(), "spec.nodeName");
    const bool ended =
        PodTerminal(after->json()) && (before == nullptr || !PodTerminal(before->json()));
    const bool never_bound = after->deleting() && node.empty();
    const bool orphaned = !node.empty() && nodes_.synced() && nodes_.Get("", node) == nullptr;
    if (ended || never_bound || orphaned) reconciler_.Enqueue(kAll);
  });
  reconciler_.Enqueue(kAll);
}

base::Result<> PodGarbage::Force(const kube::Object& pod) {
  kube::DeleteOptions options;
  options.grace_period_seconds = 0;
  options.uid = pod.uid();
  const auto deleted = informers_.api().Delete(kube::kPod, pod.ns(), pod.name(), options);
  if (!deleted && deleted.error().kind() != ErrorKind::kNotFound &&
      deleted.error().kind() != ErrorKind::kConflict) {
    return std::unexpected(deleted.error());
  }
  return {};
}

kube::Reconciler::Outcome PodGarbage::Reconcile() {
  const base::MonoTime now = informers_.executor().Now();
  std::optional<base::Duration> again;
  std::set<std::string> absent;
  std::vector<ObjectPtr> ended;
  for (const ObjectPtr& pod : pods_.List()) {
    const std::string& node = StringAt(pod->json(), "spec.nodeName");
    if (node.empty()) {
      if (pod->deleting()) RETURN_IF_ERROR(Force(*pod));
      continue;
    }
    if (nodes_.Get("", node) == nullptr) {
      absent.insert(node);
      const base::MonoTime since = absent_since_.try_emplace(node, now).first->second;
      const base::Duration left = since + options_.quarantine - now;
      if (left > base::Duration::zero()) {
        again = std::min(again.value_or(left), left);
        continue;
      }
      // The cache may be behind; a node that is really gone is not found live either.
      const auto live = informers_.api().Get(kube::kNode, "", node);
      if (live) continue;
      if (live.error().kind() != ErrorKind::kNotFound) return std::unexpected(live.error());
      RETURN_IF_ERROR(Force(*pod));
      continue;
    }
    if (PodTerminal(pod->json()) && !pod->deleting()) ended.push_back(pod);
  }
  std::erase_if(absent_since_, [&](const auto& one) { return !absent.contains(one.first); });

  if (ended.size() > options_.max_terminated) {
    std::ranges::sort(ended, {}, [](const ObjectPtr& pod) {
      return std::pair(StringAt(pod->json(), "metadata.creationTimestamp"), pod->name());
    });
    ended.resize(ended.size() - options_.max_terminated);
    for (const ObjectPtr& pod : ended) RETURN_IF_ERROR(Force(*pod));
  }
  return again;
}

}  // namespace enclave::cluster
