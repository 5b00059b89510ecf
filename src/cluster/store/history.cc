#include "cluster/store/history.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace enclave::cluster {
namespace {

// `previous` is charged too: it is mostly the object of an earlier change, but lives on through
// this one when that one is gone.
std::size_t MemoryOf(const Change& change) {
  std::size_t text = change.object->text().size();
  if (change.previous != nullptr) text += change.previous->text().size();
  return text * kMemoryPerTextByte + sizeof(Change);
}

}  // namespace

void History::Add(const std::string& resource, const Change& change, std::vector<Change>& evicted) {
  CHECK(change.revision > floor_ &&
            (entries_.empty() || change.revision > entries_.back().change.revision),
        "revisions must rise");
  const std::size_t bytes = MemoryOf(change);
  entries_.push_back({resource, change, bytes});
  bytes_ += bytes;
  while (entries_.size() > limits_.changes || bytes_ > limits_.bytes) {
    Item& oldest = entries_.front();
    floor_ = oldest.change.revision;
    bytes_ -= oldest.bytes;
    evicted.push_back(std::move(oldest.change));
    entries_.pop_front();
    if (entries_.empty()) break;
  }
}

History::Slice History::After(const std::string& resource, kube::Revision from,
                              std::size_t limit) const {
  auto it = std::upper_bound(
      entries_.begin(), entries_.end(), from,
      [](kube::Revision revision, const Item& item) { return revision < item.change.revision; });
  Slice slice{{}, from, false};
  for (; it != entries_.end(); ++it) {
    if (it->resource == resource) {
      if (slice.changes.size() == limit) {
        slice.more = true;
        return slice;
      }
      slice.changes.push_back(it->change);
    }
    slice.scanned_to = it->change.revision;
  }
  return slice;
}

}  // namespace enclave::cluster
