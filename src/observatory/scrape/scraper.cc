#include "observatory/scrape/scraper.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <deque>
#include <mutex>
#include <utility>

#include "base/log.h"
#include "observatory/scrape/gzip.h"
#include "observatory/scrape/series_cache.h"

namespace enclave::observatory::scrape {
namespace {

using base::Duration;
using base::WallTime;

constexpr std::string_view kComponent = "scrape";
// A scrape that is at most this late counts as on time: samples in even steps compress better.
constexpr Duration kTimeTolerance = std::chrono::milliseconds(10);
constexpr Duration kEndRetry = std::chrono::seconds(1);

std::int64_t ToMs(WallTime time) {
  return std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

struct WorkResult {
  bool up = false;
  std::string error{};
  ScrapeCounts counts{};
};

// One target. The executor's, except `cache`, which belongs to the work under way.
struct Active {
  Active(Target made, std::unique_ptr<Endpoint> opened)
      : target(std::move(made)),
        endpoint(std::move(opened)),
        cache(target.job, target.labels),
        place(XXH3_64bits(key().data(), key().size())) {}

  const std::string& key() {
    if (key_.empty()) key_ = target.Key();
    return key_;
  }

  Target target;
  std::unique_ptr<Endpoint> endpoint;
  std::string key_;
  SeriesCache cache;
  std::uint64_t place;  // within the interval
  base::Executor::TimerId timer = base::Executor::TimerId::kNone;
  WallTime due{};
  WallTime scrape_time{};
  base::MonoTime started{};
  bool busy = false;  // queued, asking or writing
  bool removed = false;
};

base::Result<std::string> BodyOf(net::Response& response, const ScrapeJob& job) {
  if (response.status != 200) {
    return base::Fail(base::ErrorKind::kUnavailable,
                      fmt::format("the target answered with HTTP status {}", response.status));
  }
  const auto encoding = response.headers.find("Content-Encoding");
  if (encoding == response.headers.end() || encoding->second.empty() ||
      encoding->second == "identity") {
    return std::move(response.body);
  }
  if (encoding->second != "gzip") {
    return base::Fail(base::ErrorKind::kUnsupportedMedia,
                      "the target answered in an encoding nobody asked for");
  }
  return Gunzip(response.body, job.body_size_limit);
}

// Parses and writes; the work of a worker.
WorkResult Digest(Active& active, base::Result<net::Response> response, double duration_seconds,
                  std::int64_t time_ms, telemetry::Sink& sink) {
  WorkResult result;
  telemetry::Batch batch;
  const auto fill = [&]() -> base::Result<> {
    if (!response) return std::unexpected(response.error());
    ASSIGN_OR_RETURN(const std::string body, BodyOf(*response, *active.target.job));
    const auto type = response->headers.find("Content-Type");
    const auto format = FormatOf(type == response->headers.end() ? "" : type->second);
    ASSIGN_OR_RETURN(result.counts, active.cache.Fill(body, format, time_ms, batch));
    return {};
  };
  // The batch holds views into the cache alone, so that the body may go before it is written.
  if (auto filled = fill(); filled) {
    result.up = true;
  } else {
    result.error = filled.error().message();
    active.cache.Fail(time_ms, batch);
  }
  active.cache.Report(result.up, duration_seconds, result.counts, time_ms, batch);
  const auto written = sink.Write(std::move(batch));
  active.cache.Commit(written.has_value());
  if (!written) {
    result.error = written.error().While("writing the scrape").message();
  } else if (written->any()) {
    base::LogDebug(
        kComponent, "samples were refused",
        {{"target", active.target.Url()}, {"samples", written->samples}, {"why", written->why}});
  }
  return result;
}

}  // namespace

struct Scraper::Impl : std::enable_shared_from_this<Scraper::Impl> {
  Impl(base::Executor& executor, Fetcher& fetcher, telemetry::Workers& workers,
       telemetry::Sink& sink, ScraperOptions options)
      : executor(executor), fetcher(fetcher), workers(workers), sink(sink), options(options) {}

  using ActivePtr = std::shared_ptr<Active>;

  // Tasks that come back to the executor, unless the scraper has gone.
  template <typename F>
  std::function<void()> Guarded(F f) {
    return [weak = weak_from_this(), f = std::move(f)] {
      if (const auto self = weak.lock()) f(*self);
    };
  }

  void Sync();
  void Start(Target target);
  void Remove(const ActivePtr& active);
  void EndSeries(const ActivePtr& active);
  void Plan(const ActivePtr& active);
  void Turn(const ActivePtr& active);
  void Pump();
  void Ask(const ActivePtr& active);
  void Answered(const ActivePtr& active, base::Result<net::Response> response);
  void Done(const ActivePtr& active, Duration duration, WorkResult result);
  template <typename F>
  void ChangeStatus(const ActivePtr& active, F change) {
    const std::lock_guard lock(mutex);
    if (const auto found = statuses.find(active->key()); found != statuses.end()) {
      change(found->second);
    }
  }

  base::Executor& executor;
  Fetcher& fetcher;
  telemetry::Workers& workers;
  telemetry::Sink& sink;
  const ScraperOptions options;

  // The executor's.
  std::vector<std::shared_ptr<const ScrapeJob>> jobs;
  std::map<std::pair<std::string, std::size_t>, std::vector<telemetry::Labels>> discovered;
  std::map<std::string, ActivePtr> actives;  // by key
  std::deque<ActivePtr> queue;               // due, waiting for a place; at most one each
  std::size_t asking = 0;

  mutable std::mutex mutex;
  std::map<std::string, TargetStatus> statuses;       // by key; guarded by mutex
  std::map<std::string, std::size_t> dropped_by_job;  // guarded by mutex
};

// Makes what is scraped what configuration and discovery say.
void Scraper::Impl::Sync() {
  std::map<std::string, Target> wanted;
  std::map<std::string, std::size_t> dropped;
  bool too_many = false;
  for (const auto& job : jobs) {
    dropped[job->name] = 0;
    std::vector<telemetry::Labels> found = StaticLabels(*job);
    for (std::size_t i = 0; i < job->kubernetes.size(); ++i) {
      const auto at = discovered.find({job->name, i});
      if (at != discovered.end()) found.insert(found.end(), at->second.begin(), at->second.end());
    }
    for (const telemetry::Labels& labels : found) {
      auto target = MakeTarget(job, labels);
      if (!target) {
        base::LogWarning(kComponent, "a target is left out", {{"error", target.error().message()}});
      } else if (!*target) {
        ++dropped[job->name];
      } else if (wanted.size() < options.max_targets) {
        std::string key = (*target)->Key();
        wanted.emplace(std::move(key), std::move(**target));
      } else {
        too_many = true;
      }
    }
  }
  if (too_many) {
    base::LogWarning(kComponent, "there are more targets than can be scraped",
                     {{"limit", options.max_targets}});
  }
  std::vector<ActivePtr> gone;
  for (const auto& [key, active] : actives) {
    if (!wanted.contains(key)) gone.push_back(active);
  }
  for (const ActivePtr& active : gone) Remove(active);
  for (auto& [key, target] : wanted) {
    if (!actives.contains(key)) Start(std::move(target));
  }
  const std::lock_guard lock(mutex);
  dropped_by_job = std::move(dropped);
}

void Scraper::Impl::Start(Target target) {
  auto endpoint = fetcher.Open(target);
  TargetStatus status{.target = target};
  if (!endpoint) {
    status.health = TargetStatus::Health::kDown;
    status.last_error = endpoint.error().message();
    base::LogWarning(kComponent, "a target cannot be scraped",
                     {{"target", target.Url()}, {"error", endpoint.error().message()}});
  }
  const auto active =
      std::make_shared<Active>(std::move(target), endpoint ? std::move(*endpoint) : nullptr);
  actives.emplace(active->key(), active);
  {
    const std::lock_guard lock(mutex);
    statuses.emplace(active->key(), std::move(status));
  }
  Plan(active);
}

void Scraper::Impl::Remove(const ActivePtr& active) {
  actives.erase(active->key());
  executor.Cancel(active->timer);
  active->removed = true;
  {
    const std::lock_guard lock(mutex);
    statuses.erase(active->key());
  }
  const auto queued = std::ranges::find(queue, active);
  if (queued != queue.end()) {
    queue.erase(queued);
    active->busy = false;
  }
  if (!active->busy) EndSeries(active);
}

void Scraper::Impl::EndSeries(const ActivePtr& active) {
  const std::int64_t time_ms = ToMs(executor.WallNow());
  const bool submitted = workers.Submit([active, time_ms, &sink = sink] {
    telemetry::Batch batch;
    active->cache.End(time_ms, batch);
    const auto written = sink.Write(std::move(batch));
    active->cache.Commit(written.has_value());
    if (!written) {
      base::LogWarning(kComponent, "the end of a target's series is not written",
                       {{"target", active->target.Url()}, {"error", written.error().message()}});
    }
  });
  if (!submitted) {
    executor.After(kEndRetry, Guarded([active](Impl& self) { self.EndSeries(active); }));
  }
}

// Sets the timer for the target's next place in its interval.
void Scraper::Impl::Plan(const ActivePtr& active) {
  const Duration interval = active->target.interval;
  const Duration now = executor.WallNow().time_since_epoch();
  const Duration offset(
      static_cast<std::int64_t>(active->place % static_cast<std::uint64_t>(interval.count())));
  Duration due = now - now % interval + offset;
  if (due <= now) due += interval;
  // Whole milliseconds, as samples have them.
  due = std::chrono::floor<std::chrono::milliseconds>(due);
  if (due <= now) due += interval;
  active->due = WallTime(due);
  active->timer = executor.After(due - now, Guarded([active](Impl& self) { self.Turn(active); }));
}

void Scraper::Impl::Turn(const ActivePtr& active) {
  if (active->removed) return;
  const WallTime due = active->due;
  Plan(active);
  if (active->busy) {
    ChangeStatus(active, [](TargetStatus& status) { ++status.missed; });
    return;
  }
  const WallTime now = executor.WallNow();
  active->busy = true;
  active->scrape_time = now - due <= kTimeTolerance ? due : now;
  queue.push_back(active);
  Pump();
}

void Scraper::Impl::Pump() {
  while (asking < options.max_concurrent && !queue.empty()) {
    const ActivePtr active = std::move(queue.front());
    queue.pop_front();
    Ask(active);
  }
}

void Scraper::Impl::Ask(const ActivePtr& active) {
  active->started = executor.Now();
  if (executor.WallNow() - active->scrape_time > kTimeTolerance) {
    active->scrape_time = executor.WallNow();  // it had to wait for a place
  }
  if (active->endpoint == nullptr) {
    auto endpoint = fetcher.Open(active->target);  // a file may be there now
    if (!endpoint) {
      ++asking;
      executor.Post(Guarded([active, error = endpoint.error()](Impl& self) {
        self.Answered(active, std::unexpected(error));
      }));
      return;
    }
    active->endpoint = std::move(*endpoint);
  }
  ++asking;
  active->endpoint->Get([weak = weak_from_this(), &executor = executor,
                         active](base::Result<net::Response> response) {
    auto shared = std::make_shared<base::Result<net::Response>>(std::move(response));
    executor.Post([weak, active, shared] {
      if (const auto self = weak.lock()) self->Answered(active, std::move(*shared));
    });
  });
}

void Scraper::Impl::Answered(const ActivePtr& active, base::Result<net::Response> response) {
  const Duration duration = executor.Now() - active->started;
  --asking;
  auto shared = std::make_shared<base::Result<net::Response>>(std::move(response));
  const bool submitted =
      workers.Submit([weak = weak_from_this(), &executor = executor, &sink = sink, active, shared,
                      duration, time_ms = ToMs(active->scrape_time)] {
        WorkResult result = Digest(*active, std::move(*shared),
                                   std::chrono::duration<double>(duration).count(), time_ms, sink);
        executor.Post([weak, active, duration, result = std::move(result)] {
          if (const auto self = weak.lock()) self->Done(active, duration, result);
        });
      });
  if (!submitted) {
    Done(active, duration, {.error = "too much to write already: the scrape is lost"});
  }
  Pump();
}

void Scraper::Impl::Done(const ActivePtr& active, Duration duration, WorkResult result) {
  active->busy = false;
  if (active->removed) {
    EndSeries(active);
    return;
  }
  ChangeStatus(active, [&](TargetStatus& status) {
    status.health = result.up ? TargetStatus::Health::kUp : TargetStatus::Health::kDown;
    status.last_error = std::move(result.error);
    status.last_scrape = active->scrape_time;
    status.last_duration = duration;
    status.samples = result.counts.kept;
  });
}

Scraper::Scraper(base::Executor& executor, Fetcher& fetcher, telemetry::Workers& workers,
                 telemetry::Sink& sink, ScraperOptions options)
    : impl_(std::make_shared<Impl>(executor, fetcher, workers, sink, options)) {}

Scraper::~Scraper() = default;

void Scraper::Apply(const ScrapeConfig& config) {
  impl_->jobs.clear();
  for (const ScrapeJob& job : config.jobs) {
    impl_->jobs.push_back(std::make_shared<const ScrapeJob>(job));
  }
  std::erase_if(impl_->discovered, [&](const auto& entry) {
    return std::ranges::none_of(impl_->jobs, [&](const auto& job) {
      return job->name == entry.first.first && entry.first.second < job->kubernetes.size();
    });
  });
  impl_->Sync();
}

void Scraper::SetDiscovered(const std::string& job, std::size_t index,
                            std::vector<telemetry::Labels> found) {
  const auto known =
      std::ranges::find(impl_->jobs, job, [](const auto& each) { return each->name; });
  if (known == impl_->jobs.end() || index >= (*known)->kubernetes.size()) return;
  impl_->discovered[{job, index}] = std::move(found);
  impl_->Sync();
}

std::vector<TargetStatus> Scraper::Targets() const {
  std::vector<TargetStatus> targets;
  {
    const std::lock_guard lock(impl_->mutex);
    for (const auto& [key, status] : impl_->statuses) targets.push_back(status);
  }
  std::ranges::sort(targets, [](const TargetStatus& a, const TargetStatus& b) {
    return std::tie(a.target.job->name, a.target.labels) <
           std::tie(b.target.job->name, b.target.labels);
  });
  return targets;
}

std::map<std::string, std::size_t> Scraper::Dropped() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->dropped_by_job;
}

}  // namespace enclave::observatory::scrape
