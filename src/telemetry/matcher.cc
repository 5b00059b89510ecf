#include "telemetry/matcher.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>

#include "base/quote.h"

namespace enclave::telemetry {
namespace {

// "a|b|c" -> a, b, c; empty when any character means something else to a regular expression.
std::vector<std::string> Literals(std::string_view pattern) {
  std::vector<std::string> literals(1);
  for (const char c : pattern) {
    if (c == '|') {
      literals.emplace_back();
    } else if (std::string_view("\\.+*?()[]{}^$").contains(c)) {
      return {};
    } else {
      literals.back() += c;
    }
  }
  return literals;
}

}  // namespace

base::Result<Matcher> Matcher::Create(MatchOp op, std::string name, std::string value) {
  Matcher matcher;
  matcher.op_ = op;
  matcher.name_ = std::move(name);
  matcher.value_ = std::move(value);
  if (op == MatchOp::kRegex || op == MatchOp::kNotRegex) {
    matcher.literals_ = Literals(matcher.value_);
    if (matcher.literals_.empty()) {
      re2::RE2::Options options;
      options.set_dot_nl(true);
      options.set_log_errors(false);
      options.set_max_mem(8 << 20);
      auto regex = std::make_shared<re2::RE2>(matcher.value_, options);
      if (!regex->ok())
        return base::Fail(
            base::ErrorKind::kInvalidArgument,
            fmt::format("the regular expression {} of label {} is not valid: {}",
                        base::Quote(matcher.value_), base::Quote(matcher.name_), regex->error()));
      matcher.regex_ = std::move(regex);
    }
  }
  return matcher;
}

Matcher Matcher::Equal(std::string name, std::string value) {
  Matcher matcher;
  matcher.name_ = std::move(name);
  matcher.value_ = std::move(value);
  return matcher;
}

bool Matcher::Matches(std::string_view value) const {
  switch (op_) {
    case MatchOp::kEqual:
      return value == value_;
    case MatchOp::kNotEqual:
      return value != value_;
    case MatchOp::kRegex:
    case MatchOp::kNotRegex: {
      const bool matched = regex_ ? re2::RE2::FullMatch(value, *regex_)
                                  : std::ranges::find(literals_, value) != literals_.end();
      return matched == (op_ == MatchOp::kRegex);
    }
  }
  return false;
}

std::string Matcher::ToString() const {
  static constexpr std::string_view kOps[] = {"=", "!=", "=~", "!~"};
  return fmt::format("{}{}{}", name_, kOps[static_cast<std::size_t>(op_)], base::Quote(value_));
}

bool Matches(const Matchers& matchers, const Labels& labels) {
  return std::ranges::all_of(matchers, [&](const Matcher& matcher) {
    return matcher.Matches(labels.Get(matcher.name()));
  });
}

}  // namespace enclave::telemetry
