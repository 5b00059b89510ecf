// One thing at a time, in order of arrival, with those that may go together joined.
//
// Writers wait in a queue. The first becomes the leader: it takes all writers up to the next task,
// commits them as one, and wakes them. A task (a checkpoint, retention) is alone in its turn and
// runs in the thread that brought it. The queue is bounded.
//
// Thread safety: all of it.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "base/result.h"
#include "telemetry/sink.h"

namespace enclave::observatory::store {

struct QueuedWrite {
  telemetry::Batch batch;
  std::size_t items = 0;  // samples, exemplars, records and spans
  telemetry::Refused refused{};
  std::optional<base::Error> error{};
};

class TurnQueue {
 public:
  using Commit = std::function<void(std::vector<QueuedWrite*>& group)>;

  // `commit` sets `refused` or `error` of each of the group; it is called by one thread at a time.
  TurnQueue(std::size_t most_writes, std::size_t most_items, std::size_t most_group_items,
            Commit commit)
      : most_writes_(most_writes),
        most_items_(most_items),
        most_group_items_(most_group_items),
        commit_(std::move(commit)) {}

  // Returns once `write` is committed; false when the queue is full: then nothing was done.
  bool Write(QueuedWrite& write);
  // Runs `task` in its turn.
  void Run(const std::function<void()>& task);
  std::size_t waiting() const;

 private:
  struct Waiter {
    QueuedWrite* write;  // null: a task
    std::condition_variable turn{};
    bool done = false;
  };

  // Waits for the turn, or, a write, for a leader that commits it. True: the turn is ours.
  bool Wait(Waiter& waiter, std::unique_lock<std::mutex>& lock);
  void EndTurn();

  const std::size_t most_writes_;
  const std::size_t most_items_;
  const std::size_t most_group_items_;
  const Commit commit_;

  mutable std::mutex mutex_;
  std::deque<Waiter*> waiters_;  // not yet served
  bool taken_ = false;           // somebody has the turn
  std::size_t writes_ = 0;       // waiting or being committed
  std::size_t items_ = 0;        // of these
};

}  // namespace enclave::observatory::store
