// The one place where a test looks again and again: for what a program outside tells nobody when it
// happens.
#pragma once

#include <chrono>
#include <functional>

namespace enclave::system_test {

// Asks until the answer is yes; false when it was not within `timeout`.
bool Eventually(std::chrono::milliseconds timeout, const std::function<bool()>& condition);

// True when the answer stays yes for the whole time.
bool Always(std::chrono::milliseconds duration, const std::function<bool()>& condition);

}  // namespace enclave::system_test
