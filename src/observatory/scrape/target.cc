#include "observatory/scrape/target.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/quote.h"
#include "kube/time.h"
#include "net/http.h"
#include "observatory/scrape/exposition_text.h"

namespace enclave::observatory::scrape {
namespace {

constexpr std::string_view kParamPrefix = "__param_";

std::string PathWithQuery(const ScrapeJob& job, const telemetry::Labels& labels) {
  std::string query;
  const auto add = [&](std::string_view name, std::string_view value) {
    query += fmt::format("{}{}={}", query.empty() ? "" : "&", net::PercentEncode(name),
                         net::PercentEncode(value));
  };
  for (const auto& [name, values] : job.params) {
    const std::string_view first = labels.Get(std::string(kParamPrefix) + name);
    for (std::size_t i = 0; i < values.size(); ++i) {
      add(name, i == 0 && !first.empty() ? first : std::string_view(values[i]));
    }
  }
  for (const telemetry::Label& label : labels) {
    if (!label.name.starts_with(kParamPrefix)) continue;
    const std::string name = label.name.substr(kParamPrefix.size());
    const auto given = job.params.find(name);
    if (given == job.params.end() || given->second.empty()) add(name, label.value);
  }
  std::string path(labels.Get("__metrics_path__"));
  if (!path.starts_with('/')) path.insert(0, "/");
  if (query.empty()) return path;
  return path + (path.find('?') == std::string::npos ? "?" : "&") + query;
}

nlohmann::json LabelsToJson(const telemetry::Labels& labels) {
  nlohmann::json json = nlohmann::json::object();
  for (const telemetry::Label& label : labels) json[label.name] = label.value;
  return json;
}

}  // namespace

std::string Target::Key() const {
  return fmt::format("{}\n{}\n{}\n{}\n{}", job->fingerprint, Url(), labels.ToString(),
                     interval.count(), timeout.count());
}

base::Result<std::optional<Target>> MakeTarget(std::shared_ptr<const ScrapeJob> job,
                                               const telemetry::Labels& discovered) {
  telemetry::Labels labels = discovered;
  const auto set_default = [&labels](std::string_view name, std::string_view value) {
    if (!labels.Has(name)) labels.Set(name, value);
  };
  set_default("job", job->name);
  set_default("__scrape_interval__", telemetry::FormatConfigDuration(job->interval));
  set_default("__scrape_timeout__", telemetry::FormatConfigDuration(job->timeout));
  set_default("__metrics_path__", job->metrics_path);
  set_default("__scheme__", job->scheme);
  for (const auto& [name, values] : job->params) {
    if (!values.empty()) set_default(std::string(kParamPrefix) + name, values.front());
  }
  Target target;
  target.discovered = labels;
  if (!Relabel(job->relabel, labels)) return std::nullopt;

  const auto refuse = [&](std::string_view why) {
    return base::Fail(base::ErrorKind::kInvalidArgument,
                      fmt::format("a target of the job {}: {}", base::Quote(job->name), why));
  };
  target.address = labels.Get("__address__");
  if (target.address.empty()) return refuse("it has no __address__");
  if (target.address.find_first_of("/ @?#\r\n") != std::string::npos) {
    return refuse(fmt::format("{} is not host:port", base::Quote(target.address)));
  }
  target.scheme = labels.Get("__scheme__");
  if (target.scheme != "http" && target.scheme != "https") {
    return refuse(
        fmt::format("the scheme {} is neither http nor https", base::Quote(target.scheme)));
  }
  const auto interval = telemetry::ParseConfigDuration(labels.Get("__scrape_interval__"));
  const auto timeout = telemetry::ParseConfigDuration(labels.Get("__scrape_timeout__"));
  if (!interval || !timeout || *interval <= base::Duration::zero() ||
      *timeout <= base::Duration::zero() || *timeout > *interval) {
    return refuse("__scrape_interval__ and __scrape_timeout__ do not fit each other");
  }
  target.interval = *interval;
  target.timeout = *timeout;
  target.path = PathWithQuery(*job, labels);
  if (target.path.find_first_of(" \r\n\t") != std::string::npos) {
    return refuse(fmt::format("{} is no path", base::Quote(target.path)));
  }
  set_default("instance", target.address);
  std::vector<telemetry::Label> visible;
  for (const telemetry::Label& label : labels) {
    if (!label.name.starts_with("__")) visible.push_back(label);
    if (!IsUtf8(label.value)) return refuse("a label is not UTF-8");
  }
  target.labels = telemetry::Labels::From(std::move(visible));
  target.job = std::move(job);
  return target;
}

std::vector<telemetry::Labels> StaticLabels(const ScrapeJob& job) {
  std::vector<telemetry::Labels> result;
  for (const StaticTargets& group : job.static_targets) {
    for (const std::string& address : group.targets) {
      telemetry::Labels labels;
      for (const auto& [name, value] : group.labels) labels.Set(name, value);
      labels.Set("__address__", address);
      result.push_back(std::move(labels));
    }
  }
  return result;
}

std::string RenderTargets(const std::vector<TargetStatus>& active,
                          const std::map<std::string, std::size_t>& dropped_by_job) {
  using nlohmann::json;
  json targets = json::array();
  for (const TargetStatus& status : active) {
    const Target& target = status.target;
    static constexpr std::string_view kHealth[] = {"unknown", "up", "down"};
    targets.push_back(
        {{"discoveredLabels", LabelsToJson(target.discovered)},
         {"labels", LabelsToJson(target.labels)},
         {"scrapePool", target.job->name},
         {"scrapeUrl", target.Url()},
         {"globalUrl", target.Url()},
         {"lastError", status.last_error},
         {"lastScrape", kube::FormatNanoTime(status.last_scrape)},
         {"lastScrapeDuration", std::chrono::duration<double>(status.last_duration).count()},
         {"health", kHealth[static_cast<std::size_t>(status.health)]},
         {"scrapeInterval", telemetry::FormatConfigDuration(target.interval)},
         {"scrapeTimeout", telemetry::FormatConfigDuration(target.timeout)}});
  }
  return json{{"activeTargets", std::move(targets)},
              {"droppedTargets", json::array()},
              {"droppedTargetCounts", dropped_by_job}}
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace enclave::observatory::scrape
