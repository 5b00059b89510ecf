#include "cluster/controllers/kubernetes_service.h"

#include "cluster/controllers/objects.h"

namespace enclave::cluster {
namespace {

using kube::Json;
using kube::ObjectPtr;

const kube::ObjectName kName{"default", "kubernetes"};

}  // namespace

KubernetesService::KubernetesService(kube::SharedInformers& informers, Options options)
    : informers_(informers),
      options_(std::move(options)),
      namespaces_(informers.For(kube::kNamespace)),
      services_(informers.For(kube::kService)),
      endpoints_(informers.For(kube::kEndpoints)),
      slices_(informers.For(kube::kEndpointSlice)),
      reconciler_(informers, {.name = "kubernetes-service"},
                  [this](const kube::ObjectName&) { return Reconcile(); }) {
  const auto on_change = [this](const ObjectPtr& before, const ObjectPtr& after) {
    const kube::Object& object = after != nullptr ? *after : *before;
    if ((object.ns() == kName.ns && object.name() == kName.name) ||
        (object.ns().empty() && object.name() == kName.ns)) {
      reconciler_.Enqueue(kName);
    }
  };
  for (kube::Informer* informer : {&namespaces_, &services_, &endpoints_, &slices_}) {
    informer->OnChange(on_change);
  }
}

base::Result<> KubernetesService::Keep(const kube::Kind& kind, kube::Informer& informer,
                                       Json wanted, const std::vector<std::string>& fields) {
  wanted["apiVersion"] = kind.ApiVersion();
  wanted["kind"] = kind.kind;
  wanted["metadata"]["name"] = kName.name;
  wanted["metadata"]["namespace"] = kName.ns;
  const ObjectPtr current = informer.Get(kName.ns, kName.name);
  if (current == nullptr) {
    const auto created = informers_.api().Create(kind, kName.ns, std::move(wanted));
    if (!created && created.error().kind() != base::ErrorKind::kAlreadyExists) {
      return std::unexpected(created.error());
    }
    return {};
  }
  if (current->deleting()) return {};
  Json changed = current->json();
  for (const std::string& field : fields) changed[field] = wanted[field];
  if (changed == current->json()) return {};
  RETURN_IF_ERROR(informers_.api().Update(kind, std::move(changed)));
  return {};
}

kube::Reconciler::Outcome KubernetesService::Reconcile() {
  const ObjectPtr ns = namespaces_.Get("", kName.ns);
  if (options_.addresses.empty() || ns == nullptr || ns->deleting()) return std::nullopt;
  const Json labels{{"component", "apiserver"}, {"provider", "kubernetes"}};
  Json service{{"metadata", {{"labels", labels}}},
               {"spec",
                {{"type", "ClusterIP"},
                 {"sessionAffinity", "None"},
                 {"ports", Json::array({{{"name", "https"},
                                         {"port", options_.port},
                                         {"protocol", "TCP"},
                                         {"targetPort", options_.target_port}}})}}}};
  if (!options_.cluster_ip.empty()) service["spec"]["clusterIP"] = options_.cluster_ip;
  RETURN_IF_ERROR(Keep(kube::kService, services_, std::move(service), {}));
  // The API server's port may change between starts; the address of the Service stays.
  if (const ObjectPtr current = services_.Get(kName.ns, kName.name); current != nullptr) {
    Json changed = current->json();
    Json& ports = ArrayAt(ObjectAt(changed, "spec"), "ports");
    if (ports.size() != 1 || kube::IntAt(ports[0], "targetPort") != options_.target_port ||
        kube::IntAt(ports[0], "port") != options_.port) {
      ports = Json::array({{{"name", "https"},
                            {"port", options_.port},
                            {"protocol", "TCP"},
                            {"targetPort", options_.target_port}}});
      RETURN_IF_ERROR(informers_.api().Update(kube::kService, std::move(changed)));
    }
  }

  const Json port{{"name", "https"}, {"port", options_.target_port}, {"protocol", "TCP"}};
  Json addresses = Json::array();
  Json slice_endpoints = Json::array();
  for (const std::string& address : options_.addresses) {
    addresses.push_back({{"ip", address}});
    slice_endpoints.push_back(
        {{"addresses", Json::array({address})}, {"conditions", {{"ready", true}}}});
  }
  Json subset{{"addresses", std::move(addresses)}, {"ports", Json::array({port})}};
  RETURN_IF_ERROR(
      Keep(kube::kEndpoints, endpoints_,
           {{"metadata", {{"labels", {{"endpointslice.kubernetes.io/skip-mirror", "true"}}}}},
            {"subsets", Json::array({std::move(subset)})}},
           {"subsets"}));
  RETURN_IF_ERROR(Keep(kube::kEndpointSlice, slices_,
                       {{"metadata", {{"labels", {{"kubernetes.io/service-name", "kubernetes"}}}}},
                        {"addressType", "IPv4"},
                        {"endpoints", std::move(slice_endpoints)},
                        {"ports", Json::array({port})}},
                       {"endpoints", "ports"}));
  return std::nullopt;
}

}  // namespace enclave::cluster
