#include "observatory/logql/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/quote.h"

namespace enclave::observatory::logql {
namespace {

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}
bool IsNameStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool IsNamePart(char c) {
  return IsNameStart(c) || IsDigit(c);
}

void PutCodePoint(std::string& to, std::uint32_t code) {
  if (code < 0x80) {
    to += static_cast<char>(code);
  } else if (code < 0x800) {
    to += static_cast<char>(0xc0 | (code >> 6));
    to += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    to += static_cast<char>(0xe0 | (code >> 12));
    to += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
    to += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    to += static_cast<char>(0xf0 | (code >> 18));
    to += static_cast<char>(0x80 | ((code >> 12) & 0x3f));
    to += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
    to += static_cast<char>(0x80 | (code & 0x3f));
  }
}

class Lexer {
 public:
  explicit Lexer(std::string_view query) : query_(query) {}

  base::Result<std::vector<Token>> All() {
    while (SkipSpace()) {
      const char c = query_[at_];
      if (c == '"' || c == '`') {
        RETURN_IF_ERROR(String(c));
      } else if (IsDigit(c) || (c == '.' && IsDigit(Peek(1)))) {
        Number();
      } else if (IsNameStart(c)) {
        std::size_t end = at_;
        while (end < query_.size() && IsNamePart(query_[end])) ++end;
        Push(TokenKind::kName, end);
      } else if (c == '-' && Peek(1) == '-' && IsNameStart(Peek(2))) {
        std::size_t end = at_ + 2;
        while (end < query_.size() && (IsNamePart(query_[end]) || query_[end] == '-')) ++end;
        Push(TokenKind::kFlag, end);
      } else {
        RETURN_IF_ERROR(Symbol());
      }
    }
    tokens_.push_back({TokenKind::kEnd, "", query_.size()});
    return std::move(tokens_);
  }

 private:
  char Peek(std::size_t ahead) const {
    return at_ + ahead < query_.size() ? query_[at_ + ahead] : '\0';
  }
  bool SkipSpace() {
    while (at_ < query_.size()) {
      const char c = query_[at_];
      if (c == '#') {
        at_ = std::min(query_.find('\n', at_), query_.size());
      } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        ++at_;
      } else {
        return true;
      }
    }
    return false;
  }
  void Push(TokenKind kind, std::size_t end) {
    tokens_.push_back({kind, std::string(query_.substr(at_, end - at_)), at_});
    at_ = end;
  }
  void Number() {
    std::size_t end = at_;
    while (end < query_.size()) {
      const char c = query_[end];
      const bool exponent = (c == '+' || c == '-') && end > at_ &&
                            (query_[end - 1] == 'e' || query_[end - 1] == 'E') &&
                            end + 1 < query_.size() && IsDigit(query_[end + 1]);
      const bool micro = c == '\xc2' || c == '\xb5' || c == '\xce' || c == '\xbc';  // µ, μ
      if (!IsNamePart(c) && c != '.' && !exponent && !micro) break;
      ++end;
    }
    Push(TokenKind::kNumber, end);
  }
  base::Result<> Symbol() {
    static constexpr std::string_view kSymbols[] = {
        "=~", "!~", "!=", "|=", "|~", "|>", "!>", "==", ">=", "<=", "{", "}", "(", ")", "[",
        "]",  ",",  "=",  "|",  ">",  "<",  "+",  "-",  "*",  "/",  "%", "^", "@", "."};
    for (const std::string_view symbol : kSymbols) {
      if (!query_.substr(at_).starts_with(symbol)) continue;
      Push(TokenKind::kSymbol, at_ + symbol.size());
      return {};
    }
    return ErrorAt(query_, at_,
                   fmt::format("{} means nothing here", base::Quote(query_.substr(at_, 1))));
  }
  base::Result<> String(char quote) {
    const std::size_t start = at_++;
    std::string text;
    while (true) {
      if (at_ >= query_.size()) return ErrorAt(query_, start, "this text has no closing quote");
      const char c = query_[at_++];
      if (c == quote) break;
      if (c != '\\' || quote == '`') {
        if (c == '\n' && quote == '"')
          return ErrorAt(query_, start, "this text has no closing quote on its line");
        text += c;
        continue;
      }
      if (!Escape(text)) return ErrorAt(query_, at_, "an escape that is not known in a text");
    }
    tokens_.push_back({TokenKind::kString, std::move(text), start});
    return {};
  }
  // After the backslash; as in Go's interpreted strings.
  bool Escape(std::string& text) {
    if (at_ >= query_.size()) return false;
    const char c = query_[at_++];
    static constexpr std::string_view kFrom = "abfnrtv\\\"'";
    static constexpr std::string_view kTo = "\a\b\f\n\r\t\v\\\"'";
    if (const std::size_t i = kFrom.find(c); i != std::string_view::npos) {
      text += kTo[i];
      return true;
    }
    if (c == 'x') {
      const auto code = Digits(2, 16);
      if (code) text += static_cast<char>(*code);
      return code.has_value();
    }
    if (c == 'u' || c == 'U') {
      const auto code = Digits(c == 'u' ? 4 : 8, 16);
      if (!code || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000)) return false;
      PutCodePoint(text, *code);
      return true;
    }
    if (c >= '0' && c <= '7') {
      --at_;
      const auto code = Digits(3, 8);
      if (!code || *code > 255) return false;
      text += static_cast<char>(*code);
      return true;
    }
    return false;
  }
  std::optional<std::uint32_t> Digits(std::size_t count, int base) {
    if (query_.size() - at_ < count) return std::nullopt;
    std::uint32_t value = 0;
    const char* const from = query_.data() + at_;
    const auto [end, error] = std::from_chars(from, from + count, value, base);
    if (error != std::errc() || end != from + count) return std::nullopt;
    at_ += count;
    return value;
  }

  const std::string_view query_;
  std::size_t at_ = 0;
  std::vector<Token> tokens_;
};

}  // namespace

std::unexpected<base::Error> ErrorAt(std::string_view query, std::size_t at,
                                     std::string_view message) {
  const std::string_view before = query.substr(0, std::min(at, query.size()));
  const auto lines = std::ranges::count(before, '\n');
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  return base::Fail(base::ErrorKind::kInvalidArgument,
                    fmt::format("parse error at line {}, column {}: {}", lines + 1,
                                before.size() - line_start + 1, message));
}

base::Result<std::vector<Token>> Tokenize(std::string_view query) {
  return Lexer(query).All();
}

}  // namespace enclave::observatory::logql
