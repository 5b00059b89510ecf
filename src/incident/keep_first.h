// The bound on how many items of a kind a context keeps.
#pragma once

#include <cstddef>
#include <vector>

namespace enclave::incident {

// Drops all but the first `most`; returns how many it dropped.
template <typename T>
std::size_t KeepFirst(std::vector<T>& items, std::size_t most) {
  const std::size_t over = items.size() > most ? items.size() - most : 0;
  items.resize(items.size() - over);
  return over;
}

}  // namespace enclave::incident
