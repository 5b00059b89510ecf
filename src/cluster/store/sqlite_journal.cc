#include "cluster/store/sqlite_journal.h"

#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using base::Fail;
using kube::Revision;

constexpr int kApplicationId = 0x454e434c;  // "ENCL", in the file's header
constexpr std::string_view kSchemaVersion = "1";

// journal_size_limit (bytes) cuts the log file down after a burst.
constexpr const char* kConfigure = R"(
  PRAGMA page_size = 4096;
  PRAGMA journal_size_limit = 33554432;
  PRAGMA cache_size = -4096;
  PRAGMA temp_store = MEMORY;
  PRAGMA mmap_size = 0;
)";
static_assert(kLogPages * 4096 <= 33554432);

constexpr const char* kCreate = R"(
  CREATE TABLE meta (
    key   TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE objects (
    created  INTEGER PRIMARY KEY NOT NULL,
    resource TEXT NOT NULL,
    ns       TEXT NOT NULL,
    name     TEXT NOT NULL,
    revision INTEGER NOT NULL,
    object   TEXT NOT NULL
  ) STRICT;
  INSERT INTO meta VALUES ('schema', '1'), ('revision', '0');
)";

base::Result<void> CheckVersion(const sqlite::Database& database) {
  ASSIGN_OR_RETURN(const std::string schema,
                   database.QueryText("SELECT value FROM meta WHERE key = 'schema'"));
  if (schema == kSchemaVersion) return {};
  return Fail(ErrorKind::kInternal,
              fmt::format("opening {}: its schema is version \"{}\", this program knows {}; use "
                          "the program that wrote it",
                          database.path(), schema, kSchemaVersion));
}

base::Result<Revision> LoadRevision(const sqlite::Database& database) {
  // Text that is not the plain decimal form of a number counts as lost.
  ASSIGN_OR_RETURN(const std::string text,
                   database.QueryText("SELECT value FROM meta WHERE key = 'revision' AND "
                                      "CAST(value AS INTEGER) >= 0 AND "
                                      "value = CAST(CAST(value AS INTEGER) AS TEXT)"));
  if (text.empty()) return Fail(database.Damaged("it has no revision"));
  std::uint64_t revision = 0;
  std::from_chars(text.data(), text.data() + text.size(), revision);
  return Revision{revision};
}

base::Result<ObjectTable> LoadObjects(const sqlite::Database& database, Revision last) {
  ObjectTable objects;
  ASSIGN_OR_RETURN(sqlite::Statement rows,
                   database.Prepare("SELECT created, resource, ns, name, revision, object FROM "
                                    "objects ORDER BY created"));
  while (true) {
    ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) return objects;
    const Revision created{static_cast<std::uint64_t>(rows.Integer(0))};
    const Key key{std::string(rows.Text(1)), std::string(rows.Text(2)), std::string(rows.Text(3))};
    const Revision revision{static_cast<std::uint64_t>(rows.Integer(4))};
    std::string text(rows.Text(5));
    const auto damaged = [&](std::string_view what) {
      return Fail(
          database.Damaged(fmt::format("object {} ({} \"{}/{}\") {}", std::to_underlying(created),
                                       key.resource, key.ns, key.name, what)));
    };
    kube::Json json = kube::Json::parse(text, nullptr, false);
    if (json.is_discarded()) return damaged("is not JSON");
    if (kube::StringAt(json, "metadata.resourceVersion") !=
        fmt::to_string(std::to_underlying(revision))) {
      return damaged("contradicts its own revision");
    }
    if (created > revision || revision > last) return damaged("is newer than the database");
    if (objects.Find(key).object != nullptr) return damaged("is there twice");
    objects.Set(key,
                {std::make_shared<const kube::Object>(std::move(json), std::move(text)), created});
  }
}

}  // namespace

base::Result<SqliteJournal::Opened> SqliteJournal::Open(const std::string& path,
                                                        const Options& options) {
  ASSIGN_OR_RETURN(auto database,
                   sqlite::Database::Open(path, {.application_id = kApplicationId,
                                                 .schema = kCreate,
                                                 .settings = kConfigure,
                                                 .check_pages = options.check_integrity,
                                                 .checkpoint_by_itself = false,
                                                 .vfs = options.vfs}));
  RETURN_IF_ERROR(CheckVersion(*database));
  ASSIGN_OR_RETURN(const Revision revision, LoadRevision(*database));
  ASSIGN_OR_RETURN(ObjectTable objects, LoadObjects(*database, revision));

  ASSIGN_OR_RETURN(
      sqlite::Statement insert,
      database->Prepare("INSERT INTO objects (created, resource, ns, name, revision, object) "
                        "VALUES (?1, ?2, ?3, ?4, ?5, ?6)"));
  ASSIGN_OR_RETURN(
      sqlite::Statement update,
      database->Prepare("UPDATE objects SET revision = ?2, object = ?3 WHERE created = ?1"));
  ASSIGN_OR_RETURN(sqlite::Statement remove,
                   database->Prepare("DELETE FROM objects WHERE created = ?1"));
  ASSIGN_OR_RETURN(sqlite::Statement set_revision,
                   database->Prepare("UPDATE meta SET value = ?1 WHERE key = 'revision'"));
  std::unique_ptr<SqliteJournal> journal(new SqliteJournal(std::move(database), std::move(insert),
                                                           std::move(update), std::move(remove),
                                                           std::move(set_revision), options));
  return Opened{std::move(journal), std::move(objects), revision};
}

base::Result<void> SqliteJournal::Write(const Commit& commit) {
  const Change& change = commit.change;
  const auto created = std::to_underlying(commit.created);
  switch (change.type) {
    case kube::EventType::kDeleted:
      remove_.Bind(1, created);
      return remove_.Run();
    case kube::EventType::kModified:
      update_.Bind(1, created);
      update_.Bind(2, std::to_underlying(change.revision));
      update_.Bind(3, change.object->text());
      return update_.Run();
    default:
      insert_.Bind(1, created);
      insert_.Bind(2, commit.key.resource);
      insert_.Bind(3, commit.key.ns);
      insert_.Bind(4, commit.key.name);
      insert_.Bind(5, std::to_underlying(change.revision));
      insert_.Bind(6, change.object->text());
      return insert_.Run();
  }
}

base::Result<void> SqliteJournal::Append(std::span<const Commit> commits) {
  if (commits.empty()) return {};
  // Some errors end the transaction by themselves, others leave it open.
  if (database_->in_transaction()) RETURN_IF_ERROR(database_->Execute("ROLLBACK"));
  const auto write_all = [&]() -> base::Result<void> {
    RETURN_IF_ERROR(database_->Execute("BEGIN IMMEDIATE"));
    for (const Commit& commit : commits) RETURN_IF_ERROR(Write(commit));
    const std::string last = fmt::to_string(std::to_underlying(commits.back().change.revision));
    revision_.Bind(1, last);
    RETURN_IF_ERROR(revision_.Run());
    return database_->Execute("COMMIT");
  };
  base::Result<void> written = write_all();
  if (!written && database_->in_transaction()) {
    // The error that matters is the first; an open transaction is ended before the next try.
    std::ignore = database_->Execute("ROLLBACK");
  }
  return written;
}

void SqliteJournal::Maintain(bool idle) {
  if (database_->log_pages() < (idle ? options_.idle_log_pages : options_.log_pages)) return;
  base::Result<void> copied = database_->Checkpoint();
  // Nothing is lost: the log keeps all commits, and the copy is tried again after the next batch.
  if (!copied && !checkpoint_failing_) base::LogWarning("store", copied.error().message());
  checkpoint_failing_ = !copied;
}

}  // namespace enclave::cluster
