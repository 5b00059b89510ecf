// Names as small numbers, for as long as one context is being built.
#pragma once

// Names are short: the call would cost more than the hash.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace enclave::incident {

// One thread. Numbers count up from 0 in the order the names came.
class Interner {
 public:
  Interner() = default;
  Interner(const Interner&) = delete;  // the views point into its own names
  Interner& operator=(const Interner&) = delete;

  std::uint32_t Intern(std::string_view name) {
    if (names_.size() * 2 >= slots_.size()) Grow();
    const std::uint64_t hash = XXH3_64bits(name.data(), name.size());
    Slot& slot = slots_[Seek(name, hash)];
    if (slot.number == kFree) {
      slot = {static_cast<std::uint32_t>(hash >> 32), static_cast<std::uint32_t>(names_.size())};
      views_.emplace_back(names_.emplace_back(name));
      hashes_.push_back(hash);
    }
    return slot.number;
  }
  bool Has(std::string_view name) const {
    return !slots_.empty() &&
           slots_[Seek(name, XXH3_64bits(name.data(), name.size()))].number != kFree;
  }
  const std::string& Name(std::uint32_t number) const { return names_[number]; }
  std::size_t size() const { return names_.size(); }

 private:
  static constexpr std::uint32_t kFree = UINT32_MAX;
  struct Slot {
    std::uint32_t tag = 0;  // of the hash: most names that differ are told apart by it
    std::uint32_t number = kFree;
  };

  std::size_t Seek(std::string_view name, std::uint64_t hash) const {
    const std::size_t mask = slots_.size() - 1;
    const auto tag = static_cast<std::uint32_t>(hash >> 32);
    std::size_t at = hash & mask;
    while (slots_[at].number != kFree &&
           (slots_[at].tag != tag || views_[slots_[at].number] != name))
      at = (at + 1) & mask;
    return at;
  }

  void Grow() {
    slots_.assign(slots_.empty() ? 64 : slots_.size() * 2, Slot{});
    const std::size_t mask = slots_.size() - 1;
    for (std::uint32_t number = 0; number < hashes_.size(); ++number) {
      std::size_t at = hashes_[number] & mask;
      while (slots_[at].number != kFree) at = (at + 1) & mask;
      slots_[at] = {static_cast<std::uint32_t>(hashes_[number] >> 32), number};
    }
  }

  std::deque<std::string> names_;  // a deque keeps what the views point into in place
  std::vector<std::string_view> views_;
  std::vector<std::uint64_t> hashes_;
  std::vector<Slot> slots_;
};

}  // namespace enclave::incident
