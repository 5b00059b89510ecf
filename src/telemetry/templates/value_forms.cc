#include "telemetry/templates/value_forms.h"

#include <algorithm>
#include <array>

#include "telemetry/templates/head_parts.h"

namespace enclave::telemetry::templates {
namespace {

constexpr std::array<bool, 256> DelimiterTable() {
  std::array<bool, 256> table{};
  for (const char c : std::string_view(" \t\r\n\v\f=,;()[]{}<>\"'`|:#@*!?\0", 28))
    table[static_cast<unsigned char>(c)] = true;
  return table;
}
constexpr std::array<bool, 256> kDelimiters = DelimiterTable();

char At(std::string_view line, std::size_t i) {
  return i < line.size() ? line[i] : '\0';
}

std::size_t Digits(std::string_view line, std::size_t at, std::size_t most = 64) {
  std::size_t i = at;
  while (i < line.size() && i - at < most && IsDigit(line[i])) ++i;
  return i;
}

bool EndsHere(std::string_view line, std::size_t i) {
  return i >= line.size() || !(IsLetter(line[i]) || IsDigit(line[i]) || line[i] == '_');
}

// 15:04[:05[.678]]
std::size_t ClockEnd(std::string_view line, std::size_t at) {
  std::size_t i = Digits(line, at, 3);
  if (i == at || i - at > 2 || At(line, i) != ':') return at;
  const std::size_t minutes = i + 1;
  i = Digits(line, minutes, 3);
  if (i - minutes != 2) return at;
  if (At(line, i) == ':') {
    const std::size_t seconds = i + 1;
    const std::size_t end = Digits(line, seconds, 3);
    if (end - seconds != 2) return at;
    i = end;
  }
  if ((At(line, i) == '.' || At(line, i) == ',') && IsDigit(At(line, i + 1)))
    i = Digits(line, i + 1);
  return i;
}

std::size_t ZoneEnd(std::string_view line, std::size_t at) {
  if (At(line, at) == 'Z' && EndsHere(line, at + 1)) return at + 1;
  if (At(line, at) == '+' || At(line, at) == '-') {
    std::size_t i = Digits(line, at + 1, 4);
    if (i - at - 1 == 2 && At(line, i) == ':') i = Digits(line, i + 1, 2);
    if (i - at >= 5) return i;
  }
  return at;
}

std::size_t DateEnd(std::string_view line, std::size_t at) {
  std::size_t i = Digits(line, at, 5);
  if (i - at != 4) return at;
  const char separator = At(line, i);
  if (separator != '-' && separator != '/') return at;
  for (int part = 0; part < 2; ++part) {
    if (At(line, i) != separator) return at;
    const std::size_t end = Digits(line, i + 1, 3);
    if (end == i + 1 || end - i - 1 > 2) return at;
    i = end;
  }
  return i;
}

bool NameOf(std::string_view line, std::size_t at, std::string_view names) {
  return at + 4 <= line.size() && line[at + 3] == ' ' && names.find(line.substr(at, 4)) % 4 == 0;
}

// [Mon ]Jan  2 15:04:05 [CET] [2024]
std::size_t NamedDateEnd(std::string_view line, std::size_t at) {
  std::size_t i = at;
  if (NameOf(line, i, "Mon Tue Wed Thu Fri Sat Sun ")) i += 4;
  if (!NameOf(line, i, "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec ")) return at;
  for (i += 4; At(line, i) == ' ';) ++i;
  const std::size_t day = Digits(line, i, 3);
  if (day == i || day - i > 2 || At(line, day) != ' ') return at;
  i = ClockEnd(line, day + 1);
  if (i == day + 1) return at;
  std::size_t zone = i + 1;
  while (zone < line.size() && zone - i < 6 && IsUpper(line[zone])) ++zone;
  const std::size_t year = At(line, zone) == ' ' && zone > i + 1 ? zone + 1 : i + 1;
  const std::size_t end = Digits(line, year, 5);
  return At(line, i) == ' ' && end - year == 4 && EndsHere(line, end) ? end : i;
}

}  // namespace

bool IsDelimiter(char c) {
  return kDelimiters[static_cast<unsigned char>(c)];
}

std::size_t TimeEnd(std::string_view line, std::size_t at) {
  if (!IsDigit(At(line, at))) return IsUpper(At(line, at)) ? NamedDateEnd(line, at) : at;
  const std::size_t date = DateEnd(line, at);
  if (date != at) {
    std::size_t end = date;
    if (At(line, date) == 'T' || At(line, date) == ' ' || At(line, date) == '_') {
      const std::size_t clock = ClockEnd(line, date + 1);
      if (clock != date + 1) end = ZoneEnd(line, clock);
    }
    return EndsHere(line, end) ? end : at;
  }
  const std::size_t clock = ClockEnd(line, at);
  return clock != at && EndsHere(line, clock) && At(line, clock) != ':' ? clock : at;
}

std::size_t Ipv4End(std::string_view line, std::size_t at) {
  std::size_t i = at;
  for (int part = 0; part < 4; ++part) {
    if (part > 0) {
      if (At(line, i) != '.') return at;
      ++i;
    }
    const std::size_t end = Digits(line, i, 4);
    if (end == i || end - i > 3) return at;
    i = end;
  }
  return EndsHere(line, i) && !(At(line, i) == '.' && IsDigit(At(line, i + 1))) ? i : at;
}

std::size_t HexGroupsEnd(std::string_view line, std::size_t at) {
  std::size_t i = at;
  int colons = 0;
  int groups = 0;
  bool digit = false;
  while (i < line.size()) {
    const std::size_t begin = i;
    while (i < line.size() && i - begin < 5 && IsHexDigit(line[i])) digit |= IsDigit(line[i++]);
    if (i - begin > 4) return at;
    if (i > begin) ++groups;
    if (At(line, i) != ':') break;
    // A colon that ends the value is punctuation.
    if (!IsHexDigit(At(line, i + 1)) && At(line, i + 1) != ':') break;
    ++colons;
    ++i;
  }
  return groups >= 3 && colons >= 3 && (digit || groups >= 6) && EndsHere(line, i) ? i : at;
}

std::size_t UuidEnd(std::string_view line, std::size_t at) {
  constexpr std::array<std::size_t, 5> kParts{8, 4, 4, 4, 12};
  if (at + 36 > line.size() || line[at + 8] != '-') return at;
  std::size_t i = at;
  for (std::size_t part = 0; part < kParts.size(); ++part) {
    if (part > 0 && line[i++] != '-') return at;
    for (const std::size_t end = i + kParts[part]; i < end; ++i)
      if (!IsHexDigit(line[i])) return at;
  }
  return EndsHere(line, i) ? i : at;
}

std::size_t NumberEnd(std::string_view line, std::size_t at) {
  std::size_t i = at;
  if (At(line, i) == '-' || At(line, i) == '+') ++i;
  const std::size_t whole = i;
  i = Digits(line, i, line.size());
  if (i == whole) return at;
  while (At(line, i) == '.' && IsDigit(At(line, i + 1))) i = Digits(line, i + 1, line.size());
  if (At(line, i) == 'e' || At(line, i) == 'E') {
    std::size_t exponent = i + 1;
    if (At(line, exponent) == '-' || At(line, exponent) == '+') ++exponent;
    const std::size_t end = Digits(line, exponent, 5);
    if (end != exponent && EndsHere(line, end)) i = end;
  }
  if (At(line, i) == '%') ++i;
  return i;
}

std::size_t PathEnd(std::string_view line, std::size_t at) {
  const char c = At(line, at);
  std::size_t i = at;
  if (c == '/') {
    ++i;
  } else if (c == '.' && line.substr(at, 2) == "./") {
    i += 2;
  } else if (c == '.' && line.substr(at, 3) == "../") {
    i += 3;
  } else if (c == '~' && At(line, at + 1) == '/') {
    i += 2;
  } else if (IsLetter(c) && At(line, at + 1) == ':' && At(line, at + 2) == '\\') {
    i += 3;
  } else {
    return at;
  }
  const std::size_t begin = i;
  while (i < line.size() && (!IsDelimiter(line[i]) || line[i] == '#' || line[i] == '@' ||
                             line[i] == '*' || line[i] == '=' || line[i] == '?'))
    ++i;
  while (i > begin && (line[i - 1] == '.' || line[i - 1] == '?' || line[i - 1] == '=')) --i;
  // A lone slash is punctuation.
  return i > begin ? i : at;
}

bool IsHex(std::string_view atom) {
  if (atom.size() > 2 && atom[0] == '0' && (atom[1] == 'x' || atom[1] == 'X'))
    return std::all_of(atom.begin() + 2, atom.end(), IsHexDigit);
  if (atom.size() < 4) return false;
  bool digit = false;
  for (const char c : atom) {
    if (!IsHexDigit(c)) return false;
    digit |= IsDigit(c);
  }
  return digit || atom.size() >= 8;
}

double SecondsOfUnit(std::string_view unit) {
  struct Unit {
    std::string_view name;
    double seconds;
  };
  static constexpr std::array<Unit, 27> kUnits{{{"ms", 1e-3},
                                                {"s", 1},
                                                {"us", 1e-6},
                                                {"ns", 1e-9},
                                                {"sec", 1},
                                                {"secs", 1},
                                                {"second", 1},
                                                {"seconds", 1},
                                                {"msec", 1e-3},
                                                {"msecs", 1e-3},
                                                {"millis", 1e-3},
                                                {"millisecond", 1e-3},
                                                {"milliseconds", 1e-3},
                                                {"usec", 1e-6},
                                                {"usecs", 1e-6},
                                                {"microseconds", 1e-6},
                                                {"nanoseconds", 1e-9},
                                                {"m", 60},
                                                {"min", 60},
                                                {"mins", 60},
                                                {"minute", 60},
                                                {"minutes", 60},
                                                {"h", 3600},
                                                {"hour", 3600},
                                                {"hours", 3600},
                                                {"day", 86400},
                                                {"days", 86400}}};
  if (unit.empty() || unit.size() > 12) return 0;
  for (const Unit& known : kUnits)
    if (known.name == unit) return known.seconds;
  return 0;
}

double BytesOfUnit(std::string_view unit) {
  if (unit.empty() || unit.size() > 3 || (unit.back() != 'B' && unit.size() > 2)) return 0;
  if (unit == "B") return 1;
  double factor = 1000;
  std::string_view rest = unit;
  if (unit.back() == 'B') {
    rest.remove_suffix(1);
    if (rest.size() == 2) {
      if (rest[1] != 'i') return 0;
      factor = 1024;
    }
  } else if (unit.size() == 2) {
    if (unit[1] != 'i') return 0;
    factor = 1024;
  }
  if (unit.size() < 2) return 0;
  switch (rest[0]) {
    case 'k':
    case 'K':
      return factor;
    case 'M':
      return factor * factor;
    case 'G':
      return factor * factor * factor;
    case 'T':
      return factor * factor * factor * factor;
    default:
      return 0;
  }
}

bool HasSourceSuffix(std::string_view name) {
  static constexpr std::array<std::string_view, 22> kSuffixes{
      "c",  "cc", "cpp", "cxx", "h", "hpp", "java", "go",    "py",    "rs", "js",
      "ts", "rb", "kt",  "cs",  "m", "mm",  "php",  "scala", "swift", "ex", "pl"};
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || name.size() - dot > 6) return false;
  const std::string_view suffix = name.substr(dot + 1);
  return std::find(kSuffixes.begin(), kSuffixes.end(), suffix) != kSuffixes.end();
}

}  // namespace enclave::telemetry::templates
