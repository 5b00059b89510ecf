// Commands to a Redis server over a small pool of connections
// (https://redis.io/docs/reference/protocol-spec).
//
// Thread safety: any thread; a call blocks, at most for its timeouts. A connection that failed is
// closed; a command on a pooled connection that the server had closed meanwhile is sent once more
// on a new one when it is safe to repeat.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "lab/boutique/cart_store.h"
#include "otel/telemetry.h"

struct redisContext;
struct redisReply;

namespace enclave::lab::boutique {

struct FreeRedisReply {
  void operator()(redisReply* reply) const;
};
struct FreeRedisContext {
  void operator()(redisContext* context) const;
};
using RedisReply = std::unique_ptr<redisReply, FreeRedisReply>;

enum class Repeat { kNever, kOnce };  // a command that may have been carried out

class RedisClient {
 public:
  RedisClient(otel::Telemetry& telemetry, RedisOptions options)
      : telemetry_(telemetry), options_(std::move(options)) {}

  // Tries to connect until the server answers; whether it did within `patience`.
  bool AwaitServer(std::chrono::milliseconds patience);

  // Sends the commands together (a pipeline) and returns their answers, in order. An answer that is
  // an error is an Error (kInternal). `name` is the span's: the command, or the first of several.
  base::Result<std::vector<RedisReply>> Run(std::string_view name,
                                            const std::vector<std::vector<std::string>>& commands,
                                            Repeat repeat);

 private:
  using Connection = std::unique_ptr<redisContext, FreeRedisContext>;
  base::Result<Connection> Connect() const;
  Connection TakeIdle();
  void PutBack(Connection connection);
  base::Result<std::vector<RedisReply>> RunOn(
      redisContext& connection, const std::vector<std::vector<std::string>>& commands) const;

  otel::Telemetry& telemetry_;
  const RedisOptions options_;
  std::mutex mutex_;
  std::vector<Connection> idle_;
};

}  // namespace enclave::lab::boutique
