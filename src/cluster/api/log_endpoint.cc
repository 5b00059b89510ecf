#include "cluster/api/log_endpoint.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <mutex>
#include <optional>

#include <boost/asio/this_coro.hpp>

#include "cluster/api/signal.h"
#include "kube/time.h"

namespace enclave::cluster {
namespace {

namespace asio = boost::asio;
using base::ErrorKind;
using base::Fail;

base::Result<std::optional<std::int64_t>> Number(const net::Request& request, const char* name,
                                                 std::int64_t least) {
  const auto text = request.Query(name);
  if (!text || text->empty()) return std::nullopt;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size()) {
    return Fail(ErrorKind::kInvalidArgument, fmt::format("{} must be an integer", name));
  }
  if (value < least) {
    return Fail(ErrorKind::kUnprocessable,
                fmt::format("PodLogOptions \"\" is invalid: {}: Invalid value: {}: must be greater "
                            "than or equal to {}",
                            name, value, least));
  }
  return value;
}

bool Flag(const net::Request& request, const char* name) {
  const auto value = request.Query(name);
  return value && (*value == "true" || *value == "1");
}

base::Result<kube::LogOptions> OptionsOf(const net::Request& request) {
  kube::LogOptions options;
  options.container = request.Query("container").value_or("");
  options.follow = Flag(request, "follow");
  options.previous = Flag(request, "previous");
  options.timestamps = Flag(request, "timestamps");
  ASSIGN_OR_RETURN(options.tail_lines, Number(request, "tailLines", 0));
  ASSIGN_OR_RETURN(options.since_seconds, Number(request, "sinceSeconds", 1));
  ASSIGN_OR_RETURN(options.limit_bytes, Number(request, "limitBytes", 1));
  if (const auto since = request.Query("sinceTime"); since && !since->empty()) {
    if (options.since_seconds) {
      return Fail(ErrorKind::kUnprocessable,
                  "PodLogOptions \"\" is invalid: sinceSeconds: Forbidden: at most one of "
                  "sinceTime or sinceSeconds may be specified");
    }
    ASSIGN_OR_RETURN(options.since_time, kube::ParseTime(*since));
  }
  return options;
}

// One piece of the log on its way from the kubelet's thread.
struct Slot {
  std::mutex mutex;
  std::optional<base::Result<std::string>> piece;
};

// nullopt when the client left.
asio::awaitable<std::optional<base::Result<std::string>>> NextPiece(
    kube::LogStream& stream, const std::shared_ptr<Signal>& signal,
    const net::ResponseWriter& writer) {
  auto slot = std::make_shared<Slot>();
  stream.Next([slot, signal](base::Result<std::string> piece) {
    {
      std::lock_guard lock(slot->mutex);
      slot->piece = std::move(piece);
    }
    signal->Notify();
  });
  while (true) {
    {
      std::lock_guard lock(slot->mutex);
      if (slot->piece) co_return std::move(slot->piece);
    }
    co_await signal->Wait(std::chrono::hours(24));
    if (writer.closed()) co_return std::nullopt;
  }
}

}  // namespace

namespace {

asio::awaitable<void> ServeLog(kube::LogSource& logs, Exchange& exchange) {
  const kube::StatusDetails details{.name = exchange.info.name, .kind = "pods"};
  auto options = OptionsOf(exchange.request);
  if (!options) {
    co_await exchange.writer.Send(ErrorResponse(options.error(), details));
    co_return;
  }
  auto stream = logs.OpenLog(exchange.info.ns, exchange.info.name, *options);
  if (!stream) {
    co_await exchange.writer.Send(ErrorResponse(stream.error(), details));
    co_return;
  }
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  auto signal = std::make_shared<Signal>(executor);
  bool begun = false;
  while (true) {
    // Headers go out before the first line: a follower of a silent container is not left waiting.
    if (!begun && options->follow) {
      if (auto ok = co_await exchange.writer.Begin(TextResponse(200, "")); !ok) co_return;
      begun = true;
    }
    auto piece = co_await NextPiece(**stream, signal, exchange.writer);
    if (!piece) co_return;
    if (!*piece) {
      if (!begun) {
        co_await exchange.writer.Send(ErrorResponse(piece->error(), details));
        co_return;
      }
      break;  // what was sent is true; there is no more
    }
    if ((*piece)->empty()) break;
    if (!begun) {
      if (auto ok = co_await exchange.writer.Begin(TextResponse(200, "")); !ok) co_return;
      begun = true;
    }
    if (auto ok = co_await exchange.writer.Write(**piece); !ok) co_return;
  }
  if (begun) {
    co_await exchange.writer.End();
  } else {
    co_await exchange.writer.Send(TextResponse(200, ""));
  }
}

}  // namespace

ConnectHandler ServeLogs(kube::LogSource& logs) {
  return [&logs](Exchange& exchange) { return ServeLog(logs, exchange); };
}

}  // namespace enclave::cluster
