#include "observatory/rules/service.h"

#include <fmt/format.h>

#include <fstream>
#include <mutex>
#include <utility>

#include "base/log.h"
#include "base/quote.h"
#include "net/event_loop.h"
#include "observatory/rules/notifier.h"
#include "observatory/rules/poster.h"
#include "observatory/rules/rules_config.h"
#include "telemetry/workers.h"

namespace enclave::observatory::rules {
namespace {

constexpr std::size_t kMaxConfigBytes = 4 << 20;
constexpr std::size_t kMaxQueuedWork = 1024;

// What the files say.
struct Loaded {
  std::string text;  // of the configuration
  RulesConfig config;
  std::vector<RuleGroup> groups;
  std::string fingerprint;  // of all of it
};

}  // namespace

struct Service::Impl {
  Impl(ServiceOptions given, RuleEngine& asks, telemetry::Sink& to, telemetry::MetricSource* from,
       base::Random& chance)
      : options(std::move(given)), engine(asks), sink(to), source(from), random(chance) {}

  ~Impl() {
    // No task runs any more; then the work that is queued ends; then the rest can.
    loop.Stop();
    workers.reset();
    manager.reset();
    webhooks.clear();
    alertmanagers.reset();
  }

  base::Result<Loaded> Load() const;
  void Use(Loaded loaded);
  void WatchFiles();

  const ServiceOptions options;
  RuleEngine& engine;
  telemetry::Sink& sink;
  telemetry::MetricSource* const source;
  base::Random& random;
  net::EventLoop loop{"rules"};
  HttpPoster poster{loop};
  std::unique_ptr<telemetry::ThreadWorkers> workers;

  // The loop's.
  std::string config_text;
  std::unique_ptr<RuleManager> manager;
  std::unique_ptr<AlertmanagerNotifier> alertmanagers;
  std::vector<std::unique_ptr<WebhookNotifier>> webhooks;

  mutable std::mutex mutex;
  std::string fingerprint;           // guarded by mutex
  RuleManager* published = nullptr;  // guarded by mutex
};

base::Result<Loaded> Service::Impl::Load() const {
  Loaded loaded;
  if (options.config_file.empty()) return loaded;
  std::ifstream file(options.config_file, std::ios::binary);
  if (!file) {
    return base::Fail(base::ErrorKind::kNotFound, fmt::format("cannot open the configuration {}",
                                                              base::Quote(options.config_file)));
  }
  loaded.text.resize(kMaxConfigBytes + 1);
  file.read(loaded.text.data(), static_cast<std::streamsize>(loaded.text.size()));
  loaded.text.resize(static_cast<std::size_t>(file.gcount()));
  if (loaded.text.size() > kMaxConfigBytes) {
    return base::Fail(base::ErrorKind::kTooLarge, "the configuration is too long");
  }
  const std::size_t slash = options.config_file.rfind('/');
  const std::string directory =
      slash == std::string::npos ? "." : options.config_file.substr(0, slash);
  ASSIGN_OR_RETURN(loaded.config, ParseRulesConfig(loaded.text, options.config_file, directory));
  ASSIGN_OR_RETURN(loaded.groups,
                   LoadRuleFiles(loaded.config.rule_files, engine, loaded.config.defaults));
  loaded.fingerprint = loaded.text;
  for (const RuleGroup& group : loaded.groups) loaded.fingerprint += "\n" + group.Fingerprint();
  return loaded;
}

void Service::Impl::Use(Loaded loaded) {
  {
    const std::lock_guard lock(mutex);
    fingerprint = loaded.fingerprint;
  }
  auto shared = std::make_shared<Loaded>(std::move(loaded));
  loop.Post([this, shared] {
    const bool first = manager == nullptr;
    if (first || config_text != shared->text) {
      config_text = shared->text;
      alertmanagers = std::make_unique<AlertmanagerNotifier>(loop, poster, random,
                                                             shared->config.alertmanagers);
      webhooks.clear();
      for (const WebhookConfig& webhook : shared->config.webhooks) {
        webhooks.push_back(
            std::make_unique<WebhookNotifier>(loop, poster, random, webhook, options.external_url));
      }
    }
    if (first) {
      RuleManagerOptions manager_options;
      manager_options.context = {shared->config.external_labels, options.external_url};
      manager = std::make_unique<RuleManager>(
          loop, *workers, engine, sink, source,
          [this](const std::vector<Notification>& alerts) {
            alertmanagers->Send(alerts);
            for (const auto& webhook : webhooks) webhook->Send(alerts);
            if (options.on_alerts) options.on_alerts(alerts);
          },
          manager_options);
      const std::lock_guard lock(mutex);
      published = manager.get();
    }
    manager->Apply(std::move(shared->groups));
  });
}

void Service::Impl::WatchFiles() {
  const bool submitted = workers->Submit([this] {
    auto loaded = Load();
    {
      const std::lock_guard lock(mutex);
      const std::string seen = loaded ? loaded->fingerprint : loaded.error().message();
      if (seen == fingerprint) return;
      fingerprint = seen;
    }
    if (loaded) {
      Use(std::move(*loaded));
      base::LogInfo("rules", "the rules were read again");
    } else {
      base::LogError("rules", "the rules stay as they were: a file has an error",
                     {{"error", loaded.error().message()}});
    }
  });
  (void)submitted;  // or next time
  loop.After(options.reload_interval, [this] { WatchFiles(); });
}

Service::Service(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Service::~Service() = default;

base::Result<std::unique_ptr<Service>> Service::Start(ServiceOptions options, RuleEngine& engine,
                                                      telemetry::Sink& sink,
                                                      telemetry::MetricSource* source,
                                                      base::Random& random) {
  auto impl = std::make_unique<Impl>(std::move(options), engine, sink, source, random);
  ASSIGN_OR_RETURN(Loaded loaded, impl->Load());
  impl->workers = std::make_unique<telemetry::ThreadWorkers>("rules-work", impl->options.workers,
                                                             kMaxQueuedWork);
  impl->Use(std::move(loaded));
  if (!impl->options.config_file.empty()) {
    impl->loop.After(impl->options.reload_interval, [raw = impl.get()] { raw->WatchFiles(); });
  }
  return std::unique_ptr<Service>(new Service(std::move(impl)));
}

base::Result<> Service::Reload() {
  ASSIGN_OR_RETURN(Loaded loaded, impl_->Load());
  impl_->Use(std::move(loaded));
  return {};
}

std::vector<GroupStatus> Service::Status() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->published == nullptr ? std::vector<GroupStatus>() : impl_->published->Status();
}

}  // namespace enclave::observatory::rules
