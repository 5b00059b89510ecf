// Runs mutations, each against the committed objects plus the changes made earlier in the same
// batch, and collects the commits to be made durable together.
#pragma once

#include <cstddef>
#include <map>
#include <vector>

#include "base/result.h"
#include "cluster/store/core.h"
#include "cluster/store/object_table.h"
#include "cluster/store/store.h"

namespace enclave::cluster {

// etcd refuses requests over 1.5 MiB; the bound here only keeps one object from filling a batch.
inline constexpr std::size_t kMaxObjectBytes = 8 << 20;

class Batch {
 public:
  // Revisions are given out after `last`.
  Batch(const Core& core, kube::Revision last) : core_(core), last_(last) {}

  struct Outcome {
    base::Result<kube::ObjectPtr> result;
    // The outcome holds only if the batch becomes durable: it is a change, or was computed from one
    // of the same batch.
    bool tentative;
  };
  // Never throws: what a mutation throws is its error, kInternal.
  Outcome Run(const Key& key, const Mutation& mutation);

  const std::vector<Commit>& commits() const { return commits_; }
  kube::Revision last_revision() const { return last_; }
  std::size_t bytes() const { return bytes_; }  // of the texts of all changes

 private:
  base::Result<kube::ObjectPtr> Change(const Key& key, const Entry& current, kube::EventType type,
                                       kube::Json json);

  const Core& core_;
  kube::Revision last_;
  std::size_t bytes_ = 0;
  std::vector<Commit> commits_;
  std::map<Key, Entry> changed_;
};

}  // namespace enclave::cluster
