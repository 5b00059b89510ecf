// A disk for tests, as an SQLite VFS over the system's: it can refuse writes and syncs from the
// n-th on, and it knows what a power cut would leave behind. Syncs are only taken note of, so tests
// do not wait for the machine's own disk.
//
// Thread safety: all methods may be called from any thread.
#pragma once

#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/random.h"

namespace enclave::cluster::testing {

class FaultDisk {
 public:
  FaultDisk() : real_(sqlite3_vfs_find(nullptr)), vfs_(*real_) {
    static std::atomic<int> count = 0;
    name_ = "fault-" + std::to_string(++count);
    vfs_.zName = name_.c_str();
    vfs_.pAppData = this;
    vfs_.pNext = nullptr;
    vfs_.szOsFile = static_cast<int>(sizeof(File)) + real_->szOsFile;
    vfs_.xOpen = &Open;
    vfs_.xDelete = [](sqlite3_vfs* vfs, const char* path, int sync) {
      std::lock_guard lock(Of(vfs)->mutex_);
      Of(vfs)->images_.erase(path);
      return Of(vfs)->real_->xDelete(Of(vfs)->real_, path, sync);
    };
    vfs_.xAccess = [](sqlite3_vfs* vfs, const char* path, int flags, int* result) {
      return Of(vfs)->real_->xAccess(Of(vfs)->real_, path, flags, result);
    };
    vfs_.xFullPathname = [](sqlite3_vfs* vfs, const char* path, int size, char* out) {
      return Of(vfs)->real_->xFullPathname(Of(vfs)->real_, path, size, out);
    };
    CHECK(sqlite3_vfs_register(&vfs_, 0) == SQLITE_OK, "the VFS must register");
  }
  ~FaultDisk() { sqlite3_vfs_unregister(&vfs_); }
  FaultDisk(const FaultDisk&) = delete;
  FaultDisk& operator=(const FaultDisk&) = delete;

  const std::string& vfs() const { return name_; }

  enum class Fault { kFull, kWriteError, kSyncError };
  // The disk works for `steps` more writes and syncs, then fails each one that the fault concerns.
  void FailAfter(std::uint64_t steps, Fault fault) {
    std::lock_guard lock(mutex_);
    failing_ = true;
    fault_ = fault;
    steps_left_ = steps;
  }
  void Heal() {
    std::lock_guard lock(mutex_);
    failing_ = false;
  }
  std::uint64_t faults() const {
    std::lock_guard lock(mutex_);
    return faults_;
  }

  // The files as a power cut at this moment could leave them: what was synced, and of what was not,
  // any part, in sectors of 512 bytes; names come and go durably, as the store syncs the directory.
  // By file name without its directory.
  std::map<std::string, std::string> AfterPowerCut(base::Random& random) const {
    std::lock_guard lock(mutex_);
    std::map<std::string, std::string> files;
    for (const auto& [path, image] : images_) {
      std::string content = image.durable;
      for (const Pending& pending : image.pending) {
        if (pending.truncate) {
          if (random.Below(2) == 0) content.resize(pending.offset);
          continue;
        }
        for (std::size_t at = 0; at < pending.data.size(); at += kSector) {
          if (random.Below(2) == 0) continue;
          Overwrite(content, pending.offset + at, pending.data.substr(at, kSector));
        }
      }
      files[path.substr(path.rfind('/') + 1)] = std::move(content);
    }
    return files;
  }

 private:
  static constexpr std::size_t kSector = 512;

  struct Pending {
    std::size_t offset;
    std::string data;
    bool truncate = false;
  };
  struct Image {
    std::string durable;
    std::vector<Pending> pending;  // since the last sync, in order
  };
  // SQLite allots it, and the real VFS's file right behind it.
  struct File {
    sqlite3_file base;
    FaultDisk* disk;
    Image* image;
    sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
  };

  static FaultDisk* Of(sqlite3_vfs* vfs) { return static_cast<FaultDisk*>(vfs->pAppData); }
  static File* Of(sqlite3_file* file) { return reinterpret_cast<File*>(file); }

  static void Overwrite(std::string& content, std::size_t offset, const std::string& data) {
    if (content.size() < offset + data.size()) content.resize(offset + data.size());
    content.replace(offset, data.size(), data);
  }

  // SQLITE_OK, or the code to fail with. `sync`: of a sync, else of a write.
  int Step(bool sync) {
    if (!failing_) return SQLITE_OK;
    if (steps_left_ > 0) {
      --steps_left_;
      return SQLITE_OK;
    }
    if (sync != (fault_ == Fault::kSyncError)) return SQLITE_OK;
    ++faults_;
    switch (fault_) {
      case Fault::kFull:
        return SQLITE_FULL;
      case Fault::kWriteError:
        return SQLITE_IOERR_WRITE;
      default:
        return SQLITE_IOERR_FSYNC;
    }
  }

  static int Open(sqlite3_vfs* vfs, const char* path, sqlite3_file* out, int flags,
                  int* out_flags) {
    FaultDisk& disk = *Of(vfs);
    File* file = Of(out);
    *file = {};
    const int code = disk.real_->xOpen(disk.real_, path, file->real(), flags, out_flags);
    if (code != SQLITE_OK) return code;
    file->disk = &disk;
    static Image unnamed;
    CHECK(path == nullptr || (flags & SQLITE_OPEN_DELETEONCLOSE) == 0,
          "a file with a name is removed by name");
    std::lock_guard lock(disk.mutex_);
    file->image = path != nullptr ? &disk.images_[path] : &unnamed;
    file->base.pMethods = &kMethods;
    return SQLITE_OK;
  }

  static int Write(sqlite3_file* f, const void* data, int size, sqlite3_int64 offset) {
    File& file = *Of(f);
    std::lock_guard lock(file.disk->mutex_);
    if (const int code = file.disk->Step(false); code != SQLITE_OK) {
      // A write that fails may have left its first half.
      if (code == SQLITE_IOERR_WRITE) {
        file.real()->pMethods->xWrite(file.real(), data, size / 2, offset);
      }
      return code;
    }
    file.image->pending.push_back(
        {static_cast<std::size_t>(offset),
         std::string(static_cast<const char*>(data), static_cast<std::size_t>(size))});
    return file.real()->pMethods->xWrite(file.real(), data, size, offset);
  }

  static int Truncate(sqlite3_file* f, sqlite3_int64 size) {
    File& file = *Of(f);
    std::lock_guard lock(file.disk->mutex_);
    if (const int code = file.disk->Step(false); code != SQLITE_OK) return code;
    file.image->pending.push_back({static_cast<std::size_t>(size), "", true});
    return file.real()->pMethods->xTruncate(file.real(), size);
  }

  static int Sync(sqlite3_file* f, int) {
    File& file = *Of(f);
    std::lock_guard lock(file.disk->mutex_);
    if (const int code = file.disk->Step(true); code != SQLITE_OK) return code;
    for (const Pending& pending : file.image->pending) {
      if (pending.truncate) {
        file.image->durable.resize(pending.offset);
      } else {
        Overwrite(file.image->durable, pending.offset, pending.data);
      }
    }
    file.image->pending.clear();
    return SQLITE_OK;
  }

  // Version 1: without shared memory and memory mapping, which the store does not use.
  static constexpr sqlite3_io_methods kMethods = {
      .iVersion = 1,
      .xClose = [](sqlite3_file* f) { return Of(f)->real()->pMethods->xClose(Of(f)->real()); },
      .xRead =
          [](sqlite3_file* f, void* data, int size, sqlite3_int64 offset) {
            return Of(f)->real()->pMethods->xRead(Of(f)->real(), data, size, offset);
          },
      .xWrite = &Write,
      .xTruncate = &Truncate,
      .xSync = &Sync,
      .xFileSize =
          [](sqlite3_file* f, sqlite3_int64* size) {
            return Of(f)->real()->pMethods->xFileSize(Of(f)->real(), size);
          },
      .xLock = [](sqlite3_file* f,
                  int level) { return Of(f)->real()->pMethods->xLock(Of(f)->real(), level); },
      .xUnlock = [](sqlite3_file* f,
                    int level) { return Of(f)->real()->pMethods->xUnlock(Of(f)->real(), level); },
      .xCheckReservedLock =
          [](sqlite3_file* f, int* result) {
            return Of(f)->real()->pMethods->xCheckReservedLock(Of(f)->real(), result);
          },
      .xFileControl =
          [](sqlite3_file* f, int op, void* arg) {
            return Of(f)->real()->pMethods->xFileControl(Of(f)->real(), op, arg);
          },
      .xSectorSize =
          [](sqlite3_file* f) { return Of(f)->real()->pMethods->xSectorSize(Of(f)->real()); },
      .xDeviceCharacteristics =
          [](sqlite3_file* f) {
            return Of(f)->real()->pMethods->xDeviceCharacteristics(Of(f)->real());
          },
      .xShmMap = nullptr,
      .xShmLock = nullptr,
      .xShmBarrier = nullptr,
      .xShmUnmap = nullptr,
      .xFetch = nullptr,
      .xUnfetch = nullptr,
  };

  sqlite3_vfs* const real_;
  sqlite3_vfs vfs_;
  std::string name_;

  mutable std::mutex mutex_;
  bool failing_ = false;
  Fault fault_ = Fault::kFull;
  std::uint64_t steps_left_ = 0;
  std::uint64_t faults_ = 0;
  std::map<std::string, Image> images_;
};

}  // namespace enclave::cluster::testing
