// The templates of a Miner: found by signature, made one when they turn out to be, and forgotten
// when there are too many. For this folder only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "telemetry/templates/scanner.h"

namespace enclave::telemetry::templates {

// One piece of a template, and what its messages had there. Offsets are into Template::text.
struct Slot {
  PieceKind kind = PieceKind::kMark;
  VariableType type = VariableType::kText;
  bool wild = false;        // words differed here
  bool varied = false;      // of kMixed, kQuoted, kList: the digits differed
  bool gap = false;         // of kBlank: had a restatement in it
  bool plain = false;       // of kBlank: had none
  bool row_varied = false;  // of a row: had another number of values
  std::uint16_t repeat = 1;
  std::uint16_t prefix =
      0;  // of what varied: bytes that are the same at the beginning, and at the end
  std::uint16_t suffix = 0;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  std::uint32_t first_end = 0;
  std::uint32_t next_begin = 0;
  std::uint64_t hash = 0;
  std::uint64_t raw = 0;

  bool IsValue() const { return wild || kind == PieceKind::kVariable; }
  bool IsAtom() const { return kind != PieceKind::kBlank && kind != PieceKind::kMark; }
};

struct Template {
  std::vector<Slot> slots{};
  std::vector<std::uint16_t> watched{};  // slots in which messages of one signature can differ
  std::string text{};                    // of its first message
  std::uint64_t signature = 0;
  std::uint64_t shape = 0;
  std::uint64_t count = 0;
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  bool general = false;  // has a wild slot
  bool used = false;     // else the place is free
  std::uint32_t newer = 0;
  std::uint32_t older = 0;

  std::string Render() const;
  std::size_t Bytes() const;
};

// What tells templates apart, and what they must share to be compared.
struct Signature {
  std::uint64_t signature = 0;
  std::uint64_t shape = 0;
};
Signature SignatureOf(const std::vector<Piece>& pieces);

class TemplateTable {
 public:
  using Index = std::uint32_t;
  static constexpr Index kNone = 0xFFFFFFFF;

  TemplateTable(std::size_t max_templates, std::size_t max_bytes);

  // The template of a message, made when there is none. Counts the message.
  Index Add(std::string_view line, const std::vector<Piece>& pieces, std::uint64_t message);
  // The same, without counting and without making one.
  Index Find(const std::vector<Piece>& pieces) const;
  Index Resolve(std::uint64_t signature) const;

  const Template& At(Index i) const { return templates_[i]; }
  const std::vector<Template>& All() const { return templates_; }  // `used` ones count
  const std::deque<std::pair<std::uint64_t, std::uint64_t>>& Aliases() const { return aliases_; }
  void Insert(Template made);  // for Restore, oldest first
  void Alias(std::uint64_t from, std::uint64_t to);

  std::size_t size() const { return index_.size(); }
  std::size_t bytes() const { return bytes_; }
  std::uint64_t forgotten() const { return forgotten_; }

 private:
  struct Cached {
    std::uint64_t signature = 0;
    Index index = kNone;
  };

  Index Match(const std::vector<Piece>& pieces, std::uint64_t shape) const;
  Index Put(Template made);
  void Remove(Index i);
  void Observe(Template* known, std::string_view line, const std::vector<Piece>& pieces);
  Index Generalise(Index fresh);
  Index Unite(const std::vector<Index>& members, const std::vector<std::uint16_t>& positions);
  void Touch(Index i);
  void Unlink(Index i);
  void LinkNewest(Index i);
  void KeepBounds(Index but);

  std::size_t max_templates_;
  std::size_t max_bytes_;
  std::size_t bytes_ = 0;
  std::uint64_t forgotten_ = 0;
  std::vector<Template> templates_;
  std::vector<Index> free_;
  Index newest_ = kNone;
  Index oldest_ = kNone;
  std::unordered_map<std::uint64_t, Index> index_;                 // by signature
  std::unordered_map<std::uint64_t, std::vector<Index>> buckets_;  // by shape
  std::unordered_map<std::uint64_t, std::uint64_t> leads_to_;      // by signature
  std::deque<std::pair<std::uint64_t, std::uint64_t>> aliases_;    // the same, oldest first
  // Signatures of messages whose template is a general one. May forget at any time.
  std::vector<Cached> cache_;
};

}  // namespace enclave::telemetry::templates
