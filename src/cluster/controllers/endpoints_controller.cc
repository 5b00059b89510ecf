#include "cluster/controllers/endpoints_controller.h"

#include <map>

#include "cluster/controllers/objects.h"
#include "cluster/controllers/service_endpoints.h"
#include "kube/selector.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using kube::At;
using kube::Json;
using kube::ObjectPtr;
using kube::StringAt;

const std::string kEndpointsManagedBy = "endpoints.kubernetes.io/managed-by";
const std::string kEndpointsManager = "endpoint-controller";
const std::string kHeadless = "service.kubernetes.io/headless";
const std::string kOverCapacity = "endpoints.kubernetes.io/over-capacity";
// Kubernetes' bound; slices have the rest.
constexpr std::size_t kMaxAddresses = 1000;

Json AddressOf(const ServiceEndpoint& endpoint) {
  Json address{{"ip", endpoint.ip}, {"targetRef", endpoint.target}};
  if (!endpoint.node.empty()) address["nodeName"] = endpoint.node;
  if (!endpoint.hostname.empty()) address["hostname"] = endpoint.hostname;
  return address;
}

// Addresses with the same ports form one subset.
Json SubsetsOf(const std::vector<ServiceEndpoint>& endpoints, bool publish_not_ready) {
  std::map<std::string, Json> by_ports;
  std::size_t taken = 0;
  for (const ServiceEndpoint& endpoint : endpoints) {
    // A pod on its way out is in Endpoints only when asked for.
    if (endpoint.terminating && !publish_not_ready) continue;
    if (++taken > kMaxAddresses) break;
    Json& subset = by_ports[endpoint.ports.dump()];
    if (subset.is_null() && !endpoint.ports.empty()) subset["ports"] = endpoint.ports;
    ArrayAt(subset, endpoint.ready ? "addresses" : "notReadyAddresses")
        .push_back(AddressOf(endpoint));
  }
  Json subsets = Json::array();
  for (auto& [ports, subset] : by_ports) subsets.push_back(std::move(subset));
  return subsets;
}

}  // namespace

void EnqueueServicesOfPod(kube::Informer& services, kube::Reconciler& reconciler,
                          const ObjectPtr& before, const ObjectPtr& after) {
  if (before != nullptr && after != nullptr && !EndpointChanged(*before, *after)) return;
  const kube::Object& pod = after != nullptr ? *after : *before;
  for (const ObjectPtr& service : services.List(pod.ns())) {
    if (!HasManagedEndpoints(service->json())) continue;
    const auto selector = kube::LabelSelector::FromMap(At(service->json(), "spec.selector"));
    if ((before != nullptr && selector.Matches(At(before->json(), "metadata.labels"))) ||
        (after != nullptr && selector.Matches(At(after->json(), "metadata.labels")))) {
      reconciler.Enqueue({service->ns(), service->name()});
    }
  }
}

EndpointsController::EndpointsController(kube::SharedInformers& informers)
    : informers_(informers),
      services_(informers.For(kube::kService)),
      endpoints_(informers.For(kube::kEndpoints)),
      pods_(informers.For(kube::kPod)),
      reconciler_(informers, {.name = "endpoints"},
                  [this](const kube::ObjectName& key) { return Reconcile(key); }) {
  services_.OnChange([this](const ObjectPtr& before, const ObjectPtr& after) {
    if (after == nullptr) vanished_.insert({before->ns(), before->name()});
  });
  reconciler_.EnqueueChangesOf(services_);
  reconciler_.EnqueueChangesOf(endpoints_);
  pods_.OnChange([this](const ObjectPtr& before, const ObjectPtr& after) {
    EnqueueServicesOfPod(services_, reconciler_, before, after);
  });
}

kube::Reconciler::Outcome EndpointsController::Reconcile(const kube::ObjectName& key) {
  const ObjectPtr service = services_.Get(key.ns, key.name);
  const ObjectPtr current = endpoints_.Get(key.ns, key.name);
  if (service == nullptr) {
    if (current != nullptr &&
        (vanished_.contains(key) ||
         LabelOf(current->json(), kEndpointsManagedBy) == kEndpointsManager)) {
      const auto deleted =
          informers_.api().Delete(kube::kEndpoints, key.ns, key.name, {.uid = current->uid()});
      if (!deleted && deleted.error().kind() != ErrorKind::kNotFound) {
        return std::unexpected(deleted.error());
      }
    }
    vanished_.erase(key);
    return std::nullopt;
  }
  vanished_.erase(key);
  if (service->deleting() || !HasManagedEndpoints(service->json())) return std::nullopt;

  const auto endpoints = EndpointsOf(service->json(), pods_.List(key.ns));
  Json subsets = SubsetsOf(endpoints, PublishesNotReady(service->json()));
  const Json& own_labels = At(service->json(), "metadata.labels");
  Json labels = own_labels.is_object() ? own_labels : Json::object();
  labels[kEndpointsManagedBy] = kEndpointsManager;
  if (IsHeadless(service->json())) labels[kHeadless] = "";

  Json object = current != nullptr
                    ? current->json()
                    : Json{{"apiVersion", "v1"},
                           {"kind", "Endpoints"},
                           {"metadata", {{"name", key.name}, {"namespace", key.ns}}}};
  object["metadata"]["labels"] = std::move(labels);
  if (endpoints.size() > kMaxAddresses) {
    ObjectAt(object["metadata"], "annotations")[kOverCapacity] = "truncated";
  } else if (!AnnotationOf(object, kOverCapacity).empty()) {
    object["metadata"]["annotations"].erase(kOverCapacity);
  }
  if (subsets.empty()) {
    object.erase("subsets");
  } else {
    object["subsets"] = std::move(subsets);
  }
  if (current != nullptr && object == current->json()) return std::nullopt;

  const auto written = current != nullptr
                           ? informers_.api().Update(kube::kEndpoints, std::move(object))
                           : informers_.api().Create(kube::kEndpoints, key.ns, std::move(object));
  // In a namespace that is ending nothing can be created, nor need it.
  if (!written && written.error().kind() != ErrorKind::kPermissionDenied) {
    return std::unexpected(written.error());
  }
  return std::nullopt;
}

}  // namespace enclave::cluster
