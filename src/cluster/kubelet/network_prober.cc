#include "cluster/kubelet/network_prober.h"

#include <array>
#include <cctype>
#include <charconv>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <nghttp2/nghttp2.h>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "cluster/kubelet/grpc_health.h"
#include "net/http.h"

namespace enclave::cluster {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using base::ErrorKind;
using boost::system::error_code;

constexpr std::size_t kMaxBodyBytes = 10 << 10;
constexpr std::size_t kMaxHeaderBytes = 64 << 10;
constexpr int kMaxRedirects = 10;
constexpr std::string_view kUserAgent = "kube-probe/1.33";

// The words that Go has for the errors that probes meet.
std::string Words(const error_code& error) {
  if (error == asio::error::connection_refused) return "connection refused";
  if (error == asio::error::connection_reset) return "connection reset by peer";
  if (error == asio::error::network_unreachable) return "network is unreachable";
  if (error == asio::error::host_unreachable) return "no route to host";
  if (error == asio::error::eof || error == http::error::end_of_stream) return "EOF";
  std::string message = error.message();
  if (!message.empty()) message[0] = static_cast<char>(std::tolower(message[0]));
  return message;
}

struct Place {
  std::string host;
  std::uint16_t port = 0;
  std::string Text() const {
    return host.find(':') != std::string::npos ? fmt::format("[{}]:{}", host, port)
                                               : fmt::format("{}:{}", host, port);
  }
};

base::Result<> Failure(std::string message) {
  return base::Fail(ErrorKind::kUnavailable, std::move(message));
}

// What a probe was doing when its time was over.
struct Progress {
  std::string on_timeout;
};

asio::awaitable<base::Result<>> Connect(tcp::socket& socket, const Place& place) {
  error_code error;
  auto token = asio::redirect_error(asio::use_awaitable, error);
  asio::ip::address address = asio::ip::make_address(place.host, error);
  if (error) {
    tcp::resolver resolver(socket.get_executor());
    auto found = co_await resolver.async_resolve(place.host, std::to_string(place.port), token);
    if (error || found.empty()) {
      co_return Failure(fmt::format("dial tcp: lookup {}: no such host", place.host));
    }
    address = found.begin()->endpoint().address();
  }
  tcp::endpoint endpoint(address, place.port);
  co_await socket.async_connect(endpoint, token);
  if (error) {
    co_return Failure(fmt::format("dial tcp {}: connect: {}", place.Text(), Words(error)));
  }
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  co_return base::Result<>();
}

struct HttpUrl {
  bool https = false;
  Place place;
  std::string target;
  std::string Text() const {
    bool plain = place.port == (https ? 443 : 80);
    return fmt::format("{}://{}{}", https ? "https" : "http", plain ? place.host : place.Text(),
                       target);
  }
};

// Where a Location leads, seen from `from`; nullopt when it is no HTTP URL.
std::optional<HttpUrl> Redirect(const HttpUrl& from, std::string_view location) {
  HttpUrl to = from;
  if (location.starts_with("//")) return std::nullopt;
  if (location.starts_with("/")) {
    to.target = location;
    return to;
  }
  if (location.starts_with("https://")) {
    to.https = true;
    location.remove_prefix(8);
  } else if (location.starts_with("http://")) {
    to.https = false;
    location.remove_prefix(7);
  } else {
    to.target = from.target.substr(0, from.target.rfind('/') + 1) + std::string(location);
    return to;
  }
  std::size_t slash = location.find_first_of("/?#");
  std::string_view authority = location.substr(0, slash);
  to.target = slash == std::string_view::npos ? "/" : std::string(location.substr(slash));
  if (!to.target.starts_with("/")) to.target.insert(0, "/");
  std::size_t colon = authority.rfind(':');
  to.place.port = to.https ? 443 : 80;
  if (colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos) {
    std::string_view digits = authority.substr(colon + 1);
    unsigned port = 0;
    auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (parsed.ec != std::errc() || port == 0 || port > 65535) return std::nullopt;
    to.place.port = static_cast<std::uint16_t>(port);
    authority = authority.substr(0, colon);
  }
  to.place.host = authority;
  return to;
}

struct HttpAnswer {
  int status = 0;
  std::string location;
};

template <typename Stream>
asio::awaitable<base::Result<HttpAnswer>> Exchange(Stream& stream, const Probe& probe,
                                                   const HttpUrl& url) {
  error_code error;
  auto token = asio::redirect_error(asio::use_awaitable, error);
  http::request<http::empty_body> request(http::verb::get, url.target, 11);
  request.set(http::field::host, url.place.Text());
  request.set(http::field::user_agent, beast::string_view(kUserAgent.data(), kUserAgent.size()));
  request.set(http::field::accept, "*/*");
  request.set(http::field::connection, "close");
  for (const auto& [name, value] : probe.headers) {
    // An empty Accept or User-Agent in the manifest takes the header away.
    bool removable = beast::iequals(name, "accept") || beast::iequals(name, "user-agent");
    if (value.empty() && removable) {
      request.erase(name);
    } else {
      request.set(name, value);
    }
  }
  co_await http::async_write(stream, request, token);
  if (error) co_return Fail(ErrorKind::kUnavailable, Words(error));
  http::response_parser<http::buffer_body> parser;
  parser.header_limit(static_cast<std::uint32_t>(kMaxHeaderBytes));
  parser.body_limit(boost::none);
  beast::flat_buffer buffer(kMaxHeaderBytes + kMaxBodyBytes);
  co_await http::async_read_header(stream, buffer, parser, token);
  if (error) co_return Fail(ErrorKind::kUnavailable, Words(error));
  HttpAnswer answer;
  answer.status = static_cast<int>(parser.get().result_int());
  answer.location = std::string(parser.get()[http::field::location]);
  // Servers log an error when nobody reads what they say; a body that breaks off changes nothing.
  std::string body(kMaxBodyBytes, '\0');
  parser.get().body().data = body.data();
  parser.get().body().size = body.size();
  parser.get().body().more = true;
  if (!parser.is_done()) co_await http::async_read(stream, buffer, parser, token);
  co_return answer;
}

asio::awaitable<base::Result<HttpAnswer>> FetchOnce(const Probe& probe, const HttpUrl& url) {
  auto executor = co_await asio::this_coro::executor;
  tcp::socket socket(executor);
  if (auto connected = co_await Connect(socket, url.place); !connected) {
    co_return std::unexpected(connected.error());
  }
  if (!url.https) co_return co_await Exchange(socket, probe, url);
  asio::ssl::context context(asio::ssl::context::tls_client);
  context.set_verify_mode(asio::ssl::verify_none);
  asio::ssl::stream<tcp::socket&> stream(socket, context);
  SSL_set_tlsext_host_name(stream.native_handle(), url.place.host.c_str());
  error_code error;
  co_await stream.async_handshake(asio::ssl::stream_base::client,
                                  asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return Fail(ErrorKind::kUnavailable, "remote error: tls: " + Words(error));
  co_return co_await Exchange(stream, probe, url);
}

asio::awaitable<base::Result<>> ProbeHttp(const Probe& probe, Progress& progress) {
  HttpUrl url{probe.https, {probe.host, probe.port}, probe.path};
  if (!url.target.starts_with("/")) url.target.insert(0, "/");
  for (int hop = 0; hop <= kMaxRedirects; ++hop) {
    progress.on_timeout = fmt::format(
        "Get \"{}\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
        url.Text());
    auto answer = co_await FetchOnce(probe, url);
    if (!answer) {
      co_return Failure(fmt::format("Get \"{}\": {}", url.Text(), answer.error().message()));
    }
    bool redirect = answer->status == 301 || answer->status == 302 || answer->status == 303 ||
                    answer->status == 307 || answer->status == 308;
    if (redirect && !answer->location.empty()) {
      std::optional<HttpUrl> next = Redirect(url, answer->location);
      if (next && next->place.host == url.place.host) {
        url = *next;
        continue;
      }
    }
    if (answer->status >= 200 && answer->status < 400) co_return base::Result<>();
    co_return Failure(fmt::format("HTTP probe failed with statuscode: {}", answer->status));
  }
  co_return Failure(
      fmt::format("Get \"{}\": stopped after {} redirects", url.Text(), kMaxRedirects));
}

asio::awaitable<base::Result<>> ProbeTcp(const Probe& probe, Progress& progress) {
  Place place{probe.host, probe.port};
  progress.on_timeout = fmt::format("dial tcp {}: i/o timeout", place.Text());
  tcp::socket socket(co_await asio::this_coro::executor);
  co_return co_await Connect(socket, place);
}

// One unary call on an HTTP/2 session of its own.
class HealthCall {
 public:
  HealthCall(const Place& place, std::string_view service)
      : authority_(place.Text()), request_(EncodeHealthRequest(service)) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(
        callbacks,
        [](nghttp2_session*, const nghttp2_frame*, const std::uint8_t* name, std::size_t name_size,
           const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* self) {
          static_cast<HealthCall*>(self)->OnHeader(
              {reinterpret_cast<const char*>(name), name_size},
              {reinterpret_cast<const char*>(value), value_size});
          return 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        callbacks, [](nghttp2_session*, std::uint8_t, std::int32_t, const std::uint8_t* data,
                      std::size_t size, void* self) {
          auto* call = static_cast<HealthCall*>(self);
          if (call->body_.size() + size > kMaxBodyBytes) return int{NGHTTP2_ERR_CALLBACK_FAILURE};
          call->body_.append(reinterpret_cast<const char*>(data), size);
          return 0;
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(
        callbacks, [](nghttp2_session*, std::int32_t, std::uint32_t error, void* self) {
          static_cast<HealthCall*>(self)->closed_ = true;
          static_cast<HealthCall*>(self)->stream_error_ = error;
          return 0;
        });
    nghttp2_session_client_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
  }
  ~HealthCall() { nghttp2_session_del(session_); }
  HealthCall(const HealthCall&) = delete;
  HealthCall& operator=(const HealthCall&) = delete;

  asio::awaitable<base::Result<>> Run(tcp::socket& socket) {
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, nullptr, 0);
    Submit();
    error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    std::array<std::uint8_t, 4096> buffer;
    while (true) {
      std::string out;
      const std::uint8_t* data = nullptr;
      ssize_t size = 0;
      while ((size = nghttp2_session_mem_send(session_, &data)) > 0) {
        out.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
      }
      if (!out.empty()) co_await asio::async_write(socket, asio::buffer(out), token);
      if (error) co_return Failure(fmt::format("error: health rpc probe failed: {}", Words(error)));
      if (closed_) break;
      std::size_t n = co_await socket.async_read_some(asio::buffer(buffer), token);
      if (error) co_return Failure(fmt::format("error: health rpc probe failed: {}", Words(error)));
      ssize_t taken = nghttp2_session_mem_recv(session_, buffer.data(), n);
      if (taken < 0) {
        co_return Failure(fmt::format("error: health rpc probe failed: {}",
                                      nghttp2_strerror(static_cast<int>(taken))));
      }
    }
    co_return Judge();
  }

 private:
  void OnHeader(std::string_view name, std::string_view value) {
    if (name == ":status") http_status_ = value;
    if (name == "grpc-status") grpc_status_ = value;
    if (name == "grpc-message" && value.size() < 1000) {
      grpc_message_ = net::PercentDecode(value, /*plus_is_space=*/false);
    }
  }

  void Submit() {
    auto header = [](std::string_view name, std::string_view value) {
      return nghttp2_nv{reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
                        reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())),
                        name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
    };
    nghttp2_nv headers[] = {header(":method", "POST"),
                            header(":scheme", "http"),
                            header(":path", "/grpc.health.v1.Health/Check"),
                            header(":authority", authority_),
                            header("content-type", "application/grpc"),
                            header("user-agent", kUserAgent),
                            header("te", "trailers")};
    nghttp2_data_provider provider{};
    provider.source.ptr = this;
    provider.read_callback = [](nghttp2_session*, std::int32_t, std::uint8_t* into,
                                std::size_t length, std::uint32_t* flags,
                                nghttp2_data_source* source, void*) -> ssize_t {
      auto* call = static_cast<HealthCall*>(source->ptr);
      std::size_t n = std::min(length, call->request_.size() - call->sent_);
      call->request_.copy(reinterpret_cast<char*>(into), n, call->sent_);
      call->sent_ += n;
      if (call->sent_ == call->request_.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
      return static_cast<ssize_t>(n);
    };
    nghttp2_submit_request(session_, nullptr, headers, std::size(headers), &provider, nullptr);
  }

  base::Result<> Judge() const {
    if (stream_error_ != NGHTTP2_NO_ERROR && grpc_status_.empty()) {
      return Failure(fmt::format("error: health rpc probe failed: stream reset: {}",
                                 nghttp2_http2_strerror(stream_error_)));
    }
    if (http_status_ != "200") {
      return Failure(
          fmt::format("error: health rpc probe failed: unexpected HTTP status {}", http_status_));
    }
    if (grpc_status_ == "12") {
      return Failure(fmt::format(
          "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): "
          "{}",
          grpc_message_));
    }
    if (grpc_status_ == "5") return Failure("service unhealthy (responded with \"NOT_FOUND\")");
    if (grpc_status_ != "0") {
      return Failure(fmt::format("error: health rpc probe failed: code = {} desc = {}",
                                 grpc_status_, grpc_message_));
    }
    auto status = ParseHealthResponse(body_);
    if (!status) {
      return Failure("error: health rpc probe failed: " + status.error().message());
    }
    if (*status == HealthStatus::kServing) return {};
    return Failure(fmt::format("service unhealthy (responded with \"{}\")", ToString(*status)));
  }

  const std::string authority_;
  const std::string request_;
  nghttp2_session* session_ = nullptr;
  std::size_t sent_ = 0;
  std::string body_;
  std::string http_status_;
  std::string grpc_status_;
  std::string grpc_message_;
  std::uint32_t stream_error_ = 0;
  bool closed_ = false;
};

std::string Seconds(std::chrono::milliseconds span) {
  return fmt::format("{}s", static_cast<double>(span.count()) / 1000);
}

asio::awaitable<base::Result<>> ProbeGrpc(const Probe& probe, Progress& progress) {
  Place place{probe.host, probe.port};
  std::string connect =
      fmt::format("timeout: failed to connect service \"{}\" within {}: ", place.Text(),
                  Seconds(probe.timeout));
  progress.on_timeout = connect + "context deadline exceeded";
  tcp::socket socket(co_await asio::this_coro::executor);
  if (auto connected = co_await Connect(socket, place); !connected) {
    co_return Failure(connect + "connection error: desc = \"transport: Error while dialing: " +
                      connected.error().message() + "\"");
  }
  progress.on_timeout =
      fmt::format("timeout: health rpc did not complete within {}", Seconds(probe.timeout));
  HealthCall call(place, probe.service);
  co_return co_await call.Run(socket);
}

asio::awaitable<base::Result<>> ProbeAny(const Probe& probe, Progress& progress) {
  switch (probe.type) {
    case Probe::Type::kHttpGet:
      co_return co_await ProbeHttp(probe, progress);
    case Probe::Type::kGrpc:
      co_return co_await ProbeGrpc(probe, progress);
    case Probe::Type::kTcpSocket:
    case Probe::Type::kExec:
      break;
  }
  co_return co_await ProbeTcp(probe, progress);
}

// One probe with its deadline; everything runs on one strand.
struct Run {
  Run(net::EventLoop& loop, const Probe& probe, std::function<void(base::Result<>)> done)
      : loop(loop),
        strand(asio::make_strand(loop.context())),
        timer(strand),
        probe(probe),
        done(std::move(done)) {}

  void Finish(base::Result<> result) {
    if (!done) return;
    timer.cancel();
    loop.Post([done = std::exchange(done, nullptr), result = std::move(result)]() mutable {
      done(std::move(result));
    });
  }

  net::EventLoop& loop;
  asio::strand<asio::io_context::executor_type> strand;
  asio::steady_timer timer;
  asio::cancellation_signal cancel;
  const Probe probe;
  Progress progress;
  std::function<void(base::Result<>)> done;
};

}  // namespace

void NetworkProber::Run(const ContainerId& id, const Probe& probe,
                        std::function<void(base::Result<>)> done) {
  if (probe.type == Probe::Type::kExec) {
    runtime_.ExecCapture(id, probe.command, probe.timeout,
                         [done = std::move(done)](base::Result<ExecOutput> output) {
                           if (!output) return done(std::unexpected(std::move(output).error()));
                           if (output->exit_code == 0) return done({});
                           std::string text = output->output;
                           while (!text.empty() && text.back() == '\n') text.pop_back();
                           if (text.empty()) {
                             text = fmt::format("command terminated with exit code {}",
                                                output->exit_code);
                           }
                           done(base::Fail(ErrorKind::kUnavailable, text));
                         });
    return;
  }
  auto run = std::make_shared<cluster::Run>(loop_, probe, std::move(done));
  asio::post(run->strand, [run] {
    run->timer.expires_after(run->probe.timeout);
    run->timer.async_wait([run](error_code error) {
      if (error) return;
      run->Finish(base::Fail(ErrorKind::kDeadlineExceeded, run->progress.on_timeout));
      run->cancel.emit(asio::cancellation_type::terminal);
    });
    asio::co_spawn(
        run->strand, ProbeAny(run->probe, run->progress),
        asio::bind_cancellation_slot(
            run->cancel.slot(), [run](std::exception_ptr exception, base::Result<> result) {
              // Asio reports a cancelled coroutine as an exception; the timer has
              // answered by then.
              if (exception) {
                result = base::Fail(ErrorKind::kInternal, "the probe was interrupted");
              }
              run->Finish(std::move(result));
            }));
  });
}

}  // namespace enclave::cluster
