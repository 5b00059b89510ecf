// Was the agent right? A pure function of what was seen.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lab/drills/agent_watch.h"
#include "lab/drills/drill.h"
#include "lab/drills/requests.h"
#include "lab/drills/slo_watch.h"

namespace enclave::lab::drills {

// All that a drill saw.
struct Seen {
  std::string drill{};
  std::string trace{};                         // of the command; "" when it has none
  base::WallTime broken{};                     // the first fault was done
  base::WallTime ended{};                      // nothing more was waited for
  std::vector<Reading> readings{};             // one a second, of the whole drill
  std::optional<base::WallTime> first_bad{};   // the first reading that was not well
  std::optional<base::WallTime> well_since{};  // at the end, when it was well for long enough
  std::optional<FailingRequest> request{};
  std::vector<SeenIncident> incidents{};
  std::vector<std::string> touched{};  // healthy things, in sentences
  bool interrupted = false;
  std::string failed{};  // the drill itself could not be carried out, and why

  // When users first felt it: the first failing request, else the first bad reading.
  std::optional<base::WallTime> Felt() const;
  std::optional<base::WallTime> Detected() const;
  std::optional<base::WallTime> Diagnosed() const;
  std::optional<base::WallTime> Acted() const;
};

struct Verdict {
  bool detected = false;                      // in time
  bool ranked = false;                        // every true cause first
  bool acceptable = false;                    // every action
  bool recovered = false;                     // in time, and the agent said so
  bool harmless = false;                      // nothing healthy was touched
  std::optional<base::Duration> detection{};  // from the first failing request
  std::optional<base::Duration> recovery{};
  std::vector<std::string> faults{};  // what was not as it should, in sentences

  bool passed() const { return faults.empty(); }
};

Verdict Judge(const Drill& drill, const Seen& seen);

// The true causes that no incident has put first (yet).
std::vector<Cause> NotFound(const Drill& drill, const std::vector<SeenIncident>& incidents);

}  // namespace enclave::lab::drills
