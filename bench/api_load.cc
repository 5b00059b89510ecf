#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "base/executor.h"
#include "bench/load.h"

namespace enclave::bench {
namespace {

using base::Result;
using kube::Json;

constexpr int kConnections = 32;
constexpr int kCreates = 20'000;
constexpr int kGets = 60'000;
constexpr int kPods = 5'000;
constexpr int kWatchers = 100;
constexpr int kChanges = 50;

double SecondsSince(base::MonoTime start) {
  return std::chrono::duration<double>(base::SystemClock().Now() - start).count();
}

// One connection's worth of work: takes the next request until all are taken.
boost::asio::awaitable<Result<>> Worker(net::HttpClient& http, std::atomic<int>& next, int count,
                                        const std::function<net::ClientRequest(int)>& make,
                                        int expected_status) {
  for (int i = next++; i < count; i = next++) {
    const auto response = co_await http.Send(make(i));
    if (!response) co_return base::Fail(response.error());
    if (response->status != expected_status)
      co_return base::Fail(base::ErrorKind::kInternal, fmt::format("HTTP {}: {}", response->status,
                                                                   response->body.substr(0, 300)));
  }
  co_return Result<>();
}

// Requests per second over kConnections keep-alive connections.
Result<double> Rate(const Target& target, int count,
                    const std::function<net::ClientRequest(int)>& make, int expected_status) {
  std::atomic<int> next = 0;
  std::vector<std::future<Result<>>> workers;
  const base::MonoTime start = base::SystemClock().Now();
  for (int i = 0; i < kConnections; ++i)
    workers.push_back(boost::asio::co_spawn(target.loop.context(),
                                            Worker(target.http, next, count, make, expected_status),
                                            boost::asio::use_future));
  Result<> all;
  for (auto& worker : workers)
    if (auto done = worker.get(); !done) all = std::move(done);
  RETURN_IF_ERROR(all);
  return count / SecondsSince(start);
}

Json ConfigMap(int i) {
  // About 1 KB, as a small object of a real cluster.
  return {{"apiVersion", "v1"},
          {"kind", "ConfigMap"},
          {"metadata", {{"name", fmt::format("bench-{}", i)}, {"labels", {{"app", "bench"}}}}},
          {"data", {{"settings", std::string(900, 'x')}}}};
}

Json UnscheduledPod(int i, const Target& target) {
  return {
      {"apiVersion", "v1"},
      {"kind", "Pod"},
      {"metadata", {{"name", fmt::format("bench-{}", i)}, {"labels", {{"app", "bench"}}}}},
      {"spec",
       {{"schedulerName", "nobody"},
        {"containers",
         Json::array({{{"name", "main"},
                       {"image", target.image},
                       {"env", Json::array({{{"name", "A"}, {"value", "1"}}})},
                       {"resources", {{"limits", {{"cpu", "100m"}, {"memory", "64Mi"}}}}}}})}}}};
}

net::ClientRequest Post(const std::string& path, const Json& object) {
  return {.method = "POST",
          .target = path,
          .headers = {{"Content-Type", "application/json"}},
          .body = object.dump()};
}

Result<Figure> MeasureList(const Target& target) {
  RETURN_IF_ERROR(Rate(
      target, kPods,
      [&](int i) { return Post(kube::kPod.Path(target.ns), UnscheduledPod(i, target)); }, 201));
  std::vector<double> times_ms;
  std::size_t bytes = 0;
  for (int i = 0; i < 11; ++i) {
    const base::MonoTime start = base::SystemClock().Now();
    ASSIGN_OR_RETURN(const auto response,
                     target.http.SendAndWait({.target = kube::kPod.Path(target.ns)}));
    times_ms.push_back(SecondsSince(start) * 1000);
    bytes = response.body.size();
  }
  return Figure{"list of 5,000 pods", Median(times_ms), "ms",
                fmt::format("median of 11, one JSON answer of {:.1f} MB over TLS",
                            static_cast<double>(bytes) / 1e6)};
}

// Counts how many watchers have seen the change under way.
class Gathering {
 public:
  void Arrive() {
    std::lock_guard lock(mutex_);
    if (++arrived_ == kWatchers) all_.notify_one();
  }
  // False when they do not all come within 10 s.
  bool Await() {
    std::unique_lock lock(mutex_);
    const bool all =
        all_.wait_for(lock, std::chrono::seconds(10), [&] { return arrived_ >= kWatchers; });
    arrived_ = 0;
    return all;
  }

 private:
  std::mutex mutex_;
  std::condition_variable all_;
  int arrived_ = 0;
};

Result<std::vector<Figure>> MeasureFanOut(const Target& target) {
  ASSIGN_OR_RETURN(const auto created, target.api.Create(kube::kConfigMap, target.ns,
                                                         {{"apiVersion", "v1"},
                                                          {"kind", "ConfigMap"},
                                                          {"metadata", {{"name", "watched"}}}}));
  Gathering gathering;
  std::vector<std::unique_ptr<kube::WatchHandle>> watches;
  kube::ListOptions options{.ns = target.ns};
  options.fields = kube::FieldSelector::Equal("metadata.name", "watched");
  for (int i = 0; i < kWatchers; ++i) {
    ASSIGN_OR_RETURN(auto watch,
                     target.api.Watch(kube::kConfigMap, options, created->revision(), target.loop,
                                      [&gathering](const kube::WatchEvent& event) {
                                        if (event.type == kube::EventType::kModified)
                                          gathering.Arrive();
                                      }));
    watches.push_back(std::move(watch));
  }
  std::vector<double> times_ms;
  // The first change finds the watches still connecting, and is not counted.
  for (int i = -1; i < kChanges; ++i) {
    const base::MonoTime start = base::SystemClock().Now();
    RETURN_IF_ERROR(target.api.Patch(kube::kConfigMap, target.ns, "watched",
                                     kube::PatchType::kMerge,
                                     {{"data", {{"turn", std::to_string(i)}}}}));
    if (!gathering.Await())
      return base::Fail(base::ErrorKind::kDeadlineExceeded, "a watcher missed a change for 10 s");
    if (i >= 0) times_ms.push_back(SecondsSince(start) * 1000);
  }
  const std::string how = "from sending the patch until the last of 100 watches over TLS has it";
  // The watches end on their executor before what their callbacks refer to goes.
  std::promise<void> closed;
  target.loop.Post([&] {
    watches.clear();
    closed.set_value();
  });
  closed.get_future().wait();
  return std::vector<Figure>{{"change to 100 watchers, median", Median(times_ms), "ms", how},
                             {"change to 100 watchers, p99", Percentile99(times_ms), "ms", how}};
}

}  // namespace

double Median(std::vector<double> samples) {
  if (samples.empty()) return 0;
  const auto middle = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
  std::ranges::nth_element(samples, middle);
  return *middle;
}

double Percentile99(std::vector<double> samples) {
  if (samples.empty()) return 0;
  const auto at = samples.begin() + static_cast<std::ptrdiff_t>((samples.size() * 99 - 1) / 100);
  std::ranges::nth_element(samples, at);
  return *at;
}

Result<std::vector<Figure>> MeasureApi(const Target& target) {
  const std::string path = kube::kConfigMap.Path(target.ns);
  ASSIGN_OR_RETURN(const double creates,
                   Rate(target, kCreates, [&](int i) { return Post(path, ConfigMap(i)); }, 201));
  ASSIGN_OR_RETURN(
      const double gets,
      Rate(
          target, kGets,
          [&](int i) {
            return net::ClientRequest{
                .target = kube::kConfigMap.Path(target.ns, fmt::format("bench-{}", i % kCreates))};
          },
          200));
  ASSIGN_OR_RETURN(Figure list, MeasureList(target));
  ASSIGN_OR_RETURN(std::vector<Figure> fan_out, MeasureFanOut(target));
  const std::string how = fmt::format(
      "ConfigMaps of 1 KB over {} keep-alive TLS connections, client on "
      "the same machine",
      kConnections);
  std::vector<Figure> figures{{"durable creates", creates, "1/s", how}, {"gets", gets, "1/s", how}};
  figures.push_back(std::move(list));
  figures.insert(figures.end(), fan_out.begin(), fan_out.end());
  return figures;
}

}  // namespace enclave::bench
