// The memory of incidents: records them, is told what became of them, and recalls those that looked
// like a given one.
//
//   ledger (SQLite, the truth) --- changes ---> VectorIndex (a copy, for speed)
//   Recall: fingerprint -> index -> nearest codes -> ledger -> incidents, outcomes, reasons
//
// What Record, Say and Forget have returned is on the disk. The index follows: it is brought up to
// date before each recall, also with what other processes wrote, and built anew when it is damaged
// or not there. When an index (a Qdrant server) cannot be reached, recording goes on, and recalling
// fails until it is back.
//
// Thread safety: all methods, from any thread; they block on the disk and, with Qdrant, the
// network. The clock outlives the memory.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/result.h"
#include "memory/ledger.h"
#include "memory/recall.h"
#include "memory/trust.h"
#include "memory/vector_index.h"

namespace enclave::memory {

struct MemoryOptions {
  std::string directory{};  // made when missing: memory.db, memory.hnsw
  std::size_t dimensions = kEvidenceDimensions;
  // Incidents; when there are more, the least useful hundredth goes (Ledger::ForgetDownTo).
  std::uint64_t capacity = 1'000'000;
  std::chrono::hours half_life{90 * 24};
  bool create = true;
};

struct RecallOptions {
  std::size_t k = 10;             // at most kMostRecalled
  std::string without{};          // the id of an incident that is not to recall itself
  double least_similarity = 0.3;  // what is farther has nothing to do with it
  // What cannot be seen this time (UnseenOf): incidents are compared by the rest alone.
  Families unseen = 0;
};

class Memory {
 public:
  static constexpr std::size_t kMostRecalled = 100;

  // With the index in this process, in the directory's memory.hnsw.
  static base::Result<std::unique_ptr<Memory>> Open(const MemoryOptions& options,
                                                    const base::Clock& clock);
  // With another one. Building it for the first time may take minutes for a million incidents.
  static base::Result<std::unique_ptr<Memory>> Open(const MemoryOptions& options,
                                                    const base::Clock& clock,
                                                    std::unique_ptr<VectorIndex> index);
  // Saves the index when it has changed.
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  // kAlreadyExists when the id is taken, kInvalidArgument for one without evidence.
  base::Result<> Record(const Incident& incident);
  // kNotFound for an unknown incident. A cause that a person or a verification confirms is also
  // measured against what looked alike (trust.h).
  base::Result<> Say(const std::string& id, const Outcome& outcome);
  // The nearest first. Deterministic for one state of the memory and one time.
  base::Result<std::vector<Recalled>> Recall(const Fingerprint& fingerprint,
                                             const RecallOptions& options = {});
  base::Result<std::uint64_t> Forget(const std::vector<std::string>& ids);
  base::Result<std::uint64_t> ForgetOlderThan(std::int64_t time_ns);

  // For listing, exporting and importing (exchange.h).
  Ledger& ledger() { return *ledger_; }
  VectorIndex& index() { return *index_; }
  Trust trust() const;

  // Brings the index up to date now; Recall does so by itself.
  base::Result<> Refresh();
  // Writes the index, so that the next opening is quick.
  base::Result<> Save();

 private:
  Memory(MemoryOptions options, const base::Clock& clock, std::unique_ptr<Ledger> ledger,
         std::unique_ptr<VectorIndex> index);
  base::Result<> LoadTrust();
  base::Result<> Follow();      // by what was added and lost since the index's position
  base::Result<> CompareAll();  // by all codes of both
  base::Result<> KeepWithin();  // the capacity
  base::Result<> SaveWhenWorthIt();
  void RefreshOrLog();
  base::Result<> MeasureAgainstTwins(const std::string& id, const Cause& cause);

  const MemoryOptions options_;
  const base::Clock& clock_;
  const std::unique_ptr<Ledger> ledger_;
  const std::unique_ptr<VectorIndex> index_;

  std::mutex refresh_mutex_;  // one refresh at a time
  std::string data_version_;  // guarded by it, as the next two
  bool behind_ = true;
  std::uint64_t unsaved_ = 0;
  mutable std::mutex trust_mutex_;
  Trust trust_;  // guarded by it
};

}  // namespace enclave::memory
