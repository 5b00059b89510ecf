// A shared mutex under which a stream of readers cannot starve the writer: glibc's own lets new
// readers in while a writer waits. A turnstile in front makes readers queue behind a waiting
// writer.
//
// Carries clang's thread-safety annotations, which std::shared_mutex of libstdc++ does not.
// Not recursive, in either mode.
#pragma once

#include <mutex>
#include <shared_mutex>

#define STORE_GUARDED_BY(mutex) __attribute__((guarded_by(mutex)))
#define STORE_REQUIRES(mutex) __attribute__((requires_capability(mutex)))

namespace enclave::cluster {

class __attribute__((capability("mutex"))) FairSharedMutex {
 public:
  void Lock() __attribute__((acquire_capability)) {
    std::lock_guard turnstile(turnstile_);
    mutex_.lock();
  }
  void Unlock() __attribute__((release_capability)) { mutex_.unlock(); }
  void LockShared() __attribute__((acquire_shared_capability)) {
    std::lock_guard turnstile(turnstile_);
    mutex_.lock_shared();
  }
  void UnlockShared() __attribute__((release_shared_capability)) { mutex_.unlock_shared(); }

 private:
  std::mutex turnstile_;
  std::shared_mutex mutex_;
};

class __attribute__((scoped_lockable)) WriteLock {
 public:
  explicit WriteLock(FairSharedMutex& mutex) __attribute__((acquire_capability(mutex)))
      : mutex_(mutex) {
    mutex_.Lock();
  }
  ~WriteLock() __attribute__((release_capability)) { mutex_.Unlock(); }
  WriteLock(const WriteLock&) = delete;
  WriteLock& operator=(const WriteLock&) = delete;

 private:
  FairSharedMutex& mutex_;
};

class __attribute__((scoped_lockable)) ReadLock {
 public:
  explicit ReadLock(FairSharedMutex& mutex) __attribute__((acquire_shared_capability(mutex)))
      : mutex_(mutex) {
    mutex_.LockShared();
  }
  ~ReadLock() __attribute__((release_generic_capability)) { mutex_.UnlockShared(); }
  ReadLock(const ReadLock&) = delete;
  ReadLock& operator=(const ReadLock&) = delete;

 private:
  FairSharedMutex& mutex_;
};

}  // namespace enclave::cluster
