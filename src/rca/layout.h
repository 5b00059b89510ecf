// Places of a graph's nodes in columns: callers left, callees right, few crossings.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace enclave::rca {

struct Place {
  std::size_t column = 0;
  std::size_t row = 0;
};

// `calls` by number of caller and callee, circles allowed.
std::vector<Place> LayOut(std::size_t nodes,
                          const std::vector<std::pair<std::size_t, std::size_t>>& calls);

}  // namespace enclave::rca
