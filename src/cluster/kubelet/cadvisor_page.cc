#include "cluster/kubelet/cadvisor_page.h"

#include <fmt/format.h>

#include <iterator>
#include <optional>

namespace enclave::cluster {

namespace {

constexpr std::int64_t kCpuPeriodMicros = 100'000;

std::string EscapedLabel(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

std::string LabelsOf(const SampledContainer& container) {
  const std::string id = fmt::format("/kubepods/pod{}/{}/{}", container.id.pod_uid,
                                     container.id.container, container.id.attempt);
  // `name` is what a container runtime would call it.
  const std::string name = fmt::format("k8s_{}_{}_{}_{}_{}", container.id.container, container.pod,
                                       container.ns, container.id.pod_uid, container.id.attempt);
  return fmt::format(
      "container=\"{}\",id=\"{}\",image=\"{}\",name=\"{}\",namespace=\"{}\",pod=\"{}\"",
      EscapedLabel(container.id.container), EscapedLabel(id), EscapedLabel(container.image),
      EscapedLabel(name), EscapedLabel(container.ns), EscapedLabel(container.pod));
}

std::int64_t Milliseconds(base::WallTime time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

double Seconds(base::WallTime time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

}  // namespace

void CadvisorPage::AddKilled(const SampledContainer& container, std::int64_t oom_kills) {
  killed_.emplace_back(container, oom_kills);
}

void CadvisorPage::AddPod(const PodCpuTime& pod, std::int64_t memory_bytes) {
  groups_.push_back(
      {fmt::format("id=\"/kubepods/pod{}\",namespace=\"{}\",pod=\"{}\"", EscapedLabel(pod.uid),
                   EscapedLabel(pod.ns), EscapedLabel(pod.pod)),
       pod.cpu_time, memory_bytes});
}

void CadvisorPage::SetNode(std::chrono::nanoseconds cpu_time, std::int64_t memory_bytes) {
  groups_.push_back({"id=\"/\"", cpu_time, memory_bytes});
}

std::string CadvisorPage::Render() const {
  std::string out;
  const auto line = std::back_inserter(out);
  const auto head = [&](const char* name, const char* type, const char* help) {
    fmt::format_to(line, "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
  };
  // `value`: nullopt leaves the container out. As cAdvisor does, each line says when it was
  // measured: a rate over the times of the scrapes would be wrong by as much as they lie apart from
  // those.
  const auto family = [&](const char* name, const char* type, const char* help, auto value) {
    head(name, type, help);
    for (const CadvisorSample& sample : samples_) {
      const std::optional<std::string> text = value(sample);
      if (text)
        fmt::format_to(line, "{}{{{}}} {} {}\n", name, LabelsOf(sample.container), *text,
                       Milliseconds(sample.last_seen));
    }
  };
  using Text = std::optional<std::string>;

  head("container_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed in seconds.");
  for (const CadvisorSample& sample : samples_) {
    fmt::format_to(line, "container_cpu_usage_seconds_total{{{},cpu=\"total\"}} {:.6f} {}\n",
                   LabelsOf(sample.container),
                   std::chrono::duration<double>(sample.cpu_time).count(),
                   Milliseconds(sample.last_seen));
  }
  for (const Group& group : groups_) {
    fmt::format_to(line, "container_cpu_usage_seconds_total{{{},cpu=\"total\"}} {:.6f}\n",
                   group.labels, std::chrono::duration<double>(group.cpu_time).count());
  }
  const auto memory = [](const CadvisorSample& sample) {
    return Text(fmt::format("{}", sample.memory_bytes));
  };
  family("container_memory_working_set_bytes", "gauge", "Current working set in bytes.", memory);
  for (const Group& group : groups_) {
    fmt::format_to(line, "container_memory_working_set_bytes{{{}}} {}\n", group.labels,
                   group.memory_bytes);
  }
  family("container_memory_rss", "gauge", "Size of RSS in bytes.", memory);
  family("container_memory_usage_bytes", "gauge", "Current memory usage in bytes.", memory);
  family("container_spec_memory_limit_bytes", "gauge", "Memory limit for the container.",
         [](const CadvisorSample& sample) {
           return Text(fmt::format("{}", sample.container.memory_limit_bytes));
         });
  family("container_spec_cpu_period", "gauge", "CPU period of the container.",
         [](const CadvisorSample&) { return Text(fmt::format("{}", kCpuPeriodMicros)); });
  family("container_spec_cpu_quota", "gauge", "CPU quota of the container.",
         [](const CadvisorSample& sample) {
           const std::int64_t millis = sample.container.cpu_limit_millis;
           if (millis == 0) return Text();
           return Text(fmt::format("{}", millis * (kCpuPeriodMicros / 1000)));
         });
  family("container_oom_events_total", "counter",
         "Count of out of memory events observed for the container.",
         [](const CadvisorSample& sample) { return Text(fmt::format("{}", sample.oom_kills)); });
  for (const auto& [container, oom_kills] : killed_) {
    fmt::format_to(line, "container_oom_events_total{{{}}} {}\n", LabelsOf(container), oom_kills);
  }
  family("container_start_time_seconds", "gauge",
         "Start time of the container since unix epoch in seconds.",
         [](const CadvisorSample& sample) {
           return Text(fmt::format("{:.3f}", Seconds(sample.container.started_at)));
         });
  family("container_last_seen", "gauge", "Last time a container was seen by the exporter.",
         [](const CadvisorSample& sample) {
           return Text(fmt::format("{:.0f}", Seconds(sample.last_seen)));
         });
  head("machine_cpu_cores", "gauge", "Number of logical CPU cores.");
  fmt::format_to(line, "machine_cpu_cores {}\n", capacity_.cpu_millis / 1000);
  head("machine_memory_bytes", "gauge", "Amount of memory installed on the machine.");
  fmt::format_to(line, "machine_memory_bytes {}\n", capacity_.memory_bytes);
  return out;
}

}  // namespace enclave::cluster
