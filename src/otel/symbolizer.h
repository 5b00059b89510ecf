// Names and lines of code addresses of this program, from its symbol and line tables by
// libbacktrace (https://github.com/ianlancetaylor/libbacktrace).
//
// Thread safety: any thread. The tables are mapped at the first call and stay.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace enclave::otel {

struct Frame {
  std::string function;  // "" when unknown
  std::string file;      // as the compiler was given it; "" when unknown
  int line = 0;
};

// The frame of a return address, and before it those that were inlined there, innermost first.
// Never empty.
std::vector<Frame> Symbolize(void* return_address);

}  // namespace enclave::otel
