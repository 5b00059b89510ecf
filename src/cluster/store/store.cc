#include "cluster/store/store.h"

#include <future>
#include <utility>

#include "base/check.h"
#include "cluster/store/store_thread.h"

namespace enclave::cluster {
namespace {

thread_local const StoreThreadScope* innermost = nullptr;

}  // namespace

StoreThreadScope::StoreThreadScope(const Store* store) : store_(store), outer_(innermost) {
  innermost = this;
}

StoreThreadScope::~StoreThreadScope() {
  innermost = outer_;
}

bool StoreThreadScope::Inside(const Store* store) {
  for (const StoreThreadScope* scope = innermost; scope != nullptr; scope = scope->outer_) {
    if (scope->store_ == store) return true;
  }
  return false;
}

base::Result<kube::ObjectPtr> ApplyAndWait(Store& store, Key key, Mutation mutation) {
  CHECK(!StoreThreadScope::Inside(&store), "the store's own thread would wait for itself");
  // Shared, because this thread may be gone before set_value has returned.
  auto promise = std::make_shared<std::promise<base::Result<kube::ObjectPtr>>>();
  auto future = promise->get_future();
  store.Apply(std::move(key), std::move(mutation),
              [promise = std::move(promise)](base::Result<kube::ObjectPtr> result) {
                promise->set_value(std::move(result));
              });
  return future.get();
}

}  // namespace enclave::cluster
