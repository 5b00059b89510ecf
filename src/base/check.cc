#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace enclave::base {

void CheckFailed(std::string_view condition, std::string_view sentence,
                 std::source_location where) {
  std::fprintf(stderr, "CHECK failed at %s:%u in %s: %.*s: %.*s\n", where.file_name(),
               static_cast<unsigned>(where.line()), where.function_name(),
               static_cast<int>(condition.size()), condition.data(),
               static_cast<int>(sentence.size()), sentence.data());
  std::fflush(stderr);
  std::abort();
}

}  // namespace enclave::base
