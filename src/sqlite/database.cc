#include "sqlite/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "sqlite/transaction.h"

namespace enclave::sqlite {

using base::Error;
using base::ErrorKind;
using base::Fail;
using base::Result;

namespace {

constexpr std::string_view kBeginAnew = "restore it from a copy, or move it away to begin anew";

bool IsDamage(int code) {
  return (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
}

Error Describe(int code, std::string_view where, std::string_view detail) {
  if (IsDamage(code))
    return {ErrorKind::kInternal, fmt::format("{}: the file is damaged or no database; {}: {}",
                                              where, kBeginAnew, detail)};
  switch (code & 0xff) {
    case SQLITE_FULL:
      return {
          ErrorKind::kUnavailable,
          fmt::format("{}: no space left on the disk; free some and try again: {}", where, detail)};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {ErrorKind::kUnavailable,
              fmt::format("{}: the database is in use by another process; stop that one or choose "
                          "another state directory: {}",
                          where, detail)};
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_NOMEM:
      return {
          ErrorKind::kUnavailable,
          fmt::format("{}: see to the disk and the directory's permissions: {}", where, detail)};
    default:
      return {ErrorKind::kInternal, fmt::format("{}: {}", where, detail)};
  }
}

// A new file's name is durable only when its directory is.
Result<> SyncDirectoryOf(const std::string& path) {
  if (path == ":memory:") return {};
  const std::string parent = std::filesystem::path(path).parent_path().string();
  const std::string directory = parent.empty() ? "." : parent;
  const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && fsync(fd) == 0;
  const int error = errno;
  if (fd >= 0) close(fd);
  if (synced) return {};
  return Fail(ErrorKind::kUnavailable,
              fmt::format("syncing the directory {}: {}", directory,
                          std::error_code(error, std::generic_category()).message()));
}

// The log goes with its file: beside another one it would be taken for that one's.
Result<> SetAside(const std::string& path) {
  namespace fs = std::filesystem;
  const std::string aside = path + ".damaged";
  std::error_code error;
  for (const char* part : {"-wal", "-shm"}) {
    fs::remove(aside + part, error);
    if (!error && fs::exists(path + part)) fs::rename(path + part, aside + part, error);
    if (error) break;
  }
  if (!error) fs::rename(path, aside, error);
  if (error)
    return Fail(ErrorKind::kUnavailable,
                fmt::format("moving the damaged {} to {}: {}", path, aside, error.message()));
  return {};
}

}  // namespace

void Database::Close::operator()(sqlite3* database) const {
  sqlite3_close_v2(database);
}

Result<std::unique_ptr<Database>> Database::Open(const std::string& path, const Options& options) {
  std::unique_ptr<Database> database(new Database(path));
  Result<> opened = database->Connect(options);
  if (!opened && database->damaged_ && options.on_damage == OnDamage::kSetAside) {
    base::LogWarning("sqlite", "a damaged database is set aside and another begun",
                     {{"file", path + ".damaged"}, {"error", opened.error().message()}});
    database.reset(new Database(path));
    RETURN_IF_ERROR(SetAside(path));
    opened = database->Connect(options);
  }
  if (!opened) return Fail(std::move(opened).error());
  return database;
}

Result<> Database::Connect(const Options& options) {
  sqlite3* handle = nullptr;
  const int flags =
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int code = sqlite3_open_v2(path_.c_str(), &handle, flags,
                                   options.vfs.empty() ? nullptr : options.vfs.c_str());
  handle_.reset(handle);  // SQLite hands out a handle to be closed on failure too
  if (code != SQLITE_OK) {
    if (handle == nullptr)
      return Fail(ErrorKind::kUnavailable, fmt::format("opening {}: no memory", path_));
    return Fail(LastError("opening"));
  }
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  if (options.busy_wait.count() > 0)
    sqlite3_busy_timeout(handle, static_cast<int>(options.busy_wait.count()));
  if (!options.checkpoint_by_itself) {
    // Taking the hook also turns SQLite's own checkpoints off.
    sqlite3_wal_hook(
        handle,
        [](void* self, sqlite3*, const char*, int pages) {
          static_cast<Database*>(self)->log_pages_ = static_cast<std::size_t>(pages);
          return SQLITE_OK;
        },
        this);
  }
  RETURN_IF_ERROR(Configure(options));
  if (options.application_id != 0) RETURN_IF_ERROR(Identify(options));
  if (options.check_pages || options.on_damage == OnDamage::kSetAside) {
    ASSIGN_OR_RETURN(const std::string verdict, QueryText("PRAGMA quick_check(1)"));
    damaged_ = verdict != "ok";
    if (damaged_) return Fail(Damaged(verdict));
  }
  return {};
}

Result<> Database::Configure(const Options& options) {
  // The lock comes first: then the log's index is in this process's memory, and no other process
  // can open the file.
  if (options.sharing == Sharing::kExclusive)
    RETURN_IF_ERROR(Execute("PRAGMA locking_mode = EXCLUSIVE"));
  RETURN_IF_ERROR(Execute(options.settings));
  RETURN_IF_ERROR(
      Execute("PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF; "
              "PRAGMA cell_size_check = ON;"));
  ASSIGN_OR_RETURN(const std::string mode, QueryText("PRAGMA journal_mode = WAL"));
  if (mode == "wal" || path_ == ":memory:") return {};
  return Fail(ErrorKind::kUnavailable,
              fmt::format("opening {}: this file system allows no write-ahead log (journal mode "
                          "{}); choose another state directory",
                          path_, mode));
}

Result<> Database::Identify(const Options& options) {
  // Within a transaction, so that two processes that open a new one at once make it once.
  ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(*this));
  ASSIGN_OR_RETURN(const std::int64_t id, QueryInteger("PRAGMA application_id"));
  ASSIGN_OR_RETURN(const std::int64_t tables, QueryInteger("SELECT count(*) FROM sqlite_schema"));
  if (id == 0 && tables == 0) {
    RETURN_IF_ERROR(Execute(options.schema));
    RETURN_IF_ERROR(Execute(fmt::format("PRAGMA application_id = {}", options.application_id)));
    RETURN_IF_ERROR(transaction.Commit());
    return SyncDirectoryOf(path_);
  }
  if (id == options.application_id) return transaction.Commit();
  return Fail(ErrorKind::kInternal,
              fmt::format("opening {}: it is a database of another program (application id {}); "
                          "choose another state directory",
                          path_, id));
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
  return row ? std::string(statement.Text(0)) : std::string();
}

Result<std::int64_t> Database::QueryInteger(std::string_view sql) const {
  ASSIGN_OR_RETURN(Statement statement, Prepare(sql));
  ASSIGN_OR_RETURN(const bool row, statement.Step());
  return row ? statement.Integer(0) : 0;
}

bool Database::in_transaction() const {
  return sqlite3_get_autocommit(handle_.get()) == 0;
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

Result<> Database::Checkpoint() {
  int pages = 0;
  int copied = 0;
  if (sqlite3_wal_checkpoint_v2(handle_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &pages,
                                &copied) != SQLITE_OK)
    return Fail(LastError("copying the log into"));
  if (copied == pages) log_pages_ = 0;
  return {};
}

Error Database::LastError(std::string_view doing) const {
  const int code = sqlite3_extended_errcode(handle_.get());
  damaged_ = damaged_ || IsDamage(code);
  const bool system = (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN;
  const int number = system ? sqlite3_system_errno(handle_.get()) : 0;
  return Describe(
      code, fmt::format("{} {}", doing, path_),
      fmt::format("{} (SQLite code {}{})", sqlite3_errmsg(handle_.get()), code,
                  number != 0 ? fmt::format(", {}", std::strerror(number)) : std::string()));
}

Error Database::Damaged(std::string_view what) const {
  return {ErrorKind::kInternal,
          fmt::format("opening {}: the database is damaged: {}; {}", path_, what, kBeginAnew)};
}

}  // namespace enclave::sqlite
