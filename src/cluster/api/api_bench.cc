// What the API does in a second over TLS keep-alive connections, on the durable store.
//   api_bench --benchmark_filter=...
#include <benchmark/benchmark.h>

#include <atomic>
#include <condition_variable>
#include <mutex>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include "cluster/api/local_api.h"
#include "cluster/api/server_fixture.h"
#include "cluster/store/sqlite_store.h"

namespace enclave::cluster {
namespace {

namespace asio = boost::asio;
using kube::Json;

constexpr int kConnections = 64;

std::unique_ptr<Store> OpenStore(const std::filesystem::path& directory) {
  std::filesystem::create_directories(directory);
  auto store = SqliteStore::Open((directory / "store.db").string());
  CHECK(store.has_value(), "the database opens");
  return std::move(*store);
}

struct Cluster {
  Cluster()
      : directory(std::filesystem::temp_directory_path() /
                  ("enclave-bench-" + base::SystemRandom().Uuid())),
        server(OpenStore(directory)),
        api(server.machinery, "system:bench") {
    CHECK(api.Create(kube::kNamespace, "", {{"metadata", {{"name", "shop"}}}}).has_value(),
          "a namespace is made");
    for (int i = 0; i < kConnections; ++i) clients.push_back(server.Client());
  }
  ~Cluster() {
    clients.clear();
    std::error_code ignored;
    std::filesystem::remove_all(directory, ignored);
  }
  const std::filesystem::path directory;
  ServerFixture server;
  LocalApi api;
  std::vector<std::unique_ptr<net::HttpClient>> clients;
};

Json PodNamed(const std::string& name) {
  Json pod = Json::parse(R"({"apiVersion": "v1", "kind": "Pod", "metadata": {
      "labels": {"app": "web", "pod-template-hash": "6d4cf56db6"}}, "spec": {"containers": [
      {"name": "web", "image": "boutique/frontend:v1", "ports": [{"containerPort": 8080}],
       "env": [{"name": "PORT", "value": "8080"}, {"name": "ADDR", "value": "cart:7070"}],
       "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}},
       "resources": {"limits": {"cpu": "200m", "memory": "128Mi"}}}]}})");
  pod["metadata"]["name"] = name;
  return pod;
}

// Sends `request(i)` for i in [0, total) over all connections; each sends its next when its last
// was answered.
void Pump(Cluster& cluster, int total, int want, std::function<net::ClientRequest(int)> request) {
  std::atomic<int> next = 0;
  std::vector<std::future<void>> ends;
  for (auto& client : cluster.clients) {
    auto run = [&, &through = *client]() -> asio::awaitable<void> {
      for (int i = next++; i < total; i = next++) {
        auto answer = co_await through.Send(request(i));
        CHECK(answer && answer->status == want, "the request succeeds");
      }
    };
    ends.push_back(
        asio::co_spawn(cluster.server.client_loop.context(), std::move(run), asio::use_future));
  }
  for (auto& end : ends) end.get();
}

void BM_DurableCreates(benchmark::State& state) {
  Cluster cluster;
  int from = 0;
  constexpr int kBatch = 2000;
  for (auto _ : state) {
    Pump(cluster, kBatch, 201, [&](int i) {
      net::ClientRequest request{.method = "POST", .target = "/api/v1/namespaces/shop/pods"};
      request.headers["Content-Type"] = "application/json";
      request.body = PodNamed("pod-" + std::to_string(from + i)).dump();
      return request;
    });
    from += kBatch;
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}
BENCHMARK(BM_DurableCreates)->UseRealTime()->Unit(benchmark::kMillisecond);

void BM_Gets(benchmark::State& state) {
  Cluster cluster;
  CHECK(cluster.api.Create(kube::kPod, "shop", PodNamed("pod")).has_value(), "a pod is made");
  constexpr int kBatch = 10'000;
  for (auto _ : state) {
    Pump(cluster, kBatch, 200,
         [](int) { return net::ClientRequest{.target = "/api/v1/namespaces/shop/pods/pod"}; });
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}
BENCHMARK(BM_Gets)->UseRealTime()->Unit(benchmark::kMillisecond);

void BM_ListOf5000Pods(benchmark::State& state) {
  Cluster cluster;
  Pump(cluster, 5000, 201, [&](int i) {
    net::ClientRequest request{.method = "POST", .target = "/api/v1/namespaces/shop/pods"};
    request.headers["Content-Type"] = "application/json";
    request.body = PodNamed("pod-" + std::to_string(i)).dump();
    return request;
  });
  const bool table = state.range(0) == 1;
  std::size_t bytes = 0;
  for (auto _ : state) {
    net::ClientRequest request{.target = "/api/v1/namespaces/shop/pods"};
    if (table) request.headers["Accept"] = "application/json;as=Table;v=v1;g=meta.k8s.io";
    const auto answer = cluster.clients.front()->SendAndWait(std::move(request));
    CHECK(answer && answer->status == 200, "the list succeeds");
    bytes = answer->body.size();
  }
  state.counters["bytes"] = static_cast<double>(bytes);
}
BENCHMARK(BM_ListOf5000Pods)->Arg(0)->Arg(1)->UseRealTime()->Unit(benchmark::kMillisecond);

// From the durable write to the last of 100 watchers, over TLS.
void BM_ChangeTo100Watchers(benchmark::State& state) {
  constexpr int kWatchers = 100;
  Cluster cluster;
  auto client = cluster.server.Client();
  std::mutex mutex;
  std::condition_variable heard;
  int lines = 0;
  bool stop = false;
  std::vector<std::future<base::Result<net::Response>>> ends;
  for (int i = 0; i < kWatchers; ++i) {
    net::ClientRequest request{.target = "/api/v1/namespaces/shop/configmaps?watch=1",
                               .timeout = std::chrono::milliseconds(0)};
    ends.push_back(asio::co_spawn(cluster.server.client_loop.context(),
                                  client->Stream(std::move(request),
                                                 [&](const net::Response&, auto data) {
                                                   std::lock_guard lock(mutex);
                                                   lines += static_cast<int>(
                                                       std::ranges::count(data, '\n'));
                                                   heard.notify_one();
                                                   return !stop;
                                                 }),
                                  asio::use_future));
  }
  int changes = 0;
  const auto change = [&] {
    const std::string name = "m" + std::to_string(changes++);
    CHECK(
        cluster.api.Create(kube::kConfigMap, "shop", {{"metadata", {{"name", name}}}}).has_value(),
        "a change is made");
  };
  const auto wait = [&] {
    std::unique_lock lock(mutex);
    heard.wait(lock, [&] { return lines >= changes * kWatchers; });
  };
  change();
  wait();  // all have begun
  for (auto _ : state) {
    change();
    wait();
  }
  {
    std::lock_guard lock(mutex);
    stop = true;
  }
  change();
  for (auto& end : ends) static_cast<void>(end.get());
}
BENCHMARK(BM_ChangeTo100Watchers)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace enclave::cluster
