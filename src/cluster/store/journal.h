// Where commits become durable. The seam between the store's writer thread and a disk, so that the
// thread knows no SQL and tests can refuse, delay or lose what a disk would.
#pragma once

#include <span>

#include "base/result.h"
#include "cluster/store/object_table.h"

namespace enclave::cluster {

// Thread safety: none; lives on the writer thread.
class Journal {
 public:
  virtual ~Journal() = default;

  // All or nothing, and durable when it returns. After an error nothing of it may be visible to
  // this process, and the next Append is a new try.
  virtual base::Result<void> Append(std::span<const Commit> commits) = 0;

  // Called when the writes of a batch have been answered. `idle`: nothing is waiting, so a longer
  // step delays nobody.
  virtual void Maintain(bool idle) = 0;
};

}  // namespace enclave::cluster
