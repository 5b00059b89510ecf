// A VectorIndex in this process: a hierarchical navigable small world graph (Malkov and Yashunin,
// 2016; the library is hnswlib), with vectors in 16-bit integers.
//
// In memory: per vector 2 bytes a dimension, 8 a link, 8 for its code; 400 bytes at 128 dimensions
// and 16 links a side. On disk: one file with a checksum and the ledger's position, read in one
// pass (docs/formats/memory.md); a file that is damaged, of another ledger or of other parameters
// counts as none.
//
// Removed vectors are passed over at once, and their places are used again; when most of the graph
// is such places, it is built anew.
//
// Thread safety: all methods, from any thread; searches run side by side, changes alone.
#pragma once

#include <memory>
#include <string>

#include "memory/vector_index.h"

namespace enclave::memory {

struct HnswOptions {
  std::string path{};  // of the file; empty: nothing is kept
  std::size_t dimensions = kEvidenceDimensions;
  std::size_t capacity = 1'000'000;  // vectors; kResourceExhausted beyond
  // More of each: better recall, slower. Links a side; candidates while building; while searching.
  std::size_t links = 16;
  std::size_t build_candidates = 128;
  std::size_t search_candidates = 96;
  int build_threads = 2;  // for additions of thousands at once
};

class HnswIndex final : public VectorIndex {
 public:
  // An empty one when there is no file, or none that can be used; that is logged.
  static std::unique_ptr<HnswIndex> Open(HnswOptions options);
  ~HnswIndex() override;

  base::Result<> Put(std::span<const CodedVector> vectors) override;
  base::Result<> Remove(std::span<const std::uint64_t> codes) override;
  base::Result<std::vector<Neighbour>> Search(std::span<const float> values,
                                              std::size_t k) override;
  base::Result<std::uint64_t> Count() override;
  base::Result<> Clear() override;
  std::optional<Position> position() override;
  void set_position(const Position& position) override;
  base::Result<std::vector<std::uint64_t>> Codes() override;
  base::Result<> Save() override;

  // Bytes of the graph in memory.
  std::size_t MemoryBytes() const;

 private:
  struct Impl;
  explicit HnswIndex(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace enclave::memory
