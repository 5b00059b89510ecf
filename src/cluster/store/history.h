// The last changes, for watches that resume. Bounded by count and by estimated memory: the oldest
// go first. Not thread-safe: the core's lock guards it.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <vector>

#include "cluster/store/store.h"

namespace enclave::cluster {

struct HistoryLimits {
  std::size_t changes = 20'000;
  std::size_t bytes = 32 << 20;  // estimated memory of the objects held
};

// A parsed object takes about this many bytes of memory for each byte of its text, the text
// included (measured on pods): each JSON value is a map node with its key.
inline constexpr std::size_t kMemoryPerTextByte = 9;

class History {
 public:
  // Nothing before or at `start` can be replayed.
  History(HistoryLimits limits, kube::Revision start) : limits_(limits), floor_(start) {}

  // Revisions must rise. What had to go is moved to `evicted`, so that the caller can free it
  // outside its lock.
  void Add(const std::string& resource, const Change& change, std::vector<Change>& evicted);

  // Whether all changes after `from` are still here.
  bool Reaches(kube::Revision from) const { return from >= floor_; }

  struct Slice {
    std::vector<Change> changes;
    kube::Revision scanned_to;  // where to go on
    bool more;
  };
  // Up to `limit` changes of `resource` after `from`, in order.
  Slice After(const std::string& resource, kube::Revision from, std::size_t limit) const;

  kube::Revision floor() const { return floor_; }
  std::size_t size() const { return entries_.size(); }
  std::size_t bytes() const { return bytes_; }

 private:
  struct Item {
    std::string resource;
    Change change;
    std::size_t bytes;
  };

  HistoryLimits limits_;
  kube::Revision floor_;  // the newest revision that is no longer held
  std::deque<Item> entries_;
  std::size_t bytes_ = 0;
};

}  // namespace enclave::cluster
