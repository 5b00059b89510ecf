#include "cluster/store/sqlite_store.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/check.h"
#include "base/executor.h"
#include "base/log.h"
#include "cluster/store/batch.h"
#include "cluster/store/store_thread.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using base::Fail;

// A transaction ends when the texts of its objects reach this size, so that large objects do not
// make small ones wait, nor the log grow without bound.
constexpr std::size_t kBatchBytes = 4 << 20;
static_assert(kBatchBytes <= kMaxObjectBytes, "one object may fill a batch");

std::uint64_t SizeOf(const std::string& path) {
  std::error_code ignored;
  const auto size = std::filesystem::file_size(path, ignored);
  return ignored ? 0 : size;
}

}  // namespace

base::Result<std::unique_ptr<SqliteStore>> SqliteStore::Open(const std::string& path,
                                                             Options options) {
  CHECK(options.queue_limit > 0 && options.batch_limit > 0, "a store must accept writes");
  ASSIGN_OR_RETURN(SqliteJournal::Opened opened,
                   SqliteJournal::Open(path, {.vfs = options.vfs,
                                              .check_integrity = options.check_integrity,
                                              .idle_log_pages = options.idle_log_pages,
                                              .log_pages = options.log_pages}));
  return std::unique_ptr<SqliteStore>(new SqliteStore(path, std::move(options),
                                                      std::move(opened.journal),
                                                      std::move(opened.objects), opened.revision));
}

SqliteStore::SqliteStore(std::string path, Options options, std::unique_ptr<Journal> journal,
                         ObjectTable objects, kube::Revision revision)
    : path_(std::move(path)),
      options_(std::move(options)),
      core_(options_.history, std::move(objects), revision),
      journal_(std::move(journal)),
      last_given_(revision) {
  // The writer takes no signals: those of the process are for threads that wait for them.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  writer_ = std::thread([this] { RunWriter(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

SqliteStore::~SqliteStore() {
  CHECK(!StoreThreadScope::Inside(this), "the store's own thread cannot wait for its end");
  {
    std::lock_guard lock(queue_mutex_);
    stopping_ = true;
  }
  queue_changed_.notify_one();
  writer_.join();
}

kube::ObjectPtr SqliteStore::Get(const Key& key) const {
  return core_.Get(key);
}

kube::ObjectList SqliteStore::List(const std::string& resource, const std::string& ns) const {
  return core_.List(resource, ns);
}

kube::Revision SqliteStore::revision() const {
  return core_.revision();
}

void SqliteStore::Apply(Key key, Mutation mutation, WriteDone done) {
  CHECK(mutation != nullptr && done != nullptr, "a write needs a mutation and someone to tell");
  if (waiting_.fetch_add(1) >= options_.queue_limit) {
    waiting_.fetch_sub(1);
    refused_writes_.fetch_add(1);
    done(Fail(ErrorKind::kResourceExhausted,
              fmt::format("writing {} \"{}\": {} writes are waiting for the disk; try again later",
                          key.resource, key.name, options_.queue_limit)));
    return;
  }
  bool first;
  {
    std::lock_guard lock(queue_mutex_);
    first = queue_.empty();
    queue_.push_back({std::move(key), std::move(mutation), std::move(done)});
  }
  if (first) queue_changed_.notify_one();
}

base::Result<std::unique_ptr<Subscription>> SqliteStore::Subscribe(const std::string& resource,
                                                                   kube::Revision from,
                                                                   ChangeSink sink) {
  auto subscription = core_.Subscribe(resource, from, std::move(sink));
  if (!subscription) return subscription;
  {
    std::lock_guard lock(queue_mutex_);
    new_subscribers_ = true;
  }
  queue_changed_.notify_one();
  return subscription;
}

StoreMetrics SqliteStore::metrics() const {
  StoreMetrics metrics;
  core_.FillMetrics(metrics);
  metrics.changes = changes_;
  metrics.commits = commits_;
  metrics.failed_commits = failed_commits_;
  metrics.refused_writes = refused_writes_;
  metrics.commit_time = std::chrono::nanoseconds(commit_ns_);
  metrics.largest_batch = largest_batch_;
  metrics.queue_length = waiting_;
  metrics.disk_bytes = SizeOf(path_) + SizeOf(path_ + "-wal");
  return metrics;
}

void SqliteStore::RunWriter() {
  pthread_setname_np(pthread_self(), "store");
  StoreThreadScope scope(this);
  for (std::deque<Queued> taken;;) {
    bool stop;
    {
      std::unique_lock lock(queue_mutex_);
      queue_changed_.wait(lock,
                          [this] { return stopping_ || new_subscribers_ || !queue_.empty(); });
      taken.swap(queue_);
      new_subscribers_ = false;
      stop = stopping_ && taken.empty();
    }
    core_.StartSubscribers();
    if (stop) return;
    while (!taken.empty()) CommitBatch(taken);
    journal_->Maintain(waiting_.load() == 0);
  }
}

void SqliteStore::CommitBatch(std::deque<Queued>& taken) {
  struct Answer {
    WriteDone done;
    Batch::Outcome outcome;
  };
  std::vector<Answer> answers;
  Batch batch(core_, last_given_);
  while (!taken.empty() && answers.size() < options_.batch_limit && batch.bytes() < kBatchBytes) {
    Queued& write = taken.front();
    answers.push_back({std::move(write.done), batch.Run(write.key, write.mutation)});
    taken.pop_front();
  }
  last_given_ = batch.last_revision();

  const auto& commits = batch.commits();
  base::Result<void> appended;
  if (!commits.empty()) {
    const base::MonoTime start = base::SystemClock().Now();
    appended = journal_->Append(commits);
    commit_ns_.fetch_add((base::SystemClock().Now() - start).count());
    NoteRefusal(appended);
    if (appended) {
      commits_.fetch_add(1);
      changes_.fetch_add(commits.size());
      largest_batch_.store(std::max<std::uint64_t>(largest_batch_.load(), commits.size()));
      core_.Publish(commits);
    } else {
      failed_commits_.fetch_add(1);
    }
  }
  for (Answer& answer : answers) {
    waiting_.fetch_sub(1);
    if (!appended && answer.outcome.tentative) {
      answer.done(
          Fail(ErrorKind::kUnavailable, "the write was not stored: " + appended.error().message()));
    } else {
      answer.done(std::move(answer.outcome.result));
    }
  }
  if (taken.empty()) return;
  journal_->Maintain(false);
}

void SqliteStore::NoteRefusal(const base::Result<void>& appended) {
  if (!appended && !refusing_) {
    base::LogError("store", "writes are refused", {{"reason", appended.error().message()}});
  } else if (appended && refusing_) {
    base::LogInfo("store", "writes are accepted again");
  }
  refusing_ = !appended;
}

}  // namespace enclave::cluster
