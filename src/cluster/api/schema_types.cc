// The fields of k8s.io/api for the kinds served here, with their numbers in protobuf: `a/b` is
// field b of a message that Go embeds as field a. `Meta` is metav1.ObjectMeta.
#include "cluster/api/schema.h"

namespace enclave::cluster {
namespace {

constexpr std::string_view kMeta = R"(
Meta: name 1 s, generateName 2 s, namespace 3 s, selfLink 4 s, uid 5 s, resourceVersion 6 s, generation 7 i, creationTimestamp 8 t, deletionTimestamp 9 t, deletionGracePeriodSeconds 10 i*, labels 11 {s}, annotations 12 {s}, ownerReferences 13 [OwnerReference], finalizers 14 [s], managedFields 17 [any]
OwnerReference: apiVersion 5 s, kind 1 s, name 3 s, uid 4 s, controller 6 b*, blockOwnerDeletion 7 b*
LabelSelector: matchLabels 1 {s}, matchExpressions 2 [LabelSelectorRequirement]
LabelSelectorRequirement: key 1 s, operator 2 s, values 3 [s]
ObjectReference: kind 1 s, namespace 2 s, name 3 s, uid 4 s, apiVersion 5 s, resourceVersion 6 s, fieldPath 7 s
LocalObjectReference: name 1 s
)";

constexpr std::string_view kPods = R"(
Pod: apiVersion s, kind s, metadata 1 Meta, spec 2 PodSpec, status 3 any
PodTemplateSpec: metadata 1 Meta, spec 2 PodSpec
PodSpec: volumes 1 [Volume], initContainers 20 [Container], containers 2 [Container], ephemeralContainers 34 [Container], restartPolicy 3 s, terminationGracePeriodSeconds 4 i*, activeDeadlineSeconds 5 i*, dnsPolicy 6 s, nodeSelector 7 {s}, serviceAccountName 8 s, serviceAccount 9 s, automountServiceAccountToken 21 b*, nodeName 10 s, hostNetwork 11 b, hostPID 12 b, hostIPC 13 b, shareProcessNamespace 27 b*, securityContext 14 any, imagePullSecrets 15 [LocalObjectReference], hostname 16 s, subdomain 17 s, affinity 18 any, schedulerName 19 s, tolerations 22 [Toleration], hostAliases 23 [HostAlias], priorityClassName 24 s, priority 25 i*, dnsConfig 26 any, readinessGates 28 [any], runtimeClassName 29 s*, enableServiceLinks 30 b*, preemptionPolicy 31 s*, overhead 32 {q}, topologySpreadConstraints 33 [any], setHostnameAsFQDN 35 b*, os 36 any, hostUsers 37 b*, schedulingGates 38 [any], resourceClaims 39 [any], resources 40 Resources
Container: name 1 s, image 2 s, command 3 [s], args 4 [s], workingDir 5 s, ports 6 [ContainerPort], envFrom 19 [EnvFrom], env 7 [EnvVar], resources 8 Resources, resizePolicy 23 [any], restartPolicy 24 s*, volumeMounts 9 [VolumeMount], volumeDevices 21 [VolumeDevice], livenessProbe 10 Probe, readinessProbe 11 Probe, startupProbe 22 Probe, lifecycle 12 Lifecycle, terminationMessagePath 13 s, terminationMessagePolicy 20 s, imagePullPolicy 14 s, securityContext 15 any, stdin 16 b, stdinOnce 17 b, tty 18 b, targetContainerName s
ContainerPort: name 1 s, hostPort 2 i, containerPort 3 i*, protocol 4 s, hostIP 5 s
EnvFrom: prefix 1 s, configMapRef 2 OptionalName, secretRef 3 OptionalName
OptionalName: name 1/1 s, optional 2 b*
EnvVar: name 1 s, value 2 s, valueFrom 3 EnvVarSource
EnvVarSource: fieldRef 1 FieldRef, resourceFieldRef 2 ResourceFieldRef, configMapKeyRef 3 KeyRef, secretKeyRef 4 KeyRef
FieldRef: apiVersion 1 s, fieldPath 2 s
ResourceFieldRef: containerName 1 s, resource 2 s, divisor 3 q
KeyRef: name 1/1 s, key 2 s, optional 3 b*
Resources: limits 1 {q}, requests 2 {q}, claims 3 [any]
VolumeMount: name 1 s, readOnly 2 b, recursiveReadOnly 7 s*, mountPath 3 s, subPath 4 s, mountPropagation 5 s*, subPathExpr 6 s
VolumeDevice: name 1 s, devicePath 2 s
Probe: exec 1/1 ExecAction, httpGet 1/2 HttpGet, tcpSocket 1/3 TcpSocket, grpc 1/4 Grpc, initialDelaySeconds 2 i, timeoutSeconds 3 i, periodSeconds 4 i, successThreshold 5 i, failureThreshold 6 i, terminationGracePeriodSeconds 7 i*
ExecAction: command 1 [s]
HttpGet: path 1 s, port 2 x, host 3 s, scheme 4 s, httpHeaders 5 [HttpHeader]
HttpHeader: name 1 s, value 2 s*
TcpSocket: port 1 x, host 2 s
Grpc: port 1 i*, service 2 s*
Lifecycle: postStart 1 LifecycleHandler, preStop 2 LifecycleHandler, stopSignal 3 s*
LifecycleHandler: exec 1 ExecAction, httpGet 2 HttpGet, tcpSocket 3 TcpSocket, sleep 4 Sleep
Sleep: seconds 1 i*
Toleration: key 1 s, operator 2 s, value 3 s, effect 4 s, tolerationSeconds 5 i*
HostAlias: ip 1 s, hostnames 2 [s]
Volume: name 1 s, hostPath 2/1 HostPath, emptyDir 2/2 EmptyDir, secret 2/6 SecretVolume, configMap 2/19 ConfigMapVolume, projected 2/26 Projected, downwardAPI 2/16 DownwardApi, persistentVolumeClaim 2/10 any, nfs 2/7 any, csi 2/28 any, ephemeral 2/29 any, image 2/30 any, iscsi 2/8 any, gcePersistentDisk 2/3 any, awsElasticBlockStore 2/4 any, gitRepo 2/5 any, glusterfs 2/9 any, rbd 2/11 any, flexVolume 2/12 any, cinder 2/13 any, cephfs 2/14 any, flocker 2/15 any, fc 2/17 any, azureFile 2/18 any, azureDisk 2/22 any, vsphereVolume 2/20 any, quobyte 2/21 any, photonPersistentDisk 2/23 any, portworxVolume 2/24 any, scaleIO 2/25 any, storageos 2/27 any
HostPath: path 1 s, type 2 s*
EmptyDir: medium 1 s, sizeLimit 2 q
SecretVolume: secretName 1 s, items 2 [KeyToPath], defaultMode 3 i*, optional 4 b*
ConfigMapVolume: name 1/1 s, items 2 [KeyToPath], defaultMode 3 i*, optional 4 b*
KeyToPath: key 1 s, path 2 s, mode 3 i*
Projected: sources 1 [ProjectedSource], defaultMode 2 i*
ProjectedSource: secret 1 ProjectedKeys, configMap 3 ProjectedKeys, downwardAPI 2 DownwardApi, serviceAccountToken 4 TokenProjection, clusterTrustBundle 5 any
ProjectedKeys: name 1/1 s, items 2 [KeyToPath], optional 4 b*
TokenProjection: audience 1 s, expirationSeconds 2 i*, path 3 s
DownwardApi: items 1 [DownwardFile], defaultMode 2 i*
DownwardFile: path 1 s, fieldRef 2 FieldRef, resourceFieldRef 3 ResourceFieldRef, mode 4 i*
)";

constexpr std::string_view kWorkloads = R"(
Deployment: apiVersion s, kind s, metadata 1 Meta, spec 2 DeploymentSpec, status 3 any
DeploymentSpec: replicas 1 i*, selector 2 LabelSelector, template 3 PodTemplateSpec, strategy 4 DeploymentStrategy, minReadySeconds 5 i, revisionHistoryLimit 6 i*, paused 7 b, progressDeadlineSeconds 9 i*
DeploymentStrategy: type 1 s, rollingUpdate 2 RollingUpdate
RollingUpdate: maxUnavailable 1 x, maxSurge 2 x
ReplicaSet: apiVersion s, kind s, metadata 1 Meta, spec 2 ReplicaSetSpec, status 3 any
ReplicaSetSpec: replicas 1 i*, minReadySeconds 4 i, selector 2 LabelSelector, template 3 PodTemplateSpec
Scale: apiVersion s, kind s, metadata 1 Meta, spec 2 ScaleSpec, status 3 any
ScaleSpec: replicas 1 i*
)";

constexpr std::string_view kNetwork = R"(
Service: apiVersion s, kind s, metadata 1 Meta, spec 2 ServiceSpec, status 3 any
ServiceSpec: ports 1 [ServicePort], selector 2 {s}, clusterIP 3 s, clusterIPs 18 [s], type 4 s, externalIPs 5 [s], sessionAffinity 7 s, loadBalancerIP 8 s, loadBalancerSourceRanges 9 [s], externalName 10 s, externalTrafficPolicy 11 s, healthCheckNodePort 12 i, publishNotReadyAddresses 13 b, sessionAffinityConfig 14 any, ipFamilies 19 [s], ipFamilyPolicy 17 s*, allocateLoadBalancerNodePorts 20 b*, loadBalancerClass 21 s*, internalTrafficPolicy 22 s*, trafficDistribution 23 s*
ServicePort: name 1 s, protocol 2 s, appProtocol 6 s*, port 3 i*, targetPort 4 x, nodePort 5 i
Endpoints: apiVersion s, kind s, metadata 1 Meta, subsets 2 [EndpointSubset]
EndpointSubset: addresses 1 [EndpointAddress], notReadyAddresses 2 [EndpointAddress], ports 3 [EndpointPort]
EndpointAddress: ip 1 s, hostname 3 s, nodeName 4 s*, targetRef 2 ObjectReference
EndpointPort: name 1 s, port 2 i*, protocol 3 s, appProtocol 4 s*
EndpointSlice: apiVersion s, kind s, metadata 1 Meta, addressType 4 s, endpoints 2 [Endpoint], ports 3 [SlicePort]
Endpoint: addresses 1 [s], conditions 2 EndpointConditions, hostname 3 s*, targetRef 4 ObjectReference, deprecatedTopology 5 {s}, nodeName 6 s*, zone 7 s*, hints 8 any
EndpointConditions: ready 1 b*, serving 2 b*, terminating 3 b*
SlicePort: name 1 s*, protocol 2 s*, port 3 i*, appProtocol 4 s*
)";

constexpr std::string_view kCore = R"(
Namespace: apiVersion s, kind s, metadata 1 Meta, spec 2 NamespaceSpec, status 3 any
NamespaceSpec: finalizers 1 [s]
Node: apiVersion s, kind s, metadata 1 Meta, spec 2 NodeSpec, status 3 any
NodeSpec: podCIDR 1 s, podCIDRs 7 [s], providerID 3 s, unschedulable 4 b, taints 5 [Taint], configSource 6 any, externalID 2 s
Taint: key 1 s, value 2 s, effect 3 s, timeAdded 4 t
ConfigMap: apiVersion s, kind s, metadata 1 Meta, immutable 4 b*, data 2 {s}, binaryData 3 {y}
Secret: apiVersion s, kind s, metadata 1 Meta, immutable 5 b*, data 2 {y}, stringData 4 {s}, type 3 s
ServiceAccount: apiVersion s, kind s, metadata 1 Meta, secrets 2 [ObjectReference], imagePullSecrets 3 [LocalObjectReference], automountServiceAccountToken 4 b*
Event: apiVersion s, kind s, metadata 1 Meta, involvedObject 2 ObjectReference, reason 3 s, message 4 s, source 5 EventSource, firstTimestamp 6 t, lastTimestamp 7 t, count 8 i, type 9 s, eventTime 10 t, series 11 EventSeries, action 12 s, related 13 ObjectReference, reportingComponent 14 s*, reportingInstance 15 s*
EventSource: component 1 s, host 2 s
EventSeries: count 1 i, lastObservedTime 2 t
Lease: apiVersion s, kind s, metadata 1 Meta, spec 2 LeaseSpec
LeaseSpec: holderIdentity 1 s*, leaseDurationSeconds 2 i*, acquireTime 3 t, renewTime 4 t, leaseTransitions 5 i*, strategy 6 s*, preferredHolder 7 s*
)";

constexpr std::string_view kRequests = R"(
Unknown: typeMeta 1 TypeMeta, raw 2 s, contentEncoding 3 s, contentType 4 s
TypeMeta: apiVersion 1 s, kind 2 s
DeleteOptions: apiVersion s, kind s, gracePeriodSeconds 1 i*, preconditions 2 Preconditions, orphanDependents 3 b*, propagationPolicy 4 s, dryRun 5 [s]
Preconditions: uid 1 s, resourceVersion 2 s
SelfSubjectAccessReview: apiVersion s, kind s, metadata 1 Meta, spec 2 SelfSubjectAccessReviewSpec, status 3 any
SelfSubjectAccessReviewSpec: resourceAttributes 1 ResourceAttributes, nonResourceAttributes 2 NonResourceAttributes
SubjectAccessReview: apiVersion s, kind s, metadata 1 Meta, spec 2 SubjectAccessReviewSpec, status 3 any
LocalSubjectAccessReview: apiVersion s, kind s, metadata 1 Meta, spec 2 SubjectAccessReviewSpec, status 3 any
SubjectAccessReviewSpec: resourceAttributes 1 ResourceAttributes, nonResourceAttributes 2 NonResourceAttributes, user 3 s, groups 4 [s], uid 6 s
ResourceAttributes: namespace 1 s, verb 2 s, group 3 s, version 4 s, resource 5 s, subresource 6 s, name 7 s
NonResourceAttributes: path 1 s, verb 2 s
SelfSubjectRulesReview: apiVersion s, kind s, metadata 1 Meta, spec 2 SelfSubjectRulesReviewSpec, status 3 any
SelfSubjectRulesReviewSpec: namespace 1 s
SelfSubjectReview: apiVersion s, kind s, metadata 1 Meta, status 2 any
TokenReview: apiVersion s, kind s, metadata 1 Meta, spec 2 TokenReviewSpec, status 3 any
TokenReviewSpec: token 1 s, audiences 2 [s]
TokenRequest: apiVersion s, kind s, metadata 1 Meta, spec 2 TokenRequestSpec, status 3 any
TokenRequestSpec: audiences 1 [s], expirationSeconds 4 i*, boundObjectRef 3 BoundObjectReference
BoundObjectReference: kind 1 s, apiVersion 2 s, name 3 s, uid 4 s
)";

}  // namespace

const Schema& Schema::BuiltIn() {
  static const Schema schema(std::string(kMeta) + std::string(kPods) + std::string(kWorkloads) +
                             std::string(kNetwork) + std::string(kCore) + std::string(kRequests));
  return schema;
}

}  // namespace enclave::cluster
