// UTF-8, as far as PromQL cares. Pure functions; any thread.
#pragma once

#include <cstddef>
#include <string_view>

namespace enclave::observatory::promql {

// Bytes of the character at the front of `text`, 0 when it is not UTF-8 (or there is none).
std::size_t CharacterSize(std::string_view text);

bool IsUtf8(std::string_view text);

// Whether Prometheus takes it as the name of a label: any text but the empty one.
inline bool IsLabelName(std::string_view name) {
  return !name.empty() && IsUtf8(name);
}

}  // namespace enclave::observatory::promql
