#include "cluster/kubelet/service_proxy.h"

#include <algorithm>
#include <compare>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/log.h"
#include "cluster/kubelet/service_endpoints.h"
#include "cluster/kubelet/tcp_forwarder.h"
#include "kube/reconciler.h"

namespace enclave::cluster {

struct ServiceProxy::Impl : std::enable_shared_from_this<ServiceProxy::Impl> {
  Impl(kube::SharedInformers& informers, net::EventLoop& data_loop, ServiceProxyOptions options)
      : informers(informers),
        data_loop(data_loop),
        options(std::move(options)),
        budget(std::make_shared<ConnectionBudget>(this->options.max_connections)),
        services(informers.For(kube::kService)),
        slices(informers.For(kube::kEndpointSlice)),
        recorder(informers, "service-proxy") {}

  struct Frontend {
    std::unique_ptr<TcpForwarder> forwarder;
    std::vector<EndpointAddress> endpoints;
    bool by_client = false;
  };
  using Frontends = std::map<ForwardTarget, Frontend>;

  void Begin() {
    auto weak = weak_from_this();
    services.OnChange([weak](const kube::ObjectPtr& before, const kube::ObjectPtr& after) {
      const kube::ObjectPtr& service = after ? after : before;
      if (auto self = weak.lock()) self->Touch({service->ns(), service->name()});
    });
    slices.OnChange([weak](const kube::ObjectPtr& before, const kube::ObjectPtr& after) {
      auto self = weak.lock();
      if (!self) return;
      for (const kube::ObjectPtr& slice : {before, after}) {
        if (!slice) continue;
        const kube::Json& labels = kube::At(slice->json(), "metadata.labels");
        if (!labels.is_object()) continue;
        auto name = labels.find("kubernetes.io/service-name");
        if (name == labels.end() || !name->is_string()) continue;
        self->Touch({slice->ns(), name->get<std::string>()});
      }
    });
  }

  // One update serves all changes that are waiting.
  void Touch(kube::ObjectName name) {
    bool first = touched.empty();
    touched.insert(std::move(name));
    if (!first) return;
    informers.executor().Post([weak = weak_from_this()] {
      if (auto self = weak.lock()) self->SyncTouched();
    });
  }

  void SyncTouched() {
    for (const kube::ObjectName& name : std::exchange(touched, {})) Sync(name);
  }

  void Sync(const kube::ObjectName& name) {
    kube::ObjectPtr service = services.Get(name.ns, name.name);
    if (!service || service->deleting()) {
      frontends.erase(name);
      failing.erase(name);
      return;
    }
    ServiceView view = ViewService(*service, slices.List(name.ns));
    Frontends& present = frontends[name];
    std::set<ForwardTarget> wanted;
    for (const ServicePort& port : view.tcp_ports) {
      if (!view.cluster_ip.empty()) {
        Apply(name, {view.cluster_ip, port.port}, port, view.client_affinity, present, wanted);
      }
      if (options.node_address.empty()) continue;
      if (port.node_port > 0) {
        Apply(name, {options.node_address, port.node_port}, port, view.client_affinity, present,
              wanted);
      }
      // The node is the load balancer.
      if (std::ranges::find(view.ingress_ips, options.node_address) != view.ingress_ips.end()) {
        Apply(name, {options.node_address, port.port}, port, view.client_affinity, present, wanted);
      }
    }
    std::erase_if(present, [&](const auto& item) { return !wanted.contains(item.first); });
    if (present.empty()) frontends.erase(name);
  }

  void Apply(const kube::ObjectName& name, const ForwardTarget& listen, const ServicePort& port,
             bool by_client, Frontends& present, std::set<ForwardTarget>& wanted) {
    // Who listens on the Service's own address (the API server) needs nobody in between.
    for (const EndpointAddress& endpoint : port.endpoints) {
      if (endpoint.address == listen.address && endpoint.port == listen.port) return;
    }
    wanted.insert(listen);
    Frontend& frontend = present[listen];
    bool fresh = frontend.forwarder == nullptr;
    if (fresh) {
      frontend.forwarder = TcpForwarder::Create(
          data_loop, listen, budget,
          [weak = weak_from_this(), &executor = informers.executor(), name](base::Result<> result) {
            executor.Post([weak, name, result = std::move(result)] {
              if (auto self = weak.lock()) self->OnListening(name, result);
            });
          });
    }
    if (!fresh && frontend.endpoints == port.endpoints && frontend.by_client == by_client) return;
    frontend.endpoints = port.endpoints;
    frontend.by_client = by_client;
    std::vector<ForwardTarget> targets;
    for (const EndpointAddress& endpoint : port.endpoints) {
      targets.push_back({endpoint.address, endpoint.port});
    }
    frontend.forwarder->SetTargets(std::move(targets), by_client);
  }

  void OnListening(const kube::ObjectName& name, const base::Result<>& result) {
    kube::ObjectPtr service = services.Get(name.ns, name.name);
    if (!service) return;
    if (result) {
      if (failing.erase(name) == 0) return;
      recorder.Record(*service, "Normal", "Listening", "The service's address is listened on");
      return;
    }
    failing.insert(name);
    base::LogWarning(
        "service-proxy", "a service's address is not listened on",
        {{"namespace", name.ns}, {"service", name.name}, {"error", result.error().message()}});
    recorder.Record(*service, "Warning", "FailedToListen", result.error().message());
  }

  kube::SharedInformers& informers;
  net::EventLoop& data_loop;
  const ServiceProxyOptions options;
  const std::shared_ptr<ConnectionBudget> budget;
  kube::Informer& services;
  kube::Informer& slices;
  kube::EventRecorder recorder;
  std::map<kube::ObjectName, Frontends> frontends;
  std::set<kube::ObjectName> touched;
  std::set<kube::ObjectName> failing;  // told of, and not listened on since
};

ServiceProxy::ServiceProxy(kube::SharedInformers& informers, net::EventLoop& data_loop,
                           ServiceProxyOptions options)
    : impl_(std::make_shared<Impl>(informers, data_loop, std::move(options))) {
  impl_->Begin();
}

ServiceProxy::~ServiceProxy() = default;

std::size_t ServiceProxy::connections() const {
  return impl_->budget->open.load();
}

}  // namespace enclave::cluster
