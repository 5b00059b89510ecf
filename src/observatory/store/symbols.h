// Label names and values, each text kept once and called by a number. Texts are counted: one that
// nobody holds any more gives up its memory and its number.
//
// Thread safety: none; const methods may run at the same time.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace enclave::observatory::store {

using Symbol = std::uint32_t;
inline constexpr Symbol kNoSymbol = UINT32_MAX;

class Symbols {
 public:
  // One more holder of `text`.
  Symbol Hold(std::string_view text);
  // One less.
  void Release(Symbol symbol);
  // kNoSymbol when there is none.
  Symbol Find(std::string_view text) const;
  std::string_view Text(Symbol symbol) const {
    const Entry& entry = entries_[symbol];
    return {entry.text.get(), entry.length};
  }
  std::size_t size() const { return entries_.size() - free_.size(); }

 private:
  struct Entry {
    std::unique_ptr<char[]> text;
    std::uint32_t length = 0;
    std::uint32_t holders = 0;
  };

  std::size_t Slot(std::string_view text) const;  // where it stands, or would
  void Rehash(std::size_t slots);

  std::vector<Entry> entries_;
  std::vector<Symbol> free_;
  std::vector<Symbol> slots_;  // a power of two, linear probing, at most three quarters full
};

}  // namespace enclave::observatory::store
