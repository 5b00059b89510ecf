#include "cluster/controllers/endpoint_slice_controller.h"

#include <map>
#include <set>
#include <vector>

#include "cluster/controllers/endpoints_controller.h"
#include "cluster/controllers/objects.h"
#include "cluster/controllers/service_endpoints.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using kube::At;
using kube::Json;
using kube::ObjectPtr;
using kube::StringAt;

const std::string kServiceName = "kubernetes.io/service-name";
const std::string kSliceManagedBy = "endpointslice.kubernetes.io/managed-by";
const std::string kSliceManager = "endpointslice-controller.k8s.io";
constexpr std::size_t kMaxEndpoints = 100;

bool IsOurs(const Json& slice) {
  return LabelOf(slice, kSliceManagedBy) == kSliceManager;
}

Json EndpointOf(const ServiceEndpoint& endpoint) {
  Json json{{"addresses", Json::array({endpoint.ip})},
            {"conditions",
             {{"ready", endpoint.ready},
              {"serving", endpoint.serving},
              {"terminating", endpoint.terminating}}},
            {"targetRef", endpoint.target}};
  if (!endpoint.node.empty()) json["nodeName"] = endpoint.node;
  if (!endpoint.hostname.empty()) json["hostname"] = endpoint.hostname;
  return json;
}

// Slice ports always carry a name, "" when the Service has one unnamed port.
Json SlicePorts(const Json& ports) {
  Json named = ports;
  for (Json& port : named) {
    if (!port.contains("name")) port["name"] = "";
  }
  return named;
}

struct Desired {
  Json ports;
  std::map<std::string, Json> by_pod;  // uid -> endpoint
};

}  // namespace

EndpointSliceController::EndpointSliceController(kube::SharedInformers& informers)
    : informers_(informers),
      services_(informers.For(kube::kService)),
      slices_(informers.For(kube::kEndpointSlice)),
      pods_(informers.For(kube::kPod)),
      reconciler_(informers, {.name = "endpointslice"},
                  [this](const kube::ObjectName& key) { return Reconcile(key); }) {
  reconciler_.EnqueueChangesOf(services_);
  reconciler_.EnqueueOwnersOf(slices_, kube::kService);
  pods_.OnChange([this](const ObjectPtr& before, const ObjectPtr& after) {
    EnqueueServicesOfPod(services_, reconciler_, before, after);
  });
}

kube::Reconciler::Outcome EndpointSliceController::Reconcile(const kube::ObjectName& key) {
  const ObjectPtr service = services_.Get(key.ns, key.name);
  // The slices of a Service that is gone are garbage: they are owned by it.
  if (service == nullptr || service->deleting()) return std::nullopt;
  std::vector<ObjectPtr> slices;
  for (const ObjectPtr& slice : slices_.OwnedBy(service->uid())) {
    if (IsOurs(slice->json()) && !slice->deleting()) slices.push_back(slice);
  }
  kube::Api& api = informers_.api();
  const auto remove = [&](const kube::Object& slice) -> base::Result<> {
    const auto deleted =
        api.Delete(kube::kEndpointSlice, slice.ns(), slice.name(), {.uid = slice.uid()});
    if (!deleted && deleted.error().kind() != ErrorKind::kNotFound) {
      return std::unexpected(deleted.error());
    }
    return {};
  };
  if (!HasManagedEndpoints(service->json())) {
    for (const ObjectPtr& slice : slices) RETURN_IF_ERROR(remove(*slice));
    return std::nullopt;
  }

  std::map<std::string, Desired> groups;
  for (const ServiceEndpoint& endpoint : EndpointsOf(service->json(), pods_.List(key.ns))) {
    Json ports = SlicePorts(endpoint.ports);
    Desired& group = groups[ports.dump()];
    group.ports = std::move(ports);
    group.by_pod.emplace(endpoint.pod_uid, EndpointOf(endpoint));
  }
  const Json& own_labels = At(service->json(), "metadata.labels");
  Json labels = own_labels.is_object() ? own_labels : Json::object();
  labels[kServiceName] = key.name;
  labels[kSliceManagedBy] = kSliceManager;
  if (IsHeadless(service->json())) labels["service.kubernetes.io/headless"] = "";

  // First pass: each slice keeps those of its endpoints that are still wanted, as they are now.
  std::vector<Json> changed;
  std::vector<ObjectPtr> originals;
  for (const ObjectPtr& slice : slices) {
    Json json = slice->json();
    Json kept = Json::array();
    const auto group = groups.find(At(json, "ports").is_array() ? At(json, "ports").dump() : "[]");
    if (group != groups.end()) {
      for (const Json& endpoint : ItemsAt(json, "endpoints")) {
        const auto wanted = group->second.by_pod.find(StringAt(endpoint, "targetRef.uid"));
        if (wanted == group->second.by_pod.end()) continue;
        kept.push_back(std::move(wanted->second));
        group->second.by_pod.erase(wanted);
      }
    }
    json["endpoints"] = std::move(kept);
    json["metadata"]["labels"] = labels;
    changed.push_back(std::move(json));
    originals.push_back(slice);
  }
  // Second pass: the rest goes where there is room, then into new slices.
  for (auto& [text, group] : groups) {
    for (std::size_t i = 0; i < changed.size() && !group.by_pod.empty(); ++i) {
      const Json& ports = At(changed[i], "ports");
      if ((ports.is_array() ? ports.dump() : "[]") != text) continue;
      while (changed[i]["endpoints"].size() < kMaxEndpoints && !group.by_pod.empty()) {
        changed[i]["endpoints"].push_back(std::move(group.by_pod.begin()->second));
        group.by_pod.erase(group.by_pod.begin());
      }
    }
    while (!group.by_pod.empty()) {
      Json slice{
          {"apiVersion", kube::kEndpointSlice.ApiVersion()},
          {"kind", "EndpointSlice"},
          {"metadata",
           {{"generateName", key.name + "-"},
            {"namespace", key.ns},
            {"labels", labels},
            {"ownerReferences", Json::array({ControllerReference(kube::kService, *service)})}}},
          {"addressType", "IPv4"},
          {"endpoints", Json::array()},
          {"ports", group.ports}};
      while (slice["endpoints"].size() < kMaxEndpoints && !group.by_pod.empty()) {
        slice["endpoints"].push_back(std::move(group.by_pod.begin()->second));
        group.by_pod.erase(group.by_pod.begin());
      }
      changed.push_back(std::move(slice));
      originals.push_back(nullptr);
    }
  }
  for (std::size_t i = 0; i < changed.size(); ++i) {
    if (originals[i] == nullptr) {
      const auto created = api.Create(kube::kEndpointSlice, key.ns, std::move(changed[i]));
      if (!created && created.error().kind() != ErrorKind::kPermissionDenied) {
        return std::unexpected(created.error());
      }
    } else if (changed[i]["endpoints"].empty()) {
      RETURN_IF_ERROR(remove(*originals[i]));
    } else if (changed[i] != originals[i]->json()) {
      RETURN_IF_ERROR(api.Update(kube::kEndpointSlice, std::move(changed[i])));
    }
  }
  return std::nullopt;
}

}  // namespace enclave::cluster
