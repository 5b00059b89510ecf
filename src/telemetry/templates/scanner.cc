#include "telemetry/templates/scanner.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <xxhash.h>

#include "telemetry/templates/hashing.h"
#include "telemetry/templates/head_parts.h"
#include "telemetry/templates/value_forms.h"

namespace enclave::telemetry::templates {
namespace {

constexpr std::size_t kLongestQuote = 256;
constexpr std::size_t kLongestList = 512;
constexpr std::size_t kLongestSkeleton = 128;  // of a mixed word or quoted text that is looked at
constexpr std::size_t kLongHex = 6;            // digits of a part of a name that is an identifier
constexpr int kManyDigitRuns = 3;              // 6E92ZM8YFZ: no word, but an identifier

bool IsWordJoint(char c) {
  return c == '.' || c == '_' || c == '-' || c == '/' || c == '\\' || c == '$' || c == '+' ||
         c == '&' || c == '~' || c == '%' || c == '^';
}

class Scanner {
 public:
  Scanner(std::string_view line, std::size_t most, std::vector<Piece>* pieces)
      : line_(line), most_(most), pieces_(*pieces) {
    pieces_.clear();
  }

  void Run() {
    while (at_ < line_.size()) {
      if (pieces_.size() + 4 > most_) return Emit(PieceKind::kVariable, line_.size());
      const char c = line_[at_];
      if (IsBlank(c)) {
        TakeBlanks();
      } else if (c == '"' || c == '\'' || c == '`') {
        TakeQuote();
      } else if (c == '[') {
        TakeBracket();
      } else if (c == '<' && TakeLessThan()) {
      } else if (IsDelimiter(c)) {
        TakeMark();
      } else {
        TakeAtom();
      }
    }
  }

 private:
  char At(std::size_t i) const { return i < line_.size() ? line_[i] : '\0'; }
  std::string_view Text(std::size_t begin, std::size_t end) const {
    return line_.substr(begin, end - begin);
  }

  // ---- what is taken goes here ----

  Piece& Push(PieceKind kind, std::size_t end) {
    Piece& piece = pieces_.emplace_back();
    piece.kind = kind;
    piece.begin = static_cast<std::uint32_t>(at_);
    piece.end = static_cast<std::uint32_t>(end);
    piece.first_end = piece.next_begin = piece.end;
    at_ = end;
    return piece;
  }

  void Emit(PieceKind kind, std::size_t end, VariableType type = VariableType::kText) {
    const std::string_view text = Text(at_, end);
    Piece& piece = Push(kind, end);
    switch (kind) {
      case PieceKind::kBlank:
        piece.hash = kBlankHash;
        break;
      case PieceKind::kVariable:
        piece.hash = kVariableHash;
        piece.type = type;
        FoldRow();
        break;
      case PieceKind::kMixed:
      case PieceKind::kQuoted:
      case PieceKind::kList:
        piece.raw = HashOf(text);
        piece.hash = SkeletonHash(text);
        piece.type = kind == PieceKind::kQuoted ? VariableType::kQuoted
                     : kind == PieceKind::kList ? VariableType::kList
                                                : VariableType::kText;
        break;
      default:
        piece.hash = HashOf(text);
    }
  }

  void Value(VariableType type, std::size_t end) { Emit(PieceKind::kVariable, end, type); }

  // `1, 2, 3`: as many values as the statement happened to have are one piece.
  void FoldRow() {
    const std::size_t n = pieces_.size();
    const std::size_t before = RowBefore(n - 1);
    if (before == n - 1) return;
    Piece& last = pieces_[n - 1];
    Piece& row = pieces_[before];
    const std::string_view joint = Text(row.end, last.begin);
    if (row.repeat > 1) {
      if (joint != Text(row.first_end, row.next_begin)) return;
      row.end = last.end;
      if (row.repeat < 0xFFFF) ++row.repeat;
      pieces_.resize(before + 1);
      return;
    }
    const std::size_t first = RowBefore(before);
    if (first == before || pieces_[first].repeat > 1 ||
        joint != Text(pieces_[first].end, row.begin))
      return;
    Piece& head = pieces_[first];
    head.first_end = head.end;
    head.next_begin = row.begin;
    head.end = last.end;
    head.repeat = 3;
    head.hash = kRowHash;
    pieces_.resize(first + 1);
  }

  // The value before piece `i` when only a joint is between them, else i.
  std::size_t RowBefore(std::size_t i) const {
    std::size_t k = i;
    if (k > 0 && pieces_[k - 1].kind == PieceKind::kBlank) --k;
    if (k > 0 && pieces_[k - 1].kind == PieceKind::kMark) {
      const char c = line_[pieces_[k - 1].begin];
      if (c != ',' && c != ';' && c != '|' && c != '#') return i;
      --k;
    }
    return k < i && k > 0 && pieces_[k - 1].kind == PieceKind::kVariable ? k - 1 : i;
  }

  // The text with its digits masked, so that node-17 and node-4 are the same word.
  static std::uint64_t SkeletonHash(std::string_view text) {
    std::array<char, kLongestSkeleton> skeleton;
    std::size_t size = 0;
    std::size_t i = 0;
    while (i < text.size() && size + 2 < skeleton.size()) {
      std::size_t end = i;
      bool digit = false;
      bool hex = true;
      while (end < text.size() && (IsLetter(text[end]) || IsDigit(text[end]))) {
        digit |= IsDigit(text[end]);
        hex &= IsHexDigit(text[end]);
        ++end;
      }
      if (digit && hex && end - i >= kLongHex) {
        skeleton[size++] = '#';
        i = end;
        continue;
      }
      if (end == i) {
        skeleton[size++] = text[i++];
        continue;
      }
      while (i < end && size + 2 < skeleton.size()) {
        if (IsDigit(text[i])) {
          skeleton[size++] = '#';
          while (i < end && IsDigit(text[i])) ++i;
        } else {
          skeleton[size++] = text[i++];
        }
      }
    }
    return HashOf({skeleton.data(), size}) + 1;
  }

  // ---- blanks, quotes, brackets ----

  void TakeBlanks() {
    std::size_t end = at_;
    while (end < line_.size() && IsBlank(line_[end])) ++end;
    const std::size_t restated = At(end) == '(' && AfterQuantity() ? RestatementEnd(end) : end;
    if (restated != end) {
      Emit(PieceKind::kBlank, restated);
      pieces_.back().gap = true;
      return;
    }
    Emit(PieceKind::kBlank, end);
  }

  // Behind `7340032 bytes`
  bool AfterQuantity() const {
    const std::size_t n = pieces_.size();
    return n >= 3 && pieces_[n - 1].kind == PieceKind::kWord &&
           pieces_[n - 2].kind == PieceKind::kBlank && pieces_[n - 3].kind == PieceKind::kVariable;
  }

  // ` (7.3 MB) `: the same quantity for people, which programs leave away where it says nothing
  // new.
  std::size_t RestatementEnd(std::size_t open) const {
    const std::size_t number = NumberEnd(line_, open + 1);
    if (number == open + 1) return open;
    std::size_t unit = number;
    while (At(unit) == ' ') ++unit;
    std::size_t end = unit;
    while (IsLetter(At(end))) ++end;
    const std::string_view name = Text(unit, end);
    if (At(end) != ')' || (BytesOfUnit(name) == 0 && SecondsOfUnit(name) == 0)) return open;
    ++end;
    if (At(end) != ' ') return open;
    while (At(end) == ' ') ++end;
    return end;
  }

  void TakeQuote() {
    const char quote = line_[at_];
    const bool opens = at_ == 0 || IsBlank(line_[at_ - 1]) ||
                       std::string_view("=([{,:<").find(line_[at_ - 1]) != std::string_view::npos;
    const std::size_t close =
        opens ? line_.substr(0, std::min(line_.size(), at_ + kLongestQuote)).find(quote, at_ + 1)
              : std::string_view::npos;
    if (close == std::string_view::npos || close == at_ + 1 || IsLetter(At(close + 1)) ||
        IsDigit(At(close + 1)))
      return TakeMark();
    Emit(PieceKind::kMark, at_ + 1);
    const std::size_t begin = at_;
    const std::size_t pieces = pieces_.size();
    if (!IsDelimiter(line_[at_])) {
      TakeAtom();
      if (at_ == close && pieces_.size() == pieces + 1 &&
          pieces_.back().kind == PieceKind::kVariable) {
        Emit(PieceKind::kMark, at_ + 1);
        return;
      }
      // A value that was folded into a row before it cannot be taken back.
      if (pieces_.size() <= pieces) return;
      pieces_.resize(pieces);
      at_ = begin;
    }
    Emit(PieceKind::kQuoted, close);
    Emit(PieceKind::kMark, close + 1);
  }

  // A list of words; a list of values is a row.
  void TakeBracket() {
    Emit(PieceKind::kMark, at_ + 1);
    bool comma = false;
    bool letter = false;
    std::size_t end = at_;
    for (; end < line_.size() && end - at_ < kLongestList && line_[end] != ']'; ++end) {
      const char c = line_[end];
      if (c == '[' || c == '(' || c == '{' || c == '=' || c == ':' || c == '"') return;
      comma |= c == ',';
      letter |= IsLetter(c);
    }
    if (At(end) == ']' && comma && letter) Emit(PieceKind::kList, end);
  }

  // `<1 sec`: less than the unit, so the unit is part of what the program chose to say.
  bool TakeLessThan() {
    if (at_ == 0 || !IsBlank(line_[at_ - 1])) return false;
    const std::size_t number = NumberEnd(line_, at_ + 1);
    if (number == at_ + 1) return false;
    std::size_t unit = number;
    if (At(unit) == ' ') ++unit;
    std::size_t end = unit;
    while (IsLetter(At(end))) ++end;
    if (SecondsOfUnit(Text(unit, end)) == 0) return false;
    Value(VariableType::kDuration, end);
    return true;
  }

  void TakeMark() {
    const char c = line_[at_];
    std::size_t end = at_ + 1;
    while (At(end) == c && end < line_.size()) ++end;
    Emit(PieceKind::kMark, end);
  }

  // ---- words and values ----

  void TakeAtom() {
    const char c = line_[at_];
    if (IsDigit(c) || IsUpper(c)) {
      const std::size_t time = TimeEnd(line_, at_);
      if (time != at_) return Value(VariableType::kTime, time);
    }
    if (IsHexDigit(c)) {
      const std::size_t uuid = UuidEnd(line_, at_);
      if (uuid != at_) return Value(VariableType::kUuid, uuid);
      const std::size_t groups = HexGroupsEnd(line_, at_);
      if (groups != at_) return Value(VariableType::kIp, groups);
    }
    if (IsDigit(c)) {
      const std::size_t ip = Ipv4End(line_, at_);
      if (ip != at_) return Value(VariableType::kIp, ip);
    }
    if (c == '/' && Ipv4End(line_, at_ + 1) != at_ + 1) return Emit(PieceKind::kMark, at_ + 1);
    if (c == '/' || c == '.' || c == '~' || At(at_ + 1) == ':') {
      const std::size_t path = PathEnd(line_, at_);
      if (path != at_) return Value(VariableType::kPath, path);
    }
    const std::size_t end = AtomEnd();
    if (end == at_) return TakeMark();
    if (line_.substr(end, 3) == "://") return TakeUrl(end);
    if (IsDigit(c) || c == '-' || c == '+') {
      if (TakeQuantity(end)) return;
    }
    TakeWord(end);
  }

  // Up to a delimiter, two dots, or the punctuation at the end of a sentence.
  std::size_t AtomEnd() const {
    std::size_t end = at_;
    while (end < line_.size() && !IsDelimiter(line_[end]) &&
           !(line_[end] == '.' && At(end + 1) == '.'))
      ++end;
    while (end > at_ && line_[end - 1] == '.') --end;
    return end;
  }

  void TakeUrl(std::size_t scheme_end) {
    TakeWord(scheme_end);
    Emit(PieceKind::kMark, at_ + 3);
    std::size_t end = at_;
    while (end < line_.size() && !IsBlank(line_[end]) && line_[end] != '"' && line_[end] != '\'' &&
           line_[end] != '>' && line_[end] != '}' && line_[end] != ']' && line_[end] != ')' &&
           line_[end] != ';')
      ++end;
    while (end > at_ && (line_[end - 1] == '.' || line_[end - 1] == ',' || line_[end - 1] == ':'))
      --end;
    if (end > at_) Value(VariableType::kUrl, end);
  }

  // A number alone or with its unit. A unit of size belongs to the value, as programs choose it by
  // the value; one of time stays in the template, as it stands in the statement.
  bool TakeQuantity(std::size_t end) {
    const std::size_t number = NumberEnd(line_, at_);
    if (number == at_) return false;
    if (number == end) {
      if (At(end) == ' ') {
        std::size_t unit = end + 1;
        while (IsLetter(At(unit))) ++unit;
        if (BytesOfUnit(Text(end + 1, unit)) != 0 && !IsDigit(At(unit)) && At(unit) != '_' &&
            At(unit) != '/') {
          Value(VariableType::kSize, unit);
          return true;
        }
      }
      Value(VariableType::kNumber, end);
      return true;
    }
    const std::string_view suffix = Text(number, end);
    if (SecondsOfUnit(suffix) != 0) {
      Value(VariableType::kNumber, number);
      Emit(PieceKind::kMark, end);
      return true;
    }
    if (BytesOfUnit(suffix) != 0 || suffix.size() == 1) {
      if (!IsLetter(suffix[0])) return false;
      Value(BytesOfUnit(suffix) != 0 ? VariableType::kSize : VariableType::kText, end);
      return true;
    }
    // 1m30s
    std::size_t i = number;
    while (i < end) {
      std::size_t unit = i;
      while (unit < end && IsLetter(line_[unit])) ++unit;
      if (SecondsOfUnit(Text(i, unit)) == 0) return false;
      i = unit;
      if (i == end) break;
      const std::size_t next = NumberEnd(line_, i);
      if (next == i) return false;
      i = next;
    }
    if (i != end) return false;
    Value(VariableType::kDuration, end);
    return true;
  }

  void TakeWord(std::size_t end) {
    const std::string_view atom = Text(at_, end);
    std::size_t letters = 0;
    std::size_t digits = 0;
    std::size_t digit_runs = 0;
    std::size_t dots = 0;
    std::size_t slashes = 0;
    bool joined = false;
    bool capitals = false;
    char previous = '\0';
    for (const char c : atom) {
      if (IsDigit(c)) {
        ++digits;
        digit_runs += IsDigit(previous) ? 0 : 1;
      } else if (IsLetter(c) || (static_cast<unsigned char>(c) & 0x80U) != 0) {
        ++letters;
        capitals |= IsUpper(c);
      } else {
        joined |= IsWordJoint(c);
        dots += c == '.' ? 1 : 0;
        slashes += c == '/' || c == '\\' ? 1 : 0;
      }
      previous = c;
    }
    if (letters == 0) {
      if (digits == 0) return Emit(PieceKind::kMark, end);
      return Value(VariableType::kNumber, end);
    }
    if (digits > 0 || atom.size() >= 8)
      if (IsHex(atom)) return Value(VariableType::kHex, end);
    if (dots > 0 && !capitals && At(end) == ':' && IsDigit(At(end + 1)) && !HasSourceSuffix(atom))
      return Value(VariableType::kHost, end);
    if (slashes >= 2 && (digits > 0 || dots > 0)) return Value(VariableType::kPath, end);
    if ((dots > 0 || slashes > 0) && AfterEquals()) return Value(VariableType::kText, end);
    if (digits > 0) {
      if (!joined && digit_runs >= kManyDigitRuns && atom.size() >= 8)
        return Value(VariableType::kText, end);
      return Emit(PieceKind::kMixed, end);
    }
    Emit(dots > 0 || slashes > 0 ? PieceKind::kName : PieceKind::kWord, end);
  }

  // Behind `name=` and `name = `
  bool AfterEquals() const {
    std::size_t n = pieces_.size();
    if (n > 0 && pieces_[n - 1].kind == PieceKind::kBlank) --n;
    return n > 0 && pieces_[n - 1].kind == PieceKind::kMark && line_[pieces_[n - 1].begin] == '=';
  }

  std::string_view line_;
  std::size_t most_;
  std::vector<Piece>& pieces_;
  std::size_t at_ = 0;
};

}  // namespace

void Scan(std::string_view line, std::size_t most, std::vector<Piece>* pieces) {
  Scanner(line, most, pieces).Run();
}

}  // namespace enclave::telemetry::templates
