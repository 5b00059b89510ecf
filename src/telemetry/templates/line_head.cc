#include "telemetry/templates/line_head.h"

#include <algorithm>

#include "telemetry/templates/head_parts.h"

namespace enclave::telemetry::templates {
namespace {

constexpr int kMostParts = 12;                 // of a head; what comes after them is message
constexpr std::size_t kLongestLocation = 256;  // longer ones are no location
constexpr std::size_t kLongestThread = 80;
constexpr int kMostThreads = 3;  // brackets before a level or location

// Reads the head from the left, one part after the other. Each Take... moves past what it took, or
// takes nothing and returns false.
class HeadReader {
 public:
  HeadReader(std::string_view line, LineHead* head) : line_(line), head_(head) {}

  // Returns where the message begins.
  std::size_t Read() {
    if (TakeKlog()) return at_;
    for (int part = 0; part < kMostParts; ++part) {
      SkipBlanks();
      if (at_ >= line_.size() || !TakePart()) break;
    }
    SkipBlanks();
    return at_;
  }

 private:
  char At(std::size_t i) const { return i < line_.size() ? line_[i] : '\0'; }
  bool BlankAt(std::size_t i) const { return i >= line_.size() || IsBlank(line_[i]); }
  void SkipBlanks() {
    while (at_ < line_.size() && IsBlank(line_[at_])) ++at_;
  }
  bool DigitsAt(std::size_t i, std::size_t count) const {
    for (std::size_t k = i; k < i + count; ++k)
      if (!IsDigit(At(k))) return false;
    return true;
  }

  bool TakePart() {
    const bool located = !head_->location.empty();
    if (!located && TakeTime()) return timed_ = true;
    if (!located && !leveled_ && TakeLevel()) return leveled_ = true;
    if (timed_ || leveled_) {
      if (TakeSeparator()) return true;
      if (!located &&
          (TakeBracketedThread() || TakeProcessId() || TakeNameBeforeLevel() || TakeLocation()))
        return true;
    }
    return false;
  }

  // I0102 15:04:05.678901    1 file.go:12] message
  bool TakeKlog() {
    const char letter = At(0);
    if ((letter != 'I' && letter != 'W' && letter != 'E' && letter != 'F' && letter != 'D') ||
        !DigitsAt(1, 4))
      return false;
    // glog prints the year too: I20240102
    std::size_t i = DigitsAt(5, 4) ? 9 : 5;
    if (At(i) != ' ') return false;
    const std::size_t end = TimeOfDayEnd(i + 1);
    if (end == 0) return false;
    i = end;
    while (At(i) == ' ') ++i;
    while (IsDigit(At(i))) ++i;
    if (At(i) != ' ') return false;
    const std::size_t close = line_.find("] ", ++i);
    if (close == std::string_view::npos || close - i > kLongestLocation) return false;
    const std::string_view place = line_.substr(i, close - i);
    if (!IsPlace(place)) return false;
    head_->level = line_.substr(0, 1);
    head_->location = place;
    at_ = close + 2;
    return true;
  }

  // ---- time ----

  // Past 15:04:05[.678][Z|+01:00], 0 when there is none.
  std::size_t TimeOfDayEnd(std::size_t i) const {
    if (!DigitsAt(i, 2) || At(i + 2) != ':' || !DigitsAt(i + 3, 2)) return 0;
    i += 5;
    if (At(i) == ':' && DigitsAt(i + 1, 2)) i += 3;
    if ((At(i) == '.' || At(i) == ',') && IsDigit(At(i + 1)))
      for (++i; IsDigit(At(i));) ++i;
    if (At(i) == 'Z') return i + 1;
    const std::size_t zone = At(i) == ' ' ? i + 1 : i;
    if ((At(zone) == '+' || At(zone) == '-') && DigitsAt(zone + 1, 2)) {
      if (DigitsAt(zone + 3, 2)) return zone + 5;
      if (At(zone + 3) == ':' && DigitsAt(zone + 4, 2)) return zone + 6;
    }
    if (zone > i && line_.substr(zone, 3) == "UTC" && BlankAt(zone + 3)) return zone + 3;
    return i;
  }

  // Past 2024-01-02, 2024/01/02 or 02.01.2024, 0 when there is none.
  std::size_t DateEnd(std::size_t i) const {
    const auto separator = [](char c) { return c == '-' || c == '/' || c == '.'; };
    if (DigitsAt(i, 4) && separator(At(i + 4)) && DigitsAt(i + 5, 2) && At(i + 7) == At(i + 4) &&
        DigitsAt(i + 8, 2))
      return i + 10;
    if (DigitsAt(i, 2) && separator(At(i + 2)) && DigitsAt(i + 3, 2) && At(i + 5) == At(i + 2)) {
      if (DigitsAt(i + 6, 4)) return i + 10;
      if (DigitsAt(i + 6, 2)) return i + 8;
    }
    return 0;
  }

  // Past "Jan  2 15:04:05" with or without a weekday and a year, 0 when there is none.
  std::size_t NamedDateEnd(std::size_t i) const {
    constexpr std::string_view kDays = "Mon Tue Wed Thu Fri Sat Sun ";
    constexpr std::string_view kMonths = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec ";
    if (!IsUpper(At(i)) || i + 4 > line_.size()) return 0;
    if (kDays.find(line_.substr(i, 4)) % 4 == 0) i += 4;
    if (i + 4 > line_.size() || kMonths.find(line_.substr(i, 4)) % 4 != 0) return 0;
    for (i += 4; At(i) == ' ';) ++i;
    if (!IsDigit(At(i))) return 0;
    while (IsDigit(At(i))) ++i;
    if (At(i) != ' ') return 0;
    std::size_t end = TimeOfDayEnd(i + 1);
    if (end != 0 && At(end) == ' ' && DigitsAt(end + 1, 4) &&
        (BlankAt(end + 5) || At(end + 5) == ']'))
      end += 5;
    return end;
  }

  std::size_t TimeEnd(std::size_t i) const {
    if (!IsDigit(At(i))) return NamedDateEnd(i);
    const std::size_t date = DateEnd(i);
    if (date == 0) return TimeOfDayEnd(i);
    if (At(date) != 'T' && At(date) != ' ' && At(date) != '_') return date;
    const std::size_t end = TimeOfDayEnd(date + 1);
    return end == 0 ? date : end;
  }

  bool TakeTime() {
    const bool bracket = At(at_) == '[';
    const std::size_t end = TimeEnd(at_ + (bracket ? 1 : 0));
    if (end == 0) return false;
    if (bracket) {
      if (At(end) != ']') return false;
      at_ = end + 1;
      return true;
    }
    if (!BlankAt(end) && At(end) != ':' && At(end) != '|' && At(end) != '[') return false;
    at_ = At(end) == ':' ? end + 1 : end;
    return true;
  }

  // ---- level ----

  // A word that cannot be the beginning of a sentence: in capitals, in brackets, or after a time.
  bool TakeLevel() {
    const std::size_t before = at_;
    const char open = At(at_);
    const bool bracket = open == '[' || open == '<' || open == '(';
    std::size_t i = at_ + (bracket ? 1 : 0);
    while (bracket && At(i) == ' ') ++i;
    const std::size_t begin = i;
    while (IsLetter(At(i))) ++i;
    const std::string_view word = line_.substr(std::min(begin, line_.size()), i - begin);
    if (word.size() < 3 || LevelOf(word) == Level::kUnknown) return false;
    while (bracket && At(i) == ' ') ++i;
    if (bracket) {
      if (At(i) != ']' && At(i) != '>' && At(i) != ')') return false;
      at_ = i + 1;
    } else {
      const bool capitals = std::all_of(word.begin(), word.end(), IsUpper);
      const bool small = std::all_of(word.begin(), word.end(), IsLower);
      const bool ends = BlankAt(i) || At(i) == ':' || At(i) == '|' || At(i) == '[';
      const bool marked = At(i) == ':' || At(i) == '\t' || At(i) == '|';
      if (!ends || !(capitals || (timed_ && (small || marked)))) return false;
      at_ = i;
      // Python's LEVEL:name:message
      if (At(at_) == ':') {
        ++at_;
        if (capitals && !timed_) TakePythonName();
      }
    }
    if (at_ == before) return false;
    head_->level = word;
    return true;
  }

  void TakePythonName() {
    std::size_t i = at_;
    while (IsLetter(At(i)) || IsDigit(At(i)) || At(i) == '_' || At(i) == '.') ++i;
    if (i == at_ || At(i) != ':') return;
    head_->location = line_.substr(at_, i - at_);
    at_ = i + 1;
  }

  // ---- what stands between ----

  bool TakeSeparator() {
    std::size_t i = at_;
    while (At(i) == '-' || At(i) == '|' || At(i) == ':') ++i;
    if (i == at_ || i - at_ > 3 || !BlankAt(i)) return false;
    at_ = i;
    return true;
  }

  // [main]: only where level or location still follow, or else it may well belong to the message.
  bool TakeBracketedThread() {
    if (At(at_) != '[' || brackets_ == kMostThreads) return false;
    const std::size_t close = line_.find(']', at_);
    if (close == std::string_view::npos || close - at_ > kLongestThread) return false;
    const std::size_t before = at_;
    at_ = close + 1;
    SkipBlanks();
    HeadReader ahead(*this);
    LineHead found;
    ahead.head_ = &found;
    ahead.brackets_ = brackets_ + 1;
    const bool follows =
        (!leveled_ && (ahead.TakeLevel() || ahead.TakeBracketedThread())) || ahead.TakeLocation();
    if (!follows) at_ = before;
    return follows;
  }

  // Spring Boot's `1 ---` and nginx's `12#12:`
  bool TakeProcessId() {
    std::size_t i = at_;
    while (IsDigit(At(i))) ++i;
    if (i == at_) return false;
    if (line_.substr(i, 5) == " --- ") {
      at_ = i + 5;
      return true;
    }
    if (At(i) != '#' || !IsDigit(At(i + 1))) return false;
    for (++i; IsDigit(At(i));) ++i;
    if (At(i) != ':') return false;
    at_ = i + 1;
    return true;
  }

  std::size_t NameEnd() const {
    std::size_t i = at_;
    while (IsLetter(At(i)) || IsDigit(At(i)) || At(i) == '_' || At(i) == '.' || At(i) == '$' ||
           At(i) == '/' || (At(i) == '-' && !IsBlank(At(i + 1))))
      ++i;
    return i - at_ > kLongestLocation ? at_ : i;
  }

  // Python's `TIME - name - LEVEL - message`
  bool TakeNameBeforeLevel() {
    if (leveled_ || !timed_) return false;
    const std::size_t end = NameEnd();
    const std::string_view separator = line_.substr(std::min(end, line_.size()), 3);
    if (end == at_ || (separator != " - " && separator != " | " && separator != " : "))
      return false;
    HeadReader ahead(*this);
    LineHead found;
    ahead.head_ = &found;
    ahead.at_ = end + 3;
    ahead.SkipBlanks();
    if (!ahead.TakeLevel()) return false;
    head_->location = line_.substr(at_, end - at_);
    head_->level = found.level;
    leveled_ = true;
    at_ = ahead.at_;
    return true;
  }

  // ---- location ----

  // Class#12, path/file.ext:12, file.ext:12:5, Class.method(File.java:12)
  static bool IsPlace(std::string_view text) {
    if (text.ends_with(')')) {
      const std::size_t open = text.rfind('(');
      return open != std::string_view::npos &&
             IsPlace(text.substr(open + 1, text.size() - open - 2));
    }
    std::size_t i = text.size();
    while (i > 0 && IsDigit(text[i - 1])) --i;
    if (i == text.size() || i < 2) return false;
    const auto name_char = [](char c) {
      return IsLetter(c) || IsDigit(c) || c == '_' || c == '.' || c == '$' || c == '/' ||
             c == '-' || c == '@';
    };
    const std::string_view name = text.substr(0, i - 1);
    if (text[i - 1] == '#')
      return IsLetter(name.front()) && std::all_of(name.begin(), name.end(), name_char);
    if (text[i - 1] != ':') return false;
    // A column behind the line.
    if (IsDigit(name.back())) {
      const std::size_t colon = name.rfind(':');
      if (colon != std::string_view::npos) return IsPlace(name);
    }
    const std::size_t dot = name.rfind('.');
    if (dot == std::string_view::npos || dot == 0 || name.size() - dot - 1 > 5 ||
        dot + 1 == name.size() || !IsLetter(name[dot + 1]))
      return false;
    return std::all_of(name.begin(), name.end(), name_char);
  }

  bool TakeLocation() {
    const bool bracket = At(at_) == '[' || At(at_) == '(' || At(at_) == '<';
    const std::size_t begin = at_ + (bracket ? 1 : 0);
    std::size_t end = begin;
    while (!BlankAt(end) && At(end) != ']' && At(end) != '>' && end - begin <= kLongestLocation)
      ++end;
    std::string_view token = line_.substr(std::min(begin, line_.size()), end - begin);
    if (bracket && token.ends_with(')') && token.find('(') == std::string_view::npos)
      token.remove_suffix(1);
    while (token.ends_with(':') || token.ends_with(',')) token.remove_suffix(1);
    if (token.size() <= kLongestLocation && IsPlace(token)) {
      head_->location = token;
      at_ = begin + token.size();
      while (At(at_) == ']' || At(at_) == ')' || At(at_) == '>' || At(at_) == ':' || At(at_) == ',')
        ++at_;
      return true;
    }
    return !bracket && TakeLoggerName();
  }

  // com.shop.Orders - message, com.shop.Orders : message, com.shop.Orders: message. A bare word
  // must have a level before it, and a separator with blanks on both sides behind it.
  bool TakeLoggerName() {
    const std::size_t end = NameEnd();
    if (end == at_ || !IsLetter(At(at_))) return false;
    const std::string_view name = line_.substr(at_, end - at_);
    std::size_t i = end;
    while (At(i) == ' ') ++i;  // padded names
    const bool spaced =
        i > end && (At(i) == '-' || At(i) == ':' || At(i) == '|') && IsBlank(At(i + 1));
    const std::size_t dot = name.find('.');
    const bool dotted = dot != std::string_view::npos && dot + 1 < name.size();
    if (spaced && timed_ && (leveled_ || dotted)) {
      head_->location = name;
      at_ = i + 1;
      return true;
    }
    if (dotted && leveled_ && At(end) == ':' && IsBlank(At(end + 1)) && name.size() > 3) {
      head_->location = name;
      at_ = end + 1;
      return true;
    }
    return false;
  }

  std::string_view line_;
  LineHead* head_;
  std::size_t at_ = 0;
  bool timed_ = false;
  bool leveled_ = false;
  int brackets_ = 0;  // passed while looking ahead
};

// Where the message of CRI's `TIME stdout F message` begins, 0 when the line is none.
std::size_t CriMessage(std::string_view line) {
  const std::size_t at = line.find(' ');
  if (at == std::string_view::npos || at < 20 || at > 40) return 0;
  const std::string_view stream = line.substr(at, 8);
  if (stream != " stdout " && stream != " stderr ") return 0;
  const std::string_view tag = line.substr(at + 8, 2);
  return tag == "F " || tag == "P " ? at + 10 : 0;
}

}  // namespace

void SplitWrapped(std::string_view line, int depth, LineHead* head) {
  line = Trim(line);
  head->message = line;
  if (line.empty()) return;
  if (line.front() == '{' && ReadJsonLine(line, depth, head)) return;
  if (depth == 0 && line.size() > 40 && line[10] == 'T' && IsDigit(line[0])) {
    const std::size_t message = CriMessage(line);
    if (message != 0) return SplitWrapped(line.substr(message), depth + 1, head);
  }
  if (line.substr(0, 32).contains('=') && ReadLogfmtLine(line, head)) return;

  const std::size_t begin = HeadReader(line, head).Read();
  head->message = line.substr(std::min(begin, line.size()));
  // zap and others: a line of text whose message is an object of fields stays text.
  if (!head->message.empty() && head->message.front() == '{' && depth < 1) {
    LineHead inner;
    if (ReadJsonLine(head->message, depth + 1, &inner)) {
      if (inner.level.empty()) inner.level = head->level;
      if (inner.location.empty()) inner.location = head->location;
      *head = std::move(inner);
    }
  }
}

LineHead SplitFront(std::string_view line) {
  LineHead head;
  SplitWrapped(line, 0, &head);
  return head;
}

LineHead SplitHead(std::string_view line) {
  LineHead head = SplitFront(line);
  TakeTraceIds(&head);
  return head;
}

}  // namespace enclave::telemetry::templates
