#include "cluster/kubelet/container_spec.h"

#include "cluster/kubelet/pod_fields.h"
#include "kube/quantity.h"

namespace enclave::cluster {

using kube::Json;
using kube::Quantity;

namespace {

void AppendExpanded(const Json& words, const Environment& environment,
                    std::vector<std::string>& argv) {
  for (const Json& word : words)
    if (word.is_string()) argv.push_back(environment.Expand(word.get_ref<const std::string&>()));
}

std::vector<std::string> ArgvOf(const Json& container, const Image& image,
                                const Environment& environment) {
  const Json& command = ListAt(container, "command");
  const Json& args = ListAt(container, "args");
  std::vector<std::string> argv;
  if (!command.empty()) {
    AppendExpanded(command, environment, argv);
  } else {
    argv.push_back(image.program);
    if (args.empty())
      for (const std::string& arg : image.args) argv.push_back(environment.Expand(arg));
  }
  AppendExpanded(args, environment, argv);
  return argv;
}

}  // namespace

base::Result<ContainerSpec> BuildContainerSpec(const KubeletContext& context,
                                               const kube::Object& pod, const Json& container,
                                               const Image& image, const PodAddress& address,
                                               const PodVolumes& volumes,
                                               const std::vector<Mount>& own_mounts,
                                               const ContainerId& id) {
  ASSIGN_OR_RETURN(const Environment environment,
                   BuildEnvironment(context, pod, container, image, address));
  ContainerSpec spec;
  spec.id = id;
  spec.pod_namespace = pod.ns();
  spec.pod_name = pod.name();
  spec.pod_ip = address.pod_ip;
  spec.argv = ArgvOf(container, image, environment);
  spec.environment = environment.Render();
  spec.working_directory = kube::StringAt(container, "workingDir");
  ASSIGN_OR_RETURN(spec.mounts, volumes.MountsOf(container, environment));
  spec.mounts.insert(spec.mounts.end(), own_mounts.begin(), own_mounts.end());
  const std::string& message_path = kube::StringAt(container, "terminationMessagePath");
  if (!message_path.empty()) {
    ASSIGN_OR_RETURN(std::string file, context.ports.volumes.TerminationMessageFile(
                                           pod.uid(), id.container, id.attempt));
    spec.mounts.push_back(Mount{std::move(file), message_path, false, /*optional=*/true});
  }
  spec.cpu_millis = Quantity::At(container, "resources.limits.cpu").MilliValue();
  spec.cpu_request_millis = Quantity::At(container, "resources.requests.cpu",
                                         Quantity::At(container, "resources.limits.cpu"))
                                .MilliValue();
  spec.memory_bytes = Quantity::At(container, "resources.limits.memory").Value();
  ASSIGN_OR_RETURN(spec.log_directory, context.ports.volumes.LogDirectory(pod.ns(), pod.name(),
                                                                          pod.uid(), id.container));
  return spec;
}

}  // namespace enclave::cluster
