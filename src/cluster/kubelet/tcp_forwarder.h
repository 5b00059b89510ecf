// One listened-on address whose connections are forwarded to a changing set of backends: the data
// plane of the service proxy.
//
// Thread safety: all methods may be called from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/event_loop.h"

namespace enclave::cluster {

struct ForwardTarget {
  std::string address;
  std::uint16_t port = 0;
  auto operator<=>(const ForwardTarget&) const = default;
};

// Counts the connections of all forwarders of one proxy against a bound.
struct ConnectionBudget {
  explicit ConnectionBudget(std::size_t max) : max(max) {}
  const std::size_t max;
  std::atomic<std::size_t> open{0};
};

class TcpForwarder {
 public:
  // `on_listening` is told, as a task of the loop, each time that it begins to listen, and of each
  // failed attempt (it is retried with growing delays up to 30 s).
  static std::unique_ptr<TcpForwarder> Create(net::EventLoop& loop, const ForwardTarget& listen,
                                              std::shared_ptr<ConnectionBudget> budget,
                                              std::function<void(base::Result<>)> on_listening);
  // Stops listening and closes the connections.
  virtual ~TcpForwarder() = default;

  // Without targets nothing is listened on. Open connections stay.
  virtual void SetTargets(std::vector<ForwardTarget> targets, bool by_client) = 0;
};

}  // namespace enclave::cluster
