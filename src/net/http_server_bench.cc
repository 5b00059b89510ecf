// Requests over kept connections, with the server's one thread and the clients' on their own cores.
// The rate that counts is by the server thread's CPU time ("per_server_cpu_s"), which no client
// slows down.
#include <pthread.h>
#include <time.h>

#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <boost/asio/awaitable.hpp>

#include "base/check.h"
#include "net/http_server.h"
#include "net/process.h"
#include "net/raw_client.h"
#include "net/tls.h"
#include "net/tls_context.h"
#include "net/transport.h"

namespace enclave::net {
namespace {

boost::asio::awaitable<void> Hello(Request&, ResponseWriter& writer) {
  Response response;
  response.headers["Content-Type"] = "text/plain";
  response.body = "hello, world";
  co_await writer.Send(std::move(response));
}

double CpuSeconds(pthread_t thread) {
  clockid_t clock{};
  pthread_getcpuclockid(thread, &clock);
  timespec spent{};
  clock_gettime(clock, &spent);
  return static_cast<double>(spent.tv_sec) + 1e-9 * static_cast<double>(spent.tv_nsec);
}

// One connection that sends a request and waits for its answer, blocking.
class Pinger {
 public:
  Pinger(std::uint16_t port, SSL_CTX* tls) : client_(port), transport_(client_.fd()) {
    const int yes = 1;
    setsockopt(client_.fd(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    CHECK(client_.connected(), "the server listens");
    if (tls == nullptr) return;
    CHECK(transport_.StartTls(tls, false), "TLS can start");
    CHECK(transport_.Handshake().status == IoStatus::kOk, "a blocking handshake ends");
  }
  void Send() {
    constexpr std::string_view kRequest =
        "GET /api/v1/namespaces/default/pods/web HTTP/1.1\r\nHost: 127.0.0.1:6443\r\n"
        "User-Agent: bench\r\nAccept: application/json\r\n\r\n";
    CHECK(transport_.Write(kRequest).bytes == kRequest.size(), "a request is sent whole");
  }
  void Receive() {
    std::size_t seen = 0;
    while (seen < 12 || std::string_view(buffer_, seen).substr(seen - 12) != "hello, world") {
      const IoResult got = transport_.Read(buffer_ + seen, sizeof buffer_ - seen);
      CHECK(got.status == IoStatus::kOk, "the server answers");
      seen += got.bytes;
    }
  }

 private:
  RawClient client_;
  Transport transport_;
  char buffer_[4096];
};

void Serve(benchmark::State& state, bool with_tls) {
  const auto connections = static_cast<std::size_t>(state.range(0));
  EventLoop loop("bench");
  const KeyPair ca = *CreateCertificateAuthority("bench", std::chrono::hours(24));
  const TlsServerConfig config{
      .identity = *IssueCertificate(
          ca, {.common_name = "bench", .ip_addresses = {"127.0.0.1"}, .for_server = true})};
  HttpServerOptions options;
  options.max_connections = connections + 1;
  if (with_tls) options.tls = &config;
  const auto server = *HttpServer::Start(loop, options, Hello);
  std::promise<pthread_t> thread;
  loop.Post([&] { thread.set_value(pthread_self()); });
  const pthread_t server_thread = thread.get_future().get();
  const SslContextPtr tls =
      with_tls ? *MakeClientContext({.ca_pem = ca.certificate_pem}) : SslContextPtr();
  std::vector<std::unique_ptr<Pinger>> pingers;
  for (std::size_t i = 0; i < connections; ++i) {
    pingers.push_back(std::make_unique<Pinger>(server->port(), tls.get()));
  }
  const double before = CpuSeconds(server_thread);
  std::int64_t requests = 0;
  for (auto _ : state) {
    for (const auto& pinger : pingers) pinger->Send();
    for (const auto& pinger : pingers) pinger->Receive();
    requests += static_cast<std::int64_t>(connections);
  }
  const double spent = CpuSeconds(server_thread) - before;
  state.SetItemsProcessed(requests);
  state.counters["per_server_cpu_s"] = static_cast<double>(requests) / spent;
}

void BM_HelloPlain(benchmark::State& state) {
  Serve(state, false);
}
void BM_HelloTls(benchmark::State& state) {
  Serve(state, true);
}
BENCHMARK(BM_HelloPlain)->Arg(1)->Arg(64)->UseRealTime();
BENCHMARK(BM_HelloTls)->Arg(1)->Arg(64)->UseRealTime();

void BM_Spawn(benchmark::State& state) {
  // As large as the process that will do it.
  std::vector<char> ballast(60 << 20, 'x');
  benchmark::DoNotOptimize(ballast.data());
  EventLoop loop("bench");
  SpawnOptions options;
  options.argv = {"/bin/true"};
  options.new_session = true;
  for (auto _ : state) {
    const auto pid = Spawn(options);
    CHECK(pid, "true is there");
    state.PauseTiming();
    std::promise<void> gone;
    CHECK(WatchExit(loop, {*pid, IdentifyProcess(*pid)->start_ticks},
                    [&gone](int) { gone.set_value(); }),
          "a child can be watched");
    gone.get_future().wait();
    state.ResumeTiming();
  }
}
BENCHMARK(BM_Spawn)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace enclave::net
