#include "memory/ledger.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <fmt/format.h>
#include <xxhash.h>

#include "memory/quantise.h"
#include "sqlite/transaction.h"

namespace enclave::memory {
namespace {

using base::ErrorKind;
using base::Fail;

constexpr std::string_view kColumns =
    "row, id, time_ns, service, kind, confidence, fingerprint, features, summary, told";

// Ready for the next use, and no snapshot held, whichever way a function is left.
class Resetting {
 public:
  explicit Resetting(sqlite::Statement& statement) : statement_(statement) {}
  ~Resetting() { statement_.Reset(); }
  Resetting(const Resetting&) = delete;
  Resetting& operator=(const Resetting&) = delete;

 private:
  sqlite::Statement& statement_;
};

std::vector<float> Floats(std::span<const std::byte> bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

std::int64_t Signed(std::uint64_t number) {
  return static_cast<std::int64_t>(number);
}

std::uint64_t Unsigned(std::int64_t number) {
  return static_cast<std::uint64_t>(number);
}

}  // namespace

struct Ledger::Statements {
  sqlite::Statement insert;
  sqlite::Statement insert_outcome;
  sqlite::Statement tell;
  sqlite::Statement row_of;
  sqlite::Statement outcomes;
  sqlite::Statement by_code;
  sqlite::Statement has_code;
  sqlite::Statement by_row;
};

void Ledger::DeleteStatements::operator()(Statements* statements) const {
  delete statements;
}

base::Result<> Ledger::Prepare() {
  const auto columns = std::string(kColumns);
  ASSIGN_OR_RETURN(sqlite::Statement insert,
                   database_->Prepare("INSERT INTO incidents (id, time_ns, code, told, service, "
                                      "kind, confidence, fingerprint, features, summary) "
                                      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  ASSIGN_OR_RETURN(
      sqlite::Statement insert_outcome,
      database_->Prepare("INSERT OR IGNORE INTO outcomes (incident, about, service, kind, action, "
                         "good, sayer, said_by, time_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  ASSIGN_OR_RETURN(sqlite::Statement tell,
                   database_->Prepare("UPDATE incidents SET told = 1 WHERE row = ? AND told = 0"));
  ASSIGN_OR_RETURN(sqlite::Statement row_of,
                   database_->Prepare("SELECT row FROM incidents WHERE id = ?"));
  ASSIGN_OR_RETURN(sqlite::Statement outcomes,
                   database_->Prepare("SELECT about, service, kind, action, good, sayer, said_by, "
                                      "time_ns FROM outcomes WHERE incident = ? ORDER BY number"));
  ASSIGN_OR_RETURN(sqlite::Statement by_code, database_->Prepare("SELECT " + columns +
                                                                 " FROM incidents WHERE code = ? "
                                                                 "ORDER BY time_ns DESC LIMIT ?"));
  ASSIGN_OR_RETURN(sqlite::Statement has_code,
                   database_->Prepare("SELECT 1 FROM incidents WHERE code = ? LIMIT 1"));
  ASSIGN_OR_RETURN(sqlite::Statement by_row,
                   database_->Prepare("SELECT " + columns + " FROM incidents WHERE row = ?"));
  statements_.reset(new Statements{std::move(insert), std::move(insert_outcome), std::move(tell),
                                   std::move(row_of), std::move(outcomes), std::move(by_code),
                                   std::move(has_code), std::move(by_row)});
  return {};
}

std::uint64_t Ledger::Code(std::span<const float> values) {
  const std::vector<std::int16_t> quantised = Quantise(values);
  // Without the highest bit: SQLite's integers are signed, and indexes take it as it is.
  return XXH3_64bits(quantised.data(), quantised.size() * sizeof(std::int16_t)) >> 1;
}

base::Result<std::int64_t> Ledger::RowOf(const std::string& id) const {
  const Resetting reset(statements_->row_of);
  ASSIGN_OR_RETURN(const bool found, statements_->row_of.Bind(1, id).Step());
  return found ? statements_->row_of.Integer(0) : 0;
}

base::Result<std::int64_t> Ledger::Insert(const Incident& incident) {
  const std::string features = FormatFeatures(incident.fingerprint.features);
  RETURN_IF_ERROR(statements_->insert.Bind(1, incident.id)
                      .Bind(2, incident.time_ns)
                      .Bind(3, Signed(Code(incident.fingerprint.values)))
                      .Bind(4, std::int64_t{incident.outcomes.empty() ? 0 : 1})
                      .Bind(5, incident.cause.service)
                      .Bind(6, incident.cause.kind)
                      .Bind(7, incident.confidence)
                      .BindBytes(8, std::as_bytes(std::span(incident.fingerprint.values)))
                      .Bind(9, features)
                      .Bind(10, incident.summary)
                      .Run());
  const std::int64_t row = database_->last_insert_row();
  for (const Outcome& outcome : incident.outcomes) RETURN_IF_ERROR(InsertOutcome(row, outcome));
  return row;
}

base::Result<bool> Ledger::InsertOutcome(std::int64_t row, const Outcome& outcome) {
  RETURN_IF_ERROR(statements_->insert_outcome.Bind(1, row)
                      .Bind(2, static_cast<std::int64_t>(outcome.about))
                      .Bind(3, outcome.cause.service)
                      .Bind(4, outcome.cause.kind)
                      .Bind(5, outcome.action)
                      .Bind(6, std::int64_t{outcome.good ? 1 : 0})
                      .Bind(7, static_cast<std::int64_t>(outcome.sayer))
                      .Bind(8, outcome.said_by)
                      .Bind(9, outcome.time_ns)
                      .Run());
  if (database_->changes() == 0) return false;
  RETURN_IF_ERROR(statements_->tell.Bind(1, row).Run());
  return true;
}

base::Result<> Ledger::Add(const Incident& incident) {
  RETURN_IF_ERROR(Validate(incident, options_.dimensions));
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(sqlite::Transaction transaction, sqlite::Transaction::Begin(*database_));
  ASSIGN_OR_RETURN(const std::int64_t row, RowOf(incident.id));
  if (row != 0)
    return Fail(ErrorKind::kAlreadyExists,
                fmt::format("incident {} is remembered already", incident.id));
  RETURN_IF_ERROR(Insert(incident));
  return transaction.Commit();
}

base::Result<Ledger::Merged> Ledger::Merge(const Source& next) {
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(sqlite::Transaction transaction, sqlite::Transaction::Begin(*database_));
  Merged merged;
  while (true) {
    ASSIGN_OR_RETURN(const std::optional<Incident> incident, next());
    if (!incident) break;
    RETURN_IF_ERROR(Validate(*incident, options_.dimensions));
    ASSIGN_OR_RETURN(const std::int64_t row, RowOf(incident->id));
    if (row == 0) {
      RETURN_IF_ERROR(Insert(*incident));
      ++merged.added;
      merged.outcomes += incident->outcomes.size();
      continue;
    }
    ++merged.known;
    for (const Outcome& outcome : incident->outcomes) {
      ASSIGN_OR_RETURN(const bool is_new, InsertOutcome(row, outcome));
      merged.outcomes += is_new ? 1 : 0;
    }
  }
  RETURN_IF_ERROR(transaction.Commit());
  return merged;
}

base::Result<bool> Ledger::Say(const std::string& id, const Outcome& outcome) {
  RETURN_IF_ERROR(Validate(outcome));
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(sqlite::Transaction transaction, sqlite::Transaction::Begin(*database_));
  ASSIGN_OR_RETURN(const std::int64_t row, RowOf(id));
  if (row == 0) return Fail(ErrorKind::kNotFound, fmt::format("no incident {} is remembered", id));
  ASSIGN_OR_RETURN(sqlite::Statement count,
                   database_->Prepare("SELECT count(*) FROM outcomes WHERE incident = ?"));
  RETURN_IF_ERROR(count.Bind(1, row).Step());
  if (count.Integer(0) >= static_cast<std::int64_t>(kMostOutcomes))
    return Fail(ErrorKind::kResourceExhausted,
                fmt::format("{} outcomes of incident {} are kept already", kMostOutcomes, id));
  count.Reset();
  ASSIGN_OR_RETURN(const bool is_new, InsertOutcome(row, outcome));
  RETURN_IF_ERROR(transaction.Commit());
  return is_new;
}

base::Result<Incident> Ledger::ReadRow(const sqlite::Statement& statement) const {
  Incident incident;
  incident.id = statement.Text(1);
  incident.time_ns = statement.Integer(2);
  incident.cause = {.service = std::string(statement.Text(3)),
                    .kind = std::string(statement.Text(4))};
  incident.confidence = statement.Real(5);
  incident.fingerprint.values = Floats(statement.Bytes(6));
  auto features = ParseFeatures(statement.Text(7));
  if (!features)
    return Fail(ErrorKind::kInternal, fmt::format("incident {} in {} is damaged: {}", incident.id,
                                                  database_->path(), features.error().message()));
  incident.fingerprint.features = std::move(*features);
  incident.summary = statement.Text(8);
  if (statement.Integer(9) != 0) RETURN_IF_ERROR(ReadOutcomes(statement.Integer(0), &incident));
  return incident;
}

base::Result<> Ledger::ReadOutcomes(std::int64_t row, Incident* incident) const {
  sqlite::Statement& outcomes = statements_->outcomes;
  const Resetting reset(outcomes);
  outcomes.Bind(1, row);
  while (true) {
    ASSIGN_OR_RETURN(const bool found, outcomes.Step());
    if (!found) return {};
    incident->outcomes.push_back(
        {.about = outcomes.Integer(0) == 0 ? About::kCause : About::kAction,
         .cause = {.service = std::string(outcomes.Text(1)), .kind = std::string(outcomes.Text(2))},
         .action = std::string(outcomes.Text(3)),
         .good = outcomes.Integer(4) != 0,
         .sayer = static_cast<Sayer>(std::clamp<std::int64_t>(outcomes.Integer(5), 0, 2)),
         .said_by = std::string(outcomes.Text(6)),
         .time_ns = outcomes.Integer(7)});
  }
}

base::Result<Incident> Ledger::Get(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(const std::int64_t row, RowOf(id));
  if (row == 0) return Fail(ErrorKind::kNotFound, fmt::format("no incident {} is remembered", id));
  sqlite::Statement& by_row = statements_->by_row;
  const Resetting reset(by_row);
  RETURN_IF_ERROR(by_row.Bind(1, row).Step());
  return ReadRow(by_row);
}

base::Result<std::vector<Incident>> Ledger::List(const ListFilter& filter) const {
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(sqlite::Statement list,
                   database_->Prepare(fmt::format("SELECT {} FROM incidents WHERE time_ns < ? AND "
                                                  "(? = '' OR service = ?) "
                                                  "ORDER BY time_ns DESC, row DESC LIMIT ?",
                                                  kColumns)));
  list.Bind(1, filter.before_ns)
      .Bind(2, filter.service)
      .Bind(3, filter.service)
      .Bind(4, static_cast<std::int64_t>(std::min<std::size_t>(filter.limit, INT64_MAX)));
  std::vector<Incident> incidents;
  while (true) {
    ASSIGN_OR_RETURN(const bool row, list.Step());
    if (!row) return incidents;
    ASSIGN_OR_RETURN(Incident incident, ReadRow(list));
    incidents.push_back(std::move(incident));
  }
}

base::Result<std::uint64_t> Ledger::Size() const {
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(const std::int64_t size,
                   database_->QueryInteger("SELECT count(*) FROM incidents"));
  return Unsigned(size);
}

base::Result<> Ledger::ForEach(const std::function<base::Result<>(const Incident&)>& each) const {
  constexpr std::size_t kAtOnce = 256;
  std::int64_t after = 0;
  std::int64_t last = 0;
  {
    const std::lock_guard lock(mutex_);
    ASSIGN_OR_RETURN(last, database_->QueryInteger("SELECT max(row) FROM incidents"));
  }
  while (after < last) {
    std::vector<Incident> incidents;
    {
      const std::lock_guard lock(mutex_);
      ASSIGN_OR_RETURN(sqlite::Statement some,
                       database_->Prepare(fmt::format("SELECT {} FROM incidents WHERE row > ? AND "
                                                      "row <= ? ORDER BY row LIMIT {}",
                                                      kColumns, kAtOnce)));
      some.Bind(1, after).Bind(2, last);
      while (true) {
        ASSIGN_OR_RETURN(const bool row, some.Step());
        if (!row) break;
        after = some.Integer(0);
        ASSIGN_OR_RETURN(Incident incident, ReadRow(some));
        incidents.push_back(std::move(incident));
      }
    }
    if (incidents.empty()) break;
    for (const Incident& incident : incidents) RETURN_IF_ERROR(each(incident));
  }
  return {};
}

base::Result<std::vector<Incident>> Ledger::WithCode(std::uint64_t code, std::size_t limit) const {
  const std::lock_guard lock(mutex_);
  sqlite::Statement& by_code = statements_->by_code;
  const Resetting reset(by_code);
  by_code.Bind(1, Signed(code)).Bind(2, static_cast<std::int64_t>(limit));
  std::vector<Incident> incidents;
  while (true) {
    ASSIGN_OR_RETURN(const bool row, by_code.Step());
    if (!row) return incidents;
    ASSIGN_OR_RETURN(Incident incident, ReadRow(by_code));
    incidents.push_back(std::move(incident));
  }
}

base::Result<bool> Ledger::Has(std::uint64_t code) const {
  const std::lock_guard lock(mutex_);
  const Resetting reset(statements_->has_code);
  return statements_->has_code.Bind(1, Signed(code)).Step();
}

}  // namespace enclave::memory
