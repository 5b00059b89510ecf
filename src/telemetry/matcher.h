// Label matchers of Prometheus and Loki selectors: = != =~ !~, with RE2 regular expressions that
// are anchored at both ends.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "telemetry/labels.h"

namespace re2 {
class RE2;
}

namespace enclave::telemetry {

enum class MatchOp : std::uint8_t { kEqual, kNotEqual, kRegex, kNotRegex };

class Matcher {
 public:
  // kInvalidArgument for a regular expression that RE2 refuses; the message shows it.
  static base::Result<Matcher> Create(MatchOp op, std::string name, std::string value);
  // For = and !=, which cannot fail.
  static Matcher Equal(std::string name, std::string value);

  const std::string& name() const { return name_; }
  const std::string& value() const { return value_; }
  MatchOp op() const { return op_; }

  // `value` is "" for a label that is not there.
  bool Matches(std::string_view value) const;
  // Whether a label set without the label matches: such a matcher selects nothing by itself.
  bool MatchesEmpty() const { return Matches(""); }
  // For a regular expression that is an alternation of literals (a|b|c) these; else empty.
  const std::vector<std::string>& literals() const { return literals_; }
  std::string ToString() const;  // name=~"value"

 private:
  MatchOp op_ = MatchOp::kEqual;
  std::string name_;
  std::string value_;
  std::shared_ptr<const re2::RE2> regex_;
  std::vector<std::string> literals_;
};

using Matchers = std::vector<Matcher>;

bool Matches(const Matchers& matchers, const Labels& labels);

}  // namespace enclave::telemetry
