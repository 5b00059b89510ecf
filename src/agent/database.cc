#include "agent/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

#include <fmt/format.h>

namespace enclave::agent {

using base::ErrorKind;
using base::Fail;
using base::Result;

namespace {

// A new file's name is durable only when its directory is.
Result<> SyncDirectoryOf(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  const std::string directory = parent.empty() ? "." : parent;
  const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && fsync(fd) == 0;
  if (fd >= 0) close(fd);
  if (synced) return {};
  return Fail(ErrorKind::kUnavailable, fmt::format("syncing the directory {}", directory));
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

void Statement::Bind(int parameter, std::string_view text) {
  // A null pointer would bind NULL instead of an empty text.
  const char* data = text.data() != nullptr ? text.data() : "";
  sqlite3_bind_text64(statement_.get(), parameter, data, text.size(), SQLITE_STATIC, SQLITE_UTF8);
}

void Statement::Bind(int parameter, std::int64_t number) {
  sqlite3_bind_int64(statement_.get(), parameter, number);
}

Result<bool> Statement::Step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return Fail(database_->LastError("accessing"));
}

Result<> Statement::Run() {
  Result<bool> stepped = Step();
  Reset();
  if (!stepped) return Fail(std::move(stepped).error());
  return {};
}

void Statement::Reset() {
  sqlite3_reset(statement_.get());
}

std::int64_t Statement::Number(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::string Statement::Text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column));
  return text == nullptr ? std::string() : std::string(text, size);
}

void Database::Close::operator()(sqlite3* database) const {
  sqlite3_close_v2(database);
}

Result<std::unique_ptr<Database>> Database::Open(const std::string& path,
                                                 std::int64_t application_id,
                                                 const std::string& schema) {
  std::unique_ptr<Database> database(new Database(path));
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(
      path.c_str(), &handle,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
      nullptr);
  database->handle_.reset(handle);  // SQLite hands out a handle to be closed on failure too
  if (code != SQLITE_OK) {
    if (handle == nullptr)
      return Fail(ErrorKind::kUnavailable, fmt::format("opening {}: no memory", path));
    return Fail(database->LastError("opening"));
  }
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  RETURN_IF_ERROR(database->Prepare(application_id, schema));
  return database;
}

Result<> Database::Prepare(std::int64_t application_id, const std::string& schema) {
  // The lock comes first: then no other process can open the file, and two agents never act on one
  // ledger.
  RETURN_IF_ERROR(
      Execute("PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; "
              "PRAGMA journal_size_limit = 4194304; PRAGMA trusted_schema = OFF; "
              "PRAGMA cell_size_check = ON;"));
  ASSIGN_OR_RETURN(const std::string mode, QueryText("PRAGMA journal_mode = WAL"));
  if (mode != "wal")
    return Fail(ErrorKind::kUnavailable,
                fmt::format("opening {}: this file system allows no write-ahead log; choose "
                            "another state directory",
                            path_));
  RETURN_IF_ERROR(Execute("BEGIN EXCLUSIVE"));
  ASSIGN_OR_RETURN(const std::string id, QueryText("PRAGMA application_id"));
  ASSIGN_OR_RETURN(const std::string tables, QueryText("SELECT count(*) FROM sqlite_schema"));
  if (id == "0" && tables == "0") {
    RETURN_IF_ERROR(Execute(schema));
    RETURN_IF_ERROR(Execute(fmt::format("PRAGMA application_id = {}", application_id)));
    RETURN_IF_ERROR(Execute("COMMIT"));
    return path_ == ":memory:" ? Result<>() : SyncDirectoryOf(path_);
  }
  if (id != fmt::to_string(application_id))
    return Fail(ErrorKind::kInternal,
                fmt::format("opening {}: it is a database of another program (application id {}); "
                            "choose another state directory",
                            path_, id));
  return Execute("COMMIT");
}

Result<> Database::Execute(const std::string& sql) {
  if (sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
    return Fail(LastError("accessing"));
  return {};
}

Result<Statement> Database::Prepare(std::string_view sql) const {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()),
                         SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK)
    return Fail(LastError("reading"));
  return Statement(this, statement);
}

Result<std::string> Database::QueryText(std::string_view sql) const {
  ASSIGN_OR_RETURN(Statement statement, Prepare(sql));
  ASSIGN_OR_RETURN(const bool row, statement.Step());
  return row ? statement.Text(0) : std::string();
}

base::Error Database::LastError(std::string_view doing) const {
  const int code = sqlite3_extended_errcode(handle_.get());
  const std::string what =
      fmt::format("{} {}: {} (SQLite code {})", doing, path_, sqlite3_errmsg(handle_.get()), code);
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {ErrorKind::kUnavailable,
              what + "; another agent uses this state directory: stop that one or choose another"};
    case SQLITE_FULL:
      return {ErrorKind::kUnavailable, what + "; free some space on the disk"};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return {ErrorKind::kInternal,
              what + "; restore the file from a copy, or move it away to begin anew"};
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_NOMEM:
      return {ErrorKind::kUnavailable, what + "; see to the state directory"};
    default:
      return {ErrorKind::kInternal, what};
  }
}

}  // namespace enclave::agent
