// SQLite's C interface with owned handles and Results. Knows nothing of the store.
//
// Thread safety: none; a database and its statements belong to one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace enclave::cluster {

class SqliteDatabase;

class SqliteStatement {
 public:
  // Parameters count from 1. Text must stay alive until Reset or the end of Run.
  void Bind(int parameter, std::string_view text);
  void Bind(int parameter, std::uint64_t number);

  // True: a row stands; false: done.
  base::Result<bool> Step();
  // Runs a statement without rows and makes it ready for the next use.
  base::Result<void> Run();
  void Reset();

  // Columns count from 0.
  std::uint64_t Number(int column) const;
  std::string_view Text(int column) const;  // until the next Step

 private:
  friend class SqliteDatabase;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  SqliteStatement(const SqliteDatabase* database, sqlite3_stmt* statement)
      : database_(database), statement_(statement) {}

  const SqliteDatabase* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class SqliteDatabase {
 public:
  // `vfs`: a registered VFS, "" for the system's.
  static base::Result<std::unique_ptr<SqliteDatabase>> Open(const std::string& path,
                                                            const std::string& vfs);
  SqliteDatabase(const SqliteDatabase&) = delete;
  SqliteDatabase& operator=(const SqliteDatabase&) = delete;

  base::Result<void> Execute(const char* sql);
  base::Result<SqliteStatement> Prepare(std::string_view sql) const;
  // The first column of the only row: of a PRAGMA, a count.
  base::Result<std::string> QueryText(std::string_view sql) const;

  bool in_transaction() const;
  // Frames in the write-ahead log after the last commit.
  std::size_t log_frames() const { return log_frames_; }
  // Copies the log into the database as far as possible, and lets the log start anew.
  base::Result<void> Checkpoint();

  // kUnavailable when the disk or another process refuses, kInternal when the file is damaged.
  base::Error LastError(std::string_view doing) const;
  const std::string& path() const { return path_; }

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  explicit SqliteDatabase(std::string path) : path_(std::move(path)) {}

  std::string path_;
  std::size_t log_frames_ = 0;
  std::unique_ptr<sqlite3, Close> handle_;
};

}  // namespace enclave::cluster
