#include "telemetry/templates/template.h"

#include <algorithm>

#include "telemetry/templates/hashing.h"
#include "telemetry/templates/head_parts.h"

namespace enclave::telemetry::templates {
namespace {

constexpr std::size_t kOverheadBytes = 160;  // of a table's indexes, for each template
constexpr std::size_t kLongDigits = 3;       // in a word: a value even when it never varied
constexpr int kLongestRow = 64;              // longer ones are shown as one value

std::uint64_t ShapeHash(const Piece& piece) {
  const bool fixed =
      piece.kind == PieceKind::kMark || piece.kind == PieceKind::kBlank || piece.repeat > 1;
  return fixed ? piece.hash : kVariableHash;
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

std::size_t DigitsEnd(std::string_view text, std::size_t i) {
  while (i < text.size() && IsDigit(text[i])) ++i;
  return i;
}

}  // namespace

Signature SignatureOf(const std::vector<Piece>& pieces) {
  Signature sum;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    sum.signature += Term(pieces[i].hash, i);
    sum.shape += Term(ShapeHash(pieces[i]), i);
  }
  return sum;
}

// ---- Slot ----

void Slot::Vary(std::string_view known, std::string_view other) {
  const auto bounded = [](std::size_t n) {
    return static_cast<std::uint16_t>(std::min<std::size_t>(n, 0xFFFF));
  };
  const std::uint16_t same_begin = bounded(CommonPrefix(known, other));
  const std::uint16_t same_end = bounded(CommonSuffix(known, other));
  prefix = varied ? std::min(prefix, same_begin) : same_begin;
  suffix = varied ? std::min(suffix, same_end) : same_end;
  varied = true;
}

void Slot::Vary(const Slot& other) {
  if (!other.varied) return;
  prefix = varied ? std::min(prefix, other.prefix) : other.prefix;
  suffix = varied ? std::min(suffix, other.suffix) : other.suffix;
  varied = true;
}

Span Slot::ValueIn(std::string_view known) const {
  std::size_t begin = varied ? prefix : known.size();
  std::size_t end = varied ? known.size() - std::min<std::size_t>(suffix, known.size()) : 0;
  for (std::size_t i = 0; i < known.size();) {
    const std::size_t run = DigitsEnd(known, i);
    if (run - i >= kLongDigits) {
      begin = std::min(begin, i);
      end = std::max(end, run);
    }
    i = std::max(run, i + 1);
  }
  if (begin >= known.size() && end == 0) return {};
  begin = std::min(begin, known.size());
  while (begin > 0 && IsDigit(known[begin - 1])) --begin;
  return {begin, DigitsEnd(known, std::max(end, begin))};
}

// ---- Template ----

Template::Template(std::string_view line, const std::vector<Piece>& pieces) : text(line) {
  const Signature sum = SignatureOf(pieces);
  signature = sum.signature;
  shape = sum.shape;
  slots.reserve(pieces.size());
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const Piece& piece = pieces[i];
    Slot& slot = slots.emplace_back();
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
    if (slot.MayVary() || piece.repeat > 1 || after_quantity)
      watched.push_back(static_cast<std::uint16_t>(i));
  }
}

void Template::Observe(std::string_view line, const std::vector<Piece>& pieces) {
  if (slots.size() != pieces.size()) return;
  for (const std::uint16_t i : watched) {
    Slot& slot = slots[i];
    const Piece& piece = pieces[i];
    if (slot.wild) continue;
    if (piece.kind == PieceKind::kBlank) {
      slot.gap |= piece.gap;
      slot.plain |= !piece.gap;
    } else if (slot.repeat > 1) {
      slot.row_varied |= piece.repeat != slot.repeat;
    } else if (piece.raw != slot.raw) {
      slot.Vary(Part(slot), line.substr(piece.begin, piece.end - piece.begin));
    }
  }
}

void Template::Absorb(const Template& other) {
  count += other.count;
  first = std::min(first, other.first);
  last = std::max(last, other.last);
  for (const std::uint16_t i : watched) {
    Slot& slot = slots[i];
    const Slot& theirs = other.slots[i];
    if (slot.wild) continue;
    slot.gap |= theirs.gap;
    slot.plain |= theirs.plain;
    slot.row_varied |= theirs.row_varied || theirs.repeat != slot.repeat;
    if (!slot.MayVary()) continue;
    if (theirs.raw != slot.raw) slot.Vary(Part(slot), other.Part(theirs));
    slot.Vary(theirs);
  }
}

void Template::MakeWild(std::size_t i) {
  Slot& slot = slots[i];
  signature += Term(kVariableHash, i) - Term(slot.hash, i);
  slot.hash = kVariableHash;
  slot.wild = true;
  general = true;
}

std::string_view Template::Joint(const Slot& slot) const {
  if (slot.repeat < 2 || slot.row_varied || slot.repeat > kLongestRow) return {};
  return std::string_view(text).substr(slot.first_end, slot.next_begin - slot.first_end);
}

std::string Template::Render() const {
  std::string out;
  for (const Slot& slot : slots) {
    const std::string_view part = Part(slot);
    if (slot.IsValue()) {
      const std::string_view joint = Joint(slot);
      if (!joint.empty())
        for (int i = 1; i < slot.repeat; ++i) out.append("<*>").append(joint);
      out.append("<*>");
    } else if (slot.kind == PieceKind::kBlank && slot.gap) {
      out.append(slot.plain ? "<*>" : " (<*>) ");
    } else if (const Span value = slot.MayVary() ? slot.ValueIn(part) : Span{}; value.end > 0) {
      out.append(part.substr(0, value.begin)).append("<*>").append(part.substr(value.end));
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

}  // namespace enclave::telemetry::templates
