// CHECK(condition, "sentence"): a broken invariant is a bug of ours. It is reported with its place
// and the process aborts, in release too: a wrong state must not be acted upon or written to disk.
#pragma once

#include <source_location>
#include <string_view>

namespace enclave::base {

[[noreturn]] void CheckFailed(std::string_view condition, std::string_view sentence,
                              std::source_location where = std::source_location::current());

}  // namespace enclave::base

#define CHECK(condition, sentence)                          \
  do {                                                      \
    if (!(condition)) [[unlikely]]                          \
      ::enclave::base::CheckFailed(#condition, (sentence)); \
  } while (false)
