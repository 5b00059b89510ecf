// Marks that the current thread is acting as a store's thread: inside a sink, a `done` or a
// mutation. Lets a store recognise calls from its own callbacks.
#pragma once

#include "cluster/store/store.h"

namespace enclave::cluster {

class StoreThreadScope {
 public:
  explicit StoreThreadScope(const Store* store);
  ~StoreThreadScope();
  StoreThreadScope(const StoreThreadScope&) = delete;
  StoreThreadScope& operator=(const StoreThreadScope&) = delete;

  static bool Inside(const Store* store);

 private:
  const Store* store_;
  const StoreThreadScope* outer_;
};

}  // namespace enclave::cluster
