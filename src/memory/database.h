// SQLite's C interface with owned handles and Results, as far as the ledger needs it.
//
// Thread safety: none; a database and its statements belong to one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace enclave::memory {

class Database;

class Statement {
 public:
  // Parameters count from 1. Text and bytes must stay alive until Reset or the end of Run.
  Statement& Bind(int parameter, std::string_view text);
  Statement& Bind(int parameter, std::int64_t number);
  Statement& Bind(int parameter, double number);
  Statement& BindBytes(int parameter, std::span<const std::byte> bytes);

  base::Result<bool> Step();  // true: a row stands; false: done
  base::Result<> Run();       // a statement without rows; ready for the next use
  void Reset();

  // Columns count from 0; views until the next Step.
  std::int64_t Integer(int column) const;
  double Real(int column) const;
  std::string_view Text(int column) const;
  std::span<const std::byte> Bytes(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  Statement(const Database* database, sqlite3_stmt* statement)
      : database_(database), statement_(statement) {}

  const Database* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class Database {
 public:
  // Waits for other processes for some seconds before a write is refused.
  static base::Result<std::unique_ptr<Database>> Open(const std::string& path);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  base::Result<> Execute(const char* sql);
  base::Result<Statement> Prepare(std::string_view sql) const;
  base::Result<std::int64_t> QueryInteger(std::string_view sql) const;  // 0 without a row
  std::int64_t last_insert_row() const;
  std::int64_t changes() const;        // rows of the last statement
  std::int64_t total_changes() const;  // rows since it was opened

  // kUnavailable when the disk or another process refuses, kInternal when the file is damaged.
  base::Error LastError(std::string_view doing) const;
  const std::string& path() const { return path_; }

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  explicit Database(std::string path) : path_(std::move(path)) {}

  std::string path_;
  std::unique_ptr<sqlite3, Close> handle_;
};

// Undone when it goes without Commit.
class Transaction {
 public:
  static base::Result<Transaction> Begin(Database& database);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  // Returns once it is on the disk.
  base::Result<> Commit();

 private:
  explicit Transaction(Database* database) : database_(database) {}
  Database* database_;
};

}  // namespace enclave::memory
