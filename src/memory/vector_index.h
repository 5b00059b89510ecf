// The port to an index of vectors: approximate nearest neighbours by cosine. What an index holds is
// a copy of the ledger's; it may be late, damaged or empty, and Memory brings it up to date.
//
// Implementations: HnswIndex (in this process, a file beside the database), QdrantIndex (a Qdrant
// server), ExactIndex (in memory, by comparing all; for tests and small memories).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "memory/ledger.h"

namespace enclave::memory {

struct Neighbour {
  std::uint64_t code = 0;
  double similarity = 0;
};

struct CodedVector {
  std::uint64_t code = 0;  // Ledger::Code of the values
  std::span<const float> values{};
};

// Thread safety: all methods, from any thread. Codes fit into 63 bits. Errors: kUnavailable when
// what stands behind it cannot be reached; kResourceExhausted when it is full.
class VectorIndex {
 public:
  virtual ~VectorIndex() = default;
  // Adds; codes that are there already stay.
  virtual base::Result<> Put(std::span<const CodedVector> vectors) = 0;
  // Unknown codes are passed over.
  virtual base::Result<> Remove(std::span<const std::uint64_t> codes) = 0;
  // The nearest first, at most k.
  virtual base::Result<std::vector<Neighbour>> Search(std::span<const float> values,
                                                      std::size_t k) = 0;
  virtual base::Result<std::uint64_t> Count() = 0;
  virtual base::Result<> Clear() = 0;
  // Up to which point of which ledger it is complete, when it knows; else all codes are compared.
  virtual std::optional<Position> position() = 0;
  virtual void set_position(const Position& position) = 0;
  // All codes it holds, in any order.
  virtual base::Result<std::vector<std::uint64_t>> Codes() = 0;
  // Makes what it holds, and the position, outlive the process where that is not so already.
  virtual base::Result<> Save() = 0;
};

}  // namespace enclave::memory
