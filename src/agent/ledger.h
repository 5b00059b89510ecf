// What happened, one row an event, never updated: the only memory that a crash leaves, and the only
// one there is. What the agent knows of an incident is the fold of its events (record.h).
//
// An event is durable before whatever it announces is done.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "agent/action.h"
#include "agent/stage.h"
#include "base/result.h"
#include "sqlite/database.h"

namespace enclave::agent {

struct Event {
  std::uint64_t sequence = 0;  // given by the ledger, growing
  std::int64_t time_ns = 0;    // since 1970, UTC
  std::string incident{};      // empty: of the enclave
  EventKind kind = EventKind::kOpened;
  Json body = Json::object();
};

class Ledger {
 public:
  using Visitor = std::function<base::Result<>(const Event&)>;
  virtual ~Ledger() = default;
  // Durable when it returns; the event's sequence number.
  virtual base::Result<std::uint64_t> Append(const Event& event) = 0;
  // In order; of one incident, or with an empty id of all. An error of the visitor ends it.
  virtual base::Result<> Read(const std::string& incident, const Visitor& visit) const = 0;
};

// In a file. Thread safety: any thread; calls block on the disk. One process at a time has the
// file.
class SqliteLedger final : public Ledger {
 public:
  static base::Result<std::unique_ptr<SqliteLedger>> Open(const std::string& path);
  base::Result<std::uint64_t> Append(const Event& event) override;
  base::Result<> Read(const std::string& incident, const Visitor& visit) const override;

 private:
  SqliteLedger(std::unique_ptr<sqlite::Database> database, sqlite::Statement insert)
      : database_(std::move(database)), insert_(std::move(insert)) {}
  mutable std::mutex mutex_;
  std::unique_ptr<sqlite::Database> database_;
  sqlite::Statement insert_;
};

}  // namespace enclave::agent
