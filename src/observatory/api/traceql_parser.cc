#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "base/quote.h"
#include "parameters.h"
#include "traceql.h"
#include "traceql_node.h"

namespace enclave::observatory::api {
namespace {

using base::ErrorKind;
using base::Fail;
using base::Quote;
using Node = SpanFilter::Node;
using NodePtr = std::shared_ptr<const Node>;

struct Intrinsic {
  std::string_view name;
  SpanField field;
};
constexpr Intrinsic kIntrinsics[] = {
    {"name", SpanField::kName},
    {"span:name", SpanField::kName},
    {"status", SpanField::kStatus},
    {"span:status", SpanField::kStatus},
    {"statusMessage", SpanField::kStatusMessage},
    {"span:statusMessage", SpanField::kStatusMessage},
    {"kind", SpanField::kKind},
    {"span:kind", SpanField::kKind},
    {"duration", SpanField::kDuration},
    {"span:duration", SpanField::kDuration},
    {"rootServiceName", SpanField::kRootService},
    {"trace:rootService", SpanField::kRootService},
    {"rootName", SpanField::kRootName},
    {"trace:rootName", SpanField::kRootName},
    {"traceDuration", SpanField::kTraceDuration},
    {"trace:duration", SpanField::kTraceDuration},
    {"nestedSetParent", SpanField::kParent},
    {"trace:id", SpanField::kTraceId},
    {"span:id", SpanField::kSpanId},
};

constexpr std::array<std::string_view, 3> kStatuses = {"error", "ok", "unset"};
constexpr std::array<std::string_view, 6> kKinds = {"unspecified", "internal", "server",
                                                    "client",      "producer", "consumer"};

bool IsFieldCharacter(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '-' ||
         c == ':' || c == '/' || static_cast<unsigned char>(c) >= 0x80;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  base::Result<NodePtr> Query() {
    Skip();
    if (AtEnd()) return nullptr;
    if (!Take("{")) return Bad("a query begins with {");
    Skip();
    NodePtr root;
    if (!Take("}")) {
      ASSIGN_OR_RETURN(root, Or(0));
      Skip();
      if (!Take("}")) return Bad("expected &&, || or }");
    }
    Skip();
    if (AtEnd()) return root;
    std::size_t end = at_;
    while (end < text_.size() && text_[end] != ' ' && text_[end] != '{' && text_[end] != '(') ++end;
    std::string what(text_.substr(at_, end - at_));
    if (what == "|") what = "a pipeline, " + std::string(text_.substr(at_, 40)) + ",";
    return Fail(ErrorKind::kUnprocessable,
                fmt::format("TraceQL: {} at position {} is not supported: only one {{...}} with "
                            "conditions on a span is",
                            what, at_ + 1));
  }

 private:
  bool AtEnd() const { return at_ >= text_.size(); }
  void Skip() {
    while (!AtEnd() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  }
  bool Take(std::string_view token) {
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }
  std::unexpected<base::Error> Bad(std::string_view what) const {
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("TraceQL: {} at position {}, found {}", what, at_ + 1,
                            AtEnd() ? "the end" : Quote(text_.substr(at_, 20))));
  }

  base::Result<NodePtr> Or(int depth) {
    ASSIGN_OR_RETURN(NodePtr left, And(depth));
    for (Skip(); Take("||"); Skip()) {
      ASSIGN_OR_RETURN(NodePtr right, And(depth));
      left = std::make_shared<Node>(
          Node{.kind = Node::Kind::kOr, .left = std::move(left), .right = std::move(right)});
    }
    return left;
  }

  base::Result<NodePtr> And(int depth) {
    ASSIGN_OR_RETURN(NodePtr left, Condition(depth));
    for (Skip(); Take("&&"); Skip()) {
      ASSIGN_OR_RETURN(NodePtr right, Condition(depth));
      left = std::make_shared<Node>(
          Node{.kind = Node::Kind::kAnd, .left = std::move(left), .right = std::move(right)});
    }
    return left;
  }

  base::Result<NodePtr> Condition(int depth) {
    if (++conditions_ > 64) return Bad("a query has at most 64 conditions; one more stands");
    Skip();
    if (Take("(")) {
      if (depth >= 32) return Bad("parentheses nest at most 32 deep; one more opens");
      ASSIGN_OR_RETURN(NodePtr inner, Or(depth + 1));
      Skip();
      if (!Take(")")) return Bad("expected )");
      return inner;
    }
    return Comparison();
  }

  base::Result<NodePtr> Comparison() {
    Node node{.kind = Node::Kind::kCompare};
    const std::size_t began = at_;
    std::string field;
    while (!AtEnd()) {
      if (text_[at_] == '"' && field.ends_with('.')) {  // span."a name with spaces"
        ASSIGN_OR_RETURN(const std::string quoted, QuotedText());
        field += quoted;
      } else if (IsFieldCharacter(text_[at_])) {
        field += text_[at_++];
      } else {
        break;
      }
    }
    if (field.empty()) return Bad("expected a field such as span.http.method or duration");
    if (field == "true" || field == "false")
      return std::make_shared<Node>(
          Node{.kind = Node::Kind::kConstant, .constant = field == "true"});
    if (field.starts_with("resource.")) {
      node.field = SpanField::kResource;
      node.name = field.substr(9);
    } else if (field.starts_with("span.")) {
      node.field = SpanField::kSpan;
      node.name = field.substr(5);
    } else if (field.starts_with('.')) {
      node.field = SpanField::kEither;
      node.name = field.substr(1);
    } else {
      const auto* known = std::ranges::find(kIntrinsics, field, &Intrinsic::name);
      if (known == std::end(kIntrinsics))
        return Fail(ErrorKind::kUnprocessable,
                    fmt::format("TraceQL: the field {} at position {} is not supported; attributes "
                                "are written span.NAME, resource.NAME or .NAME",
                                Quote(field), began + 1));
      node.field = known->field;
    }
    Skip();
    ASSIGN_OR_RETURN(node.op, Operator());
    Skip();
    ASSIGN_OR_RETURN(node.value, Value(node.field));
    if (node.op == CompareOp::kRe || node.op == CompareOp::kNotRe) {
      const auto* pattern = std::get_if<std::string>(&node.value);
      if (pattern == nullptr) return Bad("=~ and !~ take a regular expression in quotes");
      auto regex = std::make_shared<re2::RE2>(*pattern, re2::RE2::Quiet);
      if (!regex->ok())
        return Bad(fmt::format("the regular expression {}: {}", Quote(*pattern), regex->error()));
      node.regex = std::move(regex);
    }
    return std::make_shared<Node>(std::move(node));
  }

  base::Result<CompareOp> Operator() {
    static constexpr std::pair<std::string_view, CompareOp> kOps[] = {
        {"=~", CompareOp::kRe}, {"!~", CompareOp::kNotRe}, {"!=", CompareOp::kNe},
        {">=", CompareOp::kGe}, {"<=", CompareOp::kLe},    {">", CompareOp::kGt},
        {"<", CompareOp::kLt},  {"=", CompareOp::kEq}};
    for (const auto& [token, op] : kOps)
      if (Take(token)) return op;
    return Bad("expected one of = != =~ !~ < <= > >=");
  }

  base::Result<TraceQlValue> Value(SpanField field) {
    if (AtEnd()) return Bad("expected a value");
    if (text_[at_] == '"' || text_[at_] == '`') {
      ASSIGN_OR_RETURN(std::string text, QuotedText());
      return TraceQlValue(std::move(text));
    }
    const std::size_t began = at_;
    if (text_[at_] == '-') ++at_;
    while (!AtEnd() && (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 ||
                        text_[at_] == '.' || static_cast<unsigned char>(text_[at_]) >= 0x80))
      ++at_;
    const std::string word(text_.substr(began, at_ - began));
    if (word == "true" || word == "false") return TraceQlValue(word == "true");
    if (word == "nil") return TraceQlValue();
    if (field == SpanField::kStatus && std::ranges::find(kStatuses, word) != kStatuses.end())
      return TraceQlValue(word);
    if (field == SpanField::kKind && std::ranges::find(kKinds, word) != kKinds.end())
      return TraceQlValue(word);
    double number = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (error == std::errc() && end == word.data() + word.size()) return TraceQlValue(number);
    if (error == std::errc())
      if (const auto nanos = ParseGoDuration(word))
        return TraceQlValue(static_cast<double>(*nanos));
    at_ = began;
    return Bad(
        "expected text in quotes, a number, a duration, true, false, nil, or error, ok, "
        "server and the like after status and kind");
  }

  base::Result<std::string> QuotedText() {
    const char quote = text_[at_++];
    std::string text;
    while (!AtEnd() && text_[at_] != quote) {
      if (quote == '"' && text_[at_] == '\\' && at_ + 1 < text_.size()) {
        const char escaped = text_[++at_];
        text += escaped == 'n' ? '\n' : escaped == 't' ? '\t' : escaped;
      } else {
        text += text_[at_];
      }
      ++at_;
    }
    if (AtEnd()) return Bad("a quote is not closed");
    ++at_;
    return text;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int conditions_ = 0;
};

}  // namespace

base::Result<SpanFilter> SpanFilter::Parse(std::string_view query) {
  ASSIGN_OR_RETURN(NodePtr root, Parser(query).Query());
  return SpanFilter(std::move(root));
}

base::Result<SpanFilter> SpanFilter::ParseTags(std::string_view tags) {
  // a=b c="d e" is the same filter as { .a = "b" && .c = "d e" }.
  std::shared_ptr<const Node> root;
  std::size_t at = 0;
  int count = 0;
  const auto bad = [&](std::string_view what) {
    return Fail(
        ErrorKind::kInvalidArgument,
        fmt::format("tags: {} at position {}; write name=value name=\"a value\"", what, at + 1));
  };
  for (;;) {
    while (at < tags.size() && tags[at] == ' ') ++at;
    if (at == tags.size()) break;
    if (++count > 64) return bad("more than 64 tags");
    const std::size_t equals = tags.find_first_of("= ", at);
    if (equals == std::string_view::npos || tags[equals] != '=' || equals == at)
      return bad("a name without a value");
    Node node{.kind = Node::Kind::kCompare, .field = SpanField::kEither};
    node.name = tags.substr(at, equals - at);
    at = equals + 1;
    std::string value;
    if (at < tags.size() && tags[at] == '"') {
      ++at;
      while (at < tags.size() && tags[at] != '"') {
        if (tags[at] == '\\' && at + 1 < tags.size()) ++at;
        value += tags[at++];
      }
      if (at == tags.size()) return bad("a quote that is not closed");
      ++at;
    } else {
      const std::size_t end = std::min(tags.find(' ', at), tags.size());
      value = tags.substr(at, end - at);
      at = end;
    }
    if (node.name == "name") node.field = SpanField::kName;
    if (node.name == "status" || node.name == "status.code") node.field = SpanField::kStatus;
    if (node.name == "error" && value == "true") {
      node.field = SpanField::kStatus;
      value = "error";
    }
    node.value = std::move(value);
    auto condition = std::make_shared<const Node>(std::move(node));
    if (root == nullptr) {
      root = std::move(condition);
    } else {
      root = std::make_shared<const Node>(
          Node{.kind = Node::Kind::kAnd, .left = std::move(root), .right = std::move(condition)});
    }
  }
  return SpanFilter(std::move(root));
}

}  // namespace enclave::observatory::api
