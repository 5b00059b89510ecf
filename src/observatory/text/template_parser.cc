#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "base/quote.h"
#include "observatory/text/template_ast.h"

namespace enclave::observatory::text {
namespace {

using base::ErrorKind;

struct TemplateToken {
  enum class Kind : std::uint8_t {
    kEnd,
    kName,      // if, humanize
    kField,     // .Labels; text without the dot, "" for a lone dot
    kVariable,  // $labels; "" for $
    kText,
    kNumber,
    kPipe,
    kOpen,
    kClose,
    kDeclare,  // :=
    kAssign,   // =
    kComma,
  };
  Kind kind = Kind::kEnd;
  std::string text{};
  bool spaced = false;  // blanks before it
};

bool IsWordStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

// A Go string literal; nullopt when it is broken.
std::optional<std::string> ReadQuoted(std::string_view text, std::size_t& at) {
  std::string result;
  if (text[at] == '`') {
    const std::size_t end = text.find('`', at + 1);
    if (end == std::string_view::npos) return std::nullopt;
    result = text.substr(at + 1, end - at - 1);
    at = end + 1;
    return result;
  }
  for (std::size_t i = at + 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      at = i + 1;
      return result;
    }
    if (text[i] == '\n') return std::nullopt;
    if (text[i] != '\\') {
      result += text[i];
      continue;
    }
    if (++i == text.size()) return std::nullopt;
    switch (text[i]) {
      case 'n':
        result += '\n';
        break;
      case 't':
        result += '\t';
        break;
      case 'r':
        result += '\r';
        break;
      case '\\':
      case '"':
      case '\'':
        result += text[i];
        break;
      default:
        return std::nullopt;
    }
  }
  return std::nullopt;
}

class TemplateParser {
 public:
  TemplateParser(std::string_view text, Dialect dialect) : text_(text), dialect_(dialect) {}

  base::Result<std::vector<TemplateNode>> Parse() {
    std::vector<TemplateNode> nodes;
    std::string stopped;
    RETURN_IF_ERROR(ParseList(nodes, 0, stopped));
    if (!stopped.empty()) return Refuse(fmt::format("{} without its beginning", stopped));
    return nodes;
  }

 private:
  std::unexpected<base::Error> Refuse(std::string_view why) const {
    const auto line = std::ranges::count(text_.substr(0, std::min(at_, text_.size())), '\n') + 1;
    return base::Fail(ErrorKind::kInvalidArgument, fmt::format("template line {}: {}", line, why));
  }

  // Nodes up to an end, an else (`stopped` names it, its tokens stay to be read), or the text's
  // end.
  base::Result<> ParseList(std::vector<TemplateNode>& nodes, int depth, std::string& stopped) {
    if (depth > kMaxTemplateDepth) return Refuse("nested too deeply");
    while (at_ < text_.size()) {
      const std::size_t open = text_.find("{{", at_);
      std::string_view plain =
          text_.substr(at_, open == std::string_view::npos ? open : open - at_);
      if (std::exchange(trim_, false)) {
        const std::size_t first = plain.find_first_not_of(" \t\r\n");
        plain.remove_prefix(first == std::string_view::npos ? plain.size() : first);
      }
      if (open != std::string_view::npos && text_.substr(open).starts_with("{{-") &&
          open + 3 < text_.size() && IsBlank(text_[open + 3])) {
        const std::size_t last = plain.find_last_not_of(" \t\r\n");
        plain = plain.substr(0, last == std::string_view::npos ? 0 : last + 1);
      }
      if (!plain.empty()) nodes.push_back({.text = std::string(plain)});
      if (open == std::string_view::npos) {
        at_ = text_.size();
        break;
      }
      at_ = open;
      RETURN_IF_ERROR(ReadAction());
      if (tokens_.size() == 1) {
        if (comment_) continue;
        return Refuse("an empty action {{}}");
      }
      next_ = 0;
      if (Peek().kind == TemplateToken::Kind::kName) {
        const std::string word = Peek().text;
        if (word == "end" || word == "else") {
          ++next_;
          stopped = word;
          return {};
        }
        if (word == "if" || word == "with" || word == "range") {
          ++next_;
          RETURN_IF_ERROR(ParseBlock(word, nodes, depth));
          continue;
        }
        for (const char* other : {"define", "template", "block", "break", "continue"}) {
          if (word == other) return Refuse(fmt::format("{} is not supported", word));
        }
      }
      TemplateNode node{.kind = TemplateNode::Kind::kAction};
      RETURN_IF_ERROR(ParsePipeline(node.pipeline, depth, false));
      if (Peek().kind != TemplateToken::Kind::kEnd) return Unexpected();
      nodes.push_back(std::move(node));
    }
    return {};
  }

  // After the word if, with or range: the condition, the body, else, end.
  base::Result<> ParseBlock(const std::string& word, std::vector<TemplateNode>& nodes, int depth) {
    TemplateNode node;
    node.kind = word == "if"     ? TemplateNode::Kind::kIf
                : word == "with" ? TemplateNode::Kind::kWith
                                 : TemplateNode::Kind::kRange;
    const std::size_t scope = variables_.size();
    RETURN_IF_ERROR(ParsePipeline(node.pipeline, depth, word == "range"));
    if (Peek().kind != TemplateToken::Kind::kEnd) return Unexpected();
    std::string stopped;
    RETURN_IF_ERROR(ParseList(node.body, depth + 1, stopped));
    if (stopped == "else") {
      if (Peek().kind == TemplateToken::Kind::kName && Peek().text == word && word != "range") {
        ++next_;
        RETURN_IF_ERROR(ParseBlock(word, node.otherwise, depth + 1));  // reads the common end
        variables_.resize(scope);
        nodes.push_back(std::move(node));
        return {};
      }
      if (Peek().kind != TemplateToken::Kind::kEnd) return Unexpected();
      stopped.clear();
      RETURN_IF_ERROR(ParseList(node.otherwise, depth + 1, stopped));
    }
    if (stopped != "end") return Refuse(fmt::format("{} has no end", word));
    if (Peek().kind != TemplateToken::Kind::kEnd) return Unexpected();
    variables_.resize(scope);
    nodes.push_back(std::move(node));
    return {};
  }

  static bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

  // Reads {{ ... }} into tokens_, the last of which is kEnd.
  base::Result<> ReadAction() {
    tokens_.clear();
    comment_ = false;
    at_ += 2;
    if (at_ + 1 < text_.size() && text_[at_] == '-' && IsBlank(text_[at_ + 1])) ++at_;
    bool spaced = false;
    while (true) {
      if (at_ >= text_.size()) return Refuse("{{ has no }}");
      const char c = text_[at_];
      const std::string_view rest = text_.substr(at_);
      if (IsBlank(c)) {
        ++at_;
        spaced = true;
        continue;
      }
      if (rest.starts_with("}}")) {
        at_ += 2;
        break;
      }
      if (spaced && rest.starts_with("-}}")) {
        at_ += 3;
        trim_ = true;
        break;
      }
      if (rest.starts_with("/*")) {
        const std::size_t end = text_.find("*/", at_);
        if (end == std::string_view::npos || !tokens_.empty()) return Refuse("a broken comment");
        at_ = end + 2;
        comment_ = true;
        continue;
      }
      if (comment_) return Refuse("a comment stands alone in its action");
      TemplateToken token{.spaced = std::exchange(spaced, false)};
      RETURN_IF_ERROR(ReadToken(token));
      tokens_.push_back(std::move(token));
    }
    tokens_.push_back({});
    return {};
  }

  std::string ReadWord() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && (IsWordStart(text_[at_]) || IsDigit(text_[at_]))) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }

  base::Result<> ReadToken(TemplateToken& token) {
    using Kind = TemplateToken::Kind;
    const char c = text_[at_];
    const char after = at_ + 1 < text_.size() ? text_[at_ + 1] : ' ';
    if (c == '"' || c == '`') {
      auto quoted = ReadQuoted(text_, at_);
      if (!quoted) return Refuse("a string does not end, or has an unknown escape");
      token.kind = Kind::kText;
      token.text = std::move(*quoted);
    } else if (c == '$') {
      ++at_;
      token.kind = Kind::kVariable;
      token.text = ReadWord();
    } else if (c == '.' && !IsDigit(after)) {
      ++at_;
      token.kind = Kind::kField;
      token.text = ReadWord();
    } else if (IsWordStart(c)) {
      token.kind = Kind::kName;
      token.text = ReadWord();
    } else if (IsDigit(c) || c == '.' ||
               ((c == '-' || c == '+') && (IsDigit(after) || after == '.'))) {
      const std::size_t begin = at_++;
      while (at_ < text_.size() &&
             (IsDigit(text_[at_]) || IsWordStart(text_[at_]) || text_[at_] == '.' ||
              ((text_[at_] == '-' || text_[at_] == '+') &&
               (text_[at_ - 1] == 'e' || text_[at_ - 1] == 'E')))) {
        ++at_;
      }
      token.kind = Kind::kNumber;
      token.text = text_.substr(begin, at_ - begin);
    } else if (c == ':' && after == '=') {
      at_ += 2;
      token.kind = Kind::kDeclare;
    } else {
      static constexpr std::pair<char, Kind> kSigns[] = {{'|', Kind::kPipe},
                                                         {'(', Kind::kOpen},
                                                         {')', Kind::kClose},
                                                         {'=', Kind::kAssign},
                                                         {',', Kind::kComma}};
      const auto sign = std::ranges::find(kSigns, c, [](const auto& pair) { return pair.first; });
      if (sign == std::end(kSigns)) {
        return Refuse(fmt::format("unexpected {} in an action", base::Quote({&c, 1})));
      }
      token.kind = sign->second;
      ++at_;
    }
    return {};
  }

  const TemplateToken& Peek(std::size_t ahead = 0) const {
    return tokens_[std::min(next_ + ahead, tokens_.size() - 1)];
  }

  std::unexpected<base::Error> Unexpected() const {
    return Refuse(Peek().kind == TemplateToken::Kind::kEnd
                      ? "the action ends too early"
                      : fmt::format("unexpected {} in an action", base::Quote(Peek().text)));
  }

  bool Knows(const std::string& variable) const {
    static constexpr std::string_view kGiven[] = {"labels", "value", "externalLabels",
                                                  "externalURL"};
    return variable.empty() ||
           (dialect_ == Dialect::kAlert &&
            std::ranges::find(kGiven, variable) != std::end(kGiven)) ||
           std::ranges::find(variables_, variable) != variables_.end();
  }

  base::Result<> ParsePipeline(TemplatePipeline& pipeline, int depth, bool range) {
    using Kind = TemplateToken::Kind;
    if (depth > kMaxTemplateDepth) return Refuse("nested too deeply");
    if (Peek().kind == Kind::kVariable) {
      const bool two = range && Peek(1).kind == Kind::kComma && Peek(2).kind == Kind::kVariable;
      const Kind sign = Peek(two ? 3 : 1).kind;
      if (sign == Kind::kDeclare || sign == Kind::kAssign) {
        pipeline.variables.push_back(Peek().text);
        if (two) pipeline.variables.push_back(Peek(2).text);
        pipeline.declares = sign == Kind::kDeclare;
        for (const std::string& variable : pipeline.variables) {
          if (variable.empty()) return Refuse("$ cannot be set");
          if (!pipeline.declares && !Knows(variable)) {
            return Refuse(fmt::format("the variable ${} is not declared", variable));
          }
          variables_.push_back(variable);
        }
        next_ += two ? 4 : 2;
      }
    }
    while (true) {
      TemplateCommand command;
      while (Peek().kind != Kind::kEnd && Peek().kind != Kind::kPipe &&
             Peek().kind != Kind::kClose) {
        TemplateOperand operand;
        RETURN_IF_ERROR(ParseOperand(operand, depth));
        command.operands.push_back(std::move(operand));
      }
      if (command.operands.empty()) return Unexpected();
      RETURN_IF_ERROR(CheckCommand(command, !pipeline.commands.empty()));
      pipeline.commands.push_back(std::move(command));
      if (Peek().kind != Kind::kPipe) return {};
      ++next_;
    }
  }

  base::Result<> CheckCommand(const TemplateCommand& command, bool piped) const {
    const TemplateOperand& first = command.operands.front();
    for (std::size_t i = 1; i < command.operands.size(); ++i) {
      const TemplateOperand& argument = command.operands[i];
      if (argument.kind == TemplateOperand::Kind::kFunction && argument.function->least > 0) {
        return Refuse(fmt::format("{} as an argument needs parentheses", argument.text));
      }
    }
    if (first.kind != TemplateOperand::Kind::kFunction) {
      if (piped) return Refuse("a value cannot be piped into something that is no function");
      if (command.operands.size() > 1) return Refuse("a value has no arguments");
      return {};
    }
    const TemplateFunction* function = first.function;
    const auto given = static_cast<int>(command.operands.size()) - 1 + (piped ? 1 : 0);
    if (given < function->least || (function->most >= 0 && given > function->most)) {
      return Refuse(fmt::format("{} has {} arguments", first.text, given));
    }
    return {};
  }

  base::Result<> ParseOperand(TemplateOperand& operand, int depth) {
    using Kind = TemplateToken::Kind;
    const TemplateToken token = Peek();
    switch (token.kind) {
      case Kind::kName:
        ++next_;
        if (token.text == "true" || token.text == "false") {
          operand.kind = TemplateOperand::Kind::kBool;
          operand.truth = token.text == "true";
        } else if (token.text == "nil") {
          operand.kind = TemplateOperand::Kind::kNil;
        } else if (const auto found = FunctionsOf(dialect_).find(token.text);
                   found != FunctionsOf(dialect_).end()) {
          operand.kind = TemplateOperand::Kind::kFunction;
          operand.function = &found->second;
          operand.text = token.text;
          return {};  // has no fields
        } else {
          return Refuse(fmt::format("the function {} is not supported", base::Quote(token.text)));
        }
        return {};
      case Kind::kVariable:
        ++next_;
        if (!Knows(token.text)) {
          return Refuse(fmt::format("the variable ${} is not declared", token.text));
        }
        operand.kind = TemplateOperand::Kind::kVariable;
        operand.text = token.text;
        break;
      case Kind::kField:
        ++next_;
        operand.kind = TemplateOperand::Kind::kDot;
        if (!token.text.empty()) operand.fields.push_back(token.text);
        break;
      case Kind::kText:
        ++next_;
        operand.kind = TemplateOperand::Kind::kText;
        operand.text = token.text;
        return {};
      case Kind::kNumber: {
        ++next_;
        operand.kind = TemplateOperand::Kind::kNumber;
        std::string_view digits = token.text;
        if (digits.starts_with('+')) digits.remove_prefix(1);
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), operand.number);
        if (error != std::errc() || end != digits.data() + digits.size()) {
          return Refuse(fmt::format("{} is no number", base::Quote(token.text)));
        }
        operand.integer = digits.find_first_of(".eEnN") == std::string_view::npos &&
                          std::abs(operand.number) < 9e15;
        return {};
      }
      case Kind::kOpen: {
        ++next_;
        operand.kind = TemplateOperand::Kind::kParen;
        RETURN_IF_ERROR(ParsePipeline(operand.paren.emplace_back(), depth + 1, false));
        if (Peek().kind != Kind::kClose) return Refuse("( has no )");
        ++next_;
        break;
      }
      default:
        return Unexpected();
    }
    while (Peek().kind == Kind::kField && !Peek().spaced && !Peek().text.empty()) {
      operand.fields.push_back(Peek().text);
      ++next_;
    }
    // What the data has is known; what a query gives shows only when it runs.
    if (operand.kind == TemplateOperand::Kind::kVariable && operand.text == "value" &&
        dialect_ == Dialect::kAlert && !operand.fields.empty()) {
      return Refuse("$value has no fields");
    }
    return {};
  }

  std::string_view text_;
  const Dialect dialect_;
  std::size_t at_ = 0;
  bool trim_ = false;     // blanks after the last action go
  bool comment_ = false;  // the last action was one
  std::vector<TemplateToken> tokens_;
  std::size_t next_ = 0;
  std::vector<std::string> variables_;  // declared and in scope
};

}  // namespace

base::Result<std::vector<TemplateNode>> ParseTemplate(std::string_view text, Dialect dialect) {
  return TemplateParser(text, dialect).Parse();
}

}  // namespace enclave::observatory::text
