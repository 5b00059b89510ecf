// The series that are known: the labels and the open samples of each, and the inverted index from
// labels to series.
//
// A series is called by its ref, a small number that is given again once the series is forgotten.
// Lists of refs ("postings") are sorted.
//
// Thread safety: none; const methods may run at the same time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "observatory/store/head_chunk.h"
#include "observatory/store/journal.h"
#include "observatory/store/symbols.h"
#include "telemetry/labels.h"
#include "telemetry/matcher.h"

namespace enclave::observatory::store {

// Encoded, and not yet in the database.
struct SealedChunk {
  std::int64_t window_ms;
  std::uint32_t id;
  std::shared_ptr<const std::string> bytes;
};

// What few series have.
struct SeriesExtra {
  std::vector<SealedChunk> sealed;
  std::vector<telemetry::Sample> late;  // came after newer ones; by time
  bool empty() const { return sealed.empty() && late.empty(); }
};

struct LabelPair {
  Symbol name;
  Symbol value;
};

struct Series {
  HeadChunk head;
  std::unique_ptr<LabelPair[]> labels;  // by the text of the name
  std::unique_ptr<SeriesExtra> extra;
  std::int64_t newest_ms = INT64_MIN;  // INT64_MIN: not known, and nothing is in memory
  std::uint32_t head_id = 0;
  std::uint16_t label_count = 0;
  bool alive = false;
  bool dirty = false;  // differs from what the last checkpoint wrote
};

using Postings = std::vector<SeriesRef>;

class SeriesTable {
 public:
  // The ref is free. `labels` are sorted and unique.
  void Create(SeriesRef ref, std::span<const telemetry::LabelView> labels);
  void Forget(std::span<const SeriesRef> refs);

  // All refs ever given are below.
  SeriesRef end() const { return end_; }
  bool Alive(SeriesRef ref) const { return ref < end_ && At(ref).alive; }
  Series& At(SeriesRef ref) { return blocks_[ref / kBlock][ref % kBlock]; }
  const Series& At(SeriesRef ref) const { return blocks_[ref / kBlock][ref % kBlock]; }
  std::size_t size() const { return all_.size(); }
  std::size_t symbols() const { return symbols_.size(); }

  telemetry::Labels LabelsOf(SeriesRef ref) const;
  std::string_view ValueOf(SeriesRef ref, std::string_view name) const;  // "" when there is none

  const Postings& all() const { return all_; }
  // Those that match all.
  Postings Select(const telemetry::Matchers& matchers) const;
  // Those that match any of the lists; all for none.
  Postings SelectAny(const std::vector<telemetry::Matchers>& any_of) const;
  // Visits the values of a name and who has them, until `visit` says false.
  using ValueVisitor = std::function<bool(std::string_view value, const Postings& refs)>;
  void Values(std::string_view name, const ValueVisitor& visit) const;
  // Visits all names.
  void Names(const std::function<void(std::string_view name)>& visit) const;
  // Visits the labels of one series.
  void LabelsOf(
      SeriesRef ref,
      const std::function<void(std::string_view name, std::string_view value)>& visit) const;

 private:
  static constexpr SeriesRef kBlock = 1024;
  using ByValue = std::unordered_map<Symbol, Postings>;

  const ByValue* Find(std::string_view name) const;
  // Those with a label that the matcher takes (or, `inverted`, refuses).
  Postings Having(const ByValue& values, const telemetry::Matcher& matcher, bool inverted) const;
  void Filter(Postings& refs, const telemetry::Matcher& matcher) const;

  std::vector<std::unique_ptr<Series[]>> blocks_;
  SeriesRef end_ = 0;
  Symbols symbols_;
  std::unordered_map<Symbol, ByValue> names_;
  Postings all_;
};

}  // namespace enclave::observatory::store
