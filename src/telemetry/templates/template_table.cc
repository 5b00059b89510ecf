#include "telemetry/templates/template_table.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "telemetry/templates/hashing.h"
#include "telemetry/templates/head_parts.h"

namespace enclave::telemetry::templates {
namespace {

constexpr std::size_t kCacheSize = std::size_t{1} << 14U;
constexpr std::size_t kMostCompared = 128;   // templates of one shape, the youngest
constexpr std::size_t kOverheadBytes = 160;  // of the indexes, for each template
constexpr std::size_t kAliasBytes = 128;

// How many different words make a position a value, all else being equal.
constexpr std::size_t kManyIdentifiers = 2;  // node-1 and web-1, 'a b' and 'c d'
constexpr std::size_t kManyNames = 3;        // com.shop.Cart
constexpr std::size_t kManyWords = 6;        // of the language: states and modes have few
constexpr std::size_t kFewestWords = 2;      // that must be left around such a position

std::uint64_t ShapeHash(PieceKind kind, std::uint64_t hash) {
  return kind == PieceKind::kMark || kind == PieceKind::kBlank || hash == kRowHash ? hash
                                                                                   : kVariableHash;
}

std::size_t CommonPrefix(std::string_view a, std::string_view b) {
  const std::size_t most = std::min(a.size(), b.size());
  std::size_t i = 0;
  while (i < most && a[i] == b[i]) ++i;
  return i;
}

std::size_t CommonSuffix(std::string_view a, std::string_view b) {
  const std::size_t most = std::min(a.size(), b.size());
  std::size_t i = 0;
  while (i < most && a[a.size() - 1 - i] == b[b.size() - 1 - i]) ++i;
  return i;
}

// Joins what another text was like with what is known of a slot that may vary.
void Vary(Slot* slot, std::string_view known, std::string_view other) {
  const auto bounded = [](std::size_t n) {
    return static_cast<std::uint16_t>(std::min<std::size_t>(n, 0xFFFF));
  };
  const std::uint16_t prefix = bounded(CommonPrefix(known, other));
  const std::uint16_t suffix = bounded(CommonSuffix(known, other));
  slot->prefix = slot->varied ? std::min(slot->prefix, prefix) : prefix;
  slot->suffix = slot->varied ? std::min(slot->suffix, suffix) : suffix;
  slot->varied = true;
}

constexpr std::size_t kLongDigits = 3;  // in a word: a value even when it never varied

// A word with digits: as it is when they never differed, else with a value from the first to the
// last digit that did.
void AppendMixed(const Slot& slot, std::string_view text, std::string* out) {
  std::size_t begin = slot.varied ? slot.prefix : text.size();
  std::size_t end = slot.varied ? text.size() - std::min<std::size_t>(slot.suffix, text.size()) : 0;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t run = i;
    while (run < text.size() && IsDigit(text[run])) ++run;
    if (run - i >= kLongDigits) {
      begin = std::min(begin, i);
      end = std::max(end, run);
    }
    i = run == i ? i + 1 : run;
  }
  if (begin >= text.size() && end == 0) {
    out->append(text);
    return;
  }
  while (begin > 0 && IsDigit(text[begin - 1])) --begin;
  end = std::max(end, begin);
  while (end < text.size() && IsDigit(text[end])) ++end;
  out->append(text.substr(0, begin)).append("<*>").append(text.substr(end));
}

}  // namespace

// ---- Template
// -------------------------------------------------------------------------------------

std::string Template::Render() const {
  std::string out;
  const std::string_view all = text;
  for (const Slot& slot : slots) {
    const std::string_view part = all.substr(slot.begin, slot.end - slot.begin);
    if (slot.IsValue()) {
      const bool row = slot.repeat > 1 && !slot.row_varied && slot.repeat <= 64;
      const std::string_view joint =
          row ? all.substr(slot.first_end, slot.next_begin - slot.first_end) : "";
      for (int i = 1; i < (row ? slot.repeat : 1); ++i) out.append("<*>").append(joint);
      out.append("<*>");
    } else if (slot.kind == PieceKind::kBlank && slot.gap) {
      out.append(slot.plain ? "<*>" : " (<*>) ");
    } else if (slot.kind == PieceKind::kMixed || slot.kind == PieceKind::kQuoted ||
               slot.kind == PieceKind::kList) {
      AppendMixed(slot, part, &out);
    } else {
      out.append(part);
    }
  }
  return out;
}

std::size_t Template::Bytes() const {
  return sizeof(Template) + slots.capacity() * sizeof(Slot) +
         watched.capacity() * sizeof(std::uint16_t) + text.capacity() + kOverheadBytes;
}

Signature SignatureOf(const std::vector<Piece>& pieces) {
  Signature sum;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    sum.signature += Term(pieces[i].hash, i);
    sum.shape += Term(ShapeHash(pieces[i].kind, pieces[i].hash), i);
  }
  return sum;
}

// ---- TemplateTable
// --------------------------------------------------------------------------------

TemplateTable::TemplateTable(std::size_t max_templates, std::size_t max_bytes)
    : max_templates_(std::max<std::size_t>(max_templates, 1)),
      max_bytes_(max_bytes),
      cache_(kCacheSize) {}

TemplateTable::Index TemplateTable::Resolve(std::uint64_t signature) const {
  // Every step is more general than the one before, so this ends.
  while (true) {
    const auto known = index_.find(signature);
    if (known != index_.end()) return known->second;
    const auto alias = leads_to_.find(signature);
    if (alias == leads_to_.end()) return kNone;
    signature = alias->second;
  }
}

TemplateTable::Index TemplateTable::Match(const std::vector<Piece>& pieces,
                                          std::uint64_t shape) const {
  const auto bucket = buckets_.find(shape);
  if (bucket == buckets_.end()) return kNone;
  std::size_t compared = 0;
  for (auto it = bucket->second.rbegin(); it != bucket->second.rend(); ++it) {
    const Template& known = templates_[*it];
    if (!known.general || known.slots.size() != pieces.size()) continue;
    if (++compared > kMostCompared) break;
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
  Index found = cached.signature == sum.signature ? cached.index : kNone;
  if (found == kNone) {
    const auto known = index_.find(sum.signature);
    found = known != index_.end() ? known->second : Match(pieces, sum.shape);
  }
  if (found == kNone) {
    Template made;
    made.text = std::string(line);
    made.signature = sum.signature;
    made.shape = sum.shape;
    made.first = made.last = message;
    made.count = 1;
    made.slots.reserve(pieces.size());
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      const Piece& piece = pieces[i];
      Slot& slot = made.slots.emplace_back();
      slot.kind = piece.kind;
      slot.type = piece.type;
      slot.gap = piece.gap;
      slot.plain = !piece.gap;
      slot.repeat = piece.repeat;
      slot.begin = piece.begin;
      slot.end = piece.end;
      slot.first_end = piece.first_end;
      slot.next_begin = piece.next_begin;
      slot.hash = piece.hash;
      slot.raw = piece.raw;
      const bool after_quantity = piece.kind == PieceKind::kBlank && i >= 3 &&
                                  pieces[i - 1].kind == PieceKind::kWord &&
                                  pieces[i - 3].kind == PieceKind::kVariable;
      if (piece.kind == PieceKind::kMixed || piece.kind == PieceKind::kQuoted ||
          piece.kind == PieceKind::kList || piece.repeat > 1 || after_quantity)
        made.watched.push_back(static_cast<std::uint16_t>(i));
    }
    found = Generalise(Put(std::move(made)));
    KeepBounds(found);
  } else {
    Template& known = templates_[found];
    ++known.count;
    known.last = message;
    Observe(&known, line, pieces);
    Touch(found);
  }
  // The vector may have moved nothing, but a generalisation may have emptied the entry.
  cache_[sum.signature % kCacheSize] = {sum.signature, found};
  return found;
}

void TemplateTable::Observe(Template* known, std::string_view line,
                            const std::vector<Piece>& pieces) {
  if (known->slots.size() != pieces.size()) return;
  for (const std::uint16_t i : known->watched) {
    Slot& slot = known->slots[i];
    const Piece& piece = pieces[i];
    if (slot.wild) continue;
    if (piece.kind == PieceKind::kBlank) {
      slot.gap |= piece.gap;
      slot.plain |= !piece.gap;
    } else if (piece.repeat > 1 || slot.repeat > 1) {
      slot.row_varied |= piece.repeat != slot.repeat;
    } else if (piece.raw != slot.raw) {
      Vary(&slot, std::string_view(known->text).substr(slot.begin, slot.end - slot.begin),
           line.substr(piece.begin, piece.end - piece.begin));
    }
  }
}

TemplateTable::Index TemplateTable::Put(Template made) {
  Index i = kNone;
  if (free_.empty()) {
    i = static_cast<Index>(templates_.size());
    templates_.emplace_back();
  } else {
    i = free_.back();
    free_.pop_back();
  }
  made.used = true;
  bytes_ += made.Bytes();
  index_[made.signature] = i;
  buckets_[made.shape].push_back(i);
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
  bucket->second.erase(std::find(bucket->second.begin(), bucket->second.end(), i));
  if (bucket->second.empty()) buckets_.erase(bucket);
  Unlink(i);
  gone = Template();
  free_.push_back(i);
}

void TemplateTable::Insert(Template made) {
  if (index_.contains(made.signature)) return;
  KeepBounds(Put(std::move(made)));
}

void TemplateTable::Alias(std::uint64_t from, std::uint64_t to) {
  if (from == to || !leads_to_.emplace(from, to).second) return;
  aliases_.emplace_back(from, to);
  bytes_ += kAliasBytes;
}

void TemplateTable::KeepBounds(Index but) {
  while (size() > 1 && oldest_ != but && (size() > max_templates_ || bytes_ > max_bytes_)) {
    // Names of what is gone go first: half of what is kept may be for them.
    if (bytes_ > max_bytes_ && aliases_.size() * kAliasBytes > max_bytes_ / 2) {
      leads_to_.erase(aliases_.front().first);
      aliases_.pop_front();
      bytes_ -= kAliasBytes;
      continue;
    }
    std::replace_if(
        cache_.begin(), cache_.end(),
        [this](const Cached& entry) { return entry.index == oldest_; }, Cached{});
    Remove(oldest_);
    ++forgotten_;
  }
}

// ---- one template out of several
// -------------------------------------------------------------------

namespace {

// What kind of word decides how many different ones are needed.
enum class Rank { kIdentifier, kName, kWord };

Rank RankOf(const Slot& slot) {
  switch (slot.kind) {
    case PieceKind::kMixed:
    case PieceKind::kQuoted:
    case PieceKind::kList:
      return Rank::kIdentifier;
    case PieceKind::kName:
      return Rank::kName;
    default:
      return Rank::kWord;
  }
}

std::size_t Needed(Rank rank) {
  switch (rank) {
    case Rank::kIdentifier:
      return kManyIdentifiers;
    case Rank::kName:
      return kManyNames;
    case Rank::kWord:
      return kManyWords;
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

TemplateTable::Index TemplateTable::Generalise(Index fresh) {
  while (true) {
    const Template& self = templates_[fresh];
    const std::vector<Index>& bucket = buckets_.at(self.shape);
    if (bucket.size() < 2) return fresh;

    struct Difference {
      Index other;
      std::vector<std::uint16_t> positions;
    };
    std::vector<Difference> near;
    std::size_t compared = 0;
    for (auto it = bucket.rbegin(); it != bucket.rend() && compared < kMostCompared; ++it) {
      if (*it == fresh) continue;
      const Template& other = templates_[*it];
      if (other.slots.size() != self.slots.size()) continue;
      ++compared;
      Difference difference{*it, {}};
      bool words = false;
      for (std::size_t i = 0; i < self.slots.size(); ++i) {
        if (self.slots[i].hash == other.slots[i].hash) continue;
        difference.positions.push_back(static_cast<std::uint16_t>(i));
        words |= RankOf(self.slots[i]) == Rank::kWord || RankOf(other.slots[i]) == Rank::kWord;
        if (words && difference.positions.size() > 1) break;
      }
      if (difference.positions.empty() || (words && difference.positions.size() > 1)) continue;
      near.push_back(std::move(difference));
    }

    // For each set of positions that differ: with whom.
    std::vector<Index> members;
    std::vector<std::uint16_t> positions;
    for (const Difference& candidate : near) {
      members.assign(1, fresh);
      Rank rank = Rank::kIdentifier;
      for (const Difference& other : near) {
        if (other.positions != candidate.positions) continue;
        members.push_back(other.other);
        for (const std::uint16_t i : other.positions)
          rank = std::max({rank, RankOf(self.slots[i]), RankOf(templates_[other.other].slots[i])});
      }
      if (members.size() < Needed(rank)) continue;
      if (WordsBut(self, candidate.positions) < (rank == Rank::kWord ? kFewestWords : 1)) continue;
      positions = candidate.positions;
      break;
    }
    if (positions.empty()) return fresh;
    fresh = Unite(members, positions);
  }
}

TemplateTable::Index TemplateTable::Unite(const std::vector<Index>& members,
                                          const std::vector<std::uint16_t>& positions) {
  // The first that was seen gives the words.
  Index eldest = members.front();
  for (const Index i : members)
    if (templates_[i].first < templates_[eldest].first) eldest = i;
  Template made = templates_[eldest];
  for (const std::uint16_t i : positions) {
    Slot& slot = made.slots[i];
    made.signature += Term(kVariableHash, i) - Term(slot.hash, i);
    slot.wild = true;
    slot.hash = kVariableHash;
  }
  made.general = true;

  std::vector<Index> all = members;
  const auto present = index_.find(made.signature);
  if (present != index_.end() && std::find(all.begin(), all.end(), present->second) == all.end())
    all.push_back(present->second);
  made.count = 0;
  for (const Index i : all) {
    const Template& member = templates_[i];
    made.count += member.count;
    made.first = std::min(made.first, member.first);
    made.last = std::max(made.last, member.last);
    for (const std::uint16_t w : made.watched) {
      Slot& slot = made.slots[w];
      const Slot& other = member.slots[w];
      if (slot.wild || i == eldest) continue;
      slot.gap |= other.gap;
      slot.plain |= other.plain;
      slot.row_varied |= other.row_varied || other.repeat != slot.repeat;
      if (slot.kind == PieceKind::kBlank || slot.repeat > 1) continue;
      const auto part = [w](const Template& of) {
        return std::string_view(of.text).substr(of.slots[w].begin,
                                                of.slots[w].end - of.slots[w].begin);
      };
      if (other.raw != slot.raw) Vary(&slot, part(made), part(member));
      if (other.varied) {
        // What varied there varies here: as far as both begin and end the same.
        const bool varied = slot.varied;
        slot.prefix = varied ? std::min(slot.prefix, other.prefix) : other.prefix;
        slot.suffix = varied ? std::min(slot.suffix, other.suffix) : other.suffix;
        slot.varied = true;
      }
    }
  }
  std::replace_if(
      cache_.begin(), cache_.end(),
      [&all](const Cached& entry) {
        return entry.index != kNone && std::find(all.begin(), all.end(), entry.index) != all.end();
      },
      Cached{});
  for (const Index i : all) {
    const std::uint64_t old = templates_[i].signature;
    Remove(i);
    Alias(old, made.signature);
  }
  return Put(std::move(made));
}

// ---- least recently used
// ---------------------------------------------------------------------------

void TemplateTable::Unlink(Index i) {
  Template& known = templates_[i];
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
