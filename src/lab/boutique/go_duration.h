// Durations as Go writes them, which is how the boutique's environment has them: "5.5s", "1m30s".
#pragma once

#include <string_view>

#include "base/executor.h"
#include "base/result.h"

namespace enclave::lab::boutique {

// Hours to nanoseconds (h, m, s, ms, us, ns), not negative, at most a day; "0" needs no unit.
// kInvalidArgument for anything else.
base::Result<base::Duration> ParseGoDuration(std::string_view text);

}  // namespace enclave::lab::boutique
