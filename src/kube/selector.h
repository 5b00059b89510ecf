// Label and field selectors (Kubernetes API concepts, "Labels and selectors", "Field selectors").
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kube/object.h"

namespace enclave::kube {

class LabelSelector {
 public:
  enum class Operator {
    kEquals,
    kNotEquals,
    kIn,
    kNotIn,
    kExists,
    kNotExists,
    kGreaterThan,  // the label's value and the given one as integers
    kLessThan,
  };
  struct Requirement {
    std::string key;
    Operator op;
    std::vector<std::string> values;
  };

  LabelSelector() = default;  // selects everything
  // "app=web,tier!=db,env in (a,b),!canary". Errors name the place of the fault.
  static base::Result<LabelSelector> Parse(std::string_view text);
  // {"matchLabels": {...}, "matchExpressions": [{key, operator, values}]}. Null selects nothing.
  static base::Result<LabelSelector> FromJson(const Json& selector);
  // A plain map, as Service.spec.selector: all pairs must be equal.
  static LabelSelector FromMap(const Json& labels);

  bool Matches(const Json& labels) const;  // metadata.labels; null is the empty map
  bool empty() const { return requirements_.empty() && !nothing_; }
  const std::vector<Requirement>& requirements() const { return requirements_; }
  std::string ToString() const;  // canonical text; Parse gives it back

 private:
  std::vector<Requirement> requirements_;
  bool nothing_ = false;
};

class FieldSelector {
 public:
  struct Requirement {
    std::string path;  // "metadata.name"
    bool equals;
    std::string value;
  };

  FieldSelector() = default;
  static base::Result<FieldSelector> Parse(std::string_view text);  // "a.b=c,d!=e"; == is =
  static FieldSelector Equal(std::string path, std::string value);

  bool Matches(const Json& object) const;  // absent fields are ""
  bool empty() const { return requirements_.empty(); }
  const std::vector<Requirement>& requirements() const { return requirements_; }
  std::string ToString() const;

 private:
  std::vector<Requirement> requirements_;
};

}  // namespace enclave::kube
