#include "observatory/store/rocks_database.h"

#include <filesystem>

#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>

#include "base/check.h"
#include "base/quote.h"

namespace enclave::observatory::store {
namespace {

using base::ErrorKind;
using base::Fail;

// The store itself says when to try again after the disk failed: RocksDB's own attempts would be in
// the way of that, and look at the clock and the disk behind the ports.
class NoRecoveryOfItsOwn final : public rocksdb::EventListener {
 public:
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                            bool* auto_recovery) override {
    *auto_recovery = false;
  }
};

rocksdb::DBOptions DatabaseOptions(const StoreOptions& options) {
  rocksdb::DBOptions db;
  db.create_if_missing = true;
  db.create_missing_column_families = true;
  db.max_background_jobs = 2;
  db.db_write_buffer_size = options.write_buffer_bytes;
  db.max_total_wal_size = 2 * options.write_buffer_bytes;
  db.max_open_files = 512;
  db.skip_stats_update_on_db_open = true;
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  db.info_log_level = rocksdb::WARN_LEVEL;
  db.max_log_file_size = 1 << 20;
  db.keep_log_file_num = 2;
  db.bytes_per_sync = 1 << 20;
  db.max_bgerror_resume_count = 0;
  db.listeners.push_back(std::make_shared<NoRecoveryOfItsOwn>());
  // A log that a crash cut in the middle of a write that nobody was told of ends there; anything
  // else that cannot be read is damage and must be seen.
  db.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  if (options.env != nullptr) db.env = options.env;
  return db;
}

rocksdb::ColumnFamilyOptions FamilyOptions(const FamilyWish& wish, const StoreOptions& options,
                                           const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions family;
  family.write_buffer_size = options.write_buffer_bytes;  // all together are bounded anyway
  family.arena_block_size = 64 << 10;
  family.compression = wish.compression;
  family.target_file_size_base = 16 << 20;
  family.max_bytes_for_level_base = 64 << 20;
  family.level_compaction_dynamic_level_bytes = true;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.block_size = wish.block_bytes;
  table.format_version = 5;
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  if (wish.bloom) table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return family;
}

}  // namespace

base::Error FromRocks(const rocksdb::Status& status, std::string_view doing) {
  const bool disk = status.IsIOError() || status.IsNoSpace() || status.IsBusy() ||
                    status.IsTryAgain() || status.IsIncomplete() || status.IsShutdownInProgress();
  return base::Error(
      disk ? ErrorKind::kUnavailable : ErrorKind::kInternal,
      fmt::format("{}: the database says {}; {}", doing, base::Quote(status.ToString()),
                  disk ? "look at the disk and its free space, then try again"
                       : "restore the directory from a copy, or remove it to begin anew"));
}

rocksdb::ColumnFamilyHandle* Database::Family(std::string_view name) const {
  const auto at = families.find(name);
  CHECK(at != families.end(), "a section asks only for the families that it wished for");
  return at->second;
}

base::Result<std::unique_ptr<RocksDatabase>> RocksDatabase::Open(
    const StoreOptions& options, const std::vector<FamilyWish>& wishes) {
  std::error_code failed;
  std::filesystem::create_directories(options.directory, failed);
  if (failed)
    return Fail(ErrorKind::kUnavailable,
                fmt::format("creating the directory {}: {}", options.directory, failed.message()));
  const auto cache = rocksdb::NewLRUCache(options.block_cache_bytes);
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  families.emplace_back(rocksdb::kDefaultColumnFamilyName,
                        FamilyOptions({.name = "default"}, options, cache));
  for (const FamilyWish& wish : wishes)
    families.emplace_back(wish.name, FamilyOptions(wish, options, cache));
  auto database = std::unique_ptr<RocksDatabase>(new RocksDatabase());
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(DatabaseOptions(options), options.directory,
                                                   families, &database->handles_, &db);
  if (!status.ok())
    return Fail(FromRocks(status, fmt::format("opening the database in {} (does another process "
                                              "have it open?)",
                                              options.directory)));
  database->db_.reset(db);
  database->directory_ = options.directory;
  database->view_.db = db;
  for (std::size_t i = 0; i < wishes.size(); ++i)
    database->view_.families[wishes[i].name] = database->handles_[i + 1];
  return database;
}

RocksDatabase::~RocksDatabase() {
  if (!db_) return;
  for (rocksdb::ColumnFamilyHandle* const handle : handles_)
    (void)db_->DestroyColumnFamilyHandle(handle);
  (void)db_->Close();
}

rocksdb::Status RocksDatabase::Write(rocksdb::WriteBatch& batch) {
  rocksdb::WriteOptions options;
  options.sync = true;
  return db_->Write(options, &batch);
}

rocksdb::Status RocksDatabase::Flush() {
  rocksdb::FlushOptions options;
  options.wait = true;
  return db_->Flush(options, handles_);
}

rocksdb::Status RocksDatabase::Probe() {
  rocksdb::Env* const env = db_->GetEnv();
  const std::string path = directory_ + "/probe";
  std::unique_ptr<rocksdb::WritableFile> file;
  rocksdb::Status status = env->NewWritableFile(path, &file, rocksdb::EnvOptions());
  if (status.ok()) status = file->Append(std::string(256 << 10, 'p'));
  if (status.ok()) status = file->Sync();
  if (file) {
    const rocksdb::Status closed = file->Close();
    if (status.ok()) status = closed;
    env->DeleteFile(path).PermitUncheckedError();
  }
  return status;
}

rocksdb::Status RocksDatabase::Resume() {
  if (rocksdb::Status status = Probe(); !status.ok()) return status;
  return db_->Resume();
}

std::uint64_t RocksDatabase::DiskBytes() const {
  std::uint64_t bytes = 0;
  for (rocksdb::ColumnFamilyHandle* const handle : handles_) {
    std::uint64_t of_family = 0;
    db_->GetIntProperty(handle, rocksdb::DB::Properties::kTotalSstFilesSize, &of_family);
    bytes += of_family;
  }
  return bytes;
}

}  // namespace enclave::observatory::store
