#include "cluster/store/subscriber.h"

#include <utility>

namespace enclave::cluster {

void Subscriber::Deliver(const Change& change) {
  ChangeSink released;  // freed after the lock: what it captured may end other subscriptions
  std::lock_guard lock(mutex_);
  if (ended() || !sink_) return;
  running_.store(std::this_thread::get_id());
  sink_(change);
  running_.store(std::thread::id());
  if (ended()) released.swap(sink_);
}

void Subscriber::End() {
  ended_.store(true, std::memory_order_release);
  if (running_.load() == std::this_thread::get_id()) return;
  ChangeSink released;
  std::lock_guard lock(mutex_);
  released.swap(sink_);
}

namespace {

class Handle final : public Subscription {
 public:
  Handle(std::shared_ptr<Subscriber> subscriber, std::shared_ptr<std::atomic<std::size_t>> ended)
      : subscriber_(std::move(subscriber)), ended_(std::move(ended)) {}
  ~Handle() override {
    ended_->fetch_add(1);  // first, so that the count is never behind what a sweep finds
    subscriber_->End();
  }

 private:
  std::shared_ptr<Subscriber> subscriber_;
  std::shared_ptr<std::atomic<std::size_t>> ended_;
};

}  // namespace

std::unique_ptr<Subscription> MakeSubscription(std::shared_ptr<Subscriber> subscriber,
                                               std::shared_ptr<std::atomic<std::size_t>> ended) {
  return std::make_unique<Handle>(std::move(subscriber), std::move(ended));
}

}  // namespace enclave::cluster
