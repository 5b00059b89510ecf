// Everything this folder does, put together for a program: reads the configuration and follows its
// changes, discovers and scrapes, and collects the logs of pods.
//
// Thread safety: all methods may be called from any thread but the service's own. Ownership: sink
// and source outlive the service, which owns its loops and threads.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/random.h"
#include "base/result.h"
#include "kube/kubeconfig.h"
#include "observatory/scrape/pod_logs.h"
#include "observatory/scrape/scrape_config.h"
#include "observatory/scrape/scraper.h"
#include "telemetry/sink.h"
#include "telemetry/source.h"

namespace enclave::observatory::scrape {

struct ServiceOptions {
  std::string config_file{};  // "": what DefaultScrapeConfig says (without a cluster: nothing)
  DefaultJobs defaults{};
  std::optional<kube::ClientConfig> cluster{};  // none: no discovery, no logs
  bool collect_logs = true;
  ScraperOptions scraper{};
  PodLogOptions logs{};
  int workers = 2;
  // How often the file is looked at.
  base::Duration reload_interval = std::chrono::seconds(5);
};

class Service {
 public:
  // The error of a configuration that cannot be used. A cluster that is not there yet is no error:
  // informers try until it is. `source` (may be null) says where collected logs end.
  static base::Result<std::unique_ptr<Service>> Start(ServiceOptions options, telemetry::Sink& sink,
                                                      telemetry::LogSource* source,
                                                      base::Random& random = base::SystemRandom());
  ~Service();

  // Reads the file again now (POST /-/reload). On an error the configuration stays as it was.
  base::Result<> Reload();
  // The JSON of /api/v1/targets' data, and of what a configuration that has errors says.
  std::string RenderTargets() const;
  std::vector<TargetStatus> Targets() const;

 private:
  struct Impl;
  explicit Service(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace enclave::observatory::scrape
