#include "lab/boutique/redis_client.h"

#include <fmt/format.h>
#include <hiredis/hiredis.h>
#include <sys/time.h>

#include <cerrno>
#include <thread>
#include <utility>

namespace enclave::lab::boutique {
namespace {

using base::ErrorKind;

struct timeval ToTimeval(std::chrono::milliseconds duration) {
  return {.tv_sec = duration.count() / 1000, .tv_usec = (duration.count() % 1000) * 1000};
}

base::Error ConnectionError(const redisContext& connection, const char* doing) {
  const bool late = connection.err == REDIS_ERR_IO &&
                    (errno == EAGAIN || errno == EWOULDBLOCK || errno == ETIMEDOUT);
  return {late ? ErrorKind::kDeadlineExceeded : ErrorKind::kUnavailable,
          fmt::format("{}: {}", doing, connection.errstr)};
}

}  // namespace

void FreeRedisReply::operator()(redisReply* reply) const {
  freeReplyObject(reply);
}
void FreeRedisContext::operator()(redisContext* context) const {
  redisFree(context);
}

base::Result<RedisClient::Connection> RedisClient::Connect() const {
  Connection connection(redisConnectWithTimeout(options_.host.c_str(), options_.port,
                                                ToTimeval(options_.connect_timeout)));
  if (!connection)
    return base::Fail(ErrorKind::kResourceExhausted, "connecting to Redis: out of memory");
  if (connection->err != 0)
    return base::Fail(ConnectionError(*connection, "connecting to Redis")
                          .While(fmt::format("{}:{}", options_.host, options_.port)));
  redisSetTimeout(connection.get(), ToTimeval(options_.command_timeout));
  redisEnableKeepAlive(connection.get());
  return connection;
}

bool RedisClient::AwaitServer(std::chrono::milliseconds patience) {
  constexpr std::chrono::milliseconds kPause{50};
  const base::Clock& clock = telemetry_.clock();
  const base::MonoTime until = clock.Now() + patience;
  while (clock.Now() < until) {
    if (auto connection = Connect()) {
      PutBack(std::move(*connection));
      return true;
    }
    std::this_thread::sleep_for(kPause);
  }
  return false;
}

RedisClient::Connection RedisClient::TakeIdle() {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) return nullptr;
  Connection connection = std::move(idle_.back());
  idle_.pop_back();
  return connection;
}

void RedisClient::PutBack(Connection connection) {
  const std::lock_guard lock(mutex_);
  if (idle_.size() < options_.max_idle_connections) idle_.push_back(std::move(connection));
}

base::Result<std::vector<RedisReply>> RedisClient::RunOn(
    redisContext& connection, const std::vector<std::vector<std::string>>& commands) const {
  for (const std::vector<std::string>& command : commands) {
    std::vector<const char*> words;
    std::vector<std::size_t> lengths;
    for (const std::string& word : command) {
      words.push_back(word.data());
      lengths.push_back(word.size());
    }
    if (redisAppendCommandArgv(&connection, static_cast<int>(words.size()), words.data(),
                               lengths.data()) != REDIS_OK)
      return base::Fail(ConnectionError(connection, "sending a command to Redis"));
  }
  std::vector<RedisReply> replies;
  for (std::size_t i = 0; i < commands.size(); ++i) {
    void* reply = nullptr;
    if (redisGetReply(&connection, &reply) != REDIS_OK)
      return base::Fail(ConnectionError(connection, "waiting for Redis"));
    replies.emplace_back(static_cast<redisReply*>(reply));
  }
  return replies;
}

base::Result<std::vector<RedisReply>> RedisClient::Run(
    std::string_view name, const std::vector<std::vector<std::string>>& commands, Repeat repeat) {
  otel::ScopedSpan span(telemetry_.tracer(), name,
                        {.kind = otel::SpanKind::kClient,
                         .attributes = {{"db.system", "redis"},
                                        {"db.operation", std::string(name)},
                                        {"server.address", options_.host},
                                        {"server.port", std::int64_t{options_.port}}}});
  const auto run = [&]() -> base::Result<std::vector<RedisReply>> {
    Connection connection = TakeIdle();
    const bool pooled = connection != nullptr;
    if (!pooled) {
      ASSIGN_OR_RETURN(connection, Connect());
    }
    auto replies = RunOn(*connection, commands);
    if (!replies && pooled && repeat == Repeat::kOnce &&
        replies.error().kind() == ErrorKind::kUnavailable) {
      span->AddEvent("connection was closed, connecting again");
      ASSIGN_OR_RETURN(connection, Connect());
      replies = RunOn(*connection, commands);
    }
    if (!replies) return replies;
    PutBack(std::move(connection));
    for (const RedisReply& reply : *replies)
      if (reply->type == REDIS_REPLY_ERROR)
        return base::Fail(
            ErrorKind::kInternal,
            fmt::format("Redis answered: {}",
                        std::string_view(reply->str, static_cast<std::size_t>(reply->len))));
    return replies;
  };
  auto replies = run();
  if (!replies) span->RecordError(replies.error());
  return replies;
}

}  // namespace enclave::lab::boutique
