// What a kubelet is told at its start, and the ports it works through.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cluster/kubelet/address_pool.h"
#include "cluster/kubelet/runtime.h"
#include "cluster/kubelet/volume_store.h"
#include "kube/informer.h"

namespace enclave::cluster {

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
  base::Duration lease_period = std::chrono::seconds(10);
  base::Duration node_status_period = std::chrono::minutes(5);
  base::Duration usage_period = std::chrono::seconds(2);
};

struct TokenRequest {
  std::string ns;
  std::string service_account;
  std::string pod_name;
  std::string pod_uid;
  std::string audience;  // "": the API server's own
  std::int64_t expiration_seconds = 3607;
};

// All of them outlive the kubelet; functions are called from tasks of the executor.
struct KubeletDependencies {
  kube::SharedInformers& informers;
  ContainerRuntime& runtime;
  Prober& prober;
  ImageSource& images;
  VolumeStore& volumes;
  AddressPool& addresses;
  // A bearer token for a pod's service account. Not set: pods get no token.
  std::function<base::Result<std::string>(const TokenRequest&)> token;
  // Mounts every container of the pod gets beside its volumes (its /etc/hosts). Asked once for each
  // pod that has an address, adopted ones too. May be empty.
  std::function<std::vector<Mount>(const kube::Object& pod, const std::string& pod_ip)> pod_mounts;
  // Told when a pod's last container and files are gone. May be empty.
  std::function<void(const std::string& pod_uid)> pod_removed;
};

}  // namespace enclave::cluster
