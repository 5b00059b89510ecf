// Opening the ledger's database: its tables, versions and settings.
#include <chrono>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

#include "base/random.h"
#include "memory/ledger.h"

namespace enclave::memory {
namespace {

// "ENCM"; tells our databases from others.
constexpr std::int64_t kApplicationId = 0x454e434d;
constexpr std::int64_t kSchemaVersion = 1;

constexpr const char* kSettings =
    "PRAGMA foreign_keys=ON;"
    // A recall reads a few rows anywhere among a million: the inner pages of the trees stay.
    "PRAGMA cache_size=-65536;"
    "PRAGMA journal_size_limit=67108864;";

constexpr const char* kTables = R"(
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE incidents (
  row INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  time_ns INTEGER NOT NULL,
  code INTEGER NOT NULL,
  told INTEGER NOT NULL DEFAULT 0,
  service TEXT NOT NULL,
  kind TEXT NOT NULL,
  confidence REAL NOT NULL,
  fingerprint BLOB NOT NULL,
  features TEXT NOT NULL,
  summary TEXT NOT NULL
);
CREATE INDEX incidents_by_code ON incidents (code, time_ns);
CREATE INDEX incidents_by_time ON incidents (time_ns);
CREATE INDEX incidents_by_use ON incidents (told, time_ns);
CREATE TABLE outcomes (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  incident INTEGER NOT NULL REFERENCES incidents (row) ON DELETE CASCADE,
  about INTEGER NOT NULL,
  service TEXT NOT NULL,
  kind TEXT NOT NULL,
  action TEXT NOT NULL,
  good INTEGER NOT NULL,
  sayer INTEGER NOT NULL,
  said_by TEXT NOT NULL,
  time_ns INTEGER NOT NULL,
  UNIQUE (incident, about, service, kind, action, good, sayer, said_by, time_ns)
);
CREATE TABLE losses (loss INTEGER PRIMARY KEY AUTOINCREMENT, code INTEGER NOT NULL);
CREATE TABLE measurements (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  incident TEXT NOT NULL,
  neighbour TEXT NOT NULL,
  similarity REAL NOT NULL,
  agreed INTEGER NOT NULL
);
)";

}  // namespace

base::Result<std::unique_ptr<Ledger>> Ledger::Open(const LedgerOptions& options) {
  namespace fs = std::filesystem;
  const fs::path path = fs::path(options.directory) / "memory.db";
  std::error_code error;
  if (!options.create && !fs::exists(path, error))
    return base::Fail(base::ErrorKind::kNotFound,
                      fmt::format("no memory in {}: nothing was remembered or imported there yet",
                                  options.directory));
  fs::create_directories(options.directory, error);
  if (error)
    return base::Fail(base::ErrorKind::kUnavailable,
                      fmt::format("cannot make the directory {} of the memory: {}",
                                  options.directory, error.message()));
  // Others may have it open; their writes take milliseconds, an import of thousands some seconds.
  constexpr std::chrono::seconds kBusyWait{10};
  const std::string schema = fmt::format(
      "{}PRAGMA user_version={};"
      "INSERT INTO meta VALUES ('ledger', {}), ('dimensions', {}), "
      "('fingerprint_version', {});",
      kTables, kSchemaVersion, base::SystemRandom().Next() >> 1, options.dimensions,
      kFingerprintVersion);
  ASSIGN_OR_RETURN(auto database,
                   sqlite::Database::Open(path.string(), {.application_id = kApplicationId,
                                                          .schema = schema,
                                                          .settings = kSettings,
                                                          .sharing = sqlite::Sharing::kShared,
                                                          .busy_wait = kBusyWait}));
  std::unique_ptr<Ledger> ledger(new Ledger(options, std::move(database)));
  RETURN_IF_ERROR(ledger->CheckSchema());
  RETURN_IF_ERROR(ledger->Prepare());
  return ledger;
}

base::Result<> Ledger::CheckSchema() {
  ASSIGN_OR_RETURN(const std::int64_t version, database_->QueryInteger("PRAGMA user_version"));
  const auto refuse = [&](const std::string& why) {
    return base::Fail(base::ErrorKind::kInvalidArgument,
                      fmt::format("cannot open the memory {}: {}", database_->path(), why));
  };
  if (version > kSchemaVersion)
    return refuse(fmt::format("it was made by a newer program (schema {}, this one knows {})",
                              version, kSchemaVersion));
  ASSIGN_OR_RETURN(const std::int64_t dimensions,
                   database_->QueryInteger("SELECT value FROM meta WHERE key='dimensions'"));
  ASSIGN_OR_RETURN(
      const std::int64_t fingerprints,
      database_->QueryInteger("SELECT value FROM meta WHERE key='fingerprint_version'"));
  if (options_.dimensions == 0) options_.dimensions = static_cast<std::size_t>(dimensions);
  if (dimensions != static_cast<std::int64_t>(options_.dimensions))
    return refuse(
        fmt::format("its fingerprints have {} numbers, this program makes {}: turn text "
                    "embeddings {}, or begin another memory",
                    dimensions, options_.dimensions,
                    dimensions > static_cast<std::int64_t>(options_.dimensions) ? "on" : "off"));
  if (fingerprints != kFingerprintVersion)
    return refuse(fmt::format("its fingerprints are of version {}, this program makes version {}",
                              fingerprints, kFingerprintVersion));
  return {};
}

}  // namespace enclave::memory
