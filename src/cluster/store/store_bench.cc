// The store under load. Durable figures depend on the disk: TMPDIR chooses where the file lies.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>

#include "cluster/store/sqlite_store.h"
#include "cluster/store/test_support.h"

namespace enclave::cluster {
namespace {

using kube::ObjectPtr;

// A pod of about 2 KB, shaped like a real one.
kube::Json Pod(const Key& key) {
  kube::Json pod = kube::Json::parse(R"({
    "apiVersion": "v1", "kind": "Pod",
    "metadata": {"labels": {"app": "web", "pod-template-hash": "5d4f8c7b9"},
      "annotations": {"enclave.dev/trace-id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "kubectl.kubernetes.io/restartedAt": "2024-01-01T00:00:00Z",
        "prometheus.io/scrape": "true", "prometheus.io/port": "8080", "prometheus.io/path": "/metrics"},
      "creationTimestamp": "2024-01-01T00:00:00Z", "uid": "6e1d9c0a-1f0f-4d0e-9d2f-0c5b6d0f7a11",
      "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d4f8c7b9",
        "uid": "0c5b6d0f-1f0f-4d0e-9d2f-6e1d9c0a7a11", "controller": true, "blockOwnerDeletion": true}]},
    "spec": {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "nodeName": "local",
      "schedulerName": "default-scheduler", "serviceAccountName": "default",
      "terminationGracePeriodSeconds": 30, "enableServiceLinks": true, "priority": 0,
      "containers": [{"name": "web", "image": "web:1", "imagePullPolicy": "IfNotPresent",
        "ports": [{"containerPort": 8080, "protocol": "TCP", "name": "http"}],
        "env": [{"name": "MODE", "value": "production"}, {"name": "LOG_LEVEL", "value": "info"}],
        "resources": {"limits": {"cpu": "200m", "memory": "64Mi"}, "requests": {"cpu": "100m", "memory": "32Mi"}},
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"},
          "periodSeconds": 10, "timeoutSeconds": 1, "successThreshold": 1, "failureThreshold": 3},
        "volumeMounts": [{"name": "token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true}]}],
      "volumes": [{"name": "token", "projected": {"defaultMode": 420, "sources": [{"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}]}}]},
    "status": {"phase": "Running", "podIP": "127.20.0.7", "hostIP": "127.0.0.1", "qosClass": "Burstable",
      "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2024-01-01T00:00:01Z"},
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2024-01-01T00:00:00Z"}],
      "containerStatuses": [{"name": "web", "ready": true, "restartCount": 0, "image": "web:1",
        "state": {"running": {"startedAt": "2024-01-01T00:00:01Z"}}}]}})");
  pod["metadata"]["name"] = key.name;
  pod["metadata"]["namespace"] = key.ns;
  return pod;
}

struct World {
  World() : store(std::move(*SqliteStore::Open(directory.File("store.db"), {}))) {}
  testing::TempDir directory{testing::TempDir::OnDisk()};
  std::unique_ptr<SqliteStore> store;
  std::atomic<std::uint64_t> next = 0;

  Key NextKey() { return testing::PodKey("web-5d4f8c7b9-" + std::to_string(next++)); }
};

std::unique_ptr<World> world;

void FillWorld(int pods) {
  world = std::make_unique<World>();
  for (int i = 0; i < pods; ++i) {
    const Key key = world->NextKey();
    world->store->Apply(
        key, [key](const ObjectPtr&) -> base::Result<Write> { return Put{Pod(key)}; },
        [](base::Result<ObjectPtr>) {});
  }
  testing::Settle(*world->store);
}

void BM_DurableCreate(benchmark::State& state) {
  if (state.thread_index() == 0) world = std::make_unique<World>();
  const kube::Json pod = Pod(testing::PodKey("template"));
  for (auto _ : state) {
    const Key key = world->NextKey();
    kube::Json mine = pod;
    mine["metadata"]["name"] = key.name;
    const auto created =
        ApplyAndWait(*world->store, key, [&mine](const ObjectPtr& current) -> base::Result<Write> {
          if (current != nullptr) return base::Fail(base::ErrorKind::kAlreadyExists, "exists");
          return Put{std::move(mine)};
        });
    if (!created) state.SkipWithError(created.error().message().c_str());
  }
  state.SetItemsProcessed(state.iterations());
  if (state.thread_index() == 0) {
    const StoreMetrics metrics = world->store->metrics();
    state.counters["batch"] =
        static_cast<double>(metrics.changes) / static_cast<double>(metrics.commits);
    state.counters["commit_us"] = static_cast<double>(metrics.commit_time.count()) / 1e3 /
                                  static_cast<double>(metrics.commits);
    world.reset();
  }
}
BENCHMARK(BM_DurableCreate)->Threads(1)->Threads(8)->Threads(64)->UseRealTime();

// Updates of random existing pods, each to its own pod: pages all over the table.
void BM_DurableUpdate(benchmark::State& state) {
  if (state.thread_index() == 0) FillWorld(5000);
  std::uint64_t i = static_cast<std::uint64_t>(state.thread_index()) * 7919;
  for (auto _ : state) {
    const Key key = testing::PodKey("web-5d4f8c7b9-" + std::to_string((i += 104729) % 5000));
    const auto updated =
        ApplyAndWait(*world->store, key, [&](const ObjectPtr& current) -> base::Result<Write> {
          kube::Json json = current->json();
          json["status"]["phase"] = "Running";
          return Put{std::move(json)};
        });
    if (!updated) state.SkipWithError(updated.error().message().c_str());
  }
  state.SetItemsProcessed(state.iterations());
  if (state.thread_index() == 0) world.reset();
}
BENCHMARK(BM_DurableUpdate)->Threads(1)->Threads(8)->Threads(64)->UseRealTime();

void BM_Get(benchmark::State& state) {
  if (state.thread_index() == 0) FillWorld(5000);
  std::uint64_t i = 0;
  std::vector<Key> keys;
  for (int k = 0; k < 5000; ++k) {
    keys.push_back(testing::PodKey("web-5d4f8c7b9-" + std::to_string(k)));
  }
  for (auto _ : state) benchmark::DoNotOptimize(world->store->Get(keys[(i += 1237) % 5000]));
  state.SetItemsProcessed(state.iterations());
  if (state.thread_index() == 0) world.reset();
}
BENCHMARK(BM_Get)->Threads(1)->Threads(2)->Threads(8)->UseRealTime();

void BM_ListOf5000(benchmark::State& state) {
  FillWorld(5000);
  for (auto _ : state) {
    const auto list = world->store->List("pods", "default");
    if (list.items.size() != 5000) state.SkipWithError("objects are missing");
  }
  world.reset();
}
BENCHMARK(BM_ListOf5000)->Unit(benchmark::kMicrosecond);

// From the call of Apply to the last of 100 watchers having the durable change.
void BM_ChangeToWatchers(benchmark::State& state) {
  world = std::make_unique<World>();
  const auto watchers = state.range(0);
  std::mutex mutex;
  std::condition_variable changed;
  std::int64_t seen = 0;
  std::vector<std::unique_ptr<Subscription>> subscriptions;
  for (std::int64_t i = 0; i < watchers; ++i) {
    subscriptions.push_back(
        *world->store->Subscribe("pods", kube::Revision::kNone, [&](const Change&) {
          std::lock_guard lock(mutex);
          if (++seen == watchers) changed.notify_one();
        }));
  }
  const kube::Json pod = Pod(testing::PodKey("web"));
  for (auto _ : state) {
    {
      std::lock_guard lock(mutex);
      seen = 0;
    }
    world->store->Apply(
        testing::PodKey("web"), [&](const ObjectPtr&) -> base::Result<Write> { return Put{pod}; },
        [](base::Result<ObjectPtr>) {});
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return seen == watchers; });
  }
  subscriptions.clear();
  world.reset();
}
BENCHMARK(BM_ChangeToWatchers)
    ->Arg(1)
    ->Arg(100)
    ->Arg(1000)
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);

void BM_Open5000(benchmark::State& state) {
  FillWorld(5000);
  const std::string path = world->directory.File("store.db");
  for (auto _ : state) {
    world->store.reset();
    world->store = std::move(*SqliteStore::Open(path, {}));
  }
  world.reset();
}
BENCHMARK(BM_Open5000)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace enclave::cluster
