// How good fingerprints are at bringing back incidents of the same cause: leave one out, and look
// for its twin among the nearest of the others.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "memory/fingerprint.h"

namespace enclave::memory {

struct LeaveOneOut {
  std::size_t with_twin = 0;          // incidents whose label another one has, too
  std::size_t first = 0;              // of those: the nearest other has the label
  std::size_t among = 0;              // one of the nearest `nearest` has it
  std::vector<std::size_t> missed{};  // which had none among them, by place
  double share_first() const;
  double share_among() const;  // 1 without any twin
};

// Compares all with all; ties by place, so the outcome is the same everywhere.
LeaveOneOut EvaluateLeaveOneOut(const std::vector<std::pair<Fingerprint, std::string>>& labelled,
                                std::size_t nearest = 3);

}  // namespace enclave::memory
