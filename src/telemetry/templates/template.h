// One template: its pieces, and what its messages had where they differ. For this folder only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/templates/scanner.h"

namespace enclave::telemetry::templates {

struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;
};

// What tells templates apart, and what they must share to be compared.
struct Signature {
  std::uint64_t signature = 0;
  std::uint64_t shape = 0;
};
Signature SignatureOf(const std::vector<Piece>& pieces);

// Offsets are into Template::text.
struct Slot {
  PieceKind kind = PieceKind::kMark;
  VariableType type = VariableType::kText;
  bool wild = false;        // words differed here
  bool varied = false;      // of what may vary: the digits differed
  bool gap = false;         // of kBlank: had a restatement in it
  bool plain = false;       // of kBlank: had none
  bool row_varied = false;  // of a row: had another number of values
  std::uint16_t repeat = 1;
  std::uint16_t prefix = 0;  // of what varied: bytes that are the same at its beginning, ...
  std::uint16_t suffix = 0;  // ... and at its end
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  std::uint32_t first_end = 0;  // of a row: as in Piece
  std::uint32_t next_begin = 0;
  std::uint64_t hash = 0;
  std::uint64_t raw = 0;

  bool IsValue() const { return wild || kind == PieceKind::kVariable; }
  // Whether it may become wild: not what stands between words and values.
  bool MayBeWild() const { return kind != PieceKind::kBlank && kind != PieceKind::kMark; }
  // Whether two texts of one hash can differ here.
  bool MayVary() const {
    return kind == PieceKind::kMixed || kind == PieceKind::kQuoted || kind == PieceKind::kList;
  }
  // Joins another text, or what another slot knows, with what is known.
  void Vary(std::string_view known, std::string_view other);
  void Vary(const Slot& other);
  // Where the value stands in the text of a slot that may vary: from the first to the last digit
  // that differed. {0, 0} when nothing in it is a value.
  Span ValueIn(std::string_view known) const;
};

struct Template {
  Template() = default;
  Template(std::string_view line, const std::vector<Piece>& pieces);

  std::vector<Slot> slots{};
  std::vector<std::uint16_t> watched{};  // slots in which messages of one signature can differ
  std::string text{};                    // of its first message
  std::uint64_t signature = 0;
  std::uint64_t shape = 0;
  std::uint64_t count = 0;
  std::uint64_t first = 0;  // number of its first message
  std::uint64_t last = 0;
  bool general = false;     // has a wild slot
  std::uint32_t newer = 0;  // for the table it stands in
  std::uint32_t older = 0;

  std::string_view Part(const Slot& slot) const {
    return std::string_view(text).substr(slot.begin, slot.end - slot.begin);
  }
  // What joins the values of a row; "" when they are shown as one, as their number differs.
  std::string_view Joint(const Slot& slot) const;
  // Takes note of where a message of this template differs.
  void Observe(std::string_view line, const std::vector<Piece>& pieces);
  // Takes the messages of another template of this shape as messages of this one.
  void Absorb(const Template& other);
  void MakeWild(std::size_t i);
  std::string Render() const;
  std::size_t Bytes() const;
};

}  // namespace enclave::telemetry::templates
