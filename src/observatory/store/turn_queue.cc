#include "observatory/store/turn_queue.h"

namespace enclave::observatory::store {

bool TurnQueue::Wait(Waiter& waiter, std::unique_lock<std::mutex>& lock) {
  waiters_.push_back(&waiter);
  waiter.turn.wait(lock, [&] { return waiter.done || (!taken_ && waiters_.front() == &waiter); });
  if (waiter.done) return false;
  taken_ = true;
  return true;
}

void TurnQueue::EndTurn() {
  taken_ = false;
  if (!waiters_.empty()) waiters_.front()->turn.notify_one();
}

bool TurnQueue::Write(QueuedWrite& write) {
  std::unique_lock lock(mutex_);
  // A write larger than the bound is taken when it is alone.
  if (writes_ >= most_writes_ || (writes_ > 0 && items_ + write.items > most_items_)) return false;
  ++writes_;
  items_ += write.items;
  Waiter waiter{.write = &write};
  if (Wait(waiter, lock)) {
    std::vector<Waiter*> led;
    std::vector<QueuedWrite*> group;
    std::size_t items = 0;
    while (!waiters_.empty() && waiters_.front()->write != nullptr &&
           (group.empty() || items + waiters_.front()->write->items <= most_group_items_)) {
      led.push_back(waiters_.front());
      group.push_back(led.back()->write);
      items += group.back()->items;
      waiters_.pop_front();
    }
    lock.unlock();
    commit_(group);
    lock.lock();
    for (Waiter* const one : led) {
      one->done = true;
      // Notified under the lock: once it is free, the waiter may be gone.
      if (one != &waiter) one->turn.notify_one();
    }
    EndTurn();
  }
  --writes_;
  items_ -= write.items;
  return true;
}

void TurnQueue::Run(const std::function<void()>& task) {
  std::unique_lock lock(mutex_);
  Waiter waiter{.write = nullptr};
  Wait(waiter, lock);
  waiters_.pop_front();
  lock.unlock();
  task();
  lock.lock();
  EndTurn();
}

std::size_t TurnQueue::waiting() const {
  const std::lock_guard lock(mutex_);
  return writes_;
}

}  // namespace enclave::observatory::store
