// Scrapes targets on their intervals and writes what they expose.
//
// Each target has its own place within its interval, by a hash of what it is, so that targets do
// not come all at once, and the same target keeps its place over restarts. Of one target one scrape
// is under way at a time; a turn that comes meanwhile falls out. The loop waits for nothing:
// requests are asynchronous, parsing and the durable write are work for `workers`.
//
//   state    | turn                  | answer              | written            | removed
//   idle     | ask -> asking         |                     |                    | End -> gone
//   asking   | falls out             | work -> writing     |                    | gone when written
//   writing  | falls out             |                     | -> idle            | End when written
//
// A target that goes away (not one whose job merely was reloaded unchanged) gets staleness markers
// for all of its series.
//
// Thread safety: Apply and SetDiscovered are called from tasks of `executor`; Targets from any
// thread. Ownership: destroyed from a task of the executor or once it has stopped. Executor,
// fetcher and sink outlive the tasks of `workers`, which is drained before they end.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "observatory/scrape/fetcher.h"
#include "observatory/scrape/scrape_config.h"
#include "observatory/scrape/target.h"
#include "telemetry/sink.h"
#include "telemetry/workers.h"

namespace enclave::observatory::scrape {

struct ScraperOptions {
  std::size_t max_concurrent = 64;  // requests under way
  std::size_t max_targets = 10'000;
};

class Scraper {
 public:
  Scraper(base::Executor& executor, Fetcher& fetcher, telemetry::Workers& workers,
          telemetry::Sink& sink, ScraperOptions options = {});
  ~Scraper();

  // Takes a configuration in place of the one before. Discovered targets of jobs that stay stay.
  void Apply(const ScrapeConfig& config);
  // What discovery found for a job's kubernetes_sd_configs[index], in place of what it found
  // before.
  void SetDiscovered(const std::string& job, std::size_t index,
                     std::vector<telemetry::Labels> found);

  // By job, then labels.
  std::vector<TargetStatus> Targets() const;
  // Targets that relabelling dropped, by job.
  std::map<std::string, std::size_t> Dropped() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace enclave::observatory::scrape
