// For tests: a database in memory with one section, driven as the store drives it.
#pragma once

#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "observatory/store/section.h"

namespace enclave::observatory::store {

template <typename Kind>
class SectionUnderTest {
 public:
  using Create = std::function<std::unique_ptr<Kind>(const StoreOptions&)>;

  explicit SectionUnderTest(Create create, StoreOptions options = {})
      : create_(std::move(create)),
        options_(std::move(options)),
        env_(rocksdb::NewMemEnv(rocksdb::Env::Default())) {
    Open();
  }
  ~SectionUnderTest() { Close(); }
  SectionUnderTest(const SectionUnderTest&) = delete;
  SectionUnderTest& operator=(const SectionUnderTest&) = delete;

  Kind& operator*() { return *section_; }
  Kind* operator->() { return section_.get(); }
  Database& database() { return database_; }

  // As after a kill: nothing is done before.
  void Reopen() {
    Close();
    Open();
  }
  telemetry::Refused Write(telemetry::Batch batch, std::int64_t now_ms) {
    std::vector<telemetry::Batch> batches;
    batches.push_back(std::move(batch));
    return WriteTogether(std::move(batches), now_ms);
  }
  // Several batches in one write.
  telemetry::Refused WriteTogether(std::vector<telemetry::Batch> batches, std::int64_t now_ms,
                                   bool fail = false) {
    rocksdb::WriteBatch write;
    telemetry::Refused refused;
    for (telemetry::Batch& batch : batches) section_->Prepare(batch, now_ms, write, refused);
    if (fail) {
      section_->Aborted();
    } else {
      Commit(write);
    }
    return refused;
  }
  void Checkpoint() {
    rocksdb::WriteBatch write;
    CHECK(section_->PrepareCheckpoint(write), "a checkpoint can be prepared");
    Commit(write);
  }
  void DropBefore(std::int64_t time_ms) {
    rocksdb::WriteBatch write;
    CHECK(section_->DropBefore(time_ms, write), "a removal can be prepared");
    Commit(write);
  }

 private:
  void Commit(rocksdb::WriteBatch& write) {
    CHECK(database_.db->Write({}, &write).ok(), "memory takes writes");
    section_->Committed();
  }
  void Open() {
    section_ = create_(options_);
    rocksdb::Options options;
    options.env = env_.get();
    options.create_if_missing = true;
    options.create_missing_column_families = true;
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    families.emplace_back(rocksdb::kDefaultColumnFamilyName, options);
    for (const FamilyWish& wish : section_->Families()) families.emplace_back(wish.name, options);
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    CHECK(rocksdb::DB::Open(options, "/db", families, &handles, &database_.db).ok(),
          "a database in memory opens");
    for (rocksdb::ColumnFamilyHandle* handle : handles)
      database_.families[handle->GetName()] = handle;
    const base::Result<> recovered = section_->Recover(database_);
    CHECK(recovered, recovered ? "" : recovered.error().message());
  }
  void Close() {
    section_.reset();
    for (const auto& [name, handle] : database_.families)
      database_.db->DestroyColumnFamilyHandle(handle);
    database_.families.clear();
    delete database_.db;
    database_.db = nullptr;
  }

  const Create create_;
  const StoreOptions options_;
  const std::unique_ptr<rocksdb::Env> env_;
  Database database_;
  std::unique_ptr<Kind> section_;
};

}  // namespace enclave::observatory::store
