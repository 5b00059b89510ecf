#include "system/eventually.h"

#include <thread>

namespace enclave::system_test {

namespace {
constexpr std::chrono::milliseconds kPause{20};
}

bool Eventually(std::chrono::milliseconds timeout, const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kPause);
  }
  return true;
}

bool Always(std::chrono::milliseconds duration, const std::function<bool()>& condition) {
  return !Eventually(duration, [&] { return !condition(); });
}

}  // namespace enclave::system_test
