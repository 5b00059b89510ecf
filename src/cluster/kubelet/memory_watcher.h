// Memory limits where no cgroup may be written: looks at the resident memory of limited containers
// and reports the ones above their limit. It samples the more often the nearer one comes to its
// limit (100 to 500 ms), and not at all while nothing is limited.
//
// Thread safety: lives on one executor and is called from its tasks only.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>

#include "base/executor.h"
#include "cluster/kubelet/process_tree.h"
#include "cluster/kubelet/runtime.h"

namespace enclave::cluster {

class MemoryWatcher {
 public:
  // `on_exceeded` is called once for a container, which is then watched no more.
  MemoryWatcher(base::Executor& executor,
                std::function<void(const ContainerId&, std::int64_t memory_bytes)> on_exceeded);
  ~MemoryWatcher();

  // `root` is the process whose descendants are the container.
  void Watch(const ContainerId& id, pid_t root, std::int64_t limit_bytes);
  void Forget(const ContainerId& id);

 private:
  struct Watched {
    pid_t root;
    std::int64_t limit_bytes;
    std::int64_t last_bytes = 0;
  };

  void Schedule(base::Duration delay);
  void Sample();

  base::Executor& executor_;
  std::function<void(const ContainerId&, std::int64_t)> on_exceeded_;
  std::map<ContainerId, Watched> watched_;
  base::MonoTime last_sample_{};
  bool scheduled_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace enclave::cluster
