// What Deployments, ConfigMaps and Services looked like before they were changed: the agent watches
// and keeps the parts that people change, so that it can put them back, and can tell what changed.
//
// In a file beside the ledger; the last few versions of each object, bounded in number and size.
//
// Thread safety: any thread. Watching happens on the informers' executor.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "agent/action.h"
#include "base/executor.h"
#include "base/result.h"
#include "incident/context.h"
#include "kube/informer.h"
#include "sqlite/database.h"

namespace enclave::agent {

struct Version {
  std::int64_t seen_ns = 0;
  Json content{};       // {"data", "binaryData"}; {"selector", "ports"}; {"replicas", "template"}
  std::string who{};    // "agent" for its own actions, else whom the object names
  std::string trace{};  // of the annotation; may be empty
};

class ObjectHistory {
 public:
  static constexpr std::size_t kVersions = 10;  // of one object
  static constexpr std::size_t kMostObjects = 5000;
  static constexpr std::size_t kMostContentBytes = 1 << 20;

  static base::Result<std::unique_ptr<ObjectHistory>> Open(const std::string& path,
                                                           const base::Clock& clock);
  // Watches the namespaces from now on. `informers` outlives this.
  void Watch(kube::SharedInformers& informers, const std::vector<std::string>& namespaces);
  // Keeps the object's content when it differs from what was seen last. `before`: the object as it
  // was known before; null when it was not. It tells the agent's own changes from later ones.
  base::Result<> See(const kube::Kind& kind, const kube::Object* before,
                     const kube::Object& object);
  // Oldest first.
  base::Result<std::vector<Version>> Of(const std::string& resource, const std::string& ns,
                                        const std::string& name) const;
  // What changed in [from, to) and was not put back in it: for the Incident Context. A ConfigMap's
  // change is one of each service that reads it. Ids are not given.
  base::Result<std::vector<incident::Change>> Changes(std::int64_t from_ns,
                                                      std::int64_t to_ns) const;

 private:
  ObjectHistory(std::unique_ptr<sqlite::Database> database, const base::Clock& clock)
      : clock_(clock), database_(std::move(database)) {}
  base::Result<> Trim(const std::string& resource, const std::string& ns, const std::string& name);

  const base::Clock& clock_;
  mutable std::mutex mutex_;
  std::unique_ptr<sqlite::Database> database_;
};

// The part of an object that the history keeps.
Json ContentOf(const kube::Kind& kind, const Json& object);
// Names of the ConfigMaps that a pod template reads.
std::vector<std::string> ConfigMapsOf(const Json& pod_template);

}  // namespace enclave::agent
