#include <algorithm>
#include <deque>
#include <utility>

#include "base/log.h"
#include "observatory/rules/notifier.h"

namespace enclave::observatory::rules {
namespace {

constexpr std::size_t kBatch = 64;

// Whether an answer says that the same message may be taken later.
bool MayBeTakenLater(const base::Result<net::Response>& answer) {
  return !answer || answer->status >= 500 || answer->status == 429 || answer->status == 408;
}

}  // namespace

struct AlertmanagerNotifier::Impl : std::enable_shared_from_this<AlertmanagerNotifier::Impl> {
  // One Alertmanager with what it still has to get.
  struct Receiver {
    AlertmanagerConfig config;
    std::deque<Notification> queue{};
    std::vector<Notification> sending{};
    bool busy = false;
    int attempt = 0;
  };

  Impl(base::Executor& on, Poster& through, base::Random& chance, std::size_t bound,
       const base::RetryPolicy& policy)
      : executor(on), poster(through), random(chance), max_queued(bound), retry(policy) {}

  void Pump(Receiver& receiver) {
    if (receiver.busy || receiver.queue.empty()) return;
    const std::size_t count = std::min(kBatch, receiver.queue.size());
    const auto end = receiver.queue.begin() + static_cast<std::ptrdiff_t>(count);
    receiver.sending.assign(receiver.queue.begin(), end);
    receiver.queue.erase(receiver.queue.begin(), end);
    receiver.busy = true;
    receiver.attempt = 0;
    Try(receiver);
  }

  // `receivers` never changes, so a reference stays good as long as this lives.
  void Try(Receiver& receiver) {
    poster.Post(receiver.config.url, AlertmanagerBody(receiver.sending), receiver.config.timeout,
                [weak = weak_from_this(), &executor = executor,
                 &receiver](base::Result<net::Response> answer) {
                  auto shared = std::make_shared<base::Result<net::Response>>(std::move(answer));
                  executor.Post([weak, &receiver, shared] {
                    if (const auto self = weak.lock()) self->Answered(receiver, *shared);
                  });
                });
  }

  void Answered(Receiver& receiver, const base::Result<net::Response>& answer) {
    const bool taken = answer && answer->status / 100 == 2;
    if (!taken && MayBeTakenLater(answer)) {
      if (const auto delay = base::RetryDelay(retry, ++receiver.attempt, random)) {
        executor.After(*delay, [weak = weak_from_this(), &receiver] {
          if (const auto self = weak.lock()) self->Try(receiver);
        });
        return;
      }
    }
    if (!taken) {
      dropped += receiver.sending.size();
      base::LogWarning("rules", "an Alertmanager does not take alerts",
                       {{"url", receiver.config.url},
                        {"alerts", receiver.sending.size()},
                        {"status", answer ? answer->status : 0},
                        {"error", answer ? "" : answer.error().message()}});
    }
    receiver.busy = false;
    receiver.sending.clear();
    Pump(receiver);
  }

  base::Executor& executor;
  Poster& poster;
  base::Random& random;
  const std::size_t max_queued;
  const base::RetryPolicy retry;
  std::vector<Receiver> receivers;
  std::size_t dropped = 0;
};

AlertmanagerNotifier::AlertmanagerNotifier(base::Executor& executor, Poster& poster,
                                           base::Random& random,
                                           std::vector<AlertmanagerConfig> alertmanagers,
                                           std::size_t max_queued, base::RetryPolicy retry)
    : impl_(std::make_shared<Impl>(executor, poster, random, max_queued, retry)) {
  for (AlertmanagerConfig& config : alertmanagers) {
    impl_->receivers.push_back({.config = std::move(config)});
  }
}

AlertmanagerNotifier::~AlertmanagerNotifier() = default;

void AlertmanagerNotifier::Send(const std::vector<Notification>& notifications) {
  for (Impl::Receiver& receiver : impl_->receivers) {
    for (const Notification& notification : notifications) {
      receiver.queue.push_back(notification);
      if (receiver.queue.size() > impl_->max_queued) {
        receiver.queue.pop_front();
        ++impl_->dropped;
      }
    }
    impl_->Pump(receiver);
  }
}

std::size_t AlertmanagerNotifier::dropped() const {
  return impl_->dropped;
}

}  // namespace enclave::observatory::rules
