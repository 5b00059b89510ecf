// UTF-8, as far as PromQL cares. Pure functions; any thread.
#pragma once

#include <string_view>

#include "base/utf8.h"

namespace enclave::observatory::promql {

using base::CharacterSize;
using base::IsUtf8;

// Whether Prometheus takes it as the name of a label: any text but the empty one.
inline bool IsLabelName(std::string_view name) {
  return !name.empty() && IsUtf8(name);
}

}  // namespace enclave::observatory::promql
