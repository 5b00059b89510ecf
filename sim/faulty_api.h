// The way to the API with what can go wrong on it: calls that are refused, writes that happen but
// whose answer gets lost, conflicts out of nowhere, watches that are late or break off.
//
// Thread safety: lives on one executor.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/executor.h"
#include "base/random.h"
#include "kube/api.h"

namespace enclave::sim {

class FaultyApi final : public kube::Api {
 public:
  struct Odds {
    double refused = 0;            // kUnavailable, nothing happened
    double lost_answer = 0;        // kUnavailable, but the write happened
    double conflict = 0;           // of updates: kConflict, nothing happened
    base::Duration watch_delay{};  // events are up to this late, in order
  };

  FaultyApi(kube::Api& api, base::Random& random) : api_(api), random_(random) {}

  void SetOdds(const Odds& odds) { odds_ = odds; }
  // Every open watch ends with an error of this kind.
  void CutWatches(base::ErrorKind kind);
  // A write happened that its caller does not know of yet: neither by its answer nor by a watch.
  bool AnyUnseen() const { return !unseen_.empty(); }
  // The caller begins anew and lists everything.
  void ForgetUnseen() { unseen_.clear(); }

  base::Result<kube::ObjectPtr> Get(const kube::Kind& kind, const std::string& ns,
                                    const std::string& name) override;
  base::Result<kube::ObjectList> List(const kube::Kind& kind,
                                      const kube::ListOptions& options) override;
  base::Result<kube::ObjectPtr> Create(const kube::Kind& kind, const std::string& ns,
                                       kube::Json object) override;
  base::Result<kube::ObjectPtr> Update(const kube::Kind& kind, kube::Json object,
                                       const std::string& subresource) override;
  base::Result<kube::ObjectPtr> Patch(const kube::Kind& kind, const std::string& ns,
                                      const std::string& name, kube::PatchType type,
                                      const kube::Json& patch,
                                      const std::string& subresource) override;
  base::Result<kube::ObjectPtr> Delete(const kube::Kind& kind, const std::string& ns,
                                       const std::string& name,
                                       const kube::DeleteOptions& options) override;
  base::Result<std::unique_ptr<kube::WatchHandle>> Watch(
      const kube::Kind& kind, const kube::ListOptions& options, kube::Revision from,
      base::Executor& executor, std::function<void(const kube::WatchEvent&)> on_event) override;

 private:
  struct Line;
  class Handle;

  bool Happens(double odds) { return odds > 0 && random_.Unit() < odds; }
  base::Result<> MayRefuse(bool update);
  base::Result<kube::ObjectPtr> MayLose(const kube::Kind& kind, base::Result<kube::ObjectPtr> done);
  void Deliver(const std::shared_ptr<Line>& line, const kube::WatchEvent& event);

  kube::Api& api_;
  base::Random& random_;
  Odds odds_;
  std::list<std::weak_ptr<Line>> lines_;
  std::map<std::string, kube::Revision> unseen_;  // by resource, the newest
};

}  // namespace enclave::sim
