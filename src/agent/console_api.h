// The agent over HTTP, for the console, the command line, Alertmanager and Prometheus.
//
//   GET  /api/incidents          all that are known, newest first
//   GET  /api/incidents/ID       one, with its events and its report in Markdown
//   GET  /api/mode               PUT {"mode": "human", "by": ..., "why": ...}
//   POST /api/approve/ID         {"by": ...}         ID: an incident, or the action that waits
//   POST /api/reject/ID          {"by": ..., "why": ...}
//   POST /webhook                Alertmanager's, version 4
//   GET  /metrics, /-/healthy, /-/ready
//
// What changes anything asks for the content type application/json, which no page of another origin
// can send without being asked first. Errors are {"error": "..."}.
//
// Thread safety: Handle may be called from any thread.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "agent/agent.h"
#include "net/http.h"

namespace enclave::agent {

class ConsoleApi {
 public:
  // Runs something on the agent's executor and gives its result; kUnavailable when it does not
  // come in time.
  using OnAgent = std::function<base::Result<>(std::function<base::Result<>(Agent&)>)>;
  struct Options {
    const Agent& agent;  // for its snapshot
    const Ledger& ledger;
    const base::Clock& clock;
    OnAgent on_agent;
    std::function<bool()> ready;
  };
  explicit ConsoleApi(Options options) : options_(std::move(options)) {}

  net::Response Handle(const net::Request& request);

 private:
  net::Response Incidents() const;
  net::Response Incident(const std::string& id) const;
  net::Response GetMode() const;
  net::Response PutMode(const net::Request& request);
  net::Response Decide(const net::Request& request, const std::string& id, bool approve);
  net::Response Webhook(const net::Request& request);
  net::Response Metrics() const;

  static constexpr int kMostWebhooks = 16;  // at once; more are told to come again
  const Options options_;
  std::atomic<int> webhooks_ = 0;
};

Json ToJson(const Record& record);  // as the console shows it

}  // namespace enclave::agent
