// SQLite with owned handles and Results: a file with a write-ahead log, where what a function has
// returned survives kill -9 and loss of power (journal_mode=WAL, synchronous=FULL).
//
// Thread safety: none; a database and its statements belong to one thread at a time.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace enclave::sqlite {

class Database;

class Statement {
 public:
  // Parameters count from 1. Text and bytes must stay alive until Reset or the end of Run.
  Statement& Bind(int parameter, std::string_view text);
  Statement& Bind(int parameter, std::integral auto number) {
    return BindInteger(parameter, static_cast<std::int64_t>(number));
  }
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
  Statement& BindInteger(int parameter, std::int64_t number);

  const Database* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

enum class Sharing : std::uint8_t {
  kExclusive,  // one process at a time, until the database is destroyed
  kShared,     // writes of other processes are waited for
};

enum class OnDamage : std::uint8_t {
  kRefuse,
  // The file is renamed to PATH.damaged, in place of an older one, and another is begun: for what
  // is observed anew. Damage is looked for in all pages (PRAGMA quick_check).
  kSetAside,
};

struct Options {
  // Tells whose file it is: in the header, "application id". 0: anybody's, and nothing is made.
  std::int64_t application_id = 0;
  std::string schema{};    // run when the file is new
  std::string settings{};  // more PRAGMAs, before anything is read
  Sharing sharing = Sharing::kExclusive;
  std::chrono::milliseconds busy_wait{0};  // how long others are waited for
  bool check_pages = false;                // read all of them for damage, at opening
  OnDamage on_damage = OnDamage::kRefuse;
  // Off: the log is copied into the database by Checkpoint alone, so no commit is delayed by it.
  bool checkpoint_by_itself = true;
  std::string vfs{};  // a registered SQLite VFS; empty: the system's
};

class Database {
 public:
  // Opens or makes the file. kUnavailable when the disk or another process refuses, kInternal when
  // it is damaged or another program's.
  static base::Result<std::unique_ptr<Database>> Open(const std::string& path,
                                                      const Options& options);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  base::Result<> Execute(const std::string& sql);
  base::Result<Statement> Prepare(std::string_view sql) const;
  // The first column of the first row, as of a PRAGMA or a count; "" and 0 without one.
  base::Result<std::string> QueryText(std::string_view sql) const;
  base::Result<std::int64_t> QueryInteger(std::string_view sql) const;

  bool in_transaction() const;
  std::int64_t last_insert_row() const;
  std::int64_t changes() const;        // rows of the last statement
  std::int64_t total_changes() const;  // rows since it was opened

  // Where the database does not checkpoint by itself: pages in the log after the last commit.
  std::size_t log_pages() const { return log_pages_; }
  // Copies the log into the database as far as possible, and lets the log start anew.
  base::Result<> Checkpoint();

  // kUnavailable when the disk or another process refuses, kInternal when the file is damaged.
  base::Error LastError(std::string_view doing) const;
  // For callers that find nonsense in what is kept.
  base::Error Damaged(std::string_view what) const;
  const std::string& path() const { return path_; }

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  explicit Database(std::string path) : path_(std::move(path)) {}
  base::Result<> Connect(const Options& options);
  base::Result<> Configure(const Options& options);
  base::Result<> Identify(const Options& options);

  std::string path_;
  std::size_t log_pages_ = 0;
  mutable bool damaged_ = false;  // SQLite has said so
  std::unique_ptr<sqlite3, Close> handle_;
};

}  // namespace enclave::sqlite
