// One place to scrape, made from what discovery found and what the job's configuration makes of it.
//
// Values; any thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "observatory/scrape/scrape_config.h"
#include "telemetry/labels.h"

namespace enclave::observatory::scrape {

struct Target {
  std::shared_ptr<const ScrapeJob> job;
  telemetry::Labels labels{};      // those its series get: job, instance, ...
  telemetry::Labels discovered{};  // as found, before relabelling
  std::string scheme{};
  std::string address{};  // "10.0.0.1:8080"
  std::string path{};     // with its query
  base::Duration interval{};
  base::Duration timeout{};

  std::string Url() const { return scheme + "://" + address + path; }
  // Equal for targets that are the same in all that matters.
  std::string Key() const;
};

// nullopt: relabelling dropped it. kInvalidArgument: what remains is no target.
base::Result<std::optional<Target>> MakeTarget(std::shared_ptr<const ScrapeJob> job,
                                               const telemetry::Labels& discovered);

// The label sets of a job's static_configs.
std::vector<telemetry::Labels> StaticLabels(const ScrapeJob& job);

struct TargetStatus {
  enum class Health : std::uint8_t { kUnknown, kUp, kDown };
  Target target;
  Health health = Health::kUnknown;
  std::string last_error{};
  base::WallTime last_scrape{};
  base::Duration last_duration{};
  std::size_t samples = 0;  // of the last scrape, after relabelling
  std::size_t missed = 0;   // turns that fell out, as the one before was still under way
};

// The data of Prometheus' GET /api/v1/targets: {"activeTargets": [...], "droppedTargets": [...],
// "droppedTargetCounts": {...}}.
std::string RenderTargets(const std::vector<TargetStatus>& active,
                          const std::map<std::string, std::size_t>& dropped_by_job);

}  // namespace enclave::observatory::scrape
