#include "kube/selector.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <tuple>

#include "kube/names.h"

namespace enclave::kube {
namespace {

using base::ErrorKind;
using base::Fail;
using Operator = LabelSelector::Operator;
using Requirement = LabelSelector::Requirement;

enum class Token {
  kEnd,
  kIdentifier,
  kOpen,
  kClose,
  kComma,
  kNot,
  kEquals,
  kNotEquals,
  kGreater,
  kLess,
};

// The grammar of k8s.io/apimachinery/pkg/labels: requirements joined by commas, each
//   key | !key | key (=|==|!=|>|<) value | key (in|notin) (value, ...)
// White space between tokens is free. A value may be empty.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) { Next(); }

  base::Result<std::vector<Requirement>> Parse() {
    std::vector<Requirement> requirements;
    if (token_ == Token::kEnd) return requirements;
    while (true) {
      ASSIGN_OR_RETURN(Requirement requirement, ParseRequirement());
      requirements.push_back(std::move(requirement));
      if (token_ == Token::kEnd) return requirements;
      if (token_ != Token::kComma) return Unexpected("',' or the end");
      Next();
    }
  }

 private:
  static bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
  static bool IsSymbol(char c) { return std::string_view("=!(),><").contains(c); }

  void Next() {
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
    begin_ = at_;
    if (at_ == text_.size()) {
      token_ = Token::kEnd;
      return;
    }
    const char c = text_[at_];
    if (!IsSymbol(c)) {
      while (at_ < text_.size() && !IsSpace(text_[at_]) && !IsSymbol(text_[at_])) ++at_;
      token_ = Token::kIdentifier;
      return;
    }
    ++at_;
    const bool then_equals = at_ < text_.size() && text_[at_] == '=';
    switch (c) {
      case '(':
        token_ = Token::kOpen;
        return;
      case ')':
        token_ = Token::kClose;
        return;
      case ',':
        token_ = Token::kComma;
        return;
      case '>':
        token_ = Token::kGreater;
        return;
      case '<':
        token_ = Token::kLess;
        return;
      case '!':
        token_ = then_equals ? Token::kNotEquals : Token::kNot;
        break;
      default:
        token_ = Token::kEquals;
        break;
    }
    if (then_equals) ++at_;
  }

  std::string_view word() const { return text_.substr(begin_, at_ - begin_); }

  std::unexpected<base::Error> FailAt(std::size_t position, const std::string& why) const {
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("unable to parse label selector \"{}\": at position {}: {}",
                            text_.substr(0, 256), position, why));
  }

  std::unexpected<base::Error> Unexpected(std::string_view expected) const {
    const std::string found =
        token_ == Token::kEnd ? "the end" : fmt::format("'{}'", word().substr(0, 64));
    return FailAt(begin_, fmt::format("found {}, expected {}", found, expected));
  }

  base::Result<std::string> TakeKey() {
    if (token_ != Token::kIdentifier) return Unexpected("a label key");
    std::string key(word());
    if (auto valid = ValidateLabelKey(key); !valid) {
      return FailAt(begin_, fmt::format("key \"{}\": {}", key, valid.error().message()));
    }
    Next();
    return key;
  }

  // One value, possibly empty, up to a comma, a ')' or the end.
  base::Result<std::string> TakeValue() {
    std::string value;
    if (token_ == Token::kIdentifier) {
      value = word();
      if (auto valid = ValidateLabelValue(value); !valid) {
        return FailAt(begin_, fmt::format("value \"{}\": {}", value, valid.error().message()));
      }
      Next();
    }
    return value;
  }

  base::Result<Requirement> ParseRequirement() {
    if (token_ == Token::kNot) {
      Next();
      ASSIGN_OR_RETURN(std::string key, TakeKey());
      return Requirement{std::move(key), Operator::kNotExists, {}};
    }
    if (token_ != Token::kIdentifier) return Unexpected("a label key or '!'");
    ASSIGN_OR_RETURN(std::string key, TakeKey());
    Requirement requirement{std::move(key), Operator::kExists, {}};
    switch (token_) {
      case Token::kEnd:
      case Token::kComma:
        return requirement;
      case Token::kEquals:
        requirement.op = Operator::kEquals;
        break;
      case Token::kNotEquals:
        requirement.op = Operator::kNotEquals;
        break;
      case Token::kGreater:
        requirement.op = Operator::kGreaterThan;
        break;
      case Token::kLess:
        requirement.op = Operator::kLessThan;
        break;
      case Token::kIdentifier:
        if (word() == "in") {
          requirement.op = Operator::kIn;
          return ParseSet(std::move(requirement));
        }
        if (word() == "notin") {
          requirement.op = Operator::kNotIn;
          return ParseSet(std::move(requirement));
        }
        [[fallthrough]];
      default:
        return Unexpected("one of '=', '==', '!=', '>', '<', 'in', 'notin', ','");
    }
    Next();
    const std::size_t value_at = begin_;
    ASSIGN_OR_RETURN(std::string value, TakeValue());
    if (requirement.op == Operator::kGreaterThan || requirement.op == Operator::kLessThan) {
      std::int64_t number = 0;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
      if (error != std::errc() || end != value.data() + value.size()) {
        return FailAt(value_at, "for '>' and '<' the value must be an integer");
      }
    }
    requirement.values.push_back(std::move(value));
    return requirement;
  }

  base::Result<Requirement> ParseSet(Requirement requirement) {
    Next();
    if (token_ != Token::kOpen) return Unexpected("'('");
    while (true) {
      Next();
      ASSIGN_OR_RETURN(std::string value, TakeValue());
      requirement.values.push_back(std::move(value));
      if (token_ == Token::kComma) continue;
      if (token_ != Token::kClose) return Unexpected("',' or ')'");
      break;
    }
    Next();
    return requirement;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t begin_ = 0;
  Token token_ = Token::kEnd;
};

// Sorted, so that equal selectors have equal texts.
void Normalise(std::vector<Requirement>& requirements) {
  for (Requirement& requirement : requirements) {
    std::ranges::sort(requirement.values);
    const auto repeats = std::ranges::unique(requirement.values);
    requirement.values.erase(repeats.begin(), repeats.end());
  }
  std::ranges::sort(requirements, {}, [](const Requirement& requirement) {
    return std::tie(requirement.key, requirement.op, requirement.values);
  });
}

std::optional<std::int64_t> ToInteger(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool MatchesRequirement(const Requirement& requirement, const std::string* value) {
  const auto listed = [&] {
    return std::ranges::find(requirement.values, *value) != requirement.values.end();
  };
  switch (requirement.op) {
    case Operator::kEquals:
    case Operator::kIn:
      return value != nullptr && listed();
    case Operator::kNotEquals:
    case Operator::kNotIn:
      return value == nullptr || !listed();
    case Operator::kExists:
      return value != nullptr;
    case Operator::kNotExists:
      return value == nullptr;
    case Operator::kGreaterThan:
    case Operator::kLessThan: {
      if (value == nullptr || requirement.values.empty()) return false;
      const auto has = ToInteger(*value);
      const auto bound = ToInteger(requirement.values.front());
      if (!has || !bound) return false;
      return requirement.op == Operator::kGreaterThan ? *has > *bound : *has < *bound;
    }
  }
  return false;
}

}  // namespace

base::Result<LabelSelector> LabelSelector::Parse(std::string_view text) {
  ASSIGN_OR_RETURN(std::vector<Requirement> requirements, Parser(text).Parse());
  LabelSelector selector;
  selector.requirements_ = std::move(requirements);
  Normalise(selector.requirements_);
  return selector;
}

base::Result<LabelSelector> LabelSelector::FromJson(const Json& json) {
  const auto fail = [](std::string why) {
    return Fail(ErrorKind::kInvalidArgument, "label selector: " + std::move(why));
  };
  LabelSelector selector;
  if (json.is_null()) {
    selector.nothing_ = true;
    return selector;
  }
  if (!json.is_object()) return fail("must be an object");
  const Json& labels = At(json, "matchLabels");
  if (!labels.is_null()) {
    if (auto valid = ValidateLabels(labels); !valid) {
      return fail("matchLabels: " + valid.error().message());
    }
    selector = FromMap(labels);
  }
  const Json& expressions = At(json, "matchExpressions");
  if (!expressions.is_null() && !expressions.is_array()) {
    return fail("matchExpressions must be a list");
  }
  std::size_t index = 0;
  for (const Json& expression : expressions) {
    const std::string where = fmt::format("matchExpressions[{}]", index++);
    Requirement requirement{StringAt(expression, "key"), Operator::kExists, {}};
    if (auto valid = ValidateLabelKey(requirement.key); !valid) {
      return fail(fmt::format("{}.key: {}", where, valid.error().message()));
    }
    const Json& values = At(expression, "values");
    if (!values.is_null() && !values.is_array()) return fail(where + ".values must be a list");
    for (const Json& value : values) {
      if (!value.is_string()) return fail(where + ".values must be strings");
      const auto& text = value.get_ref<const std::string&>();
      if (auto valid = ValidateLabelValue(text); !valid) {
        return fail(fmt::format("{}.values: \"{}\": {}", where, text, valid.error().message()));
      }
      requirement.values.push_back(text);
    }
    const std::string& op = StringAt(expression, "operator");
    if (op == "In" || op == "NotIn") {
      requirement.op = op == "In" ? Operator::kIn : Operator::kNotIn;
      if (requirement.values.empty()) {
        return fail(fmt::format("{}.values must not be empty for operator {}", where, op));
      }
    } else if (op == "Exists" || op == "DoesNotExist") {
      requirement.op = op == "Exists" ? Operator::kExists : Operator::kNotExists;
      if (!requirement.values.empty()) {
        return fail(fmt::format("{}.values must be empty for operator {}", where, op));
      }
    } else {
      return fail(fmt::format("{}.operator: \"{}\" is not one of In, NotIn, Exists, DoesNotExist",
                              where, op));
    }
    selector.requirements_.push_back(std::move(requirement));
  }
  Normalise(selector.requirements_);
  return selector;
}

LabelSelector LabelSelector::FromMap(const Json& labels) {
  LabelSelector selector;
  if (!labels.is_object()) return selector;
  for (const auto& [key, value] : labels.items()) {
    if (!value.is_string()) continue;
    selector.requirements_.push_back({key, Operator::kEquals, {value.get<std::string>()}});
  }
  return selector;
}

bool LabelSelector::Matches(const Json& labels) const {
  if (nothing_) return false;
  return std::ranges::all_of(requirements_, [&](const Requirement& requirement) {
    const std::string* value = nullptr;
    if (labels.is_object()) {
      if (const auto found = labels.find(requirement.key);
          found != labels.end() && found->is_string()) {
        value = &found->get_ref<const std::string&>();
      }
    }
    return MatchesRequirement(requirement, value);
  });
}

std::string LabelSelector::ToString() const {
  // The grammar has no word for it; a contradiction selects nothing anywhere.
  if (nothing_) return "enclave.dev/nothing,!enclave.dev/nothing";
  std::string text;
  for (const auto& [key, op, values] : requirements_) {
    if (!text.empty()) text += ',';
    const std::string first = values.empty() ? "" : values.front();
    switch (op) {
      case Operator::kEquals:
        text += key + "=" + first;
        break;
      case Operator::kNotEquals:
        text += key + "!=" + first;
        break;
      case Operator::kIn:
        text += fmt::format("{} in ({})", key, fmt::join(values, ","));
        break;
      case Operator::kNotIn:
        text += fmt::format("{} notin ({})", key, fmt::join(values, ","));
        break;
      case Operator::kExists:
        text += key;
        break;
      case Operator::kNotExists:
        text += "!" + key;
        break;
      case Operator::kGreaterThan:
        text += key + ">" + first;
        break;
      case Operator::kLessThan:
        text += key + "<" + first;
        break;
    }
  }
  return text;
}

}  // namespace enclave::kube
