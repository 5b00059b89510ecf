// Work on several items at once, with whatever threads there are to help.
#pragma once

#include <cstddef>
#include <functional>

#include "telemetry/workers.h"

namespace enclave::incident {

// Calls `work` once for each number below `items`, on this thread and, where `workers` has threads
// to spare, on them too; returns when all is done. Null, or workers that run nothing until later,
// are no hindrance: this thread never waits for an item that nobody has begun. What `work` does for
// one item must not depend on the others, so that the result is the same with any number of
// threads. At most `kMostHelpers` are asked.
inline constexpr std::size_t kMostHelpers = 7;
void ForEach(telemetry::Workers* workers, std::size_t items,
             const std::function<void(std::size_t)>& work);

// The same in runs of `run` items each: [first, last).
void ForEachRun(telemetry::Workers* workers, std::size_t items, std::size_t run,
                const std::function<void(std::size_t first, std::size_t last)>& work);

}  // namespace enclave::incident
