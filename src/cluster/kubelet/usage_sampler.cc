#include "cluster/kubelet/usage_sampler.h"

#include <algorithm>
#include <tuple>

#include "cluster/kubelet/cadvisor_page.h"

namespace enclave::cluster {

namespace {

constexpr base::Duration kSoon = std::chrono::seconds(1);

}  // namespace

UsageSampler::UsageSampler(const KubeletContext& context,
                           std::function<std::vector<SampledContainer>()> running)
    : context_(context), running_(std::move(running)), timer_(context.executor()) {}

void UsageSampler::Hurry() {
  if (hurried_) return;
  hurried_ = true;
  Arm(kSoon);
}

void UsageSampler::Wake() {
  if (!timer_.armed()) Arm(kSoon);
}

void UsageSampler::ForgetPod(const std::string& uid) {
  const std::lock_guard lock(mutex_);
  std::erase_if(oom_kills_, [&](const auto& entry) { return entry.first.first == uid; });
  pod_cpu_.erase(uid);
}

void UsageSampler::Arm(base::Duration delay) {
  timer_.Set(delay, [this] { TakeSamples(); });
}

void UsageSampler::CountOomKill(const SampledContainer& container) {
  const std::lock_guard lock(mutex_);
  OomKills& kills = oom_kills_[{container.id.pod_uid, container.id.container}];
  kills.container = container;
  ++kills.count;
}

void UsageSampler::TakeSamples() {
  hurried_ = false;
  const std::vector<SampledContainer> running = running_();
  std::map<Name, std::pair<SampledContainer, ContainerStats>> seen;
  bool fresh = false;
  for (const SampledContainer& container : running) {
    const auto stats = context_.ports.runtime.Stats(container.id);
    if (stats) seen[{container.id.pod_uid, container.id.container}] = {container, *stats};
  }
  const base::MonoTime now = context_.Now();
  {
    const std::lock_guard lock(mutex_);
    last_sample_ = context_.WallNow();
    std::erase_if(entries_, [&](const auto& entry) { return !seen.contains(entry.first); });
    for (const auto& [name, sample] : seen) {
      const auto& [container, stats] = sample;
      Entry& entry = entries_[name];
      if (entry.container.id != container.id) {
        entry = Entry{};
        fresh = true;
      }
      const std::chrono::nanoseconds before =
          entry.samples.empty() ? std::chrono::nanoseconds(0) : entry.samples.back().cpu_time;
      const auto used = std::max(stats.cpu_time - before, std::chrono::nanoseconds(0));
      node_cpu_time_ += used;
      PodCpuTime& pod = pod_cpu_[name.first];
      pod = {name.first, container.ns, container.pod, pod.cpu_time + used};
      entry.container = container;
      entry.memory_bytes = stats.memory_bytes;
      entry.last_seen = last_sample_;
      entry.samples.push_back({now, stats.cpu_time});
      while (entry.samples.size() > 2 && now - entry.samples[1].at >= kWindow)
        entry.samples.pop_front();
    }
  }
  // Without containers the next change of a pod wakes it.
  if (running.empty()) return;
  Arm(fresh ? kSoon : context_.options.usage_period);
}

std::int64_t UsageSampler::NanocoresOf(const Entry& entry) {
  const Sample& first = entry.samples.front();
  const Sample& last = entry.samples.back();
  const double span = std::chrono::duration<double>(last.at - first.at).count();
  if (span <= 0 || last.cpu_time < first.cpu_time) return 0;
  return static_cast<std::int64_t>(static_cast<double>((last.cpu_time - first.cpu_time).count()) /
                                   span);
}

std::vector<kube::PodUsage> UsageSampler::Pods() const {
  const std::lock_guard lock(mutex_);
  std::map<std::tuple<std::string, std::string, std::string>, kube::PodUsage> pods;
  for (const auto& [name, entry] : entries_) {
    if (entry.samples.size() < 2) continue;
    kube::PodUsage& pod = pods[{entry.container.ns, entry.container.pod, name.first}];
    pod.ns = entry.container.ns;
    pod.name = entry.container.pod;
    pod.timestamp = std::max(pod.timestamp, entry.last_seen);
    pod.window = std::max(pod.window, entry.samples.back().at - entry.samples.front().at);
    pod.containers.push_back({name.second, NanocoresOf(entry), entry.memory_bytes});
  }
  std::vector<kube::PodUsage> usages;
  usages.reserve(pods.size());
  for (auto& [key, pod] : pods) usages.push_back(std::move(pod));
  return usages;
}

std::vector<kube::NodeUsage> UsageSampler::Nodes() const {
  const std::lock_guard lock(mutex_);
  kube::NodeUsage node;
  node.name = context_.options.node_name;
  node.timestamp = last_sample_;
  for (const auto& [name, entry] : entries_) {
    node.memory_bytes += entry.memory_bytes;
    if (entry.samples.size() < 2) continue;
    node.cpu_nanocores += NanocoresOf(entry);
    node.window = std::max(node.window, entry.samples.back().at - entry.samples.front().at);
  }
  // A node without containers uses nothing, which is a number too.
  if (node.timestamp == base::WallTime{}) node.timestamp = context_.WallNow();
  return {node};
}

std::string UsageSampler::CadvisorText() const {
  const std::lock_guard lock(mutex_);
  CadvisorPage page(context_.options.capacity);
  std::map<std::string, std::int64_t> pod_memory_bytes;
  std::int64_t node_memory_bytes = 0;
  for (const auto& [name, entry] : entries_) {
    const auto killed = oom_kills_.find(name);
    page.Add({entry.container, entry.samples.back().cpu_time, entry.memory_bytes,
              killed == oom_kills_.end() ? 0 : killed->second.count, entry.last_seen});
    pod_memory_bytes[name.first] += entry.memory_bytes;
    node_memory_bytes += entry.memory_bytes;
  }
  // What was killed and waits for its next run is not sampled, but its kills count on.
  for (const auto& [name, kills] : oom_kills_)
    if (!entries_.contains(name)) page.AddKilled(kills.container, kills.count);
  for (const auto& [uid, pod] : pod_cpu_) page.AddPod(pod, pod_memory_bytes[uid]);
  page.SetNode(node_cpu_time_, node_memory_bytes);
  return page.Render();
}

}  // namespace enclave::cluster
