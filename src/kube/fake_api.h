// An Api in memory for unit tests, with the semantics callers lean on: one revision for all
// objects, optimistic conflicts, generation, finalizers and grace periods, selectors, watches that
// replay a history which may be compacted. It validates nothing and knows no defaults.
//
// Faults are injected on purpose: `fault` is asked before and after each call, watches can be
// broken or delayed, the history forgotten.
//
// Thread safety: none; calls and watches live on one executor.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "base/executor.h"
#include "base/random.h"
#include "kube/api.h"

namespace enclave::kube {

class FakeApi final : public Api {
 public:
  struct Call {
    std::string verb;  // "get", "list", "create", "update", "patch", "delete", "watch"
    std::string resource;
    std::string ns;
    std::string name;
    bool done;  // asked after the call took effect: the answer gets lost
  };

  FakeApi(base::Executor& executor, base::Random& random);
  ~FakeApi() override;

  base::Result<ObjectPtr> Get(const Kind& kind, const std::string& ns,
                              const std::string& name) override;
  base::Result<ObjectList> List(const Kind& kind, const ListOptions& options) override;
  base::Result<ObjectPtr> Create(const Kind& kind, const std::string& ns, Json object) override;
  base::Result<ObjectPtr> Update(const Kind& kind, Json object,
                                 const std::string& subresource = "") override;
  base::Result<ObjectPtr> Patch(const Kind& kind, const std::string& ns, const std::string& name,
                                PatchType type, const Json& patch,
                                const std::string& subresource = "") override;
  base::Result<ObjectPtr> Delete(const Kind& kind, const std::string& ns, const std::string& name,
                                 const DeleteOptions& options) override;
  base::Result<std::unique_ptr<WatchHandle>> Watch(
      const Kind& kind, const ListOptions& options, Revision from, base::Executor& executor,
      std::function<void(const WatchEvent&)> on_event) override;

  // --- what tests do ---
  using Fault = std::function<std::optional<base::Error>(const Call&)>;
  void SetFault(Fault fault) { fault_ = std::move(fault); }
  void SetWatchDelay(base::Duration delay) { watch_delay_ = delay; }
  // All watches end with this error.
  void BreakWatches(const base::Error& error);
  // Watches from before now get kExpired.
  void ForgetHistory();

  const std::vector<Call>& calls() const { return calls_; }
  void ClearCalls() { calls_.clear(); }
  Revision revision() const { return Revision{revision_}; }
  std::size_t watches() const;

 private:
  using Key = std::tuple<std::string, std::string, std::string>;  // resource, namespace, name
  struct Happening {
    std::string resource;
    EventType type;
    ObjectPtr before;
    ObjectPtr after;  // for kDeleted the last state
    Revision revision;
  };
  struct Watcher;
  struct Handle;

  std::optional<base::Error> Ask(const Call& call);
  base::Result<ObjectPtr> Answer(Call call, base::Result<ObjectPtr> result);
  base::Result<ObjectPtr> Write(const Kind& kind, const ObjectPtr& old, Json object,
                                const std::string& subresource);
  ObjectPtr Commit(const Key& key, Json object);
  ObjectPtr Erase(const Key& key, Json last);
  void Publish(Happening happening);
  static std::optional<WatchEvent> Seen(const Watcher& watcher, const Happening& happening);
  void Send(const std::shared_ptr<Watcher>& watcher, WatchEvent event);

  base::Executor& executor_;
  base::Random& random_;
  Fault fault_;
  base::Duration watch_delay_{};
  std::uint64_t revision_ = 0;
  std::uint64_t forgotten_ = 0;
  std::map<Key, ObjectPtr> objects_;
  std::deque<Happening> history_;
  std::vector<std::weak_ptr<Watcher>> watchers_;
  std::vector<Call> calls_;
};

}  // namespace enclave::kube
