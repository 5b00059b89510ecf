// The log lines of a window, cut into statements: what of them is known without the spans.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "incident/context.h"
#include "incident/intern.h"
#include "incident/pair_index.h"
#include "incident/rate_change.h"
#include "telemetry/log_record.h"
#include "telemetry/templates/line_head.h"

namespace enclave::incident {

// What a service says: known by its place in the source when lines say it, else by its words.
struct Voice {
  std::uint32_t service = 0;
  std::uint32_t text = 0;  // location or template
  telemetry::templates::Level level = telemetry::templates::Level::kUnknown;
  bool is_place = false;
  std::string example{};  // a line of it, and the request that wrote that
  std::optional<trace::TraceId> example_trace{};
  bool Complains() const {
    return level == telemetry::templates::Level::kError ||
           level == telemetry::templates::Level::kWarn;
  }
};

// Bounded but for 56 bytes a line. One thread; it shares nothing with the spans, which may be read
// at the same time.
class LogLines {
 public:
  static constexpr std::size_t kMostVoices = 200'000;

  struct Line {
    std::uint32_t voice = 0;
    std::uint32_t bin = 0;
    std::int64_t time_ns = 0;
    std::optional<trace::TraceId> trace_id{};
    std::uint64_t span = 0;  // 0: it names none
  };

  explicit LogLines(const Timeline& timeline) : timeline_(timeline) {}

  void Add(const telemetry::Labels& stream, const telemetry::LogRecord& record);

  const std::vector<Line>& lines() const { return lines_; }
  const std::vector<Voice>& voices() const { return voices_; }
  const std::string& Text(std::uint32_t text) const { return texts_.Name(text); }
  // Services by numbers of its own, in the order they first spoke.
  const Interner& services() const { return services_; }
  // Lines of such a service in a bin, whether they were kept or not.
  std::uint32_t Count(std::uint32_t service, std::uint32_t bin) const {
    const std::size_t at = std::size_t{service} * timeline_.bins() + bin;
    return at < counts_.size() ? counts_[at] : 0;
  }
  std::uint64_t seen() const { return seen_; }
  std::uint64_t dropped() const { return dropped_; }

 private:
  std::uint32_t ServiceOfStream(const telemetry::Labels& stream);

  // Streams that spoke lately, by where their labels stand in memory.
  struct Known {
    const telemetry::Labels* at = nullptr;
    telemetry::Labels labels{};
    std::uint32_t service = 0;
  };

  const Timeline& timeline_;
  Interner services_;
  Interner texts_;
  PairIndex numbers_;  // of voices
  std::vector<Voice> voices_;
  std::vector<Line> lines_;
  std::vector<std::uint32_t> counts_;  // service × bin
  std::vector<Known> streams_;
  std::string masked_;  // of the line at hand
  std::uint64_t seen_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace enclave::incident
