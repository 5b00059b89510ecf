// A transaction that is undone when it goes without Commit.
#pragma once

#include <utility>

#include "base/result.h"
#include "sqlite/database.h"

namespace enclave::sqlite {

class Transaction {
 public:
  static base::Result<Transaction> Begin(Database& database) {
    // Immediate: the right to write is had at the beginning or not at all.
    RETURN_IF_ERROR(database.Execute("BEGIN IMMEDIATE"));
    return Transaction(&database);
  }
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction() {
    // Some errors have ended the transaction already.
    if (database_ != nullptr && database_->in_transaction())
      static_cast<void>(database_->Execute("ROLLBACK").has_value());
  }
  // Returns once it is on the disk.
  base::Result<> Commit() {
    RETURN_IF_ERROR(database_->Execute("COMMIT"));
    database_ = nullptr;
    return {};
  }

 private:
  explicit Transaction(Database* database) : database_(database) {}
  Database* database_;
};

}  // namespace enclave::sqlite
