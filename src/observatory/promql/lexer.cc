#include "observatory/promql/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/quote.h"
#include "observatory/promql/utf8.h"

namespace enclave::observatory::promql {
namespace {

constexpr auto kKeywords = std::to_array<std::pair<std::string_view, Token>>({
    {"and", Token::kAnd},
    {"or", Token::kOr},
    {"unless", Token::kUnless},
    {"atan2", Token::kAtan2},
    {"sum", Token::kSum},
    {"avg", Token::kAvg},
    {"count", Token::kCount},
    {"min", Token::kMin},
    {"max", Token::kMax},
    {"group", Token::kGroup},
    {"stddev", Token::kStddev},
    {"stdvar", Token::kStdvar},
    {"topk", Token::kTopk},
    {"bottomk", Token::kBottomk},
    {"count_values", Token::kCountValues},
    {"quantile", Token::kQuantile},
    {"limitk", Token::kLimitk},
    {"limit_ratio", Token::kLimitRatio},
    {"offset", Token::kOffset},
    {"by", Token::kBy},
    {"without", Token::kWithout},
    {"on", Token::kOn},
    {"ignoring", Token::kIgnoring},
    {"group_left", Token::kGroupLeft},
    {"group_right", Token::kGroupRight},
    {"bool", Token::kBool},
    {"fill", Token::kFill},
    {"fill_left", Token::kFillLeft},
    {"fill_right", Token::kFillRight},
    {"anchored", Token::kAnchored},
    {"smoothed", Token::kSmoothed},
    {"start", Token::kStart},
    {"end", Token::kEndOf},
    {"step", Token::kStep},
    {"range", Token::kRange},
    {"max_of", Token::kMaxOf},
    {"min_of", Token::kMinOf},
    {"inf", Token::kNumber},
    {"nan", Token::kNumber},
});

constexpr auto kSigns = std::to_array<std::pair<std::string_view, Token>>({
    {"(", Token::kLeftParen},  {")", Token::kRightParen},    {"{", Token::kLeftBrace},
    {"}", Token::kRightBrace}, {"[", Token::kLeftBracket},   {"]", Token::kRightBracket},
    {",", Token::kComma},      {":", Token::kColon},         {"@", Token::kAt},
    {"=", Token::kAssign},     {"=~", Token::kMatch},        {"!~", Token::kNotMatch},
    {"+", Token::kAdd},        {"-", Token::kSub},           {"*", Token::kMul},
    {"/", Token::kDiv},        {"%", Token::kMod},           {"^", Token::kPow},
    {"==", Token::kEqual},     {"!=", Token::kNotEqual},     {">", Token::kGreater},
    {"<", Token::kLess},       {">=", Token::kGreaterEqual}, {"<=", Token::kLessEqual},
    {"</", Token::kTrimUpper}, {">/", Token::kTrimLower},
});

bool IsSpace(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
bool IsDigitChar(char c) {
  return c >= '0' && c <= '9';
}
bool IsAlpha(char c) {
  return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool IsAlphaNumeric(char c) {
  return IsAlpha(c) || IsDigitChar(c);
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

class Lexer {
 public:
  explicit Lexer(std::string_view input) : input_(input) {}

  std::vector<Lexeme> Run() {
    while (!done_) {
      start_ = at_;
      if (at_ == input_.size()) {
        Finish();
      } else if (IsSpace(input_[at_])) {
        ++at_;
      } else if (input_[at_] == '#') {
        while (at_ < input_.size() && input_[at_] != '\n' && input_[at_] != '\r') ++at_;
      } else if (in_braces_) {
        InsideBraces();
      } else if (in_brackets_) {
        InsideBrackets();
      } else {
        Statement();
      }
    }
    return std::move(lexemes_);
  }

 private:
  char Peek(std::size_t ahead = 0) const {
    return at_ + ahead < input_.size() ? input_[at_ + ahead] : '\0';
  }
  void Emit(Token token) {
    lexemes_.push_back({token, start_, input_.substr(start_, at_ - start_), {}});
  }
  void Emit(Token token, std::size_t size) {
    at_ += size;
    Emit(token);
  }
  void Error(std::string message) {
    lexemes_.push_back({Token::kError, start_, input_.substr(start_), std::move(message)});
    done_ = true;
  }
  // The character at the front, in single quotes.
  std::string Shown(std::size_t ahead = 0) const {
    if (at_ + ahead >= input_.size()) return "end of input";
    const std::string_view rest = input_.substr(at_ + ahead);
    const std::size_t size = CharacterSize(rest);
    if (size == 0) return "'\xEF\xBF\xBD'";
    const std::string quoted = base::Quote(rest.substr(0, size));
    if (rest[0] == '"') return "'\"'";
    return "'" + quoted.substr(1, quoted.size() - 2) + "'";
  }

  void Finish() {
    if (in_braces_) return Error("unexpected end of input inside braces");
    if (in_brackets_ && !after_bracket_)
      return Error("unexpected end of input in duration expression");
    if (parens_ != 0) return Error("unclosed left parenthesis");
    if (in_brackets_) return Error("unclosed left bracket");
    Emit(Token::kEnd);
    done_ = true;
  }

  void Sign(std::string_view where) {
    // Two characters if they are a sign, else one.
    for (const std::size_t size : {std::size_t{2}, std::size_t{1}}) {
      const std::string_view text = input_.substr(at_, size);
      if (text.size() != size) continue;
      for (const auto& [spelling, token] : kSigns)
        if (spelling == text) return Emit(token, size);
    }
    Error(fmt::format("unexpected character{}: {}", where, Shown()));
  }

  void Statement() {
    const char c = Peek();
    if (IsDigitChar(c) || (c == '.' && IsDigitChar(Peek(1)))) return NumberOrDuration();
    if (IsAlpha(c) || c == ':') return Word();
    switch (c) {
      case '"':
      case '\'':
        return QuotedString();
      case '`':
        return RawString();
      case '=':
        if (Peek(1) == '~')
          return Error(fmt::format("unexpected character after '=': {}", Shown(1)));
        break;
      case '!':
        if (Peek(1) != '=')
          return Error(fmt::format("unexpected character after '!': {}", Shown(1)));
        break;
      case '(':
        ++parens_;
        break;
      case ')':
        if (--parens_ < 0) return Error("unexpected right parenthesis ')'");
        break;
      case '{':
        in_braces_ = true;
        break;
      case '[':
        in_brackets_ = true;
        after_bracket_ = false;
        colon_ = false;
        break;
      case ']':
        return Error("unexpected right bracket ']'");
      default:
        break;
    }
    Sign("");
  }

  void InsideBraces() {
    const char c = Peek();
    if (IsAlpha(c)) {
      while (IsAlphaNumeric(Peek())) ++at_;
      return Emit(Token::kIdentifier);
    }
    switch (c) {
      case ',':
        return Emit(Token::kComma, 1);
      case '"':
      case '\'':
        return QuotedString();
      case '`':
        return RawString();
      case '=':
        return Peek(1) == '~' ? Emit(Token::kMatch, 2) : Emit(Token::kAssign, 1);
      case '!':
        if (Peek(1) == '~') return Emit(Token::kNotMatch, 2);
        if (Peek(1) == '=') return Emit(Token::kNotEqual, 2);
        return Error(fmt::format("unexpected character after '!' inside braces: {}", Shown(1)));
      case '{':
        return Error("unexpected left brace '{'");
      case '}':
        in_braces_ = false;
        return Emit(Token::kRightBrace, 1);
      default:
        return Error(fmt::format("unexpected character inside braces: {}", Shown()));
    }
  }

  void InsideBrackets() {
    const char c = Peek();
    if (IsDigitChar(c) || (c == '.' && IsDigitChar(Peek(1)))) {
      after_bracket_ = true;
      return NumberOrDuration();
    }
    if (IsAlpha(c)) {
      std::size_t size = 0;
      while (IsAlpha(Peek(size))) ++size;
      const std::string word = Lower(input_.substr(at_, size));
      for (const Token token : {Token::kStep, Token::kRange, Token::kMaxOf, Token::kMinOf})
        if (word == Spelling(token)) return Emit(token, size);
      return Error(fmt::format("unexpected character in duration expression: {}", Shown()));
    }
    switch (c) {
      case ']':
        in_brackets_ = false;
        return Emit(Token::kRightBracket, 1);
      case '[':
        return Error("unexpected left bracket '['");
      case ':':
        if (!after_bracket_)
          return Error("unexpected colon before duration in duration expression");
        if (colon_) return Error("unexpected repeated colon in duration expression");
        colon_ = true;
        return Emit(Token::kColon, 1);
      case '(':
        ++parens_;
        return Emit(Token::kLeftParen, 1);
      case ')':
        if (--parens_ < 0) return Error("unexpected right parenthesis ')'");
        return Emit(Token::kRightParen, 1);
      case '+':
      case '-':
      case '*':
      case '/':
      case '%':
      case '^':
      case ',':
        return Sign(" in duration expression");
      default:
        return Error(fmt::format("unexpected character in duration expression: {}", Shown()));
    }
  }

  void Word() {
    while (IsAlphaNumeric(Peek()) || Peek() == ':') ++at_;
    const std::string_view word = input_.substr(start_, at_ - start_);
    const std::string lower = Lower(word);
    const auto found =
        std::ranges::find(kKeywords, lower, &std::pair<std::string_view, Token>::first);
    if (found != kKeywords.end() && !lower.empty()) {
      const bool fill = found->second == Token::kFill || found->second == Token::kFillLeft ||
                        found->second == Token::kFillRight;
      // Young keywords: only in front of a parenthesis, so that metrics keep these names.
      if (!fill || NextIsLeftParen()) return Emit(found->second);
      return Emit(Token::kIdentifier);
    }
    Emit(word.contains(':') ? Token::kMetricIdentifier : Token::kIdentifier);
  }

  bool NextIsLeftParen() const {
    std::size_t ahead = 0;
    while (IsSpace(Peek(ahead))) ++ahead;
    return Peek(ahead) == '(';
  }

  bool Accept(std::string_view any_of) {
    if (at_ == input_.size() || !any_of.contains(input_[at_])) return false;
    ++at_;
    return true;
  }

  void NumberOrDuration() {
    if (Number()) return Emit(Token::kNumber);
    if (RestOfDuration()) return Emit(Token::kDuration);
    Error(fmt::format("bad number or duration syntax: {}",
                      base::Quote(input_.substr(start_, at_ - start_))));
  }

  bool Number() {
    std::string_view digits = "0123456789";
    if (Accept("0") && Accept("xX")) {
      Accept("_");
      digits = "0123456789abcdefABCDEF";
    }
    const bool hexadecimal = digits.size() > 10;
    Accept(".");
    bool dot = at_ > start_ && input_[at_ - 1] == '.';
    bool exponent = false;
    while (at_ < input_.size()) {
      const char c = Peek();
      if (digits.contains(c)) {
        ++at_;
      } else if (c == '.') {
        ++at_;
        if (dot || hexadecimal || Peek() == '_' || Peek() == '.') return false;
        dot = true;
      } else if (c == 'e' || c == 'E') {
        ++at_;
        if (exponent) return false;
        exponent = true;
        Accept("+-");
        if (at_ == input_.size() || Accept("._eE")) return false;
      } else if (c == '_') {
        ++at_;
        if (at_ == input_.size() || Accept("._eE")) return false;
      } else {
        break;
      }
    }
    return !IsAlphaNumeric(Peek());
  }

  // The unit of the digits that Number() has gone over, and what follows it.
  bool RestOfDuration() {
    if (!Accept("smhdwy")) return false;
    Accept("s");  // of ms; the parser tells hs from ms
    while (Accept("0123456789")) {
      while (Accept("0123456789")) {
      }
      if (!Accept("smhdw")) return false;
      Accept("s");
    }
    return !IsAlphaNumeric(Peek());
  }

  void QuotedString() {
    const char quote = Peek();
    ++at_;
    for (;;) {
      if (at_ == input_.size() || Peek() == '\n') return Error("unterminated quoted string");
      const char c = Peek();
      if (c == quote) break;
      if (c == '\\') {
        ++at_;
        if (!Escape(quote)) return;
        continue;
      }
      const std::size_t size = CharacterSize(input_.substr(at_));
      if (size == 0) return Error("invalid UTF-8 rune");
      at_ += size;
    }
    Emit(Token::kString, 1);
  }

  bool Escape(char quote) {
    const auto fail = [&](std::string message) {
      Error(std::move(message));
      return false;
    };
    if (at_ == input_.size()) return fail("escape sequence not terminated");
    const char c = Peek();
    int count = 0;
    unsigned base = 16;
    std::uint64_t most = 255;
    if (std::string_view("abfnrtv\\").contains(c) || c == quote) {
      ++at_;
      return true;
    }
    if (c >= '0' && c <= '7') {
      count = 3;
      base = 8;
    } else if (c == 'x' || c == 'u' || c == 'U') {
      count = c == 'x' ? 2 : c == 'u' ? 4 : 8;
      most = c == 'x' ? 255 : 0x10ffff;
      ++at_;
    } else {
      return fail(fmt::format("unknown escape sequence {}", Shown()));
    }
    std::uint64_t value = 0;
    for (int i = 0; i < count; ++i) {
      if (at_ == input_.size()) return fail("escape sequence not terminated");
      const char digit = static_cast<char>(Peek() | 0x20);
      const unsigned number = IsDigitChar(Peek()) ? static_cast<unsigned>(Peek() - '0')
                              : digit >= 'a' && digit <= 'f'
                                  ? static_cast<unsigned>(digit - 'a') + 10
                                  : 16;
      if (number >= base)
        return fail(fmt::format("illegal character {} in escape sequence", Shown()));
      value = value * base + number;
      ++at_;
    }
    if (value > most || (value >= 0xd800 && value < 0xe000))
      return fail("escape sequence is an invalid Unicode code point");
    return true;
  }

  void RawString() {
    ++at_;
    while (at_ < input_.size() && Peek() != '`') {
      const std::size_t size = CharacterSize(input_.substr(at_));
      if (size == 0) return Error("invalid UTF-8 rune");
      at_ += size;
    }
    if (at_ == input_.size()) return Error("unterminated raw string");
    Emit(Token::kString, 1);
  }

  std::string_view input_;
  std::size_t start_ = 0;  // of the token being cut
  std::size_t at_ = 0;
  int parens_ = 0;
  bool in_braces_ = false;
  bool in_brackets_ = false;
  bool after_bracket_ = false;  // a number was seen since the bracket
  bool colon_ = false;
  bool done_ = false;
  std::vector<Lexeme> lexemes_;
};

}  // namespace

std::vector<Lexeme> Lex(std::string_view input) {
  return Lexer(input).Run();
}

bool IsOperator(Token token) {
  return token >= Token::kAdd && token <= Token::kUnless;
}

bool IsAggregation(Token token) {
  return token >= Token::kSum && token <= Token::kLimitRatio;
}

std::string_view Spelling(Token token) {
  for (const auto& [spelling, of] : kSigns)
    if (of == token && !spelling.empty()) return spelling;
  for (const auto& [spelling, of] : kKeywords)
    if (of == token && token != Token::kNumber) return spelling;
  return "";
}

std::string Describe(const Lexeme& lexeme) {
  const std::string_view spelling = Spelling(lexeme.token);
  if (IsOperator(lexeme.token)) return fmt::format("<op:{}>", spelling);
  if (IsAggregation(lexeme.token)) return fmt::format("<aggr:{}>", spelling);
  if (lexeme.token >= Token::kOffset) return fmt::format("<{}>", spelling);
  if (!spelling.empty()) return base::Quote(spelling);
  std::string_view kind = "end of input";
  switch (lexeme.token) {
    case Token::kIdentifier:
      kind = "identifier";
      break;
    case Token::kMetricIdentifier:
      kind = "metric identifier";
      break;
    case Token::kString:
      kind = "string";
      break;
    case Token::kNumber:
      kind = "number";
      break;
    case Token::kDuration:
      kind = "duration";
      break;
    default:
      return std::string(kind);
  }
  return fmt::format("{} {}", kind, base::Quote(lexeme.text));
}

bool IsPlainLabelName(std::string_view name) {
  return !name.empty() && !IsDigitChar(name[0]) && std::ranges::all_of(name, IsAlphaNumeric);
}

}  // namespace enclave::observatory::promql
