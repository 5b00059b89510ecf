// The RocksDB database under the store: opened with the families that the sections want, and
// closed again.
//
// Thread safety: RocksDB's own.
#pragma once

#include <memory>
#include <vector>

#include <rocksdb/db.h>

#include "base/result.h"
#include "observatory/store/options.h"
#include "observatory/store/section.h"

namespace enclave::observatory::store {

class RocksDatabase {
 public:
  // kUnavailable when another process has it open, or the disk fails.
  static base::Result<std::unique_ptr<RocksDatabase>> Open(const StoreOptions& options,
                                                           const std::vector<FamilyWish>& wishes);
  ~RocksDatabase();
  RocksDatabase(const RocksDatabase&) = delete;
  RocksDatabase& operator=(const RocksDatabase&) = delete;

  rocksdb::DB& db() { return *db_; }
  const Database& view() const { return view_; }
  // Writes all of it or nothing, and syncs it to the disk.
  rocksdb::Status Write(rocksdb::WriteBatch& batch);
  // Moves what is in memtables into tables, so that the log before is not needed any more.
  rocksdb::Status Flush();
  // After a failed write: takes writes again if the disk does. A disk that is asked too early
  // leaves RocksDB in a state that only a restart ends, so a file of no use is written first.
  rocksdb::Status Resume();
  std::uint64_t DiskBytes() const;

 private:
  RocksDatabase() = default;

  rocksdb::Status Probe();

  std::string directory_;
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
  Database view_;
};

}  // namespace enclave::observatory::store
