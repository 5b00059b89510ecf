#include "sim/memory_api.h"

#include "base/check.h"
#include "cluster/api/local_api.h"
#include "cluster/api/machinery.h"
#include "cluster/api/registry.h"
#include "cluster/api/service_addresses.h"
#include "cluster/store/memory_store.h"

namespace enclave::sim {
namespace {

// The built-in kinds; Services get addresses, as in a real cluster.
std::unique_ptr<cluster::Registry> MakeRegistry() {
  auto registry = cluster::Registry::WithBuiltIns();
  auto addresses = cluster::ServiceAddresses::Make("127.78.0.0/20");
  CHECK(addresses.has_value(), "the range of service addresses is valid");
  cluster::Resource services = *registry->Find(kube::kService);
  services.claims = std::move(*addresses);
  registry->Add(std::move(services));
  return registry;
}

struct Parts {
  Parts(cluster::Store& store, base::Executor& executor, base::Random& random)
      : registry(MakeRegistry()), machinery(store, *registry, executor, random) {}

  std::unique_ptr<cluster::Registry> registry;
  cluster::Machinery machinery;
};

// LocalApi with the machinery it stands on.
class OwnedApi final : public kube::Api {
 public:
  OwnedApi(std::unique_ptr<cluster::Store> own_store, cluster::Store& store,
           base::Executor& executor, base::Random& random)
      : own_store_(std::move(own_store)),
        parts_(store, executor, random),
        api_(parts_.machinery, "system:simulation") {}

  base::Result<kube::ObjectPtr> Get(const kube::Kind& kind, const std::string& ns,
                                    const std::string& name) override {
    return api_.Get(kind, ns, name);
  }
  base::Result<kube::ObjectList> List(const kube::Kind& kind,
                                      const kube::ListOptions& options) override {
    return api_.List(kind, options);
  }
  base::Result<kube::ObjectPtr> Create(const kube::Kind& kind, const std::string& ns,
                                       kube::Json object) override {
    return api_.Create(kind, ns, std::move(object));
  }
  base::Result<kube::ObjectPtr> Update(const kube::Kind& kind, kube::Json object,
                                       const std::string& subresource) override {
    return api_.Update(kind, std::move(object), subresource);
  }
  base::Result<kube::ObjectPtr> Patch(const kube::Kind& kind, const std::string& ns,
                                      const std::string& name, kube::PatchType type,
                                      const kube::Json& patch,
                                      const std::string& subresource) override {
    return api_.Patch(kind, ns, name, type, patch, subresource);
  }
  base::Result<kube::ObjectPtr> Delete(const kube::Kind& kind, const std::string& ns,
                                       const std::string& name,
                                       const kube::DeleteOptions& options) override {
    return api_.Delete(kind, ns, name, options);
  }
  base::Result<std::unique_ptr<kube::WatchHandle>> Watch(
      const kube::Kind& kind, const kube::ListOptions& options, kube::Revision from,
      base::Executor& executor, std::function<void(const kube::WatchEvent&)> on_event) override {
    return api_.Watch(kind, options, from, executor, std::move(on_event));
  }

 private:
  std::unique_ptr<cluster::Store> own_store_;  // null: the caller's
  Parts parts_;
  cluster::LocalApi api_;
};

}  // namespace

std::unique_ptr<kube::Api> NewApi(cluster::Store& store, base::Executor& executor,
                                  base::Random& random) {
  return std::make_unique<OwnedApi>(nullptr, store, executor, random);
}

std::unique_ptr<kube::Api> NewMemoryApi(base::Executor& executor, base::Random& random) {
  auto store = std::make_unique<cluster::MemoryStore>();
  cluster::Store& reference = *store;
  return std::make_unique<OwnedApi>(std::move(store), reference, executor, random);
}

}  // namespace enclave::sim
