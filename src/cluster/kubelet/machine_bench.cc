// What a container and a forwarded connection cost.
//
//   enclave_cluster_kubelet_bench --benchmark_filter=...
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <thread>
#include <vector>

#include <benchmark/benchmark.h>

#include "cluster/kubelet/machine_fixture.h"
#include "cluster/kubelet/tcp_forwarder.h"
#include "cluster/kubelet/test_server.h"

namespace enclave::cluster {
namespace {

int Connect(const std::string& address, std::uint16_t port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(port);
  inet_pton(AF_INET, address.c_str(), &where.sin_addr);
  if (connect(fd, reinterpret_cast<sockaddr*>(&where), sizeof where) != 0) {
    close(fd);
    return -1;
  }
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

// Start until the program runs; with the usual mounts of a pod when the argument is 1, with a mount
// point to be made below /etc when it is 2.
void StartContainer(benchmark::State& state) {
  TemporaryDirectory directory;
  RuntimeHarness harness(directory.path());
  std::filesystem::create_directories(directory / "token");
  WriteAll(directory / "hosts", "127.0.0.1 localhost\n");
  std::int64_t attempt = 0;
  for (auto _ : state) {
    ContainerSpec spec = harness.Shell("bench", "");
    spec.id.attempt = attempt++;
    spec.argv = {"/bin/sleep", "1000"};
    if (state.range(0) > 0) {
      spec.mounts = {{directory / "hosts", "/etc/hosts", false},
                     {directory / "token", "/var/run/secrets/kubernetes.io/serviceaccount", true}};
    }
    if (state.range(0) > 1)
      spec.mounts.push_back({directory / "token", "/etc/enclave-bench", true});
    auto started = harness.Start(spec);
    if (!started) state.SkipWithError(started.error().message().c_str());
    state.PauseTiming();
    OnLoop(harness.loop(), [&] { harness.runtime().Remove(spec.id); });
    state.ResumeTiming();
  }
}
BENCHMARK(StartContainer)->Arg(0)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();

void ExecInContainer(benchmark::State& state) {
  TemporaryDirectory directory;
  RuntimeHarness harness(directory.path());
  ContainerSpec spec = harness.Shell("bench", "sleep 1000");
  if (auto started = harness.Start(spec); !started) return state.SkipWithError("no container");
  for (auto _ : state) benchmark::DoNotOptimize(harness.Exec(spec.id, {"/bin/true"}));
}
BENCHMARK(ExecInContainer)->Unit(benchmark::kMillisecond)->UseRealTime();

// Through the proxy when the argument is 1, else straight to the server.
class Path {
 public:
  explicit Path(bool forwarded) : server_(back_, 9000), loop_("proxy") {
    if (!forwarded) return;
    std::promise<void> listening;
    forwarder_ =
        TcpForwarder::Create(loop_, {front_, 9001}, std::make_shared<ConnectionBudget>(1000),
                             [&](base::Result<>) { listening.set_value(); });
    forwarder_->SetTargets({{back_, 9000}}, false);
    listening.get_future().wait();
  }
  int Open() { return forwarder_ ? Connect(front_, 9001) : Connect(back_, 9000); }

 private:
  const std::string front_ = TestAddress(2);
  const std::string back_ = TestAddress(3);
  TestServer server_;
  net::EventLoop loop_;
  std::unique_ptr<TcpForwarder> forwarder_;
};

void Get(int fd, const std::string& target, std::size_t body, std::vector<char>* buffer) {
  std::string request = "GET " + target + " HTTP/1.1\r\n\r\n";
  if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) < 0) return;
  std::size_t got = 0;
  std::size_t head = 0;
  while (head == 0 || got < head + body) {
    ssize_t n = read(fd, buffer->data(), buffer->size());
    if (n <= 0) return;
    if (head == 0) {
      std::string_view text(buffer->data(), static_cast<std::size_t>(n));
      std::size_t end = text.find("\r\n\r\n");
      head = end == std::string_view::npos ? 0 : end + 4;
    }
    got += static_cast<std::size_t>(n);
  }
}

void Requests(benchmark::State& state) {
  Path path(state.range(0) == 1);
  int fd = path.Open();
  std::vector<char> buffer(1 << 20);
  for (auto _ : state) Get(fd, "/healthz", 3, &buffer);
  state.SetItemsProcessed(state.iterations());
  close(fd);
}
BENCHMARK(Requests)->Arg(0)->Arg(1)->UseRealTime();

void Bytes(benchmark::State& state) {
  Path path(state.range(0) == 1);
  int fd = path.Open();
  std::vector<char> buffer(1 << 20);
  constexpr std::size_t kBytes = 64 << 20;
  for (auto _ : state) Get(fd, "/bytes?n=" + std::to_string(kBytes), kBytes, &buffer);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kBytes));
  close(fd);
}
BENCHMARK(Bytes)->Arg(0)->Arg(1)->UseRealTime()->Unit(benchmark::kMillisecond);

void Connections(benchmark::State& state) {
  Path path(state.range(0) == 1);
  std::vector<char> buffer(64 << 10);
  for (auto _ : state) {
    int fd = path.Open();
    Get(fd, "/healthz", 3, &buffer);
    close(fd);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(Connections)->Arg(0)->Arg(1)->UseRealTime();

}  // namespace
}  // namespace enclave::cluster
