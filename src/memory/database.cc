#include "memory/database.h"

#include <cstring>

#include <fmt/format.h>
#include <sqlite3.h>

namespace enclave::memory {

using base::ErrorKind;

void Statement::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

Statement& Statement::Bind(int parameter, std::string_view text) {
  // A null pointer would bind NULL instead of an empty text.
  const char* data = text.data() != nullptr ? text.data() : "";
  sqlite3_bind_text64(statement_.get(), parameter, data, text.size(), SQLITE_STATIC, SQLITE_UTF8);
  return *this;
}

Statement& Statement::Bind(int parameter, std::int64_t number) {
  sqlite3_bind_int64(statement_.get(), parameter, number);
  return *this;
}

Statement& Statement::Bind(int parameter, double number) {
  sqlite3_bind_double(statement_.get(), parameter, number);
  return *this;
}

Statement& Statement::BindBytes(int parameter, std::span<const std::byte> bytes) {
  sqlite3_bind_blob64(statement_.get(), parameter, bytes.data(), bytes.size(), SQLITE_STATIC);
  return *this;
}

base::Result<bool> Statement::Step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return base::Fail(database_->LastError("accessing"));
}

base::Result<> Statement::Run() {
  auto stepped = Step();
  Reset();
  if (!stepped) return base::Fail(std::move(stepped).error());
  return {};
}

void Statement::Reset() {
  sqlite3_reset(statement_.get());
}

std::int64_t Statement::Integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

double Statement::Real(int column) const {
  return sqlite3_column_double(statement_.get(), column);
}

std::string_view Statement::Text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column));
  return text == nullptr ? std::string_view() : std::string_view(text, size);
}

std::span<const std::byte> Statement::Bytes(int column) const {
  const auto* bytes = static_cast<const std::byte*>(sqlite3_column_blob(statement_.get(), column));
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column));
  return bytes == nullptr ? std::span<const std::byte>() : std::span(bytes, size);
}

void Database::Close::operator()(sqlite3* database) const {
  sqlite3_close_v2(database);
}

base::Result<std::unique_ptr<Database>> Database::Open(const std::string& path) {
  constexpr int kBusyTimeoutMs = 10'000;
  std::unique_ptr<Database> database(new Database(path));
  sqlite3* handle = nullptr;
  const int flags =
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  database->handle_.reset(handle);  // SQLite hands out a handle to be closed on failure too
  if (code != SQLITE_OK) {
    if (handle == nullptr)
      return base::Fail(ErrorKind::kUnavailable, "opening " + path + ": no memory");
    return base::Fail(database->LastError("opening"));
  }
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_busy_timeout(handle, kBusyTimeoutMs);
  return database;
}

base::Result<> Database::Execute(const char* sql) {
  if (sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK)
    return base::Fail(LastError("accessing"));
  return {};
}

base::Result<Statement> Database::Prepare(std::string_view sql) const {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()),
                         SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK)
    return base::Fail(LastError("reading"));
  return Statement(this, statement);
}

base::Result<std::int64_t> Database::QueryInteger(std::string_view sql) const {
  ASSIGN_OR_RETURN(Statement statement, Prepare(sql));
  ASSIGN_OR_RETURN(const bool row, statement.Step());
  return row ? statement.Integer(0) : 0;
}

std::int64_t Database::last_insert_row() const {
  return sqlite3_last_insert_rowid(handle_.get());
}

std::int64_t Database::changes() const {
  return sqlite3_changes64(handle_.get());
}

std::int64_t Database::total_changes() const {
  return sqlite3_total_changes64(handle_.get());
}

base::Error Database::LastError(std::string_view doing) const {
  const int code = sqlite3_extended_errcode(handle_.get());
  const std::string text = fmt::format("{} the memory {}: {} (SQLite code {})", doing, path_,
                                       sqlite3_errmsg(handle_.get()), code);
  switch (code & 0xff) {
    case SQLITE_FULL:
      return {ErrorKind::kUnavailable, text + ": no space left on the disk; free some"};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {ErrorKind::kUnavailable, text + ": another process writes to it; try again"};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return {ErrorKind::kInternal,
              text +
                  ": the file is damaged or no database; restore it from an export, or move it "
                  "away to begin with an empty memory"};
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_NOMEM:
      return {ErrorKind::kUnavailable, text};
    default:
      return {ErrorKind::kInternal, text};
  }
}

base::Result<Transaction> Transaction::Begin(Database& database) {
  // Immediate: the right to write is had at the beginning or not at all.
  RETURN_IF_ERROR(database.Execute("BEGIN IMMEDIATE"));
  return Transaction(&database);
}

Transaction::~Transaction() {
  if (database_ == nullptr) return;
  // Fails only where SQLite has rolled back already.
  static_cast<void>(database_->Execute("ROLLBACK").has_value());
}

base::Result<> Transaction::Commit() {
  RETURN_IF_ERROR(database_->Execute("COMMIT"));
  database_ = nullptr;
  return {};
}

}  // namespace enclave::memory
