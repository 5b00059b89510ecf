// Cuts a message into the pieces a template is made of: blanks, punctuation, words, and values that
// show by their form that they are values (numbers, addresses, paths, times, ...).
//
// Knows how programs print, not what any program prints. One pass by hand over the bytes, without
// regular expressions; linear in the line. Any bytes will do.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "telemetry/templates/variable.h"

namespace enclave::telemetry::templates {

enum class PieceKind : std::uint8_t {
  kBlank,     // one or more; how many is no difference between two templates
  kMark,      // punctuation, units
  kWord,      // letters, hyphens, underscores: a word of the statement, as long as it does not vary
  kName,      // com.shop.Cart, read/write: words joined by dots or slashes
  kMixed,     // node-17, eth0: the digits are a value as soon as they vary
  kQuoted,    // 'text' or "text", without the quotes
  kList,      // what stands in [a, b, c], without the brackets
  kVariable,  // shows by its form that it is a value
};

struct Piece {
  PieceKind kind = PieceKind::kMark;
  VariableType type = VariableType::kText;
  bool gap =
      false;  // of a blank: a restatement in parentheses stood in it, `7340032 bytes (7.3 MB) sent`
  std::uint16_t repeat = 1;  // values in a row of values, `1, 2, 3`
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  std::uint32_t first_end = 0;   // of a row: where its first value ends; else `end`
  std::uint32_t next_begin = 0;  // of a row: where its second value begins; else `end`
  std::uint64_t hash = 0;        // equal for pieces that are the same to a template
  std::uint64_t raw = 0;         // kMixed, kQuoted, kList: of the text as it stands
};

// At most `most` pieces; a longer message ends in one kVariable piece of all the rest. Replaces
// what is in `pieces`, whose memory is used again.
void Scan(std::string_view line, std::size_t most, std::vector<Piece>* pieces);

}  // namespace enclave::telemetry::templates
