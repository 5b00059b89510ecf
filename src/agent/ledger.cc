#include "agent/ledger.h"

#include <fmt/format.h>

#include <optional>
#include <utility>
#include <vector>

#include "base/quote.h"

namespace enclave::agent {

using base::ErrorKind;
using base::Fail;
using base::Result;

namespace {

constexpr std::int64_t kLedgerApplicationId = 0x454e4c47;  // "ENLG"

constexpr const char* kLedgerSchema = R"(
  CREATE TABLE events (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    time_ns  INTEGER NOT NULL,
    incident TEXT NOT NULL,
    kind     TEXT NOT NULL,
    body     TEXT NOT NULL
  ) STRICT;
  CREATE INDEX events_by_incident ON events (incident, sequence);
  CREATE TRIGGER events_stay BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'an event is never changed'); END;
  CREATE TRIGGER events_last BEFORE DELETE ON events
    BEGIN SELECT RAISE(ABORT, 'an event is never removed'); END;
)";

// In bytes: cuts the log file down after a burst.
constexpr const char* kLedgerSettings = "PRAGMA journal_size_limit = 4194304;";

// Read in pages, so that the lock is not held while somebody looks at what was read.
constexpr std::int64_t kPage = 500;

Result<Event> ReadEvent(const sqlite::Statement& row) {
  Event event{.sequence = static_cast<std::uint64_t>(row.Integer(0)),
              .time_ns = row.Integer(1),
              .incident = std::string(row.Text(2))};
  const auto kind = EventKindFromString(row.Text(3));
  event.body = Json::parse(row.Text(4), nullptr, false);
  if (!kind || !event.body.is_object())
    return Fail(ErrorKind::kInternal,
                fmt::format("event {} of the ledger is damaged, or of a newer program (kind {}); "
                            "use the program that wrote it",
                            event.sequence, base::Quote(row.Text(3))));
  event.kind = *kind;
  return event;
}

}  // namespace

Result<std::unique_ptr<SqliteLedger>> SqliteLedger::Open(const std::string& path) {
  ASSIGN_OR_RETURN(auto database,
                   sqlite::Database::Open(path, {.application_id = kLedgerApplicationId,
                                                 .schema = kLedgerSchema,
                                                 .settings = kLedgerSettings}));
  ASSIGN_OR_RETURN(sqlite::Statement insert,
                   database->Prepare("INSERT INTO events (time_ns, incident, kind, body) "
                                     "VALUES (?, ?, ?, ?) RETURNING sequence"));
  return std::unique_ptr<SqliteLedger>(new SqliteLedger(std::move(database), std::move(insert)));
}

Result<std::uint64_t> SqliteLedger::Append(const Event& event) {
  const std::string kind(ToString(event.kind));
  const std::string body = event.body.dump(-1, ' ', false, Json::error_handler_t::replace);
  const std::lock_guard lock(mutex_);
  insert_.Bind(1, event.time_ns);
  insert_.Bind(2, event.incident);
  insert_.Bind(3, kind);
  insert_.Bind(4, body);
  const auto row = insert_.Step();
  const auto sequence = row ? static_cast<std::uint64_t>(insert_.Integer(0)) : 0;
  const auto done = row ? insert_.Step() : row;  // commits
  insert_.Reset();
  if (!done) return Fail(done.error().While("writing to the ledger"));
  return sequence;
}

Result<> SqliteLedger::Read(const std::string& incident, const Visitor& visit) const {
  std::int64_t after = 0;
  for (;;) {
    std::vector<Event> page;
    {
      const std::lock_guard lock(mutex_);
      ASSIGN_OR_RETURN(
          sqlite::Statement select,
          database_->Prepare(
              incident.empty() ? "SELECT sequence, time_ns, incident, kind, body FROM events "
                                 "WHERE sequence > ? AND ? = '' ORDER BY sequence LIMIT ?"
                               : "SELECT sequence, time_ns, incident, kind, body FROM events "
                                 "WHERE sequence > ? AND incident = ? ORDER BY sequence LIMIT ?"));
      select.Bind(1, after);
      select.Bind(2, incident);
      select.Bind(3, kPage);
      for (;;) {
        ASSIGN_OR_RETURN(const bool row, select.Step());
        if (!row) break;
        ASSIGN_OR_RETURN(Event event, ReadEvent(select));
        page.push_back(std::move(event));
      }
    }
    for (const Event& event : page) RETURN_IF_ERROR(visit(event));
    if (page.size() < static_cast<std::size_t>(kPage)) return {};
    after = static_cast<std::int64_t>(page.back().sequence);
  }
}

}  // namespace enclave::agent
