// The ledger as indexes follow it, forgetting, and what is measured.
#include <fmt/format.h>

#include <cstring>

#include "memory/ledger.h"
#include "sqlite/transaction.h"

namespace enclave::memory {

base::Result<std::uint64_t> Ledger::ForgetRows(std::string_view rows_sql, std::int64_t argument) {
  // The caller holds the mutex and a transaction.
  RETURN_IF_ERROR(database_->Execute(
      "CREATE TEMP TABLE IF NOT EXISTS going (row INTEGER PRIMARY KEY, code INTEGER);"
      "DELETE FROM going;"));
  ASSIGN_OR_RETURN(
      sqlite::Statement select,
      database_->Prepare(fmt::format(
          "INSERT INTO going SELECT row, code FROM incidents WHERE row IN ({})", rows_sql)));
  RETURN_IF_ERROR(select.Bind(1, argument).Run());
  ASSIGN_OR_RETURN(const std::int64_t count, database_->QueryInteger("SELECT count(*) FROM going"));
  if (count == 0) return 0;
  RETURN_IF_ERROR(database_->Execute("DELETE FROM incidents WHERE row IN (SELECT row FROM going)"));
  // A code is lost when nobody looks like that any more.
  RETURN_IF_ERROR(
      database_->Execute("INSERT INTO losses (code) SELECT DISTINCT code FROM going WHERE NOT "
                         "EXISTS (SELECT 1 FROM incidents WHERE incidents.code = going.code)"));
  RETURN_IF_ERROR(database_->Execute(
      fmt::format("DELETE FROM losses WHERE loss <= (SELECT max(loss) FROM losses) - {};"
                  "DELETE FROM going;",
                  kMostLosses)));
  return static_cast<std::uint64_t>(count);
}

base::Result<std::uint64_t> Ledger::Forget(const std::vector<std::string>& ids) {
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(sqlite::Transaction transaction, sqlite::Transaction::Begin(*database_));
  std::uint64_t forgotten = 0;
  for (const std::string& id : ids) {
    ASSIGN_OR_RETURN(const std::int64_t row, RowOf(id));
    if (row == 0) continue;
    ASSIGN_OR_RETURN(const std::uint64_t count, ForgetRows("SELECT ?", row));
    forgotten += count;
  }
  RETURN_IF_ERROR(transaction.Commit());
  return forgotten;
}

base::Result<std::uint64_t> Ledger::ForgetOlderThan(std::int64_t time_ns) {
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(sqlite::Transaction transaction, sqlite::Transaction::Begin(*database_));
  ASSIGN_OR_RETURN(const std::uint64_t count,
                   ForgetRows("SELECT row FROM incidents WHERE time_ns < ?", time_ns));
  RETURN_IF_ERROR(transaction.Commit());
  return count;
}

base::Result<std::uint64_t> Ledger::ForgetDownTo(std::uint64_t capacity) {
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(sqlite::Transaction transaction, sqlite::Transaction::Begin(*database_));
  ASSIGN_OR_RETURN(const std::int64_t size,
                   database_->QueryInteger("SELECT count(*) FROM incidents"));
  if (static_cast<std::uint64_t>(size) <= capacity) return 0;
  ASSIGN_OR_RETURN(const std::uint64_t count,
                   ForgetRows("SELECT row FROM incidents ORDER BY told, time_ns, row LIMIT ?",
                              size - static_cast<std::int64_t>(capacity)));
  RETURN_IF_ERROR(transaction.Commit());
  return count;
}

base::Result<Position> Ledger::position() const {
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(sqlite::Statement read,
                   database_->Prepare("SELECT (SELECT value FROM meta WHERE key = 'ledger'),"
                                      "(SELECT seq FROM sqlite_sequence WHERE name = 'incidents'),"
                                      "(SELECT seq FROM sqlite_sequence WHERE name = 'losses')"));
  RETURN_IF_ERROR(read.Step());
  return Position{.ledger = static_cast<std::uint64_t>(read.Integer(0)),
                  .last_row = read.Integer(1),
                  .last_loss = read.Integer(2)};
}

base::Result<std::string> Ledger::DataVersion() const {
  const std::lock_guard lock(mutex_);
  // The first counts what other connections commit, the second what this one changes.
  ASSIGN_OR_RETURN(const std::int64_t others, database_->QueryInteger("PRAGMA data_version"));
  return fmt::format("{}/{}", others, database_->total_changes());
}

base::Result<std::uint64_t> Ledger::Codes() const {
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(const std::int64_t codes,
                   database_->QueryInteger("SELECT count(DISTINCT code) FROM incidents"));
  return static_cast<std::uint64_t>(codes);
}

base::Result<std::vector<Ledger::Added>> Ledger::AddedAfter(std::int64_t row,
                                                            std::size_t limit) const {
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(sqlite::Statement some,
                   database_->Prepare("SELECT row, code, fingerprint FROM incidents "
                                      "WHERE row > ? ORDER BY row LIMIT ?"));
  some.Bind(1, row).Bind(2, static_cast<std::int64_t>(limit));
  std::vector<Added> added;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, some.Step());
    if (!found) return added;
    Added one{.row = some.Integer(0), .code = static_cast<std::uint64_t>(some.Integer(1))};
    const auto bytes = some.Bytes(2);
    if (bytes.size() != options_.dimensions * sizeof(float))
      return base::Fail(base::ErrorKind::kInternal,
                        fmt::format("row {} of {} is damaged: its fingerprint has {} bytes",
                                    one.row, database_->path(), bytes.size()));
    one.values.resize(options_.dimensions);
    std::memcpy(one.values.data(), bytes.data(), bytes.size());
    added.push_back(std::move(one));
  }
}

base::Result<std::optional<std::vector<Ledger::Lost>>> Ledger::LostAfter(std::int64_t loss) const {
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(
      const std::int64_t last,
      database_->QueryInteger("SELECT seq FROM sqlite_sequence WHERE name = 'losses'"));
  if (last - loss > kMostLosses) return std::nullopt;
  ASSIGN_OR_RETURN(
      sqlite::Statement some,
      database_->Prepare("SELECT loss, code FROM losses WHERE loss > ? ORDER BY loss"));
  some.Bind(1, loss);
  std::vector<Lost> lost;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, some.Step());
    if (!found) return lost;
    lost.push_back({.loss = some.Integer(0), .code = static_cast<std::uint64_t>(some.Integer(1))});
  }
}

base::Result<> Ledger::Measure(const std::string& incident, const std::string& neighbour,
                               double similarity, bool agreed) {
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(sqlite::Transaction transaction, sqlite::Transaction::Begin(*database_));
  ASSIGN_OR_RETURN(sqlite::Statement insert,
                   database_->Prepare("INSERT INTO measurements (incident, neighbour, similarity, "
                                      "agreed) VALUES (?, ?, ?, ?)"));
  RETURN_IF_ERROR(insert.Bind(1, incident)
                      .Bind(2, neighbour)
                      .Bind(3, similarity)
                      .Bind(4, std::int64_t{agreed ? 1 : 0})
                      .Run());
  RETURN_IF_ERROR(
      database_->Execute(fmt::format("DELETE FROM measurements WHERE number <= "
                                     "(SELECT max(number) FROM measurements) - {}",
                                     kMostMeasurements)));
  return transaction.Commit();
}

base::Result<std::vector<Ledger::Measured>> Ledger::Measurements() const {
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(sqlite::Statement all,
                   database_->Prepare("SELECT similarity, agreed FROM measurements"));
  std::vector<Measured> measured;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, all.Step());
    if (!found) return measured;
    measured.push_back({.similarity = all.Real(0), .agreed = all.Integer(1) != 0});
  }
}

}  // namespace enclave::memory
