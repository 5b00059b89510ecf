#include "otel/runtime_metrics.h"

#include <unistd.h>

#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

namespace enclave::otel {
namespace {

std::optional<ProcessStat> ReadProcessStat() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  return ParseProcessStat(line, sysconf(_SC_CLK_TCK), sysconf(_SC_PAGESIZE));
}

std::vector<Observation> CountOpenFiles() {
  std::error_code error;
  double count = 0;
  for (std::filesystem::directory_iterator entry("/proc/self/fd", error), end;
       !error && entry != end; entry.increment(error))
    ++count;
  if (error) return {};
  return {{count - 1}};  // without the one that lists them
}

// One figure of the process' stat; no value where there is none.
template <typename Pick>
Observer FromStat(Pick pick) {
  return [pick]() -> std::vector<Observation> {
    const auto stat = ReadProcessStat();
    if (!stat) return {};
    return {{static_cast<double>(pick(*stat))}};
  };
}

}  // namespace

std::optional<ProcessStat> ParseProcessStat(std::string_view line, std::int64_t ticks_per_s,
                                            std::int64_t page_bytes) {
  // The name stands in parentheses and may have spaces and parentheses itself.
  const std::size_t end = line.rfind(')');
  if (end == std::string_view::npos || ticks_per_s <= 0) return std::nullopt;
  line.remove_prefix(end + 1);
  constexpr std::size_t kFirst = 3;  // the number of the first field after the name
  std::array<std::int64_t, 25> fields{};
  for (std::size_t field = kFirst; field < fields.size(); ++field) {
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    const std::string_view word = line.substr(0, line.find(' '));
    line.remove_prefix(word.size());
    if (field == kFirst) continue;  // the state is a letter
    const auto [at, error] = std::from_chars(word.data(), word.data() + word.size(), fields[field]);
    if (error != std::errc() || at != word.data() + word.size() || word.empty())
      return std::nullopt;
  }
  const auto ticks = static_cast<double>(ticks_per_s);
  // Pages come as a count; a count that no machine has would overflow.
  constexpr std::int64_t kMostPages = std::int64_t{1} << 48;
  if (fields[24] < 0 || fields[24] > kMostPages || page_bytes > (1 << 14)) return std::nullopt;
  return ProcessStat{.user_s = static_cast<double>(fields[14]) / ticks,
                     .system_s = static_cast<double>(fields[15]) / ticks,
                     .threads = fields[20],
                     .virtual_bytes = fields[23],
                     .resident_bytes = fields[24] * page_bytes};
}

void ObserveProcess(Meter& meter, const base::Clock& clock) {
  meter.ObserveCounter({"process.cpu.time", "s", "Processor time that the process used"},
                       []() -> std::vector<Observation> {
                         const auto stat = ReadProcessStat();
                         if (!stat) return {};
                         return {{stat->user_s, {{"cpu.mode", "user"}}},
                                 {stat->system_s, {{"cpu.mode", "system"}}}};
                       });
  meter.ObserveGauge({"process.memory.usage", "By", "Resident memory"},
                     FromStat([](const ProcessStat& stat) { return stat.resident_bytes; }));
  meter.ObserveGauge({"process.memory.virtual", "By", "Address space"},
                     FromStat([](const ProcessStat& stat) { return stat.virtual_bytes; }));
  meter.ObserveGauge({"process.thread.count", "{thread}", "Threads"},
                     FromStat([](const ProcessStat& stat) { return stat.threads; }));
  meter.ObserveGauge({"process.open_file_descriptor.count", "{file_descriptor}", "Open files"},
                     CountOpenFiles);
  meter.ObserveGauge({"process.uptime", "s", "Time since the start"},
                     [&clock, start = clock.Now()]() -> std::vector<Observation> {
                       const std::chrono::duration<double> up = clock.Now() - start;
                       return {{up.count()}};
                     });
}

}  // namespace enclave::otel
