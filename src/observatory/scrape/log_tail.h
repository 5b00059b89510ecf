// The port to the logs of one container, followed as they are printed: `pods/log` of a Kubernetes
// API in the program, by hand in tests.
//
// Thread safety: any thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/executor.h"
#include "base/result.h"
#include "kube/kubeconfig.h"
#include "net/event_loop.h"
#include "net/http_client.h"

namespace enclave::observatory::scrape {

struct LogFollow {
  std::string ns;
  std::string pod;
  std::string container;
  // Lines from then on; servers know whole seconds, so some from before come too.
  std::optional<base::WallTime> since{};
};

class LogTail {
 public:
  // Ends the following when destroyed; from a task of the executor no callback runs after that.
  class Handle {
   public:
    virtual ~Handle() = default;
  };
  virtual ~LogTail() = default;
  // Each line starts with its RFC 3339 time; a piece is some whole or partial lines. `on_end` comes
  // last, without an error where the server ended the log. Both as tasks of `executor`.
  virtual std::unique_ptr<Handle> Follow(const LogFollow& follow, base::Executor& executor,
                                         std::function<void(const std::string&)> on_data,
                                         std::function<void(const base::Result<>&)> on_end) = 0;
};

class HttpLogTail final : public LogTail {
 public:
  // The executor of a Follow outlives the loop, or the loop is stopped first.
  static base::Result<std::unique_ptr<HttpLogTail>> Connect(net::EventLoop& loop,
                                                            const kube::ClientConfig& config);
  std::unique_ptr<Handle> Follow(const LogFollow& follow, base::Executor& executor,
                                 std::function<void(const std::string&)> on_data,
                                 std::function<void(const base::Result<>&)> on_end) override;

 private:
  HttpLogTail(net::EventLoop& loop, kube::ClientConfig config, std::string prefix,
              std::shared_ptr<net::HttpClient> http);

  net::EventLoop& loop_;
  const kube::ClientConfig config_;
  const std::string prefix_;  // of a server behind a path
  const std::shared_ptr<net::HttpClient> http_;
};

}  // namespace enclave::observatory::scrape
