// The functions of Loki's line_format and label_format: those of Go's strings and of Sprig that are
// used with log lines. Source: Loki's documentation, "Template functions".
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>

#include "base/quote.h"
#include "observatory/text/regex.h"
#include "observatory/text/template_ast.h"

#include <re2/re2.h>

namespace enclave::observatory::text {
namespace {

using LineArgs = std::vector<TemplateValue>;
constexpr std::string_view kBlanks = " \t\n\v\f\r";

std::string_view WithoutFront(std::string_view text, std::string_view any) {
  const std::size_t first = text.find_first_not_of(any);
  return first == std::string_view::npos ? std::string_view() : text.substr(first);
}
std::string_view WithoutBack(std::string_view text, std::string_view any) {
  const std::size_t last = text.find_last_not_of(any);
  return last == std::string_view::npos ? std::string_view() : text.substr(0, last + 1);
}
std::string_view WithoutBoth(std::string_view text, std::string_view any) {
  return WithoutBack(WithoutFront(text, any), any);
}
std::string_view WithoutPrefix(std::string_view text, std::string_view prefix) {
  return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}
std::string_view WithoutSuffix(std::string_view text, std::string_view suffix) {
  return text.ends_with(suffix) ? text.substr(0, text.size() - suffix.size()) : text;
}
std::string_view WithoutBlanks(std::string_view text) {
  return WithoutBoth(text, kBlanks);
}

// Go's functions take the text first, Sprig's last, so that it can be piped.
using CutOf = std::string_view (*)(std::string_view text, std::string_view what);
template <CutOf kCut>
base::Result<TemplateValue> TextFirst(const LineArgs& args) {
  const std::string text = ToText(args[0]);
  return TemplateValue{std::string(kCut(text, ToText(args[1])))};
}
template <CutOf kCut>
base::Result<TemplateValue> TextLast(const LineArgs& args) {
  const std::string text = ToText(args[1]);
  return TemplateValue{std::string(kCut(text, ToText(args[0])))};
}
base::Result<TemplateValue> TrimSpace(const LineArgs& args) {
  const std::string text = ToText(args[0]);
  return TemplateValue{std::string(WithoutBlanks(text))};
}

char SmallLetter(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
char CapitalLetter(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}
template <char (*kLetter)(char)>
base::Result<TemplateValue> EachLetter(const LineArgs& args) {
  std::string text = ToText(args[0]);
  std::ranges::transform(text, text.begin(), kLetter);
  return TemplateValue{std::move(text)};
}

base::Result<TemplateValue> ReplaceText(const std::string& text, const std::string& from,
                                        const std::string& to) {
  if (from.empty()) return WrongUse("there must be something to replace");
  std::string result;
  std::size_t at = 0;
  for (std::size_t next = 0; (next = text.find(from, at)) != std::string::npos;
       at = next + from.size()) {
    result.append(text, at, next - at).append(to);
    if (result.size() > kMaxTemplateOutput) return WrongUse("the text is too long");
  }
  result.append(text, at);
  return TemplateValue{std::move(result)};
}
// replace "from" "to" TEXT
base::Result<TemplateValue> ReplaceLast(const LineArgs& args) {
  return ReplaceText(ToText(args[2]), ToText(args[0]), ToText(args[1]));
}
// Replace TEXT "from" "to" -1
base::Result<TemplateValue> ReplaceFirst(const LineArgs& args) {
  if (AsNumber(args[3]).value_or(0) >= 0) return WrongUse("Replace takes -1, for all, as its end");
  return ReplaceText(ToText(args[0]), ToText(args[1]), ToText(args[2]));
}

template <bool (*kHolds)(std::string_view text, std::string_view what)>
base::Result<TemplateValue> Tells(const LineArgs& args) {
  const std::string what = ToText(args[0]);
  return TemplateValue{kHolds(ToText(args[1]), what)};
}
bool ContainsText(std::string_view text, std::string_view what) {
  return text.contains(what);
}
bool BeginsWith(std::string_view text, std::string_view what) {
  return text.starts_with(what);
}
bool EndsWith(std::string_view text, std::string_view what) {
  return text.ends_with(what);
}

// Within [0, size]; what is no number is 0.
std::size_t Clamped(const TemplateValue& value, std::size_t size) {
  const double number = AsNumber(value).value_or(0);
  if (!(number > 0)) return 0;
  return number >= static_cast<double>(size) ? size : static_cast<std::size_t>(number);
}

// substr FROM TO TEXT; a negative TO is the end.
base::Result<TemplateValue> Substring(const LineArgs& args) {
  const std::string text = ToText(args[2]);
  const std::size_t from = Clamped(args[0], text.size());
  const std::size_t to =
      AsNumber(args[1]).value_or(0) < 0 ? text.size() : Clamped(args[1], text.size());
  return TemplateValue{text.substr(from, to > from ? to - from : 0)};
}
// trunc N TEXT; a negative N keeps the end.
base::Result<TemplateValue> Truncate(const LineArgs& args) {
  const std::string text = ToText(args[1]);
  const double count = AsNumber(args[0]).value_or(0);
  if (count >= 0) return TemplateValue{text.substr(0, Clamped(args[0], text.size()))};
  const std::size_t kept = Clamped(TemplateValue{-count}, text.size());
  return TemplateValue{text.substr(text.size() - kept)};
}
template <bool kLeft>
base::Result<TemplateValue> Align(const LineArgs& args) {
  std::string text = ToText(args[1]);
  const std::size_t width = Clamped(args[0], kMaxTemplateOutput);
  if (text.size() > width)
    return TemplateValue{kLeft ? text.substr(0, width) : text.substr(text.size() - width)};
  text.insert(kLeft ? text.size() : 0, width - text.size(), ' ');
  return TemplateValue{std::move(text)};
}
base::Result<TemplateValue> Repeat(const LineArgs& args) {
  const std::string text = ToText(args[1]);
  const std::size_t count = Clamped(args[0], kMaxTemplateOutput);
  if (count * text.size() > kMaxTemplateOutput) return WrongUse("the text is too long");
  std::string result;
  for (std::size_t i = 0; i < count; ++i) result += text;
  return TemplateValue{std::move(result)};
}

// default VALUE TEXT
base::Result<TemplateValue> Default(const LineArgs& args) {
  return IsTrue(args[1]) ? args[1] : args[0];
}

// count "expression" TEXT: how many matches there are.
base::Result<TemplateValue> CountMatches(const LineArgs& args) {
  ASSIGN_OR_RETURN(const auto regex, CompiledRegex(ToText(args[0])));
  const std::string text = ToText(args[1]);
  std::int64_t count = 0;
  re2::StringPiece found;
  for (std::size_t at = 0;
       at <= text.size() && regex->Match(text, at, text.size(), re2::RE2::UNANCHORED, &found, 1);
       ++count) {
    at = static_cast<std::size_t>(found.data() - text.data()) + found.size();
    if (found.empty()) ++at;
  }
  return TemplateValue{count};
}

double NumberOr0(const TemplateValue& value) {
  return AsNumber(value).value_or(0);
}
// As far as a whole number reaches.
TemplateValue Whole(double number) {
  constexpr double kMost = 9e18;
  if (std::isnan(number)) return {std::int64_t{0}};
  return {static_cast<std::int64_t>(std::clamp(std::trunc(number), -kMost, kMost))};
}
base::Result<TemplateValue> ToWhole(const LineArgs& args) {
  return Whole(NumberOr0(args[0]));
}
base::Result<TemplateValue> ToReal(const LineArgs& args) {
  return TemplateValue{NumberOr0(args[0])};
}
double Divide(double a, double b) {
  return a / b;
}
double Most(double a, double b) {
  return std::max(a, b);
}
double Least(double a, double b) {
  return std::min(a, b);
}
double Plus(double a, double b) {
  return a + b;
}
double Minus(double a, double b) {
  return a - b;
}
double Times(double a, double b) {
  return a * b;
}
double Remainder(double a, double b) {
  return std::fmod(a, b);
}
template <double (*kCalculate)(double, double), bool kWhole>
base::Result<TemplateValue> Arithmetic(const LineArgs& args) {
  double result = NumberOr0(args[0]);
  if (kWhole) result = std::trunc(result);
  for (std::size_t i = 1; i < args.size(); ++i) {
    const double other = kWhole ? std::trunc(NumberOr0(args[i])) : NumberOr0(args[i]);
    if (other == 0 && (kCalculate == Divide || kCalculate == Remainder))
      return WrongUse("a division by zero");
    result = kCalculate(result, other);
  }
  if (kWhole) return Whole(result);
  return TemplateValue{result};
}
template <double (*kRound)(double)>
base::Result<TemplateValue> Rounded(const LineArgs& args) {
  return TemplateValue{kRound(NumberOr0(args[0]))};
}
double Floor(double value) {
  return std::floor(value);
}
double Ceil(double value) {
  return std::ceil(value);
}
// round NUMBER DIGITS
base::Result<TemplateValue> Round(const LineArgs& args) {
  const double scale = std::pow(10, std::clamp(NumberOr0(args[1]), 0.0, 15.0));
  return TemplateValue{std::round(NumberOr0(args[0]) * scale) / scale};
}

// As in the query part of an address: a blank is +.
base::Result<TemplateValue> UrlEncode(const LineArgs& args) {
  std::string result;
  for (const char c : ToText(args[0])) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-_.~").contains(c);
    if (plain) {
      result += c;
    } else if (c == ' ') {
      result += '+';
    } else {
      result += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return TemplateValue{std::move(result)};
}
base::Result<TemplateValue> UrlDecode(const LineArgs& args) {
  const std::string text = ToText(args[0]);
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i] == '+' ? ' ' : text[i];
      continue;
    }
    unsigned code = 0;
    const char* from = text.data() + i + 1;
    if (i + 2 >= text.size() || std::from_chars(from, from + 2, code, 16).ptr != from + 2)
      return WrongUse(fmt::format("{} is not encoded for an address", base::Quote(text)));
    result += static_cast<char>(code);
    i += 2;
  }
  return TemplateValue{std::move(result)};
}

}  // namespace

TemplateFunctions LineFunctions() {
  return {
      {"Replace", {4, 4, ReplaceFirst}},
      {"ToLower", {1, 1, EachLetter<SmallLetter>}},
      {"ToUpper", {1, 1, EachLetter<CapitalLetter>}},
      {"Trim", {2, 2, TextFirst<WithoutBoth>}},
      {"TrimLeft", {2, 2, TextFirst<WithoutFront>}},
      {"TrimPrefix", {2, 2, TextFirst<WithoutPrefix>}},
      {"TrimRight", {2, 2, TextFirst<WithoutBack>}},
      {"TrimSpace", {1, 1, TrimSpace}},
      {"TrimSuffix", {2, 2, TextFirst<WithoutSuffix>}},
      {"__line__", {0, 0, nullptr}},
      {"add", {1, -1, Arithmetic<Plus, true>}},
      {"addf", {1, -1, Arithmetic<Plus, false>}},
      {"alignLeft", {2, 2, Align<true>}},
      {"alignRight", {2, 2, Align<false>}},
      {"ceil", {1, 1, Rounded<Ceil>}},
      {"contains", {2, 2, Tells<ContainsText>}},
      {"count", {2, 2, CountMatches}},
      {"default", {2, 2, Default}},
      {"div", {2, 2, Arithmetic<Divide, true>}},
      {"divf", {2, -1, Arithmetic<Divide, false>}},
      {"float64", {1, 1, ToReal}},
      {"floor", {1, 1, Rounded<Floor>}},
      {"hasPrefix", {2, 2, Tells<BeginsWith>}},
      {"hasSuffix", {2, 2, Tells<EndsWith>}},
      {"int", {1, 1, ToWhole}},
      {"lower", {1, 1, EachLetter<SmallLetter>}},
      {"max", {1, -1, Arithmetic<Most, true>}},
      {"maxf", {1, -1, Arithmetic<Most, false>}},
      {"min", {1, -1, Arithmetic<Least, true>}},
      {"minf", {1, -1, Arithmetic<Least, false>}},
      {"mod", {2, 2, Arithmetic<Remainder, true>}},
      {"mul", {1, -1, Arithmetic<Times, true>}},
      {"mulf", {1, -1, Arithmetic<Times, false>}},
      {"regexReplaceAll",
       {3, 3, [](const LineArgs& args) { return ReplaceRegex({args[0], args[2], args[1]}); }}},
      {"regexReplaceAllLiteral",
       {3, 3,
        [](const LineArgs& args) { return ReplaceRegexLiteral({args[0], args[2], args[1]}); }}},
      {"repeat", {2, 2, Repeat}},
      {"replace", {3, 3, ReplaceLast}},
      {"round", {2, 2, Round}},
      {"sub", {2, 2, Arithmetic<Minus, true>}},
      {"subf", {2, -1, Arithmetic<Minus, false>}},
      {"substr", {3, 3, Substring}},
      {"trim", {1, 1, TrimSpace}},
      {"trimAll", {2, 2, TextLast<WithoutBoth>}},
      {"trimPrefix", {2, 2, TextLast<WithoutPrefix>}},
      {"trimSuffix", {2, 2, TextLast<WithoutSuffix>}},
      {"trunc", {2, 2, Truncate}},
      {"upper", {1, 1, EachLetter<CapitalLetter>}},
      {"urldecode", {1, 1, UrlDecode}},
      {"urlencode", {1, 1, UrlEncode}},
  };
}

}  // namespace enclave::observatory::text
