// What of a Kubernetes cluster can be scraped, with the labels of Prometheus' kubernetes_sd_config:
// nodes, pods (one target for each declared port), services and the endpoints behind them, kept
// up to date through informers.
//
// After a change it waits a moment for more of them, then tells the whole of what is there.
//
// Thread safety: lives on the executor of the informers and is called from its tasks. Ownership:
// the informers outlive it.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "kube/informer.h"
#include "observatory/scrape/scrape_config.h"
#include "telemetry/labels.h"

namespace enclave::observatory::scrape {

class KubernetesDiscovery {
 public:
  using Found = std::function<void(std::vector<telemetry::Labels>)>;

  explicit KubernetesDiscovery(kube::SharedInformers& informers);
  ~KubernetesDiscovery();

  // Calls `found` with all target label sets once the first lists are in, and after each change.
  // There may be several watches.
  void Watch(const KubernetesSd& sd, Found found);
  // Ends all watches; informers stay.
  void Clear();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// The pure part: label sets of one role from the objects that are there.
struct KubernetesObjects {
  std::vector<kube::ObjectPtr> nodes{};
  std::vector<kube::ObjectPtr> pods{};
  std::vector<kube::ObjectPtr> services{};
  std::vector<kube::ObjectPtr> endpoint_slices{};
};
std::vector<telemetry::Labels> DiscoverTargets(KubernetesRole role,
                                               const KubernetesObjects& objects);

}  // namespace enclave::observatory::scrape
