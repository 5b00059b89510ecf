#include <fmt/format.h>

#include <atomic>
#include <exception>
#include <fstream>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>

#include "kube/kind.h"
#include "kube/status.h"
#include "kube/time.h"
#include "observatory/scrape/log_tail.h"

namespace enclave::observatory::scrape {
namespace {

namespace asio = boost::asio;
using base::Error;
using base::ErrorKind;

// Pieces posted and not yet taken; past it the follower ends and its owner resumes.
constexpr std::size_t kMaxBytesUnderWay = 4 << 20;
constexpr std::size_t kMaxRefusalBytes = 64 << 10;

// What the executor's tasks share with the exchange; it holds nothing of the loop.
struct TailDelivery {
  std::function<void(const std::string&)> on_data;
  std::function<void(const base::Result<>&)> on_end;
  std::atomic<bool> over = false;
  std::atomic<std::size_t> under_way = 0;
};

struct TailState {
  TailState(net::EventLoop& loop, base::Executor& to, std::shared_ptr<TailDelivery> shared)
      : strand(asio::make_strand(loop.context())), executor(to), delivery(std::move(shared)) {}

  bool Read(const net::Response& head, std::string_view data) {
    if (delivery->over) return false;
    if (head.status != 200) {
      refusal.append(data.substr(0, kMaxRefusalBytes - std::min(refusal.size(), kMaxRefusalBytes)));
      return refusal.size() < kMaxRefusalBytes;
    }
    if (delivery->under_way > kMaxBytesUnderWay) {
      failure = Error(ErrorKind::kResourceExhausted, "the log comes faster than it is taken");
      return false;
    }
    delivery->under_way += data.size();
    executor.Post([delivery = delivery, text = std::string(data)] {
      delivery->under_way -= text.size();
      if (!delivery->over) delivery->on_data(text);
    });
    return true;
  }

  void End(base::Result<> result) {
    executor.Post([delivery = delivery, result = std::move(result)] {
      if (!delivery->over) delivery->on_end(result);
    });
  }

  asio::strand<asio::io_context::executor_type> strand;
  asio::cancellation_signal cancel;  // on the strand
  base::Executor& executor;
  const std::shared_ptr<TailDelivery> delivery;
  std::string refusal;
  std::optional<Error> failure;
};

asio::awaitable<void> RunTail(std::shared_ptr<TailState> state,
                              std::shared_ptr<net::HttpClient> http, net::ClientRequest request) {
  const auto response = co_await http->Stream(
      std::move(request), [state](const net::Response& head, std::string_view data) {
        return state->Read(head, data);
      });
  if (state->failure) {
    state->End(std::unexpected(*state->failure));
  } else if (!response) {
    state->End(std::unexpected(response.error()));
  } else if (response->status != 200) {
    state->End(std::unexpected(kube::FromHttpAnswer(response->status, state->refusal)));
  } else {
    state->End({});
  }
}

class HttpTailHandle final : public LogTail::Handle {
 public:
  explicit HttpTailHandle(std::shared_ptr<TailState> state) : state_(std::move(state)) {}
  ~HttpTailHandle() override {
    state_->delivery->over = true;
    asio::post(state_->strand,
               [state = state_] { state->cancel.emit(asio::cancellation_type::all); });
  }

 private:
  std::shared_ptr<TailState> state_;
};

}  // namespace

HttpLogTail::HttpLogTail(net::EventLoop& loop, kube::ClientConfig config, std::string prefix,
                         std::shared_ptr<net::HttpClient> http)
    : loop_(loop), config_(std::move(config)), prefix_(std::move(prefix)), http_(std::move(http)) {}

base::Result<std::unique_ptr<HttpLogTail>> HttpLogTail::Connect(net::EventLoop& loop,
                                                                const kube::ClientConfig& config) {
  const bool has_token = !config.token.empty() || !config.token_file.empty();
  if (has_token && !config.server.starts_with("https://")) {
    return base::Fail(ErrorKind::kInvalidArgument,
                      "a token must not travel over plain HTTP; use an https:// server");
  }
  net::HttpClientOptions options;
  const std::size_t authority = config.server.find("://");
  const std::size_t path =
      authority == std::string::npos ? authority : config.server.find('/', authority + 3);
  options.base_url = config.server.substr(0, path);
  options.tls = config.tls;
  ASSIGN_OR_RETURN(std::unique_ptr<net::HttpClient> http,
                   net::HttpClient::Create(loop, std::move(options)));
  std::string prefix = path == std::string::npos ? "" : config.server.substr(path);
  while (prefix.ends_with('/')) prefix.pop_back();
  return std::unique_ptr<HttpLogTail>(
      new HttpLogTail(loop, config, std::move(prefix), std::move(http)));
}

std::unique_ptr<LogTail::Handle> HttpLogTail::Follow(
    const LogFollow& follow, base::Executor& executor,
    std::function<void(const std::string&)> on_data,
    std::function<void(const base::Result<>&)> on_end) {
  net::ClientRequest request;
  request.target = fmt::format("{}{}?container={}&follow=true&timestamps=true", prefix_,
                               kube::kPod.Path(follow.ns, follow.pod, "log"),
                               net::PercentEncode(follow.container));
  if (follow.since) {
    request.target += "&sinceTime=" + net::PercentEncode(kube::FormatTime(*follow.since));
  }
  request.timeout = std::chrono::milliseconds::zero();
  request.headers["User-Agent"] = "enclave";
  std::string token = config_.token;
  if (!config_.token_file.empty()) {
    std::ifstream file(config_.token_file);
    std::string line;
    if (file && std::getline(file, line) && !line.empty()) token = line;
  }
  if (!token.empty()) request.headers["Authorization"] = "Bearer " + token;
  auto delivery = std::make_shared<TailDelivery>();
  delivery->on_data = std::move(on_data);
  delivery->on_end = std::move(on_end);
  auto state = std::make_shared<TailState>(loop_, executor, std::move(delivery));
  // The signal must outlive what is left of the coroutine when its last handler runs.
  const auto done = [state](const std::exception_ptr&) { asio::post(state->strand, [state] {}); };
  asio::co_spawn(state->strand, RunTail(state, http_, std::move(request)),
                 asio::bind_cancellation_slot(state->cancel.slot(), done));
  return std::make_unique<HttpTailHandle>(std::move(state));
}

}  // namespace enclave::observatory::scrape
