#include "observatory/scrape/service.h"

#include <fmt/format.h>

#include <fstream>
#include <future>
#include <mutex>
#include <utility>

#include "base/log.h"
#include "base/quote.h"
#include "kube/client.h"
#include "kube/informer.h"
#include "net/event_loop.h"
#include "observatory/scrape/fetcher.h"
#include "observatory/scrape/kubernetes_discovery.h"
#include "telemetry/workers.h"

namespace enclave::observatory::scrape {
namespace {

constexpr std::size_t kMaxConfigBytes = 4 << 20;
constexpr std::size_t kMaxQueuedWork = 1024;

base::Result<std::string> ReadConfigFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return base::Fail(base::ErrorKind::kNotFound,
                      fmt::format("cannot open the configuration {}", base::Quote(path)));
  }
  std::string text(kMaxConfigBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMaxConfigBytes) {
    return base::Fail(base::ErrorKind::kTooLarge,
                      fmt::format("the configuration {} has more than {} bytes", base::Quote(path),
                                  kMaxConfigBytes));
  }
  return text;
}

}  // namespace

struct Service::Impl {
  Impl(ServiceOptions given, telemetry::Sink& to, telemetry::LogSource* from, base::Random& chance)
      : options(std::move(given)), sink(to), source(from), random(chance) {}

  ~Impl() {
    // The informers' calls block until the other loop has their answers, so theirs ends first. Then
    // no task runs any more; then the work that is queued ends; then the rest can.
    if (watch_loop != nullptr) watch_loop->Stop();
    loop.Stop();
    workers.reset();
    logs.reset();
    discovery.reset();
    informers.reset();
    scraper.reset();
    tail.reset();
    client.reset();
    fetcher.reset();
  }

  base::Result<> Open();
  base::Result<ScrapeConfig> Read(std::string* text) const;
  void Use(const ScrapeConfig& config);
  void WatchFile();

  const ServiceOptions options;
  telemetry::Sink& sink;
  telemetry::LogSource* const source;
  base::Random& random;
  net::EventLoop loop{"scrape"};
  // Informers list and watch with calls that block.
  std::unique_ptr<net::EventLoop> watch_loop;
  std::unique_ptr<telemetry::ThreadWorkers> workers;
  std::unique_ptr<HttpFetcher> fetcher;
  std::unique_ptr<kube::Client> client;
  std::unique_ptr<HttpLogTail> tail;
  std::unique_ptr<Scraper> scraper;
  std::unique_ptr<kube::SharedInformers> informers;  // watch_loop's, as the next two
  std::unique_ptr<KubernetesDiscovery> discovery;
  std::unique_ptr<PodLogs> logs;

  std::mutex mutex;
  std::string text_in_use;  // guarded by mutex
};

base::Result<ScrapeConfig> Service::Impl::Read(std::string* text) const {
  if (options.config_file.empty()) {
    *text = options.cluster ? DefaultScrapeConfig(options.defaults) : std::string();
    return ParseScrapeConfig(*text, "the default configuration");
  }
  ASSIGN_OR_RETURN(*text, ReadConfigFile(options.config_file));
  const std::size_t slash = options.config_file.rfind('/');
  const std::string directory =
      slash == std::string::npos ? "." : options.config_file.substr(0, slash);
  ASSIGN_OR_RETURN(ScrapeConfig config, ParseScrapeConfig(*text, options.config_file, directory));
  for (const ScrapeJob& job : config.jobs) {
    if (!options.cluster && (!job.kubernetes.empty() || job.cluster_access)) {
      return base::Fail(base::ErrorKind::kInvalidArgument,
                        fmt::format("the job {} needs a cluster, and none is known: give a "
                                    "kubeconfig, or run in a pod",
                                    base::Quote(job.name)));
    }
  }
  // A file without scrape_configs (it may have rules alone) leaves the defaults in force.
  if (config.jobs.empty() && options.cluster && text->find("scrape_configs") == std::string::npos) {
    return ParseScrapeConfig(DefaultScrapeConfig(options.defaults), "the default configuration");
  }
  return config;
}

base::Result<> Service::Impl::Open() {
  std::string text;
  ASSIGN_OR_RETURN(const ScrapeConfig config, Read(&text));
  text_in_use = text;
  workers =
      std::make_unique<telemetry::ThreadWorkers>("scrape-work", options.workers, kMaxQueuedWork);
  fetcher = std::make_unique<HttpFetcher>(loop, options.cluster);
  scraper = std::make_unique<Scraper>(loop, *fetcher, *workers, sink, options.scraper);
  if (options.cluster) {
    ASSIGN_OR_RETURN(client, kube::Client::Connect(loop, *options.cluster, random));
    ASSIGN_OR_RETURN(tail, HttpLogTail::Connect(loop, *options.cluster));
    watch_loop = std::make_unique<net::EventLoop>("kube-watch");
    informers = std::make_unique<kube::SharedInformers>(*client, *watch_loop, random);
    watch_loop->Post([this] {
      discovery = std::make_unique<KubernetesDiscovery>(*informers);
      if (!options.collect_logs) return;
      logs = std::make_unique<PodLogs>(*informers, *tail, *workers, sink, source, options.logs);
      logs->Start();
    });
  }
  Use(config);
  if (!options.config_file.empty()) {
    loop.After(options.reload_interval, [this] { WatchFile(); });
  }
  return {};
}

void Service::Impl::Use(const ScrapeConfig& config) {
  loop.Post([this, config] { scraper->Apply(config); });
  if (watch_loop == nullptr) return;
  watch_loop->Post([this, config] {
    discovery->Clear();
    for (const ScrapeJob& job : config.jobs) {
      for (std::size_t i = 0; i < job.kubernetes.size(); ++i) {
        discovery->Watch(job.kubernetes[i], [this, name = job.name,
                                             i](const std::vector<telemetry::Labels>& found) {
          loop.Post([this, name, i, found] { scraper->SetDiscovered(name, i, found); });
        });
      }
    }
  });
}

// Files are read by a worker: a disk may be slow.
void Service::Impl::WatchFile() {
  const bool submitted = workers->Submit([this] {
    std::string text;
    const auto config = Read(&text);
    {
      const std::lock_guard lock(mutex);
      if (text == text_in_use) return;
      text_in_use = text;
    }
    if (config) {
      Use(*config);
      base::LogInfo("scrape", "the configuration was read again");
    } else {
      base::LogError("scrape", "the configuration stays as it was: the file has an error",
                     {{"error", config.error().message()}});
    }
  });
  (void)submitted;  // or next time
  loop.After(options.reload_interval, [this] { WatchFile(); });
}

Service::Service(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Service::~Service() = default;

base::Result<std::unique_ptr<Service>> Service::Start(ServiceOptions options, telemetry::Sink& sink,
                                                      telemetry::LogSource* source,
                                                      base::Random& random) {
  auto impl = std::make_unique<Impl>(std::move(options), sink, source, random);
  RETURN_IF_ERROR(impl->Open());
  return std::unique_ptr<Service>(new Service(std::move(impl)));
}

base::Result<> Service::Reload() {
  std::string text;
  ASSIGN_OR_RETURN(const ScrapeConfig config, impl_->Read(&text));
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->text_in_use = std::move(text);
  }
  impl_->Use(config);
  return {};
}

std::vector<TargetStatus> Service::Targets() const {
  return impl_->scraper->Targets();
}

std::string Service::RenderTargets() const {
  return scrape::RenderTargets(impl_->scraper->Targets(), impl_->scraper->Dropped());
}

}  // namespace enclave::observatory::scrape
