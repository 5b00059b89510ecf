#include "kube/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <exception>
#include <fstream>
#include <mutex>
#include <optional>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>

#include "base/log.h"
#include "kube/body.h"
#include "kube/status.h"
#include "kube/watch_decoder.h"

namespace enclave::kube {
namespace {

namespace asio = boost::asio;
using base::Error;
using base::ErrorKind;
using base::Fail;

constexpr int kPageSize = 500;
constexpr int kMaxRetries = 3;
constexpr base::Duration kMaxRetryWait = std::chrono::seconds(5);
constexpr base::Duration kTokenLifetime = std::chrono::minutes(1);
constexpr int kMinWatchSeconds = 300;
constexpr int kMaxWatchSeconds = 600;
constexpr int kMaxEventsUnderWay = 10'000;
constexpr std::size_t kMaxErrorBody = 64 << 10;

std::optional<base::Duration> RetryAfter(const net::Response& response) {
  if (response.status != 429 && response.status != 503 && response.status != 504) {
    return std::nullopt;
  }
  const auto header = response.headers.find("Retry-After");
  if (header == response.headers.end()) return std::nullopt;
  const std::string& text = header->second;
  int seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || seconds < 0) return std::nullopt;  // a date: no use for waiting
  return std::min<base::Duration>(std::chrono::seconds(std::min(seconds, 3600)), kMaxRetryWait);
}

std::string SelectorQuery(const ListOptions& options) {
  std::string query;
  if (!options.labels.empty()) {
    query += "&labelSelector=" + net::PercentEncode(options.labels.ToString());
  }
  if (!options.fields.empty()) {
    query += "&fieldSelector=" + net::PercentEncode(options.fields.ToString());
  }
  return query;
}

base::Result<ObjectPtr> ToObject(const net::Response& response) {
  auto json = ParseJson(response.body);
  if (!json || !json->is_object()) {
    return Fail(ErrorKind::kInternal, "the server's answer is not a JSON object");
  }
  return std::make_shared<const Object>(std::move(*json));
}

}  // namespace

struct Client::Impl {
  Impl(net::EventLoop& loop, ClientConfig config, std::shared_ptr<net::HttpClient> http,
       base::Random& random, std::function<void(base::Duration)> pause)
      : loop(loop),
        config(std::move(config)),
        http(std::move(http)),
        random(random),
        pause(std::move(pause)) {
    const std::string& server = this->config.server;
    const std::size_t authority = server.find("://");
    const std::size_t path =
        authority == std::string::npos ? authority : server.find('/', authority + 3);
    if (path != std::string::npos) prefix = server.substr(path);
  }

  // The bearer token; from its file when that is due.
  std::string Token(bool fresh) {
    const std::lock_guard lock(mutex);
    const base::MonoTime now = loop.Now();
    if (!config.token_file.empty() &&
        (fresh || !token_read || now - *token_read >= kTokenLifetime)) {
      token_read = now;
      std::ifstream file(config.token_file);
      std::string text;
      if (file && std::getline(file, text) && !text.empty()) file_token = text;
    }
    return file_token.empty() ? config.token : file_token;
  }

  net::ClientRequest Request(const std::string& method, const std::string& path, bool fresh_token) {
    net::ClientRequest request;
    request.method = method;
    request.target = prefix + path;
    request.headers["Accept"] = "application/json";
    request.headers["User-Agent"] = "enclave";
    if (const std::string token = Token(fresh_token); !token.empty()) {
      request.headers["Authorization"] = "Bearer " + token;
    }
    return request;
  }

  base::Result<net::Response> Send(const std::string& method, const std::string& path,
                                   const std::string& body, const std::string& content_type) {
    bool fresh_token = false;
    for (int tries = 0;; ++tries) {
      net::ClientRequest request = Request(method, path, fresh_token);
      request.body = body;
      if (!content_type.empty()) request.headers["Content-Type"] = content_type;
      if (const auto trace = current_trace ? current_trace() : std::nullopt)
        trace::Inject(*trace, request.headers);
      auto response = http->SendAndWait(std::move(request));
      if (!response) return Fail(response.error().While(method + " " + path));
      if (response->status < 400) return response;
      const auto wait = RetryAfter(*response);
      if (wait && tries < kMaxRetries) {
        pause(*wait);
        continue;
      }
      if (response->status == 401 && !config.token_file.empty() && !fresh_token) {
        fresh_token = true;
        continue;
      }
      return Fail(FromHttpAnswer(response->status, response->body));
    }
  }

  base::Result<ObjectPtr> SendForObject(const std::string& method, const std::string& path,
                                        const Json& body, std::string_view content_type) {
    ASSIGN_OR_RETURN(const net::Response response,
                     Send(method, path, body.dump(-1, ' ', false, Json::error_handler_t::replace),
                          std::string(content_type)));
    return ToObject(response);
  }

  base::Result<ObjectList> ListPages(const Kind& kind, const ListOptions& options, bool paged);

  net::EventLoop& loop;
  const ClientConfig config;
  const std::shared_ptr<net::HttpClient> http;
  base::Random& random;
  const std::function<void(base::Duration)> pause;
  std::string prefix;  // of a server behind a path
  CurrentTrace current_trace;

  std::mutex mutex;
  std::optional<base::MonoTime> token_read;
  std::string file_token;
};

Client::Client(net::EventLoop& loop, ClientConfig config, std::shared_ptr<net::HttpClient> http,
               base::Random& random, std::function<void(base::Duration)> pause)
    : impl_(std::make_shared<Impl>(loop, std::move(config), std::move(http), random,
                                   std::move(pause))) {}

Client::~Client() = default;

const ClientConfig& Client::config() const {
  return impl_->config;
}

void Client::SetCurrentTrace(CurrentTrace current) {
  impl_->current_trace = std::move(current);
}

base::Result<net::Response> Client::Send(const std::string& method, const std::string& path,
                                         const std::string& body, const std::string& content_type) {
  return impl_->Send(method, path, body, content_type);
}

base::Result<ObjectPtr> Client::Get(const Kind& kind, const std::string& ns,
                                    const std::string& name) {
  ASSIGN_OR_RETURN(const net::Response response, impl_->Send("GET", kind.Path(ns, name), "", ""));
  return ToObject(response);
}

base::Result<ObjectList> Client::Impl::ListPages(const Kind& kind, const ListOptions& options,
                                                 bool paged) {
  ObjectList list;
  std::string continuation;
  do {
    std::string path = kind.Path(options.ns) + "?";
    if (paged) path += fmt::format("limit={}", kPageSize);
    if (!continuation.empty()) path += "&continue=" + net::PercentEncode(continuation);
    path += SelectorQuery(options);
    ASSIGN_OR_RETURN(const net::Response response, Send("GET", path, "", ""));
    auto json = ParseJson(response.body);
    if (!json || !json->is_object()) {
      return Fail(ErrorKind::kInternal, "the server's list is not a JSON object");
    }
    list.revision = Object(Json{{"metadata", At(*json, "metadata")}}, "").revision();
    continuation = StringAt(*json, "metadata.continue");
    const auto items = json->find("items");
    if (items == json->end() || !items->is_array()) continue;
    for (Json& item : *items) {
      if (!item.is_object()) continue;
      // Items of a list need not say what they are.
      item["kind"] = kind.kind;
      item["apiVersion"] = kind.ApiVersion();
      list.items.push_back(std::make_shared<const Object>(std::move(item)));
    }
  } while (!continuation.empty());
  std::ranges::sort(list.items, [](const ObjectPtr& a, const ObjectPtr& b) {
    return std::pair(a->ns(), a->name()) < std::pair(b->ns(), b->name());
  });
  return list;
}

base::Result<ObjectList> Client::List(const Kind& kind, const ListOptions& options) {
  auto list = impl_->ListPages(kind, options, true);
  // The snapshot of the pages is gone: all at once then.
  if (!list && list.error().kind() == ErrorKind::kExpired) {
    list = impl_->ListPages(kind, options, false);
  }
  return list;
}

base::Result<ObjectPtr> Client::Create(const Kind& kind, const std::string& ns, Json object) {
  return impl_->SendForObject("POST", kind.Path(ns), object, "application/json");
}

base::Result<ObjectPtr> Client::Update(const Kind& kind, Json object,
                                       const std::string& subresource) {
  const std::string& name = StringAt(object, "metadata.name");
  if (name.empty()) return Fail(ErrorKind::kInvalidArgument, "an update needs metadata.name");
  return impl_->SendForObject("PUT",
                              kind.Path(StringAt(object, "metadata.namespace"), name, subresource),
                              object, "application/json");
}

base::Result<ObjectPtr> Client::Patch(const Kind& kind, const std::string& ns,
                                      const std::string& name, PatchType type, const Json& patch,
                                      const std::string& subresource) {
  return impl_->SendForObject("PATCH", kind.Path(ns, name, subresource), patch,
                              ContentTypeOf(type));
}

base::Result<ObjectPtr> Client::Delete(const Kind& kind, const std::string& ns,
                                       const std::string& name, const DeleteOptions& options) {
  Json body = {{"kind", "DeleteOptions"}, {"apiVersion", "v1"}};
  if (!options.propagation.empty()) body["propagationPolicy"] = options.propagation;
  if (options.grace_period_seconds) body["gracePeriodSeconds"] = *options.grace_period_seconds;
  if (!options.uid.empty()) body["preconditions"]["uid"] = options.uid;
  if (options.revision != Revision::kNone) {
    body["preconditions"]["resourceVersion"] =
        std::to_string(static_cast<std::uint64_t>(options.revision));
  }
  ASSIGN_OR_RETURN(ObjectPtr answer,
                   impl_->SendForObject("DELETE", kind.Path(ns, name), body, "application/json"));
  if (!IsStatus(answer->json())) return answer;
  Json last = {{"kind", kind.kind},
               {"apiVersion", kind.ApiVersion()},
               {"metadata", {{"name", name}, {"uid", StringAt(answer->json(), "details.uid")}}}};
  if (kind.namespaced) last["metadata"]["namespace"] = ns;
  return std::make_shared<const Object>(std::move(last));
}

namespace {

// What the executor's tasks share with the watch. It holds nothing of the client's loop, as it may
// outlive that.
struct Delivery {
  explicit Delivery(std::function<void(const WatchEvent&)> on_event)
      : on_event(std::move(on_event)) {}

  const std::function<void(const WatchEvent&)> on_event;
  std::atomic<bool> over = false;
  std::atomic<int> under_way = 0;
};

// One watch: a coroutine on its own strand reads and decodes, the executor delivers.
struct WatchState {
  WatchState(net::EventLoop& loop, base::Executor& executor,
             std::function<void(const WatchEvent&)> on_event)
      : strand(asio::make_strand(loop.context())),
        executor(executor),
        delivery(std::make_shared<Delivery>(std::move(on_event))) {}

  void Deliver(WatchEvent event) {
    ++delivery->under_way;
    executor.Post([delivery = delivery, event = std::move(event)] {
      --delivery->under_way;
      if (!delivery->over) delivery->on_event(event);
    });
  }

  void DeliverEnd(Error error) {
    Deliver({EventType::kError, nullptr, Revision::kNone, std::move(error)});
  }

  // False ends the exchange.
  bool Read(const net::Response& head, std::string_view data) {
    if (delivery->over) return false;
    if (head.status != 200) {
      refusal.append(data.substr(0, kMaxErrorBody - std::min(refusal.size(), kMaxErrorBody)));
      return refusal.size() < kMaxErrorBody;
    }
    auto events = decoder.Feed(data);
    if (!events) {
      failure = events.error();
      return false;
    }
    for (WatchEvent& event : *events) {
      if (event.type == EventType::kError) {
        failure = event.error;
        return false;
      }
      Deliver(std::move(event));
    }
    if (delivery->under_way > kMaxEventsUnderWay) {
      failure = Error(ErrorKind::kResourceExhausted,
                      "events come faster than they are taken; the watch begins again");
      return false;
    }
    return true;
  }

  asio::strand<asio::io_context::executor_type> strand;
  asio::cancellation_signal cancel;  // on the strand
  base::Executor& executor;
  const std::shared_ptr<Delivery> delivery;
  WatchDecoder decoder;
  std::string refusal;
  std::optional<Error> failure;
};

asio::awaitable<void> RunWatch(std::shared_ptr<WatchState> state,
                               std::shared_ptr<net::HttpClient> http, net::ClientRequest request) {
  const std::string target = request.target;
  const auto response = co_await http->Stream(
      std::move(request), [state](const net::Response& head, std::string_view data) {
        return state->Read(head, data);
      });
  if (state->delivery->over) co_return;
  if (state->failure) {
    state->DeliverEnd(*state->failure);
  } else if (!response) {
    state->DeliverEnd(response.error().While("watch " + target));
  } else if (response->status != 200) {
    state->DeliverEnd(FromHttpAnswer(response->status, state->refusal));
  } else {
    state->DeliverEnd(Error(ErrorKind::kDeadlineExceeded, "the server ended the watch"));
  }
}

class ClientWatch final : public WatchHandle {
 public:
  explicit ClientWatch(std::shared_ptr<WatchState> state) : state_(std::move(state)) {}
  ~ClientWatch() override {
    state_->delivery->over = true;
    asio::post(state_->strand,
               [state = state_] { state->cancel.emit(asio::cancellation_type::all); });
  }

 private:
  std::shared_ptr<WatchState> state_;
};

}  // namespace

base::Result<std::unique_ptr<WatchHandle>> Client::Watch(
    const Kind& kind, const ListOptions& options, Revision from, base::Executor& executor,
    std::function<void(const WatchEvent&)> on_event) {
  const auto seconds =
      kMinWatchSeconds +
      static_cast<int>(impl_->random.Below(kMaxWatchSeconds - kMinWatchSeconds + 1));
  std::string path = fmt::format("{}?watch=true&allowWatchBookmarks=true&timeoutSeconds={}",
                                 kind.Path(options.ns), seconds);
  if (from != Revision::kNone) {
    path += fmt::format("&resourceVersion={}", static_cast<std::uint64_t>(from));
  }
  path += SelectorQuery(options);
  net::ClientRequest request = impl_->Request("GET", path, false);
  // A server that does not keep its own limit is gone.
  request.timeout = std::chrono::seconds(seconds + 30);
  auto state = std::make_shared<WatchState>(impl_->loop, executor, std::move(on_event));
  // The signal must outlive what is left of the coroutine when its last handler runs.
  const auto done = [state](const std::exception_ptr&) { asio::post(state->strand, [state] {}); };
  asio::co_spawn(state->strand, RunWatch(state, impl_->http, std::move(request)),
                 asio::bind_cancellation_slot(state->cancel.slot(), done));
  return std::make_unique<ClientWatch>(std::move(state));
}

}  // namespace enclave::kube
