#include "telemetry/templates/template_table.h"

#include <algorithm>

#include "base/check.h"
#include "telemetry/templates/head_parts.h"

namespace enclave::telemetry::templates {
namespace {

constexpr std::size_t kCacheSize = std::size_t{1} << 14U;
constexpr std::size_t kMostCompared = 128;  // templates of one shape, the youngest
constexpr int kMostSteps = 1024;            // from an old signature to where it leads
constexpr std::size_t kAliasBytes = 128;    // with the indexes it stands in

// What kind of word decides how many different ones make a position a value, all else being equal.
enum class Rank { kIdentifier, kName, kWord };

constexpr std::size_t kManyIdentifiers = 2;  // node-1 and web-1, 'a b' and 'c d'
constexpr std::size_t kManyNames = 3;        // com.shop.Cart
constexpr std::size_t kManyWords = 6;        // of the language: states and modes have few
constexpr std::size_t kFewestWords = 2;      // that must be left beside such a position

// com.shop.Status.PAID: a constant of the program, of which there are few.
bool EndsInCapitals(std::string_view name) {
  std::size_t i = name.size();
  while (i > 0 && (IsUpper(name[i - 1]) || name[i - 1] == '_')) --i;
  return i < name.size() && (i == 0 || name[i - 1] == '.');
}

// The word in `name=word`.
bool IsNamedValue(const Template& known, std::size_t i) {
  if (i > 0 && known.slots[i - 1].kind == PieceKind::kBlank) --i;
  return i > 0 && known.Part(known.slots[i - 1]) == "=";
}

Rank RankOf(const Template& known, std::size_t i) {
  const Slot& slot = known.slots[i];
  if (slot.IsValue() || slot.MayVary()) return Rank::kIdentifier;
  if (slot.kind != PieceKind::kName) return IsNamedValue(known, i) ? Rank::kName : Rank::kWord;
  return EndsInCapitals(known.Part(slot)) ? Rank::kName : Rank::kIdentifier;
}

// Of a position in which two templates differ. A word where the other has an address or a path is
// another such value; a word where it has a number may be anything.
Rank RankOf(const Template& a, const Template& b, std::size_t i) {
  const auto place = [i](const Template& known) {
    const Slot& slot = known.slots[i];
    return slot.wild || (slot.kind == PieceKind::kVariable && slot.type != VariableType::kNumber);
  };
  if (place(a) || place(b)) return Rank::kIdentifier;
  return std::max(RankOf(a, i), RankOf(b, i));
}

std::size_t Needed(Rank rank) {
  switch (rank) {
    case Rank::kIdentifier:
      return kManyIdentifiers;
    case Rank::kName:
      return kManyNames;
    case Rank::kWord:
      break;
  }
  return kManyWords;
}

std::size_t WordsBut(const Template& known, const std::vector<std::uint16_t>& positions) {
  std::size_t words = 0;
  for (std::size_t i = 0; i < known.slots.size(); ++i)
    if (known.slots[i].kind == PieceKind::kWord && !known.slots[i].wild &&
        std::find(positions.begin(), positions.end(), i) == positions.end())
      ++words;
  return words;
}

}  // namespace

TemplateTable::TemplateTable(std::size_t max_templates, std::size_t max_bytes)
    : max_templates_(std::max<std::size_t>(max_templates, 1)),
      max_bytes_(max_bytes),
      cache_(kCacheSize) {}

TemplateTable::Index TemplateTable::Resolve(std::uint64_t signature) const {
  // Every step is more general than the one before; only a forged snapshot can go in circles.
  for (int step = 0; step < kMostSteps; ++step) {
    const auto known = index_.find(signature);
    if (known != index_.end()) return known->second;
    const auto alias = leads_to_.find(signature);
    if (alias == leads_to_.end()) break;
    signature = alias->second;
  }
  return kNone;
}

TemplateTable::Index TemplateTable::Match(const std::vector<Piece>& pieces,
                                          std::uint64_t shape) const {
  const auto bucket = buckets_.find(shape);
  if (bucket == buckets_.end()) return kNone;
  const std::vector<Index>& general = bucket->second.general;
  const std::size_t most = std::min(general.size(), kMostCompared);
  for (auto it = general.rbegin(); it != general.rbegin() + static_cast<std::ptrdiff_t>(most);
       ++it) {
    const Template& known = templates_[*it];
    if (known.slots.size() != pieces.size()) continue;
    bool equal = true;
    for (std::size_t i = 0; i < pieces.size() && equal; ++i)
      equal = known.slots[i].hash == pieces[i].hash || known.slots[i].wild;
    if (equal) return *it;
  }
  return kNone;
}

TemplateTable::Index TemplateTable::Find(const std::vector<Piece>& pieces) const {
  const Signature sum = SignatureOf(pieces);
  const auto known = index_.find(sum.signature);
  return known != index_.end() ? known->second : Match(pieces, sum.shape);
}

TemplateTable::Index TemplateTable::Add(std::string_view line, const std::vector<Piece>& pieces,
                                        std::uint64_t message) {
  const Signature sum = SignatureOf(pieces);
  Cached& cached = cache_[sum.signature % kCacheSize];
  const bool hit = cached.index != kNone && cached.signature == sum.signature &&
                   cached.generation == generations_[cached.index];
  Index found = hit ? cached.index : kNone;
  if (!hit) {
    const auto known = index_.find(sum.signature);
    found = known != index_.end() ? known->second : Match(pieces, sum.shape);
  }
  if (found == kNone) {
    Template made(line, pieces);
    made.first = made.last = message;
    made.count = 1;
    found = Generalise(Put(std::move(made)));
    KeepBounds(found);
  } else {
    Template& known = templates_[found];
    ++known.count;
    known.last = message;
    known.Observe(line, pieces);
    Touch(found);
  }
  if (!hit) cached = {sum.signature, found, generations_[found]};
  return found;
}

// ---- what is kept ----

TemplateTable::Index TemplateTable::Put(Template made) {
  Index i = kNone;
  if (free_.empty()) {
    i = static_cast<Index>(templates_.size());
    templates_.emplace_back();
    generations_.push_back(0);
  } else {
    i = free_.back();
    free_.pop_back();
  }
  bytes_ += made.Bytes();
  index_[made.signature] = i;
  buckets_[made.shape].Of(made).push_back(i);
  templates_[i] = std::move(made);
  LinkNewest(i);
  return i;
}

void TemplateTable::Remove(Index i) {
  Template& gone = templates_[i];
  bytes_ -= gone.Bytes();
  index_.erase(gone.signature);
  const auto bucket = buckets_.find(gone.shape);
  CHECK(bucket != buckets_.end(), "a template stands in the bucket of its shape");
  std::vector<Index>& same = bucket->second.Of(gone);
  same.erase(std::find(same.begin(), same.end(), i));
  if (bucket->second.empty()) buckets_.erase(bucket);
  Unlink(i);
  gone = Template();
  ++generations_[i];
  free_.push_back(i);
}

void TemplateTable::Insert(Template made) {
  if (!index_.contains(made.signature)) KeepBounds(Put(std::move(made)));
}

void TemplateTable::Alias(std::uint64_t from, std::uint64_t to) {
  if (from == to || !leads_to_.insert_or_assign(from, to).second) return;
  aliases_.push_back(from);
  bytes_ += kAliasBytes;
  // They get a quarter of the memory, and no more than four for each template.
  while (aliases_.size() > 4 * max_templates_ || aliases_.size() * kAliasBytes > max_bytes_ / 4) {
    leads_to_.erase(aliases_.front());
    aliases_.pop_front();
    bytes_ -= kAliasBytes;
  }
}

void TemplateTable::KeepBounds(Index but) {
  while (oldest_ != but && (size() > max_templates_ || bytes_ > max_bytes_)) {
    Remove(oldest_);
    ++forgotten_;
  }
}

std::vector<TemplateTable::Index> TemplateTable::OldestFirst() const {
  std::vector<Index> all;
  all.reserve(size());
  for (Index i = oldest_; i != kNone; i = templates_[i].newer) all.push_back(i);
  return all;
}

std::vector<std::pair<std::uint64_t, std::uint64_t>> TemplateTable::Aliases() const {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> all;
  all.reserve(aliases_.size());
  for (const std::uint64_t from : aliases_) all.emplace_back(from, leads_to_.at(from));
  return all;
}

// ---- one template out of several ----

std::vector<TemplateTable::Difference> TemplateTable::Near(const Template& self, Index but) const {
  std::vector<Difference> near;
  const Bucket& bucket = buckets_.at(self.shape);
  std::vector<std::uint16_t> positions;
  const auto compare = [&](Index i) {
    const Template& other = templates_[i];
    if (i == but || other.slots.size() != self.slots.size()) return;
    positions.clear();
    bool words = false;
    for (std::size_t i = 0; i < self.slots.size(); ++i) {
      if (self.slots[i].hash == other.slots[i].hash) continue;
      positions.push_back(static_cast<std::uint16_t>(i));
      words |= RankOf(self, other, i) == Rank::kWord;
      if (words && positions.size() > 1) break;
    }
    // Words of the language must differ in one position alone, as two that differ are two
    // sentences.
    if (!positions.empty() && !(words && positions.size() > 1)) near.push_back({i, positions});
  };
  for (const auto* youngest : {&bucket.general, &bucket.exact}) {
    const std::size_t most = std::min(youngest->size(), kMostCompared);
    for (std::size_t k = 0; k < most; ++k) compare((*youngest)[youngest->size() - 1 - k]);
  }
  return near;
}

TemplateTable::Index TemplateTable::Generalise(Index fresh) {
  while (true) {
    const Template& self = templates_[fresh];
    const std::vector<Difference> near = Near(self, fresh);
    const std::vector<std::uint16_t>* positions = nullptr;
    std::vector<Index> members;
    for (const Difference& candidate : near) {
      members.assign(1, fresh);
      Rank rank = Rank::kIdentifier;
      for (const Difference& other : near) {
        if (other.positions != candidate.positions) continue;
        members.push_back(other.other);
        for (const std::uint16_t i : other.positions)
          rank = std::max(rank, RankOf(self, templates_[other.other], i));
      }
      if (members.size() >= Needed(rank) &&
          WordsBut(self, candidate.positions) >= (rank == Rank::kWord ? kFewestWords : 1)) {
        positions = &candidate.positions;
        break;
      }
    }
    if (positions == nullptr) return fresh;
    fresh = Unite(members, *positions);
  }
}

TemplateTable::Index TemplateTable::Unite(const std::vector<Index>& members,
                                          const std::vector<std::uint16_t>& positions) {
  // The one that was seen first gives the words.
  const Index eldest = *std::min_element(members.begin(), members.end(), [this](Index a, Index b) {
    return templates_[a].first < templates_[b].first;
  });
  Template made = templates_[eldest];
  for (const std::uint16_t i : positions) made.MakeWild(i);
  std::vector<Index> all = members;
  const auto present = index_.find(made.signature);
  if (present != index_.end() && std::find(all.begin(), all.end(), present->second) == all.end())
    all.push_back(present->second);
  for (const Index i : all)
    if (i != eldest) made.Absorb(templates_[i]);
  for (const Index i : all) {
    const std::uint64_t old = templates_[i].signature;
    Remove(i);
    Alias(old, made.signature);
  }
  return Put(std::move(made));
}

// ---- least recently used ----

void TemplateTable::Unlink(Index i) {
  const Template& known = templates_[i];
  (known.newer == kNone ? newest_ : templates_[known.newer].older) = known.older;
  (known.older == kNone ? oldest_ : templates_[known.older].newer) = known.newer;
}

void TemplateTable::LinkNewest(Index i) {
  templates_[i].newer = kNone;
  templates_[i].older = newest_;
  if (newest_ != kNone) templates_[newest_].newer = i;
  newest_ = i;
  if (oldest_ == kNone) oldest_ = i;
}

void TemplateTable::Touch(Index i) {
  if (newest_ == i) return;
  Unlink(i);
  LinkNewest(i);
}

}  // namespace enclave::telemetry::templates
