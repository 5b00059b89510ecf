#include "observatory/promql/annotations.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/quote.h"
#include "observatory/promql/number_text.h"

namespace enclave::observatory::promql {
namespace {

std::string TimeText(std::int64_t time_ms) {
  const std::chrono::sys_time<std::chrono::seconds> at{
      std::chrono::floor<std::chrono::seconds>(std::chrono::milliseconds(time_ms))};
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", at);
}

void Widen(MonotonicityFix& fix, const MonotonicityFix& other) {
  fix.first_bound = std::min(fix.first_bound, other.first_bound);
  fix.last_bound = std::max(fix.last_bound, other.last_bound);
  fix.greatest_difference = std::max(fix.greatest_difference, other.greatest_difference);
  fix.first_ms = std::min(fix.first_ms, other.first_ms);
  fix.last_ms = std::max(fix.last_ms, other.last_ms);
  fix.count += other.count;
}

}  // namespace

void Annotations::Warn(std::string_view text, std::string_view place) {
  warnings_.insert(fmt::format("PromQL warning: {} ({})", text, place));
}

void Annotations::Inform(std::string_view text, std::string_view place) {
  infos_.insert(fmt::format("PromQL info: {} ({})", text, place));
}

void Annotations::MonotonicityFixed(std::string_view metric, std::string_view place,
                                    const MonotonicityFix& fix) {
  const auto [at, fresh] = fixes_.try_emplace({std::string(metric), std::string(place)}, fix);
  if (!fresh) Widen(at->second, fix);
}

void Annotations::Merge(Annotations other) {
  warnings_.merge(other.warnings_);
  infos_.merge(other.infos_);
  for (const auto& [key, fix] : other.fixes_) MonotonicityFixed(key.first, key.second, fix);
}

std::vector<std::string> Annotations::Warnings() const {
  return {warnings_.begin(), warnings_.end()};
}

std::vector<std::string> Annotations::Infos() const {
  std::vector<std::string> infos(infos_.begin(), infos_.end());
  for (const auto& [key, fix] : fixes_) {
    infos.push_back(fmt::format(
        "PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see "
        "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile){}, "
        "from buckets {} to {}, with a max diff of {}, over {} samples from {} to {} ({})",
        key.first.empty() ? "" : fmt::format(" for metric name {}", base::Quote(key.first)),
        FormatCompact(fix.first_bound), FormatCompact(fix.last_bound),
        FormatCompact(fix.greatest_difference, 2), fix.count, TimeText(fix.first_ms),
        TimeText(fix.last_ms), key.second));
  }
  std::ranges::sort(infos);
  return infos;
}

std::string PlaceOf(std::string_view query, std::size_t position) {
  position = std::min(position, query.size());
  const std::string_view before = query.substr(0, position);
  const std::size_t line_break = before.rfind('\n');
  const std::size_t column =
      line_break == std::string_view::npos ? position + 1 : position - line_break;
  return fmt::format("{}:{}", std::ranges::count(before, '\n') + 1, column);
}

}  // namespace enclave::observatory::promql
