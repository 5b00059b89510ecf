#include "cli/rca_live.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "base/quote.h"
#include "cli/cluster_access.h"
#include "cli/state.h"
#include "incident/freeze.h"
#include "incident/kubernetes.h"
#include "kube/client.h"
#include "kube/kubeconfig.h"
#include "kube/time.h"
#include "net/event_loop.h"
#include "observatory/api/parameters.h"
#include "telemetry/remote/remote.h"

namespace enclave::cli {
namespace {

using base::ErrorKind;
using base::Fail;
using base::Result;
namespace remote = telemetry::remote;

constexpr std::int64_t kLeastMs = 60'000;
constexpr std::int64_t kMostMs = 6 * 3600'000;
// Symptoms go on after the moment that is asked about, as far as there is a future to it.
constexpr std::chrono::seconds kAfter{60};

bool IsElsewhere(const LiveOptions& options) {
  return !options.prometheus.empty() || !options.loki.empty() || !options.tempo.empty() ||
         !options.kubeconfig.empty();
}

Result<incident::Window> AskedWindow(const LiveOptions& options, const base::Clock& clock,
                                     std::int64_t* alert_ns) {
  const auto last = observatory::api::ParseDurationMs(options.last);
  if (!last || *last < kLeastMs || *last > kMostMs)
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("--last {}: write how far to look back, from 1m to 6h, as 10m",
                            base::Quote(options.last)));
  const base::WallTime now = clock.WallNow();
  base::WallTime at = now;
  if (!options.at.empty()) {
    const auto given = kube::ParseTime(options.at);
    if (!given) return Fail(given.error().While("--at takes a time as 2026-01-02T03:04:05Z"));
    at = *given;
    if (at > now)
      return Fail(ErrorKind::kInvalidArgument,
                  fmt::format("--at {} is still to come", base::Quote(options.at)));
  }
  *alert_ns = at.time_since_epoch().count();
  const base::WallTime end = std::min<base::WallTime>(at + kAfter, now);
  return incident::Window{*alert_ns - *last * 1'000'000, end.time_since_epoch().count()};
}

Result<std::unique_ptr<kube::Api>> OpenCluster(const LiveOptions& options, net::EventLoop& loop) {
  if (!options.kubeconfig.empty()) {
    ASSIGN_OR_RETURN(const auto file, kube::Kubeconfig::Load({options.kubeconfig}));
    ASSIGN_OR_RETURN(const auto config, file.Resolve());
    return kube::Client::Connect(loop, config);
  }
  ASSIGN_OR_RETURN(const StatePaths paths, ResolveState(options.state));
  if (!FindClusterProcess(paths))
    return Fail(ErrorKind::kNotFound,
                fmt::format("no enclave runs in {}; start it with `enclave up`, or say whom to ask "
                            "with --prometheus, --loki, --tempo and --kubeconfig",
                            paths.root.string()));
  return OpenApi(paths, loop);
}

remote::Endpoint EndpointOf(const LiveOptions& options, const std::string& url) {
  remote::Endpoint endpoint{.url = url};
  if (!options.token.empty()) endpoint.headers["Authorization"] = "Bearer " + options.token;
  if (!options.tenant.empty()) endpoint.headers["X-Scope-OrgID"] = options.tenant;
  return endpoint;
}

}  // namespace

Result<incident::Context> FreezeLive(const LiveOptions& options, const base::Clock& clock) {
  incident::Question question;
  ASSIGN_OR_RETURN(question.available, AskedWindow(options, clock, &question.alert.time_ns));
  question.alert.service = options.service;

  net::EventLoop loop("explain", 2);
  std::unique_ptr<kube::Api> api;
  if (!IsElsewhere(options) || !options.kubeconfig.empty()) {
    ASSIGN_OR_RETURN(api, OpenCluster(options, loop));
  }
  LiveOptions urls = options;
  if (!IsElsewhere(options)) {
    ASSIGN_OR_RETURN(const StatePaths paths, ResolveState(options.state));
    ASSIGN_OR_RETURN(urls.prometheus, ObservatoryUrl(paths));
    urls.loki = urls.tempo = urls.prometheus;
  }

  incident::Sources sources;
  std::unique_ptr<telemetry::MetricSource> metrics;
  std::unique_ptr<telemetry::LogSource> logs;
  std::unique_ptr<telemetry::TraceSource> traces;
  if (!urls.prometheus.empty()) {
    ASSIGN_OR_RETURN(metrics, remote::ConnectPrometheus(loop, EndpointOf(urls, urls.prometheus)));
    sources.metrics = metrics.get();
  }
  if (!urls.loki.empty()) {
    ASSIGN_OR_RETURN(logs, remote::ConnectLoki(loop, EndpointOf(urls, urls.loki)));
    sources.logs = logs.get();
  }
  if (!urls.tempo.empty()) {
    ASSIGN_OR_RETURN(traces, remote::ConnectTempo(loop, EndpointOf(urls, urls.tempo)));
    sources.traces = traces.get();
  }
  std::vector<std::string> missing;
  if (api) {
    incident::KubernetesFindings findings = incident::ReadKubernetes(*api, question.available);
    sources.facts = std::move(findings.facts);
    sources.changes = std::move(findings.changes);
    missing = std::move(findings.missing);
  } else {
    missing.emplace_back("kubernetes: no cluster given; --kubeconfig FILE names one");
  }
  ASSIGN_OR_RETURN(incident::Context context, incident::Freeze(sources, question));
  context.missing.insert(context.missing.end(), missing.begin(), missing.end());
  return context;
}

}  // namespace enclave::cli
