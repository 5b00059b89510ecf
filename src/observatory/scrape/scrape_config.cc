#include "observatory/scrape/scrape_config.h"

#include <fmt/format.h>

#include <set>

#include "base/quote.h"
#include "telemetry/config_node.h"

namespace enclave::observatory::scrape {
namespace {

using telemetry::ConfigError;
using telemetry::ConfigNode;
using telemetry::ConfigReader;

constexpr std::size_t kMaxJobs = 1000;

std::string AbsolutePath(const std::string& directory, const std::string& path) {
  return path.empty() || path.starts_with('/') ? path : directory + "/" + path;
}

base::Result<StaticTargets> ReadStaticTargets(const ConfigNode& node, std::string_view file) {
  StaticTargets targets;
  ConfigReader reader(node, "a static config", file);
  reader.Texts("targets", &targets.targets);
  reader.TextMap("labels", &targets.labels);
  RETURN_IF_ERROR(reader.Finish());
  for (const std::string& target : targets.targets) {
    if (target.empty() || target.find('/') != std::string::npos) {
      return base::Fail(
          ConfigError(file, reader.LineOf("targets"),
                      fmt::format("{} is not host:port; the path stands in metrics_path",
                                  base::Quote(target))));
    }
  }
  return targets;
}

base::Result<KubernetesSd> ReadKubernetesSd(const ConfigNode& node, std::string_view file) {
  KubernetesSd sd;
  std::string role;
  ConfigReader reader(node, "a kubernetes_sd config", file);
  reader.Text("role", &role);
  reader.Value("namespaces", [&](const ConfigNode& value) {
    ConfigReader inner(value, "namespaces", file);
    inner.Texts("names", &sd.namespaces);
    return inner.Finish();
  });
  RETURN_IF_ERROR(reader.Finish());
  static constexpr std::pair<std::string_view, KubernetesRole> kRoles[] = {
      {"node", KubernetesRole::kNode},
      {"pod", KubernetesRole::kPod},
      {"service", KubernetesRole::kService},
      {"endpoints", KubernetesRole::kEndpoints},
      {"endpointslice", KubernetesRole::kEndpointSlice},
  };
  for (const auto& [name, value] : kRoles) {
    if (name != role) continue;
    sd.role = value;
    return sd;
  }
  return base::Fail(
      ConfigError(file, reader.LineOf("role"),
                  fmt::format("role must be pod, node, service, endpoints or endpointslice, not {}",
                              base::Quote(role))));
}

class JobReader {
 public:
  JobReader(std::string_view file, const std::string& directory, base::Duration interval,
            base::Duration timeout)
      : file_(file), directory_(directory), interval_(interval), timeout_(timeout) {}

  base::Result<ScrapeJob> Read(const ConfigNode& node) const {
    ScrapeJob job;
    job.interval = interval_;
    job.timeout = base::Duration::zero();
    ConfigReader reader(node, "a scrape config", file_);
    reader.Text("job_name", &job.name);
    reader.Duration("scrape_interval", &job.interval);
    reader.Duration("scrape_timeout", &job.timeout);
    reader.Text("metrics_path", &job.metrics_path);
    reader.Text("scheme", &job.scheme);
    reader.Bool("honor_labels", &job.honor_labels);
    reader.Bool("honor_timestamps", &job.honor_timestamps);
    reader.Bool("track_timestamps_staleness", &job.track_timestamps_staleness);
    reader.Bool("enable_compression", &job.enable_compression);
    reader.Bool("enclave_cluster_access", &job.cluster_access);
    reader.Unsigned("sample_limit", &job.sample_limit);
    reader.Bytes("body_size_limit", &job.body_size_limit);
    reader.Value("params", [&](const ConfigNode& value) { return ReadParams(value, job); });
    reader.Each("static_configs", [&](const ConfigNode& value) -> base::Result<> {
      ASSIGN_OR_RETURN(StaticTargets targets, ReadStaticTargets(value, file_));
      job.static_targets.push_back(std::move(targets));
      return {};
    });
    reader.Each("kubernetes_sd_configs", [&](const ConfigNode& value) -> base::Result<> {
      ASSIGN_OR_RETURN(KubernetesSd sd, ReadKubernetesSd(value, file_));
      job.kubernetes.push_back(std::move(sd));
      return {};
    });
    reader.Text("bearer_token_file", &job.bearer_token_file);
    reader.Value("authorization",
                 [&](const ConfigNode& value) { return ReadAuthorization(value, job); });
    reader.Value("tls_config", [&](const ConfigNode& value) { return ReadTls(value, job); });
    ReadRelabels(reader, "relabel_configs", job.relabel);
    ReadRelabels(reader, "metric_relabel_configs", job.metric_relabel);
    RETURN_IF_ERROR(reader.Finish());
    job.fingerprint =
        fmt::format("{} {} {}", telemetry::Dump(node), job.interval.count(), timeout_.count());
    job.bearer_token_file = AbsolutePath(directory_, job.bearer_token_file);
    if (job.body_size_limit == 0) job.body_size_limit = ScrapeJob().body_size_limit;
    if (job.name.empty()) return Refuse(node.line, "a scrape config needs a job_name");
    if (job.interval <= base::Duration::zero()) {
      return Refuse(reader.LineOf("scrape_interval"), "scrape_interval must be above 0");
    }
    if (job.timeout == base::Duration::zero()) job.timeout = std::min(timeout_, job.interval);
    if (job.timeout > job.interval) {
      return Refuse(reader.LineOf("scrape_timeout"),
                    "scrape_timeout must not be longer than scrape_interval");
    }
    if (job.scheme != "http" && job.scheme != "https") {
      return Refuse(reader.LineOf("scheme"), "scheme must be http or https");
    }
    if (!job.metrics_path.starts_with('/')) {
      return Refuse(reader.LineOf("metrics_path"), "metrics_path must begin with /");
    }
    return job;
  }

 private:
  std::unexpected<base::Error> Refuse(int line, std::string_view why) const {
    return base::Fail(ConfigError(file_, line, why));
  }

  void ReadRelabels(ConfigReader& reader, std::string_view key,
                    std::vector<RelabelRule>& rules) const {
    reader.Each(key, [&](const ConfigNode& value) -> base::Result<> {
      ASSIGN_OR_RETURN(RelabelRule rule, ReadRelabelRule(value, file_));
      rules.push_back(std::move(rule));
      return {};
    });
  }

  base::Result<> ReadParams(const ConfigNode& node, ScrapeJob& job) const {
    ConfigReader reader(node, "params", file_);
    for (const ConfigNode& child : node.children) {
      reader.Texts(child.key, &job.params[child.key]);
    }
    return reader.Finish();
  }

  base::Result<> ReadAuthorization(const ConfigNode& node, ScrapeJob& job) const {
    std::string type = "Bearer";
    ConfigReader reader(node, "authorization", file_);
    reader.Text("type", &type);
    reader.Text("credentials_file", &job.bearer_token_file);
    RETURN_IF_ERROR(reader.Finish());
    if (type != "Bearer") return Refuse(reader.LineOf("type"), "only the type Bearer is supported");
    return {};
  }

  base::Result<> ReadTls(const ConfigNode& node, ScrapeJob& job) const {
    ConfigReader reader(node, "tls_config", file_);
    reader.Text("ca_file", &job.ca_file);
    reader.Text("cert_file", &job.cert_file);
    reader.Text("key_file", &job.key_file);
    reader.Text("server_name", &job.server_name);
    reader.Bool("insecure_skip_verify", &job.insecure_skip_verify);
    RETURN_IF_ERROR(reader.Finish());
    if (job.cert_file.empty() != job.key_file.empty()) {
      return Refuse(node.line, "cert_file and key_file need each other");
    }
    for (std::string* path : {&job.ca_file, &job.cert_file, &job.key_file}) {
      *path = AbsolutePath(directory_, *path);
    }
    return {};
  }

  std::string_view file_;
  const std::string& directory_;
  base::Duration interval_;
  base::Duration timeout_;
};

constexpr std::string_view kPodJob = R"(
  - job_name: kubernetes-pods
    kubernetes_sd_configs: [{role: pod}]
    relabel_configs:
      - {source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_scrape], action: keep, regex: "true"}
      - {source_labels: [__meta_kubernetes_pod_container_init], action: drop, regex: "true"}
      - {source_labels: [__meta_kubernetes_pod_phase], action: drop, regex: Pending|Succeeded|Failed|Completed}
      - source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_scheme]
        regex: (https?)
        target_label: __scheme__
      - source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_path]
        regex: (.+)
        target_label: __metrics_path__
      - source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_port, __meta_kubernetes_pod_ip]
        regex: (\d+);(([A-Fa-f0-9]{1,4}::?){1,7}[A-Fa-f0-9]{1,4})
        replacement: "[$2]:$1"
        target_label: __address__
      - source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_port, __meta_kubernetes_pod_ip]
        regex: (\d+);((([0-9]+?)(\.|$)){4})
        replacement: $2:$1
        target_label: __address__
      - {source_labels: [__meta_kubernetes_namespace], target_label: namespace}
      - {source_labels: [__meta_kubernetes_pod_name], target_label: pod}
      - {source_labels: [__meta_kubernetes_pod_node_name], target_label: node}
      - {source_labels: [__meta_kubernetes_pod_label_app_kubernetes_io_name], regex: (.+), target_label: app}
      - {source_labels: [__meta_kubernetes_pod_label_app], regex: (.+), target_label: app}
)";

constexpr std::string_view kClusterJobs = R"(
  - job_name: kubernetes-apiservers
    enclave_cluster_access: true
    scheme: https
    static_configs: [{targets: ["kubernetes.default.svc:443"]}]
  - job_name: kubernetes-cadvisor
    enclave_cluster_access: true
    scheme: https
    honor_labels: true
    kubernetes_sd_configs: [{role: node}]
    relabel_configs:
      - source_labels: [__meta_kubernetes_node_name]
        target_label: __metrics_path__
        replacement: /api/v1/nodes/$1/proxy/metrics/cadvisor
      - {source_labels: [__meta_kubernetes_node_name], target_label: instance}
      - {source_labels: [__meta_kubernetes_node_name], target_label: node}
)";

constexpr std::string_view kKubeStateJob = R"(
  - job_name: kube-state-metrics
    enclave_cluster_access: true
    scheme: https
    honor_labels: true
    metrics_path: /metrics/kube-state
    static_configs: [{targets: ["kubernetes.default.svc:443"]}]
)";

}  // namespace

base::Result<ScrapeConfig> ParseScrapeConfig(std::string_view text, std::string_view file,
                                             const std::string& directory) {
  ASSIGN_OR_RETURN(const ConfigNode root, telemetry::ParseConfig(text, file));
  ScrapeConfig config;
  ConfigReader reader(root, "the configuration", file);
  base::Duration interval = ScrapeJob().interval;
  base::Duration timeout = ScrapeJob().timeout;
  reader.Value("global", [&](const ConfigNode& node) -> base::Result<> {
    ConfigReader global(node, "global", file);
    global.Duration("scrape_interval", &interval);
    global.Duration("scrape_timeout", &timeout);
    global.Ignore("evaluation_interval");
    global.Ignore("external_labels");
    return global.Finish();
  });
  std::set<std::string> names;
  reader.Each("scrape_configs", [&](const ConfigNode& node) -> base::Result<> {
    const JobReader job_reader(file, directory, interval, timeout);
    ASSIGN_OR_RETURN(ScrapeJob job, job_reader.Read(node));
    if (!names.insert(job.name).second) {
      return base::Fail(ConfigError(
          file, node.line, fmt::format("the job_name {} stands twice", base::Quote(job.name))));
    }
    if (names.size() > kMaxJobs) {
      return base::Fail(
          ConfigError(file, node.line, fmt::format("more than {} scrape configs", kMaxJobs)));
    }
    config.jobs.push_back(std::move(job));
    return {};
  });
  for (const char* other : {"rule_files", "alerting", "webhooks"}) reader.Ignore(other);
  RETURN_IF_ERROR(reader.Finish());
  return config;
}

std::string DefaultScrapeConfig(const DefaultJobs& jobs) {
  std::string text = fmt::format("global: {{scrape_interval: {0}, scrape_timeout: {0}}}\n",
                                 telemetry::FormatConfigDuration(jobs.interval));
  text += "scrape_configs:";
  text += kPodJob;
  if (jobs.cluster) text += kClusterJobs;
  if (jobs.cluster && jobs.kube_state) text += kKubeStateJob;
  return text;
}

}  // namespace enclave::observatory::scrape
