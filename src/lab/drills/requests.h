// Requests of users that show what is wrong, from the traces they left.
#pragma once

#include <optional>
#include <string>

#include "base/executor.h"
#include "base/result.h"
#include "lab/drills/world.h"

namespace enclave::lab::drills {

struct FailingRequest {
  std::string trace{};
  std::string name{};  // of its root span
  base::WallTime time{};
  base::Duration took{};
  std::string service{};  // of the deepest span that failed; else of the one that names the line
  std::string place{};    // "src/lab/boutique/card_v2.cc:41"; "" when no span names one
  std::string error{};    // what that span says
  std::size_t spans = 0;
};

// The earliest trace between the two times that the TraceQL query finds; nullopt when there is
// none.
base::Result<std::optional<FailingRequest>> FirstRequest(const World& world,
                                                         const std::string& query,
                                                         base::WallTime from, base::WallTime to);

}  // namespace enclave::lab::drills
