// The journal on SQLite; docs/formats/store.md draws its schema.
//
// Memory holds all objects, so the database is only written while the store runs and read once, at
// opening. Rows are therefore keyed by the revision of creation, which rises: a create appends to
// the table, and there is no index to maintain.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "cluster/store/journal.h"
#include "cluster/store/object_table.h"
#include "sqlite/database.h"

namespace enclave::cluster {

// The write-ahead log is copied into the database when no write waits and it has this many pages of
// 4 KiB, and at the latest, while writes wait, at the second figure.
inline constexpr std::size_t kIdleLogPages = 256;
inline constexpr std::size_t kLogPages = 4096;
static_assert(kIdleLogPages < kLogPages);

class SqliteJournal final : public Journal {
 public:
  struct Options {
    std::string vfs;              // a registered SQLite VFS; "" is the system's
    bool check_integrity = true;  // read all pages for structural damage (PRAGMA quick_check)
    std::size_t idle_log_pages = kIdleLogPages;  // see Maintain
    std::size_t log_pages = kLogPages;
  };
  struct Opened {
    std::unique_ptr<SqliteJournal> journal;
    ObjectTable objects;
    kube::Revision revision;  // of the last commit
  };

  // Opens or creates the database and takes its lock until destruction. kUnavailable when another
  // process has it or the disk refuses, kInternal when it is damaged or not ours.
  static base::Result<Opened> Open(const std::string& path, const Options& options);

  base::Result<void> Append(std::span<const Commit> commits) override;
  void Maintain(bool idle) override;

 private:
  SqliteJournal(std::unique_ptr<sqlite::Database> database, sqlite::Statement insert,
                sqlite::Statement update, sqlite::Statement remove, sqlite::Statement revision,
                Options options)
      : options_(std::move(options)),
        database_(std::move(database)),
        insert_(std::move(insert)),
        update_(std::move(update)),
        remove_(std::move(remove)),
        revision_(std::move(revision)) {}
  base::Result<void> Write(const Commit& commit);

  const Options options_;
  std::unique_ptr<sqlite::Database> database_;  // first: statements end before it
  sqlite::Statement insert_;
  sqlite::Statement update_;
  sqlite::Statement remove_;
  sqlite::Statement revision_;
  bool checkpoint_failing_ = false;
};

}  // namespace enclave::cluster
