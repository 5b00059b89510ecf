// The observatory as one process: store, receivers, scraper, rules and the HTTP front, put
// together.
//
// Thread safety: one thread starts and destroys it; everything within has threads of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/executor.h"
#include "base/result.h"
#include "cli/commands.h"

namespace enclave::cli {

class Observatory {
 public:
  // Everything serves once this returns: the store has been opened and what was only in its journal
  // has been replayed.
  static base::Result<std::unique_ptr<Observatory>> Start(const ObservatoryOptions& options);
  // Stops taking in, ends what runs, and closes the store with a checkpoint.
  virtual ~Observatory() = default;

  virtual std::string http_url() const = 0;
  virtual std::string otlp_grpc_address() const = 0;  // "" when it does not listen
  // Reads the configuration again; on an error it stays as it was.
  virtual base::Result<> Reload() = 0;
};

// "127.0.0.1:9090", ":9090" (every address), "[::1]:0".
struct ListenAddress {
  std::string host;
  std::uint16_t port = 0;
};
base::Result<ListenAddress> ParseListenAddress(const std::string& text);

}  // namespace enclave::cli
