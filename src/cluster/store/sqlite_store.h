// The durable store: the core in memory, a writer thread, and a journal on SQLite.
//
// The writer takes all queued writes at once and makes them durable with a single fsync (group
// commit), so a write waits for at most the commit before its own, and throughput grows with the
// number of writers. In order: mutations run, rows are committed, the changes become visible, sinks
// are called, then each `done`.
//
// When the disk refuses a commit, its writes fail with kUnavailable and memory stays as it was; the
// next writes try again, so the store recovers by itself. The revisions of a refused commit are
// never used again.
//
// Watch history is kept in memory only: after a restart a watch can resume from the last revision,
// or is told kExpired and lists again.
//
// Destruction commits what is queued. Not from the store's own thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "cluster/store/core.h"
#include "cluster/store/sqlite_journal.h"
#include "cluster/store/store.h"

namespace enclave::cluster {

class SqliteStore final : public Store {
 public:
  struct Options {
    HistoryLimits history;
    std::size_t queue_limit = 10'000;  // of writes that wait or run
    std::size_t batch_limit = 1'024;   // of writes in one transaction
    bool check_integrity = true;       // of the file's structure, at opening
    std::size_t idle_log_pages = kIdleLogPages;
    std::size_t log_pages = kLogPages;
    std::string vfs;  // a registered SQLite VFS; "" is the system's
  };

  // Opens or creates the database file; its directory must exist. kUnavailable when another process
  // has it open or the disk refuses, kInternal when it is damaged or not ours.
  static base::Result<std::unique_ptr<SqliteStore>> Open(const std::string& path, Options options);
  static base::Result<std::unique_ptr<SqliteStore>> Open(const std::string& path) {
    return Open(path, Options());
  }
  ~SqliteStore() override;

  kube::ObjectPtr Get(const Key& key) const override;
  kube::ObjectList List(const std::string& resource, const std::string& ns) const override;
  kube::Revision revision() const override;
  void Apply(Key key, Mutation mutation, WriteDone done) override;
  base::Result<std::unique_ptr<Subscription>> Subscribe(const std::string& resource,
                                                        kube::Revision from,
                                                        ChangeSink sink) override;
  StoreMetrics metrics() const override;

 private:
  struct Queued {
    Key key;
    Mutation mutation;
    WriteDone done;
  };

  SqliteStore(std::string path, Options options, std::unique_ptr<Journal> journal,
              ObjectTable objects, kube::Revision revision);
  void RunWriter();
  // Commits writes from the front of `taken` as one transaction and answers them.
  void CommitBatch(std::deque<Queued>& taken);
  void NoteRefusal(const base::Result<void>& appended);

  const std::string path_;
  const Options options_;
  Core core_;

  // Of the writer thread.
  std::unique_ptr<Journal> journal_;
  kube::Revision last_given_;  // the last revision given out, also to commits that failed
  bool refusing_ = false;      // the last commit failed

  std::atomic<std::size_t> waiting_ = 0;  // queued or in work
  std::atomic<std::uint64_t> changes_ = 0;
  std::atomic<std::uint64_t> commits_ = 0;
  std::atomic<std::uint64_t> failed_commits_ = 0;
  std::atomic<std::uint64_t> refused_writes_ = 0;
  std::atomic<std::uint64_t> largest_batch_ = 0;
  std::atomic<std::int64_t> commit_ns_ = 0;

  std::mutex queue_mutex_;
  std::condition_variable queue_changed_;
  std::deque<Queued> queue_;      // guarded by queue_mutex_
  bool new_subscribers_ = false;  // guarded by queue_mutex_
  bool stopping_ = false;         // guarded by queue_mutex_

  std::thread writer_;  // last: it uses all of the above
};

}  // namespace enclave::cluster
