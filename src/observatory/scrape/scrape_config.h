// What to scrape: the part of Prometheus' configuration file that people use. Everything else is
// refused by name, with its line, so that no setting is silently without effect.
//
// global:           scrape_interval, scrape_timeout
// scrape_configs:   job_name, scrape_interval, scrape_timeout, metrics_path, scheme, params,
//                   honor_labels, honor_timestamps, track_timestamps_staleness, sample_limit,
//                   body_size_limit, enable_compression, static_configs, kubernetes_sd_configs,
//                   authorization, bearer_token_file, tls_config, relabel_configs,
//                   metric_relabel_configs
//
// One word is the observatory's own: `enclave_cluster_access: true` sends a job's requests to the
// cluster's API server with the observatory's credentials (kubeconfig or service account); targets
// then differ by path and labels only.
//
// Keys of the same file that other rooms read (rule_files, alerting, global.evaluation_interval,
// global.external_labels, webhooks) are left alone.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/result.h"
#include "net/tls.h"
#include "observatory/scrape/relabel.h"
#include "telemetry/labels.h"

namespace enclave::observatory::scrape {

struct StaticTargets {
  std::vector<std::string> targets;  // "host:port"
  std::map<std::string, std::string> labels;
};

enum class KubernetesRole : std::uint8_t { kNode, kPod, kService, kEndpoints, kEndpointSlice };

struct KubernetesSd {
  KubernetesRole role = KubernetesRole::kPod;
  std::vector<std::string> namespaces{};  // empty: all
  bool operator==(const KubernetesSd&) const = default;
};

struct ScrapeJob {
  // Equal for jobs that are set up alike: their targets go on over a reload.
  std::string fingerprint{};
  std::string name;
  base::Duration interval = std::chrono::seconds(15);
  base::Duration timeout = std::chrono::seconds(10);
  std::string metrics_path = "/metrics";
  std::string scheme = "http";
  std::map<std::string, std::vector<std::string>> params{};
  bool honor_labels = false;
  bool honor_timestamps = true;
  bool track_timestamps_staleness = false;  // series with times of their own end as others do
  bool enable_compression = true;
  std::uint64_t sample_limit = 0;  // 0: none
  std::uint64_t body_size_limit = 64 << 20;
  std::vector<StaticTargets> static_targets{};
  std::vector<KubernetesSd> kubernetes{};
  std::string bearer_token_file{};
  bool cluster_access = false;
  std::string ca_file{};
  std::string cert_file{};
  std::string key_file{};
  std::string server_name{};
  bool insecure_skip_verify = false;
  std::vector<RelabelRule> relabel{};
  std::vector<RelabelRule> metric_relabel{};
};

struct ScrapeConfig {
  std::vector<ScrapeJob> jobs;
};

// Paths in the text are relative to `directory`.
base::Result<ScrapeConfig> ParseScrapeConfig(std::string_view text, std::string_view file,
                                             const std::string& directory = ".");

struct DefaultJobs {
  // The API server's own metrics, the kubelets' cAdvisor through its proxy.
  bool cluster = true;
  // The enclave's API server serves kube-state-metrics at /metrics/kube-state; elsewhere it is a
  // pod that is found like others.
  bool kube_state = true;
  base::Duration interval = std::chrono::seconds(15);
};
// What is scraped when no configuration is given: pods that ask for it with the annotations
// prometheus.io/scrape, port, path and scheme, with the labels namespace, pod, node and app; and
// the cluster's own metrics. The text is a configuration as a user could write it.
std::string DefaultScrapeConfig(const DefaultJobs& jobs = {});

}  // namespace enclave::observatory::scrape
