// The node agent: makes this machine a Node, and the pods bound to it running containers.
//
// The Kubelet registers its Node and keeps its Lease (node_agent.h), watches the pods with
// spec.nodeName equal to its own, and keeps one PodWorker (pod_worker.h) for each. Containers
// outlive it: a new Kubelet on the same runtime adopts what runs and removes what belongs to no
// pod.
//
// Thread safety: lives on the informers' executor, but for the const methods of `usage()`, which
// say so themselves. Ownership: the dependencies outlive it. Nothing blocks but API calls and the
// runtime's Start.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/kubelet/address_pool.h"
#include "cluster/kubelet/runtime.h"
#include "cluster/kubelet/volume_store.h"
#include "kube/informer.h"

namespace enclave::cluster {

class UsageSampler;

struct NodeCapacity {
  std::int64_t cpu_millis = 2000;
  std::int64_t memory_bytes = std::int64_t{4} << 30;
  std::int64_t pods = 250;
};

struct KubeletOptions {
  std::string node_name;
  std::string node_ip = "127.0.0.1";  // hostIP of pods, InternalIP of the node
  NodeCapacity capacity;
  std::string version = "v1.33.0";  // nodeInfo.kubeletVersion
  std::string architecture = "amd64";
  std::string os_image = "Debian GNU/Linux 12 (bookworm)";
  std::string kernel_version;
  std::string machine_id;  // stays the same over restarts
  std::string boot_id;     // another one after each boot of the machine
  // The API server as pods see it: KUBERNETES_SERVICE_HOST and _PORT.
  std::string api_host = "127.0.0.1";
  std::uint16_t api_port = 6443;
  // PEM of the cluster's CA, for pods without an injected kube-api-access volume; "" mounts none.
  std::string cluster_ca;
  std::string cluster_domain = "cluster.local";
  base::Duration lease_period = std::chrono::seconds(10);
  base::Duration node_status_period = std::chrono::minutes(5);
  // How often configMap, secret, downwardAPI and token volumes are looked at without an event.
  base::Duration volume_refresh_period = std::chrono::seconds(60);
  base::Duration usage_period = std::chrono::seconds(5);
};

struct TokenRequest {
  std::string ns;
  std::string service_account;
  std::string pod_name;
  std::string pod_uid;
  std::string audience;  // "": the API server's own
  std::int64_t expiration_seconds = 3607;
};

class Kubelet {
 public:
  struct Dependencies {
    kube::SharedInformers& informers;
    ContainerRuntime& runtime;
    Prober& prober;
    ImageSource& images;
    VolumeStore& volumes;
    AddressPool& addresses;
    // A bearer token for a pod's service account. Not set: pods get no token.
    std::function<base::Result<std::string>(const TokenRequest&)> token;
    // Mounts every container of the pod gets beside its volumes (its /etc/hosts). May be empty.
    std::function<std::vector<Mount>(const kube::Object& pod, const std::string& pod_ip)>
        pod_mounts;
    // Told when a pod's last container and files are gone. May be empty.
    std::function<void(const std::string& pod_uid)> pod_removed;
  };

  Kubelet(KubeletOptions options, Dependencies dependencies);
  // Leaves all containers running.
  ~Kubelet();
  Kubelet(const Kubelet&) = delete;
  Kubelet& operator=(const Kubelet&) = delete;

  // Pods that have a worker. For tests and status.
  std::size_t pod_count() const;
  const UsageSampler& usage() const;

  // The container of a pod as the kubelet knows it now, for logs and exec: its latest attempt;
  // nullopt when it never started.
  std::optional<ContainerId> LatestAttempt(const std::string& pod_uid,
                                           const std::string& container) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace enclave::cluster
