// The streams of the logs: which label sets there are, found by their labels.
//
// Thread safety: none of its own; the section's lock guards it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "observatory/store/log_keys.h"
#include "observatory/store/log_rows.h"
#include "telemetry/matcher.h"
#include "telemetry/source.h"

namespace enclave::observatory::store {

struct LogStream {
  std::uint32_t id = 0;
  std::shared_ptr<const telemetry::Labels> labels{};
  // What is in no block yet, in parts that grow by merging.
  std::vector<LogRowsPtr> head{};
  std::size_t head_bytes = 0;      // of memory
  std::size_t head_lines = 0;      // bytes of lines
  std::int64_t head_since_ms = 0;  // the wall clock when its first part came
  bool dirty = false;              // the journal has parts of the head
  std::map<std::uint32_t, std::vector<LogBlockRef>> blocks{};  // by window

  bool HasData(telemetry::TimeRangeNs range) const;
};

class LogStreams {
 public:
  LogStream& Add(std::uint32_t id, telemetry::Labels labels);
  void Remove(std::uint32_t id);
  // Null when there is none.
  LogStream* Find(const telemetry::Labels& labels);
  LogStream* Find(std::uint32_t id);
  const std::map<std::uint32_t, LogStream>& all() const { return by_id_; }
  std::map<std::uint32_t, LogStream>& all() { return by_id_; }

  // Those that match all matchers, by id.
  std::vector<const LogStream*> Select(const telemetry::Matchers& matchers) const;

 private:
  using Ids = std::vector<std::uint32_t>;
  // The ids of streams that can match, by one matcher; false: it does not narrow.
  bool Candidates(const telemetry::Matcher& matcher, Ids& ids) const;

  std::map<std::uint32_t, LogStream> by_id_;
  std::unordered_map<telemetry::Labels, std::uint32_t, telemetry::LabelsHash> ids_;
  std::map<std::string, std::map<std::string, Ids, std::less<>>, std::less<>> by_label_;
};

}  // namespace enclave::observatory::store
