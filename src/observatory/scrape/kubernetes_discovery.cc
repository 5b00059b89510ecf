#include "observatory/scrape/kubernetes_discovery.h"

#include <algorithm>
#include <chrono>

namespace enclave::observatory::scrape {
namespace {

// A rollout is many changes at once.
constexpr base::Duration kSettle = std::chrono::milliseconds(500);

std::vector<kube::Kind> KindsOf(KubernetesRole role) {
  switch (role) {
    case KubernetesRole::kNode:
      return {kube::kNode};
    case KubernetesRole::kPod:
      return {kube::kPod};
    case KubernetesRole::kService:
      return {kube::kService};
    case KubernetesRole::kEndpoints:
    case KubernetesRole::kEndpointSlice:
      return {kube::kEndpointSlice, kube::kService, kube::kPod};
  }
  return {};
}

}  // namespace

struct KubernetesDiscovery::Impl : std::enable_shared_from_this<KubernetesDiscovery::Impl> {
  explicit Impl(kube::SharedInformers& shared) : informers(shared) {}

  struct Watched {
    KubernetesSd sd;
    Found found;
    bool planned = false;  // told soon
  };

  // Begins to follow a kind, once.
  void Follow(const kube::Kind& kind) {
    if (std::ranges::find(followed, kind.plural) != followed.end()) return;
    followed.push_back(kind.plural);
    informers.For(kind).OnChange([weak = weak_from_this(), plural = kind.plural](
                                     const kube::ObjectPtr&, const kube::ObjectPtr&) {
      if (const auto self = weak.lock()) self->Changed(plural);
    });
  }

  void Changed(const std::string& plural) {
    for (const auto& watched : watches) {
      const auto kinds = KindsOf(watched->sd.role);
      if (std::ranges::any_of(kinds, [&](const auto& kind) { return kind.plural == plural; })) {
        Plan(watched, kSettle);
      }
    }
  }

  void Plan(const std::shared_ptr<Watched>& watched, base::Duration delay) {
    if (std::exchange(watched->planned, true)) return;
    informers.executor().After(delay, [weak = weak_from_this(), watched] {
      const auto self = weak.lock();
      if (self == nullptr) return;
      watched->planned = false;
      const bool there = std::ranges::find(self->watches, watched) != self->watches.end();
      if (there) self->Tell(watched);
    });
  }

  void Tell(const std::shared_ptr<Watched>& watched) {
    for (const kube::Kind& kind : KindsOf(watched->sd.role)) {
      // Half a picture would end targets that are there.
      if (!informers.For(kind).synced()) {
        Plan(watched, kSettle);
        return;
      }
    }
    const auto list = [&](const kube::Kind& kind) {
      std::vector<kube::ObjectPtr> all;
      if (watched->sd.namespaces.empty() || !kind.namespaced) return informers.For(kind).List();
      for (const std::string& ns : watched->sd.namespaces) {
        const auto some = informers.For(kind).List(ns);
        all.insert(all.end(), some.begin(), some.end());
      }
      return all;
    };
    KubernetesObjects objects;
    for (const kube::Kind& kind : KindsOf(watched->sd.role)) {
      if (kind.plural == kube::kNode.plural) objects.nodes = list(kind);
      if (kind.plural == kube::kPod.plural) objects.pods = list(kind);
      if (kind.plural == kube::kService.plural) objects.services = list(kind);
      if (kind.plural == kube::kEndpointSlice.plural) objects.endpoint_slices = list(kind);
    }
    watched->found(DiscoverTargets(watched->sd.role, objects));
  }

  kube::SharedInformers& informers;
  std::vector<std::string> followed;
  std::vector<std::shared_ptr<Watched>> watches;
};

KubernetesDiscovery::KubernetesDiscovery(kube::SharedInformers& informers)
    : impl_(std::make_shared<Impl>(informers)) {}

KubernetesDiscovery::~KubernetesDiscovery() = default;

void KubernetesDiscovery::Watch(const KubernetesSd& sd, Found found) {
  const auto watched = std::make_shared<Impl::Watched>(Impl::Watched{sd, std::move(found)});
  impl_->watches.push_back(watched);
  for (const kube::Kind& kind : KindsOf(sd.role)) impl_->Follow(kind);
  impl_->Plan(watched, base::Duration::zero());
}

void KubernetesDiscovery::Clear() {
  impl_->watches.clear();
}

}  // namespace enclave::observatory::scrape
