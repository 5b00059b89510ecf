// From a container of a Pod's manifest to what the runtime starts.
#pragma once

#include "base/result.h"
#include "cluster/kubelet/environment.h"
#include "cluster/kubelet/kubelet_context.h"
#include "cluster/kubelet/pod_volumes.h"
#include "cluster/kubelet/runtime.h"

namespace enclave::cluster {

// The manifest's `command` replaces the image's program and its arguments, `args` alone replaces
// the arguments. All words have $(VAR) of the container's environment expanded. Errors are of the
// manifest or of what it refers to (CreateContainerConfigError).
base::Result<ContainerSpec> BuildContainerSpec(const KubeletContext& context,
                                               const kube::Object& pod, const kube::Json& container,
                                               const Image& image, const PodAddress& address,
                                               const PodVolumes& volumes,
                                               const std::vector<Mount>& own_mounts,
                                               const ContainerId& id);

}  // namespace enclave::cluster
