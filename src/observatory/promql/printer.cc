#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "observatory/promql/ast.h"
#include "observatory/promql/duration.h"
#include "observatory/promql/number_text.h"
#include "observatory/promql/utf8.h"

namespace enclave::observatory::promql {
namespace {

// Longer lines are broken by PrintPretty.
constexpr std::size_t kLineWidth = 100;

// A string literal that lexes to the same text. Not JSON: bytes that are not UTF-8 stay as they
// are, as \x escapes.
std::string QuoteText(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '"':
      case '\\':
        quoted += '\\';
        quoted += c;
        break;
      case '\n':
        quoted += "\\n";
        break;
      case '\t':
        quoted += "\\t";
        break;
      case '\r':
        quoted += "\\r";
        break;
      default:
        if (byte < 0x20 || byte >= 0x7f)
          quoted += fmt::format("\\x{:02x}", byte);
        else
          quoted += c;
    }
  }
  return quoted + '"';
}

// Readable where it can be.
std::string QuoteString(std::string_view text) {
  const bool plain = std::ranges::all_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte != 0x7f;
  });
  if (!plain || !IsUtf8(text)) return QuoteText(text);
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

std::string LabelName(std::string_view name) {
  return IsPlainLabelName(name) ? std::string(name) : QuoteString(name);
}

std::string LabelList(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    if (!text.empty()) text += ", ";
    text += LabelName(name);
  }
  return text;
}

std::string ShiftText(const TimeShift& shift) {
  std::string text;
  switch (shift.at) {
    case TimeShift::At::kTime:
      // The sign apart: -0.5 has no whole part to carry it.
      text = fmt::format(" @ {}{}.{:03}", shift.at_ms < 0 ? "-" : "", std::abs(shift.at_ms) / 1000,
                         std::abs(shift.at_ms) % 1000);
      break;
    case TimeShift::At::kStart:
      text = " @ start()";
      break;
    case TimeShift::At::kEnd:
      text = " @ end()";
      break;
    case TimeShift::At::kNone:
      break;
  }
  if (shift.offset_ms != 0) text += " offset " + FormatDurationMs(shift.offset_ms);
  return text;
}

std::string SelectorText(const VectorSelector& node, bool with_shift) {
  static constexpr std::string_view kOps[] = {"=", "!=", "=~", "!~"};
  std::vector<std::string> inside;
  const std::size_t count = node.matchers.size() - (node.name.empty() ? 0 : 1);
  for (std::size_t i = 0; i < count; ++i) {
    const telemetry::Matcher& matcher = node.matchers[i];
    inside.push_back(LabelName(matcher.name()) +
                     std::string(kOps[static_cast<std::size_t>(matcher.op())]) +
                     QuoteString(matcher.value()));
  }
  std::ranges::sort(inside);
  std::string text = node.name;
  if (!inside.empty() || node.name.empty()) text += "{";
  for (std::size_t i = 0; i < inside.size(); ++i) text += (i == 0 ? "" : ",") + inside[i];
  if (!inside.empty() || node.name.empty()) text += "}";
  return with_shift ? text + ShiftText(node.shift) : text;
}

std::string NumberText(const NumberLiteral& node) {
  if (node.duration) {
    const double ms = std::round(node.value * 1000);
    return FormatDurationMs(static_cast<std::int64_t>(ms));
  }
  return FormatFixed(node.value);
}

std::string AggregateHead(const Aggregate& node) {
  std::string text(Spelling(node.op));
  if (node.without)
    text += fmt::format(" without ({}) ", LabelList(node.grouping));
  else if (!node.grouping.empty())
    text += fmt::format(" by ({}) ", LabelList(node.grouping));
  return text;
}

std::string OperatorText(const Binary& node) {
  std::string text(Spelling(node.op));
  if (node.return_bool) text += " bool";
  const VectorMatching& matching = node.matching;
  const bool grouped = matching.cardinality == Cardinality::kManyToOne ||
                       matching.cardinality == Cardinality::kOneToMany;
  if (matching.on || !matching.labels.empty() || grouped)
    text += fmt::format(" {} ({})", matching.on ? "on" : "ignoring", LabelList(matching.labels));
  if (grouped)
    text += fmt::format(" group_{} ({})",
                        matching.cardinality == Cardinality::kManyToOne ? "left" : "right",
                        LabelList(matching.include));
  return text;
}

std::string SubqueryTail(const Subquery& node) {
  return fmt::format("[{}:{}]{}", FormatDurationMs(node.range_ms),
                     node.step_ms == 0 ? "" : FormatDurationMs(node.step_ms),
                     ShiftText(node.shift));
}

std::string Indent(std::size_t level) {
  return std::string(level * 2, ' ');
}

std::string Pretty(const Expr& expr, std::size_t level) {
  const std::string whole = Print(expr);
  const std::string indent = Indent(level);
  if (indent.size() + whole.size() <= kLineWidth) return indent + whole;
  switch (expr.kind) {
    case ExprKind::kAggregate: {
      const auto& node = As<Aggregate>(expr);
      std::string text = indent + AggregateHead(node) + "(\n";
      if (node.param) text += Pretty(*node.param, level + 1) + ",\n";
      return text + Pretty(*node.expr, level + 1) + "\n" + indent + ")";
    }
    case ExprKind::kCall: {
      const auto& node = As<Call>(expr);
      std::string text = indent + std::string(node.function.name) + "(\n";
      for (std::size_t i = 0; i < node.args.size(); ++i) {
        text += Pretty(*node.args[i], level + 1);
        text += i + 1 < node.args.size() ? ",\n" : "\n";
      }
      return text + indent + ")";
    }
    case ExprKind::kBinary: {
      const auto& node = As<Binary>(expr);
      return Pretty(*node.lhs, level + 1) + "\n" + indent + OperatorText(node) + "\n" +
             Pretty(*node.rhs, level + 1);
    }
    case ExprKind::kParen:
      return indent + "(\n" + Pretty(*As<Paren>(expr).expr, level + 1) + "\n" + indent + ")";
    case ExprKind::kSubquery: {
      const auto& node = As<Subquery>(expr);
      return Pretty(*node.expr, level) + SubqueryTail(node);
    }
    case ExprKind::kUnary: {
      const auto& node = As<Unary>(expr);
      const std::string inner = Pretty(*node.expr, level);
      return indent + std::string(Spelling(node.op)) + inner.substr(indent.size());
    }
    default:
      return indent + whole;
  }
}

}  // namespace

bool IsComparison(Token op) {
  return op >= Token::kEqual && op <= Token::kLessEqual;
}

bool IsSetOperator(Token op) {
  return op == Token::kAnd || op == Token::kOr || op == Token::kUnless;
}

const Expr& Unwrapped(const Expr& expr) {
  const Expr* inner = &expr;
  while (inner->kind == ExprKind::kParen) inner = As<Paren>(*inner).expr.get();
  return *inner;
}

std::string Print(const Expr& expr) {
  switch (expr.kind) {
    case ExprKind::kNumber:
      return NumberText(As<NumberLiteral>(expr));
    case ExprKind::kString:
      return QuoteString(As<StringLiteral>(expr).value);
    case ExprKind::kVectorSelector:
      return SelectorText(As<VectorSelector>(expr), true);
    case ExprKind::kMatrixSelector: {
      const auto& node = As<MatrixSelector>(expr);
      return fmt::format("{}[{}]{}", SelectorText(*node.vector, false),
                         FormatDurationMs(node.range_ms), ShiftText(node.vector->shift));
    }
    case ExprKind::kSubquery: {
      const auto& node = As<Subquery>(expr);
      return Print(*node.expr) + SubqueryTail(node);
    }
    case ExprKind::kCall: {
      const auto& node = As<Call>(expr);
      std::string text = std::string(node.function.name) + "(";
      for (std::size_t i = 0; i < node.args.size(); ++i)
        text += (i == 0 ? "" : ", ") + Print(*node.args[i]);
      return text + ")";
    }
    case ExprKind::kAggregate: {
      const auto& node = As<Aggregate>(expr);
      return AggregateHead(node) + "(" + (node.param ? Print(*node.param) + ", " : "") +
             Print(*node.expr) + ")";
    }
    case ExprKind::kBinary: {
      const auto& node = As<Binary>(expr);
      return fmt::format("{} {} {}", Print(*node.lhs), OperatorText(node), Print(*node.rhs));
    }
    case ExprKind::kUnary: {
      const auto& node = As<Unary>(expr);
      return std::string(Spelling(node.op)) + Print(*node.expr);
    }
    case ExprKind::kParen:
      return "(" + Print(*As<Paren>(expr).expr) + ")";
  }
  return "";
}

std::string PrintPretty(const Expr& expr) {
  return Pretty(expr, 0);
}

}  // namespace enclave::observatory::promql
