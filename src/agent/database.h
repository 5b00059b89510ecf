// SQLite with owned handles and Results: a file with a write-ahead log, where what a function has
// returned survives kill -9 and loss of power (journal_mode=WAL, synchronous=FULL).
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

namespace enclave::agent {

class Database;

class Statement {
 public:
  // Parameters count from 1. Text must stay alive until Reset.
  void Bind(int parameter, std::string_view text);
  void Bind(int parameter, std::int64_t number);
  // True: a row stands; false: done.
  base::Result<bool> Step();
  // Runs a statement without rows and makes it ready for the next use.
  base::Result<> Run();
  void Reset();
  // Columns count from 0.
  std::int64_t Number(int column) const;
  std::string Text(int column) const;

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
  // Opens or makes the file; one process at a time. `schema` is run when the file is new;
  // `application_id` tells whose file it is. kUnavailable when the disk or another process refuses,
  // kInternal when it is damaged or somebody else's.
  static base::Result<std::unique_ptr<Database>> Open(const std::string& path,
                                                      std::int64_t application_id,
                                                      const std::string& schema);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  base::Result<> Execute(const std::string& sql);
  base::Result<Statement> Prepare(std::string_view sql) const;
  base::Result<std::string> QueryText(std::string_view sql) const;
  base::Error LastError(std::string_view doing) const;

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  explicit Database(std::string path) : path_(std::move(path)) {}
  base::Result<> Prepare(std::int64_t application_id, const std::string& schema);
  std::string path_;
  std::unique_ptr<sqlite3, Close> handle_;
};

}  // namespace enclave::agent
