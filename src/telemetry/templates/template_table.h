// The templates of a Miner: found by signature, made one when they turn out to be, and forgotten
// when there are too many. For this folder only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "telemetry/templates/scanner.h"
#include "telemetry/templates/template.h"

namespace enclave::telemetry::templates {

class TemplateTable {
 public:
  using Index = std::uint32_t;
  static constexpr Index kNone = 0xFFFFFFFF;

  TemplateTable(std::size_t max_templates, std::size_t max_bytes);

  // The template of a message, made when there is none. Counts the message.
  Index Add(std::string_view line, const std::vector<Piece>& pieces, std::uint64_t message);
  // The same, without counting and without making one.
  Index Find(const std::vector<Piece>& pieces) const;
  // Where a signature leads to.
  Index Resolve(std::uint64_t signature) const;
  const Template& At(Index i) const { return templates_[i]; }

  // The places of all templates, the one not seen for longest first.
  std::vector<Index> OldestFirst() const;
  // Signatures that lead to another one, oldest first.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> Aliases() const;
  // What another table had, in the order of OldestFirst and Aliases.
  void Insert(Template made);
  void Alias(std::uint64_t from, std::uint64_t to);

  std::size_t size() const { return index_.size(); }
  std::size_t bytes() const { return bytes_; }
  std::uint64_t forgotten() const { return forgotten_; }

 private:
  struct Cached {
    std::uint64_t signature = 0;
    Index index = kNone;
    std::uint32_t generation = 0;  // of the place at `index`; has it another by now, this is void
  };
  // Templates of one shape, in the order they were made. General ones stand apart, as every message
  // of an unknown signature is compared with them.
  struct Bucket {
    std::vector<Index> general{};
    std::vector<Index> exact{};

    std::vector<Index>& Of(const Template& known) { return known.general ? general : exact; }
    bool empty() const { return general.empty() && exact.empty(); }
  };
  struct Difference {
    Index other = kNone;
    std::vector<std::uint16_t> positions{};
  };

  Index Match(const std::vector<Piece>& pieces, std::uint64_t shape) const;
  Index Put(Template made);
  void Remove(Index i);
  void KeepBounds(Index but);

  // Makes one of `fresh` and others while there are enough that differ in the same positions only.
  Index Generalise(Index fresh);
  std::vector<Difference> Near(const Template& self, Index but) const;
  Index Unite(const std::vector<Index>& members, const std::vector<std::uint16_t>& positions);

  void Touch(Index i);
  void Unlink(Index i);
  void LinkNewest(Index i);

  std::size_t max_templates_;
  std::size_t max_bytes_;
  std::size_t bytes_ = 0;
  std::uint64_t forgotten_ = 0;
  std::vector<Template> templates_;
  std::vector<std::uint32_t> generations_;  // how often each place was emptied
  std::vector<Index> free_;
  Index newest_ = kNone;
  Index oldest_ = kNone;
  std::unordered_map<std::uint64_t, Index> index_;             // by signature
  std::unordered_map<std::uint64_t, Bucket> buckets_;          // by shape
  std::unordered_map<std::uint64_t, std::uint64_t> leads_to_;  // by signature
  std::deque<std::uint64_t> aliases_;                          // its keys, oldest first
  // Templates of signatures seen lately. May be wrong about none, and may forget any.
  std::vector<Cached> cache_;
};

}  // namespace enclave::telemetry::templates
