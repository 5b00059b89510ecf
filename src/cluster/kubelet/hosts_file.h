// The hosts file of each pod, through which any program in it resolves the names of Services
// without a name server: it is bind-mounted over /etc/hosts, so it is always changed in place.
//
// Names of a Service: NAME (in its own namespace only), NAME.NS, NAME.NS.svc and
// NAME.NS.svc.cluster.local. They lead to the cluster address, those of a headless Service to its
// ready pods, which also have HOSTNAME.NAME... when they have a hostname of their own.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "cluster/kubelet/service_endpoints.h"
#include "kube/informer.h"

namespace enclave::cluster {

struct HostAlias {
  std::string ip;
  std::vector<std::string> hostnames;
};

struct HostsPod {
  std::string ns;
  std::string ip;
  std::string hostname;
  std::string subdomain;  // the headless Service of spec.subdomain; may be empty
  std::vector<HostAlias> aliases;
};

std::string RenderHosts(const HostsPod& pod, const std::vector<ServiceView>& services);

// Replaces the content of `path`, keeping its inode; a reader never sees a cut line. Makes the file
// when there is none; does nothing when it has this content already.
base::Result<> WriteHosts(const std::string& path, const std::string& content);

// Keeps the hosts files of all pods of this node up to date with Services and EndpointSlices.
//
// Thread safety: lives on the informers' executor and is called from its tasks only.
class HostsFiles {
 public:
  explicit HostsFiles(kube::SharedInformers& informers);
  ~HostsFiles();

  // Writes the file at once, with what is known of Services now, and again at every change.
  base::Result<> Add(const std::string& pod_uid, HostsPod pod, const std::string& path);
  // The file itself stays.
  void Remove(const std::string& pod_uid);

 private:
  struct Entry {
    HostsPod pod;
    std::string path;
    std::string written;
  };

  void Changed();
  void WriteAll();
  std::vector<ServiceView> Services() const;

  kube::SharedInformers& informers_;
  kube::Informer& services_;
  kube::Informer& slices_;
  std::map<std::string, Entry> pods_;
  bool scheduled_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace enclave::cluster
