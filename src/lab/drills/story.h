// A drill told: what was done, what users met, what the agent made of it, with times; for people
// and for programs.
#pragma once

#include <string>
#include <vector>

#include "lab/drills/judge.h"

namespace enclave::lab::drills {

struct StoryStep {
  std::string when{};  // since the first fault: "+5.8 s"; "" for what belongs to the step before
  std::string what{};  // "command", "detection", ...; "" for more of the same
  std::string text{};
};
// In order of time.
std::vector<StoryStep> Story(const Drill& drill, const Seen& seen, const Verdict& verdict);
Json ToJson(const Drill& drill, const Seen& seen, const Verdict& verdict);

struct Outcome {
  std::string drill{};
  bool quiet = false;  // nothing was wrong
  Verdict verdict{};
};
// One row a drill: runs, right at first place, recovered, harmful, detection and recovery (median
// and worst, in seconds); the last row is all of them. The first row is the head.
std::vector<std::vector<std::string>> Summary(const std::vector<Outcome>& runs);

}  // namespace enclave::lab::drills
