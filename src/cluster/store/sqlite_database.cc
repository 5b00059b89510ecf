#include "cluster/store/sqlite_database.h"

#include <cstring>

#include <fmt/format.h>
#include <sqlite3.h>

namespace enclave::cluster {
namespace {

using base::Error;
using base::ErrorKind;

Error Describe(int code, const char* message, int system_errno, const std::string& path,
               std::string_view doing) {
  const std::string where = fmt::format("{} {}", doing, path);
  const std::string detail =
      fmt::format("{} (SQLite code {}{})", message, code,
                  system_errno != 0 ? fmt::format(", {}", std::strerror(system_errno)) : "");
  switch (code & 0xff) {
    case SQLITE_FULL:
      return {ErrorKind::kUnavailable,
              fmt::format("{}: no space left on the disk; free some, writes are tried again: {}",
                          where, detail)};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {ErrorKind::kUnavailable,
              fmt::format("{}: the database is in use by another process; stop that one or choose "
                          "another state directory: {}",
                          where, detail)};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return {ErrorKind::kInternal,
              fmt::format("{}: the file is damaged or no database; restore it from a copy, or move "
                          "it away to begin with an empty cluster: {}",
                          where, detail)};
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_NOMEM:
      return {ErrorKind::kUnavailable, fmt::format("{}: {}", where, detail)};
    default:
      return {ErrorKind::kInternal, fmt::format("{}: {}", where, detail)};
  }
}

}  // namespace

void SqliteStatement::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

void SqliteStatement::Bind(int parameter, std::string_view text) {
  // A null pointer would bind NULL instead of an empty text.
  const char* data = text.data() != nullptr ? text.data() : "";
  sqlite3_bind_text64(statement_.get(), parameter, data, text.size(), SQLITE_STATIC, SQLITE_UTF8);
}

void SqliteStatement::Bind(int parameter, std::uint64_t number) {
  sqlite3_bind_int64(statement_.get(), parameter, static_cast<sqlite3_int64>(number));
}

base::Result<bool> SqliteStatement::Step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return base::Fail(database_->LastError("accessing"));
}

base::Result<void> SqliteStatement::Run() {
  base::Result<bool> stepped = Step();
  Reset();
  if (!stepped) return base::Fail(std::move(stepped).error());
  return {};
}

void SqliteStatement::Reset() {
  sqlite3_reset(statement_.get());
}

std::uint64_t SqliteStatement::Number(int column) const {
  return static_cast<std::uint64_t>(sqlite3_column_int64(statement_.get(), column));
}

std::string_view SqliteStatement::Text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column));
  return text == nullptr ? std::string_view() : std::string_view(text, size);
}

void SqliteDatabase::Close::operator()(sqlite3* database) const {
  sqlite3_close_v2(database);
}

base::Result<std::unique_ptr<SqliteDatabase>> SqliteDatabase::Open(const std::string& path,
                                                                   const std::string& vfs) {
  std::unique_ptr<SqliteDatabase> database(new SqliteDatabase(path));
  sqlite3* handle = nullptr;
  const int flags =
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int code =
      sqlite3_open_v2(path.c_str(), &handle, flags, vfs.empty() ? nullptr : vfs.c_str());
  database->handle_.reset(handle);  // SQLite hands out a handle to be closed on failure too
  if (code != SQLITE_OK) {
    if (handle == nullptr) return base::Fail(Describe(code, "no memory", 0, path, "opening"));
    return base::Fail(database->LastError("opening"));
  }
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  // Taking the hook also turns SQLite's own checkpoints off: they would delay a commit.
  sqlite3_wal_hook(
      handle,
      [](void* self, sqlite3*, const char*, int frames) {
        static_cast<SqliteDatabase*>(self)->log_frames_ = static_cast<std::size_t>(frames);
        return SQLITE_OK;
      },
      database.get());
  return database;
}

base::Result<void> SqliteDatabase::Execute(const char* sql) {
  if (sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
    return base::Fail(LastError("accessing"));
  }
  return {};
}

base::Result<SqliteStatement> SqliteDatabase::Prepare(std::string_view sql) const {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()),
                         SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK) {
    return base::Fail(LastError("reading"));
  }
  return SqliteStatement(this, statement);
}

base::Result<std::string> SqliteDatabase::QueryText(std::string_view sql) const {
  ASSIGN_OR_RETURN(SqliteStatement statement, Prepare(sql));
  ASSIGN_OR_RETURN(const bool row, statement.Step());
  return row ? std::string(statement.Text(0)) : std::string();
}

bool SqliteDatabase::in_transaction() const {
  return sqlite3_get_autocommit(handle_.get()) == 0;
}

base::Result<void> SqliteDatabase::Checkpoint() {
  int frames = 0;
  int copied = 0;
  if (sqlite3_wal_checkpoint_v2(handle_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &frames,
                                &copied) != SQLITE_OK) {
    return base::Fail(LastError("copying the log into"));
  }
  if (copied == frames) log_frames_ = 0;
  return {};
}

Error SqliteDatabase::LastError(std::string_view doing) const {
  const int code = sqlite3_extended_errcode(handle_.get());
  const bool system = (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN;
  return Describe(code, sqlite3_errmsg(handle_.get()),
                  system ? sqlite3_system_errno(handle_.get()) : 0, path_, doing);
}

}  // namespace enclave::cluster
