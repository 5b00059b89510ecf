// hnswlib behind an interface of ours. The library shows in hnsw_graph.cc alone.
//
// Thread safety: Search from several threads at once, or one of the others; the caller sees to it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/result.h"

namespace enclave::memory {

struct GraphShape {
  std::size_t dimensions = 0;
  std::size_t links = 0;
  std::size_t build_candidates = 0;
  bool operator==(const GraphShape&) const = default;
};

class HnswGraph {
 public:
  // With room for `room` vectors; more is made when needed.
  static std::unique_ptr<HnswGraph> Create(const GraphShape& shape, std::size_t room);
  virtual ~HnswGraph() = default;

  struct Item {
    std::uint64_t code;
    const std::int16_t* values;
  };
  // Codes that are there already stay. Uses `threads` when there are many.
  virtual base::Result<> Add(std::span<const Item> items, int threads) = 0;
  virtual void Remove(std::uint64_t code) = 0;
  // Codes with their similarity, nearest first.
  virtual base::Result<std::vector<std::pair<std::uint64_t, double>>> Search(
      const std::int16_t* values, std::size_t k, std::size_t candidates) const = 0;

  virtual std::size_t size() const = 0;     // without those removed
  virtual std::size_t removed() const = 0;  // places that wait for a new use
  virtual std::size_t bytes() const = 0;
  virtual void ForEach(
      const std::function<void(std::uint64_t code, const std::int16_t* values)>& each) const = 0;

  // As a stream of bytes, and back. Read: false as soon as anything does not fit together; the
  // bytes are vouched for by a checksum, so this guards against bugs and not against enemies.
  using Sink = std::function<bool(const void* data, std::size_t bytes)>;
  using Source = std::function<bool(void* data, std::size_t bytes)>;
  virtual bool Write(const Sink& sink) const = 0;
  static std::unique_ptr<HnswGraph> Read(const GraphShape& shape, const Source& source);
};

}  // namespace enclave::memory
