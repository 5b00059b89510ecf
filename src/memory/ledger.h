// The truth of the memory, in SQLite: incidents with their fingerprints, and what was said of them.
// Whatever an index holds can be made again from here.
//
// On disk: DIRECTORY/memory.db, write-ahead log, every commit synced (journal_mode=WAL,
// synchronous=FULL): what a function has returned survives kill -9 and loss of power. Incidents and
// outcomes are only added and, when forgotten, removed; none is changed. Several processes may have
// it open; each sees what others committed.
//
// Fingerprints are told apart by their code, a hash of their quantised values (Code). Incidents
// that look exactly the same share one: an index holds it once, however many they are.
//
// Thread safety: all methods, from any thread; they block on the disk.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "memory/record.h"
#include "sqlite/database.h"

namespace enclave::memory {

// How much of the ledger an index has seen.
struct Position {
  std::uint64_t ledger = 0;    // which database; chosen at random when it was made
  std::int64_t last_row = 0;   // incidents get growing numbers, never used twice
  std::int64_t last_loss = 0;  // so do codes that went
  bool operator==(const Position&) const = default;
};

struct LedgerOptions {
  std::string directory;
  std::size_t dimensions = kEvidenceDimensions;
  bool create = true;  // else kNotFound when there is none
};

struct ListFilter {
  std::string service{};  // of the cause as concluded; empty: any
  std::int64_t before_ns = INT64_MAX;
  std::size_t limit = 50;
};

class Ledger {
 public:
  // kInvalidArgument when the database keeps fingerprints of another length or version, kInternal
  // when it is damaged.
  static base::Result<std::unique_ptr<Ledger>> Open(const LedgerOptions& options);

  // kAlreadyExists when the id is taken; nothing is changed then.
  base::Result<> Add(const Incident& incident);
  // All or nothing. Incidents that are there stay as they are and get the outcomes that are new.
  struct Merged {
    std::size_t added = 0;
    std::size_t known = 0;
    std::size_t outcomes = 0;  // new ones, of either
  };
  // `next` gives incidents until nullopt; an error from it undoes all.
  using Source = std::function<base::Result<std::optional<Incident>>()>;
  base::Result<Merged> Merge(const Source& next);
  // Whether it is new: saying the same again changes nothing. kNotFound for an unknown incident.
  base::Result<bool> Say(const std::string& id, const Outcome& outcome);

  base::Result<Incident> Get(const std::string& id) const;
  base::Result<std::vector<Incident>> List(const ListFilter& filter) const;  // newest first
  base::Result<std::uint64_t> Size() const;
  // In the order they came; as many as there are when it begins.
  base::Result<> ForEach(const std::function<base::Result<>(const Incident&)>& each) const;

  // How many went.
  base::Result<std::uint64_t> Forget(const std::vector<std::string>& ids);
  base::Result<std::uint64_t> ForgetOlderThan(std::int64_t time_ns);
  // The least useful go: those of which nothing was ever said before others, old before new.
  base::Result<std::uint64_t> ForgetDownTo(std::uint64_t capacity);

  // For indexes.
  static std::uint64_t Code(std::span<const float> values);
  std::size_t dimensions() const { return options_.dimensions; }
  base::Result<Position> position() const;
  // Another number whenever anybody has written, through this object or another.
  base::Result<std::string> DataVersion() const;
  base::Result<std::uint64_t> Codes() const;  // different ones
  struct Added {
    std::int64_t row = 0;
    std::uint64_t code = 0;
    std::vector<float> values{};
  };
  base::Result<std::vector<Added>> AddedAfter(std::int64_t row, std::size_t limit) const;
  struct Lost {
    std::int64_t loss = 0;
    std::uint64_t code = 0;
  };
  // nullopt: so much was lost since that it is not known any more; build anew.
  base::Result<std::optional<std::vector<Lost>>> LostAfter(std::int64_t loss) const;
  base::Result<bool> Has(std::uint64_t code) const;
  // The newest of those that look exactly so.
  base::Result<std::vector<Incident>> WithCode(std::uint64_t code, std::size_t limit) const;

  // Whether two incidents that looked alike to a degree turned out to have one cause: what the
  // memory's own reliability is measured by (trust.h).
  base::Result<> Measure(const std::string& incident, const std::string& neighbour,
                         double similarity, bool agreed);
  struct Measured {
    double similarity = 0;
    bool agreed = false;
  };
  base::Result<std::vector<Measured>> Measurements() const;  // the newest kMostMeasurements

  static constexpr std::int64_t kMostLosses = 100'000;
  static constexpr std::int64_t kMostMeasurements = 10'000;

 private:
  Ledger(LedgerOptions options, std::unique_ptr<sqlite::Database> database)
      : options_(std::move(options)), database_(std::move(database)) {}
  base::Result<> Prepare();
  base::Result<> CheckSchema();
  base::Result<std::int64_t> Insert(const Incident& incident);
  base::Result<bool> InsertOutcome(std::int64_t row, const Outcome& outcome);
  base::Result<std::int64_t> RowOf(const std::string& id) const;
  base::Result<Incident> ReadRow(const sqlite::Statement& statement) const;
  base::Result<> ReadOutcomes(std::int64_t row, Incident* incident) const;
  // Forgets the rows that a query with one parameter selects, within the caller's transaction.
  base::Result<std::uint64_t> ForgetRows(std::string_view rows_sql, std::int64_t argument);

  LedgerOptions options_;
  std::unique_ptr<sqlite::Database> database_;
  mutable std::mutex mutex_;
  // Statements used often; all guarded by the mutex.
  struct Statements;
  struct DeleteStatements {
    void operator()(Statements* statements) const;
  };
  std::unique_ptr<Statements, DeleteStatements> statements_;
};

}  // namespace enclave::memory
