// Plays many visitors at once and sums up what they saw: as a report, and as the metric
// shopper.action.duration with the attributes shopper.action and outcome ("ok", "error"). What went
// wrong is also a line of the log, in its trace.
//
// Threading: visitors are coroutines on one strand of the loop; hundreds cost little. All methods
// may be called from any thread. Ownership: loop and telemetry outlive the generator; it waits in
// its destructor for visitors who are at it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "lab/load/report.h"
#include "lab/load/shopper.h"
#include "net/event_loop.h"
#include "otel/telemetry.h"

namespace enclave::lab::load {

struct LoadOptions {
  std::string target;       // "http://frontend:80"
  int users = 10;           // at once, up to kMostUsers
  double spawn_rate = 1.0;  // visitors that come in per second until all are there
  // Actions per second of all visitors together; unset: as their published waiting times make it.
  // Visitors keep to their timetable: one that was slow hurries.
  std::optional<double> rate{};
  std::optional<std::chrono::nanoseconds> duration{};  // unset: until stopped
  std::optional<std::uint64_t> actions{};              // unset: no limit
  std::uint64_t seed = 1;  // the same visitors do the same, as long as the shop does
  std::chrono::milliseconds request_timeout{10'000};
};
inline constexpr int kMostUsers = 10'000;

class LoadGenerator {
 public:
  // kInvalidArgument for options that make no sense. Visitors begin to come at once.
  static base::Result<std::unique_ptr<LoadGenerator>> Start(net::EventLoop& loop,
                                                            otel::Telemetry& telemetry,
                                                            LoadOptions options);
  // Ends as Stop() does, and waits until the last visitor has left.
  virtual ~LoadGenerator() = default;

  // Nobody begins anything new; who is at something finishes it.
  virtual void Stop() = 0;
  // Returns once all have left, for `at_most` in any case: true when they have.
  virtual bool WaitUntilDone(std::chrono::nanoseconds at_most) = 0;

  struct Snapshot {
    Report total;     // since the start
    Report interval;  // since the snapshot before
    base::Duration elapsed{};
    base::Duration interval_elapsed{};
    int users = 0;  // in the shop now
  };
  virtual Snapshot Take() = 0;
};

}  // namespace enclave::lab::load
