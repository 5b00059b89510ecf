// A shared mutex under which a stream of readers cannot starve the writer: glibc's own lets new
// readers in while a writer waits. A turnstile in front makes them queue behind it.
//
// For std::unique_lock and std::shared_lock. Not recursive, in either mode.
#pragma once

#include <mutex>
#include <shared_mutex>

namespace enclave::observatory::store {

class FairMutex {
 public:
  void lock() {
    const std::lock_guard turnstile(turnstile_);
    mutex_.lock();
  }
  void unlock() { mutex_.unlock(); }
  void lock_shared() {
    const std::lock_guard turnstile(turnstile_);
    mutex_.lock_shared();
  }
  void unlock_shared() { mutex_.unlock_shared(); }

 private:
  std::mutex turnstile_;
  std::shared_mutex mutex_;
};

}  // namespace enclave::observatory::store
