#include "memory/exact_index.h"

#include <algorithm>

#include "memory/fingerprint.h"

namespace enclave::memory {

base::Result<> ExactIndex::Put(std::span<const CodedVector> vectors) {
  const std::lock_guard lock(mutex_);
  for (const CodedVector& vector : vectors)
    vectors_.try_emplace(vector.code, vector.values.begin(), vector.values.end());
  return {};
}

base::Result<> ExactIndex::Remove(std::span<const std::uint64_t> codes) {
  const std::lock_guard lock(mutex_);
  for (const std::uint64_t code : codes) vectors_.erase(code);
  return {};
}

base::Result<std::vector<Neighbour>> ExactIndex::Search(std::span<const float> values,
                                                        std::size_t k) {
  const std::lock_guard lock(mutex_);
  std::vector<Neighbour> all;
  all.reserve(vectors_.size());
  for (const auto& [code, vector] : vectors_)
    all.push_back({.code = code, .similarity = Similarity(values, vector)});
  const std::size_t wanted = std::min(k, all.size());
  std::ranges::partial_sort(all, all.begin() + static_cast<std::ptrdiff_t>(wanted),
                            [](const Neighbour& a, const Neighbour& b) {
                              if (a.similarity != b.similarity) return a.similarity > b.similarity;
                              return a.code < b.code;
                            });
  all.resize(wanted);
  return all;
}

base::Result<std::uint64_t> ExactIndex::Count() {
  const std::lock_guard lock(mutex_);
  return vectors_.size();
}

base::Result<> ExactIndex::Clear() {
  const std::lock_guard lock(mutex_);
  vectors_.clear();
  position_.reset();
  return {};
}

std::optional<Position> ExactIndex::position() {
  const std::lock_guard lock(mutex_);
  return position_;
}

void ExactIndex::set_position(const Position& position) {
  const std::lock_guard lock(mutex_);
  position_ = position;
}

base::Result<std::vector<std::uint64_t>> ExactIndex::Codes() {
  const std::lock_guard lock(mutex_);
  std::vector<std::uint64_t> codes;
  codes.reserve(vectors_.size());
  for (const auto& [code, vector] : vectors_) codes.push_back(code);
  return codes;
}

}  // namespace enclave::memory
