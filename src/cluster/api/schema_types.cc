// The fields of k8s.io/api v0.33, for the kinds served here. `Meta` is metav1.ObjectMeta.
#include "cluster/api/schema.h"

namespace enclave::cluster {
namespace {

constexpr std::string_view kMeta = R"(
Meta: name s, generateName s, namespace s, selfLink s, uid s, resourceVersion s, generation i, creationTimestamp t, deletionTimestamp t, deletionGracePeriodSeconds i*, labels {s}, annotations {s}, ownerReferences [OwnerReference], finalizers [s], managedFields [any]
OwnerReference: apiVersion s, kind s, name s, uid s, controller b*, blockOwnerDeletion b*
LabelSelector: matchLabels {s}, matchExpressions [LabelSelectorRequirement]
LabelSelectorRequirement: key s, operator s, values [s]
ObjectReference: kind s, namespace s, name s, uid s, apiVersion s, resourceVersion s, fieldPath s
TypedLocalObjectReference: apiGroup s*, kind s, name s, namespace s*
LocalObjectReference: name s
)";

constexpr std::string_view kPods = R"(
Pod: apiVersion s, kind s, metadata Meta, spec PodSpec, status any
PodTemplateSpec: metadata Meta, spec PodSpec
PodSpec: volumes [Volume], initContainers [Container], containers [Container], ephemeralContainers [Container], restartPolicy s, terminationGracePeriodSeconds i*, activeDeadlineSeconds i*, dnsPolicy s, nodeSelector {s}, serviceAccountName s, serviceAccount s, automountServiceAccountToken b*, nodeName s, hostNetwork b, hostPID b, hostIPC b, shareProcessNamespace b*, securityContext any, imagePullSecrets [LocalObjectReference], hostname s, subdomain s, affinity any, schedulerName s, tolerations [Toleration], hostAliases [HostAlias], priorityClassName s, priority i*, dnsConfig any, readinessGates [any], runtimeClassName s*, enableServiceLinks b*, preemptionPolicy s*, overhead {q}, topologySpreadConstraints [any], setHostnameAsFQDN b*, os any, hostUsers b*, schedulingGates [any], resourceClaims [any], resources Resources
Container: name s, image s, command [s], args [s], workingDir s, ports [ContainerPort], envFrom [EnvFrom], env [EnvVar], resources Resources, resizePolicy [any], restartPolicy s*, volumeMounts [VolumeMount], volumeDevices [VolumeDevice], livenessProbe Probe, readinessProbe Probe, startupProbe Probe, lifecycle Lifecycle, terminationMessagePath s, terminationMessagePolicy s, imagePullPolicy s, securityContext any, stdin b, stdinOnce b, tty b, targetContainerName s
ContainerPort: name s, hostPort i, containerPort i*, protocol s, hostIP s
EnvFrom: prefix s, configMapRef OptionalName, secretRef OptionalName
OptionalName: name s, optional b*
EnvVar: name s, value s, valueFrom EnvVarSource
EnvVarSource: fieldRef FieldRef, resourceFieldRef ResourceFieldRef, configMapKeyRef KeyRef, secretKeyRef KeyRef
FieldRef: apiVersion s, fieldPath s
ResourceFieldRef: containerName s, resource s, divisor q
KeyRef: name s, key s, optional b*
Resources: limits {q}, requests {q}, claims [any]
VolumeMount: name s, readOnly b, recursiveReadOnly s*, mountPath s, subPath s, mountPropagation s*, subPathExpr s
VolumeDevice: name s, devicePath s
Probe: exec ExecAction, httpGet HttpGet, tcpSocket TcpSocket, grpc Grpc, initialDelaySeconds i, timeoutSeconds i, periodSeconds i, successThreshold i, failureThreshold i, terminationGracePeriodSeconds i*
ExecAction: command [s]
HttpGet: path s, port x, host s, scheme s, httpHeaders [HttpHeader]
HttpHeader: name s, value s*
TcpSocket: port x, host s
Grpc: port i*, service s*
Lifecycle: postStart LifecycleHandler, preStop LifecycleHandler, stopSignal s*
LifecycleHandler: exec ExecAction, httpGet HttpGet, tcpSocket TcpSocket, sleep Sleep
Sleep: seconds i*
Toleration: key s, operator s, value s, effect s, tolerationSeconds i*
HostAlias: ip s, hostnames [s]
Volume: name s, hostPath HostPath, emptyDir EmptyDir, secret SecretVolume, configMap ConfigMapVolume, projected Projected, downwardAPI DownwardApi, persistentVolumeClaim any, nfs any, csi any, ephemeral any, image any, iscsi any, gcePersistentDisk any, awsElasticBlockStore any, gitRepo any, glusterfs any, rbd any, flexVolume any, cinder any, cephfs any, flocker any, fc any, azureFile any, azureDisk any, vsphereVolume any, quobyte any, photonPersistentDisk any, portworxVolume any, scaleIO any, storageos any
HostPath: path s, type s*
EmptyDir: medium s, sizeLimit q
SecretVolume: secretName s, items [KeyToPath], defaultMode i*, optional b*
ConfigMapVolume: name s, items [KeyToPath], defaultMode i*, optional b*
KeyToPath: key s, path s, mode i*
Projected: sources [ProjectedSource], defaultMode i*
ProjectedSource: secret ProjectedKeys, configMap ProjectedKeys, downwardAPI DownwardApi, serviceAccountToken TokenProjection, clusterTrustBundle any
ProjectedKeys: name s, items [KeyToPath], optional b*
TokenProjection: audience s, expirationSeconds i*, path s
DownwardApi: items [DownwardFile], defaultMode i*
DownwardFile: path s, fieldRef FieldRef, resourceFieldRef ResourceFieldRef, mode i*
)";

constexpr std::string_view kWorkloads = R"(
Deployment: apiVersion s, kind s, metadata Meta, spec DeploymentSpec, status any
DeploymentSpec: replicas i*, selector LabelSelector, template PodTemplateSpec, strategy DeploymentStrategy, minReadySeconds i, revisionHistoryLimit i*, paused b, progressDeadlineSeconds i*
DeploymentStrategy: type s, rollingUpdate RollingUpdate
RollingUpdate: maxUnavailable x, maxSurge x
ReplicaSet: apiVersion s, kind s, metadata Meta, spec ReplicaSetSpec, status any
ReplicaSetSpec: replicas i*, minReadySeconds i, selector LabelSelector, template PodTemplateSpec
Scale: apiVersion s, kind s, metadata Meta, spec ScaleSpec, status any
ScaleSpec: replicas i*
)";

constexpr std::string_view kNetwork = R"(
Service: apiVersion s, kind s, metadata Meta, spec ServiceSpec, status any
ServiceSpec: ports [ServicePort], selector {s}, clusterIP s, clusterIPs [s], type s, externalIPs [s], sessionAffinity s, loadBalancerIP s, loadBalancerSourceRanges [s], externalName s, externalTrafficPolicy s, healthCheckNodePort i, publishNotReadyAddresses b, sessionAffinityConfig any, ipFamilies [s], ipFamilyPolicy s*, allocateLoadBalancerNodePorts b*, loadBalancerClass s*, internalTrafficPolicy s*, trafficDistribution s*
ServicePort: name s, protocol s, appProtocol s*, port i*, targetPort x, nodePort i
Endpoints: apiVersion s, kind s, metadata Meta, subsets [EndpointSubset]
EndpointSubset: addresses [EndpointAddress], notReadyAddresses [EndpointAddress], ports [EndpointPort]
EndpointAddress: ip s, hostname s, nodeName s*, targetRef ObjectReference
EndpointPort: name s, port i*, protocol s, appProtocol s*
EndpointSlice: apiVersion s, kind s, metadata Meta, addressType s, endpoints [Endpoint], ports [SlicePort]
Endpoint: addresses [s], conditions EndpointConditions, hostname s*, targetRef ObjectReference, deprecatedTopology {s}, nodeName s*, zone s*, hints any
EndpointConditions: ready b*, serving b*, terminating b*
SlicePort: name s*, protocol s*, port i*, appProtocol s*
)";

constexpr std::string_view kCore = R"(
Namespace: apiVersion s, kind s, metadata Meta, spec NamespaceSpec, status any
NamespaceSpec: finalizers [s]
Node: apiVersion s, kind s, metadata Meta, spec NodeSpec, status any
NodeSpec: podCIDR s, podCIDRs [s], providerID s, unschedulable b, taints [Taint], configSource any, externalID s
Taint: key s, value s, effect s, timeAdded t
ConfigMap: apiVersion s, kind s, metadata Meta, immutable b*, data {s}, binaryData {s}
Secret: apiVersion s, kind s, metadata Meta, immutable b*, data {s}, stringData {s}, type s
ServiceAccount: apiVersion s, kind s, metadata Meta, secrets [ObjectReference], imagePullSecrets [LocalObjectReference], automountServiceAccountToken b*
Event: apiVersion s, kind s, metadata Meta, involvedObject ObjectReference, reason s, message s, source EventSource, firstTimestamp t, lastTimestamp t, count i, type s, eventTime t, series EventSeries, action s, related ObjectReference, reportingComponent s*, reportingInstance s*
EventSource: component s, host s
EventSeries: count i, lastObservedTime t
Lease: apiVersion s, kind s, metadata Meta, spec LeaseSpec
LeaseSpec: holderIdentity s*, leaseDurationSeconds i*, acquireTime t, renewTime t, leaseTransitions i*, strategy s*, preferredHolder s*
)";

}  // namespace

const Schema& Schema::BuiltIn() {
  static const Schema schema(std::string(kMeta) + std::string(kPods) + std::string(kWorkloads) +
                             std::string(kNetwork) + std::string(kCore));
  return schema;
}

}  // namespace enclave::cluster
