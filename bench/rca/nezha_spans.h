// Spans and log lines of Nezha's files.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "bench/rca/loaded_case.h"

namespace enclave::bench::rca {

struct TimeBounds {
  std::int64_t first_ns = INT64_MAX;
  std::int64_t last_ns = INT64_MIN;
  void Add(std::int64_t time_ns);
  bool empty() const { return first_ns > last_ns; }
};

// Spans of several files; parents may stand in another file than their children.
class NezhaSpans {
 public:
  // Adds the rows of a file, each span once. Returns when its spans start.
  TimeBounds Read(std::string text, std::string_view file, LoadedCase& loaded);
  // Tells each span's kind from where its parent and children are, and moves all to `loaded`.
  // Returns the service that most roots belong to; empty when there is none.
  std::string Finish(LoadedCase& loaded);

 private:
  struct Id {
    std::uint64_t high;
    std::uint64_t low;
    std::uint64_t span;
    bool operator==(const Id&) const = default;
  };
  struct IdHash {  // they are random numbers
    std::size_t operator()(const Id& id) const { return id.low ^ id.span; }
  };
  static Id IdOf(const telemetry::Span& span, std::uint64_t span_id) {
    return {span.trace_id.high(), span.trace_id.low(), span_id};
  }

  std::vector<telemetry::Span> spans_;
  std::vector<std::uint32_t> pods_;  // of each span
  std::unordered_map<std::string, std::uint32_t> pod_numbers_;
  std::unordered_map<Id, std::size_t, IdHash> places_;
};

// Adds the lines of a file, streams by pod, container and node. `nodes` gets the node of each pod.
// Returns their times.
TimeBounds ReadNezhaLog(std::string text, std::string_view file,
                        std::map<std::string, std::string>& nodes, LoadedCase& loaded);

}  // namespace enclave::bench::rca
