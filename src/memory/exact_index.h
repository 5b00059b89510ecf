// A VectorIndex that compares with all it holds. Linear; for tests, and as what approximate ones
// are measured against.
#pragma once

#include <map>
#include <mutex>
#include <vector>

#include "memory/vector_index.h"

namespace enclave::memory {

class ExactIndex final : public VectorIndex {
 public:
  base::Result<> Put(std::span<const CodedVector> vectors) override;
  base::Result<> Remove(std::span<const std::uint64_t> codes) override;
  base::Result<std::vector<Neighbour>> Search(std::span<const float> values,
                                              std::size_t k) override;
  base::Result<std::uint64_t> Count() override;
  base::Result<> Clear() override;
  std::optional<Position> position() override;
  void set_position(const Position& position) override;
  base::Result<std::vector<std::uint64_t>> Codes() override;
  base::Result<> Save() override { return {}; }

 private:
  std::mutex mutex_;
  std::map<std::uint64_t, std::vector<float>> vectors_;  // guarded by the mutex, as the next
  std::optional<Position> position_;
};

}  // namespace enclave::memory
