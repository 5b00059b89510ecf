// The environment variables of a container (Kubernetes "Define Environment Variables", "Discovering
// services"): what each source gives, who wins, and $(VAR) references.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cluster/kubelet/downward.h"
#include "cluster/kubelet/kubelet_context.h"
#include "cluster/kubelet/runtime.h"
#include "kube/object.h"

namespace enclave::cluster {

class Environment {
 public:
  void Set(const std::string& name, std::string value);  // replaces in place
  void SetDefault(const std::string& name, std::string value);
  const std::string* Find(std::string_view name) const;  // null when not set
  // Replaces $(NAME) of variables that are set; others stay as written; $$ is $.
  std::string Expand(std::string_view text) const;
  std::vector<std::string> Render() const;  // "NAME=value", in the order of setting

 private:
  std::vector<std::pair<std::string, std::string>> variables_;
  std::map<std::string, std::size_t, std::less<>> index_;
};

// WEB_SERVICE_HOST, WEB_SERVICE_PORT, WEB_SERVICE_PORT_<NAME> and the variables of Docker links for
// each Service with a cluster address.
void AddServiceVariables(const std::vector<kube::ObjectPtr>& services, Environment& environment);

// Later ones win: PATH, HOSTNAME, POD_IP, POD_NAME, POD_NAMESPACE; the image's; services
// (enableServiceLinks) and KUBERNETES_SERVICE_HOST/PORT; envFrom; env. A missing ConfigMap, Secret
// or key that is not optional is kNotFound with Kubernetes' sentence.
base::Result<Environment> BuildEnvironment(const KubeletContext& context, const kube::Object& pod,
                                           const kube::Json& container, const Image& image,
                                           const PodAddress& address);

}  // namespace enclave::cluster
