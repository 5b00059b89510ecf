#include "observatory/store/symbols.h"

#include <cstring>

#include <xxhash.h>

#include "base/check.h"

namespace enclave::observatory::store {

std::size_t Symbols::Slot(std::string_view text) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = XXH3_64bits(text.data(), text.size()) & mask;
  while (slots_[slot] != kNoSymbol && Text(slots_[slot]) != text) slot = (slot + 1) & mask;
  return slot;
}

void Symbols::Rehash(std::size_t slots) {
  slots_.assign(slots, kNoSymbol);
  for (Symbol symbol = 0; symbol < entries_.size(); ++symbol)
    if (entries_[symbol].holders > 0) slots_[Slot(Text(symbol))] = symbol;
}

Symbol Symbols::Find(std::string_view text) const {
  return slots_.empty() ? kNoSymbol : slots_[Slot(text)];
}

Symbol Symbols::Hold(std::string_view text) {
  if ((size() + 1) * 4 > slots_.size() * 3) Rehash(slots_.empty() ? 64 : slots_.size() * 2);
  const std::size_t slot = Slot(text);
  if (slots_[slot] != kNoSymbol) {
    ++entries_[slots_[slot]].holders;
    return slots_[slot];
  }
  Symbol symbol = static_cast<Symbol>(entries_.size());
  if (free_.empty()) {
    entries_.emplace_back();
  } else {
    symbol = free_.back();
    free_.pop_back();
  }
  Entry& entry = entries_[symbol];
  entry.text = std::make_unique_for_overwrite<char[]>(text.size());
  std::memcpy(entry.text.get(), text.data(), text.size());
  entry.length = static_cast<std::uint32_t>(text.size());
  entry.holders = 1;
  slots_[slot] = symbol;
  return symbol;
}

void Symbols::Release(Symbol symbol) {
  Entry& entry = entries_[symbol];
  CHECK(entry.holders > 0, "a symbol is released as often as it was held");
  if (--entry.holders > 0) return;
  // Those that follow without a gap move up, so that a search never stops too early.
  const std::size_t mask = slots_.size() - 1;
  std::size_t gap = Slot(Text(symbol));
  for (std::size_t at = (gap + 1) & mask; slots_[at] != kNoSymbol; at = (at + 1) & mask) {
    const std::string_view text = Text(slots_[at]);
    const std::size_t home = XXH3_64bits(text.data(), text.size()) & mask;
    if (((at - home) & mask) >= ((at - gap) & mask)) {
      slots_[gap] = slots_[at];
      gap = at;
    }
  }
  slots_[gap] = kNoSymbol;
  entry.text.reset();
  entry.length = 0;
  free_.push_back(symbol);
}

}  // namespace enclave::observatory::store
