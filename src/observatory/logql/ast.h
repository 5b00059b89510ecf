// What a LogQL query says, as a tree. Values once parsed; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "telemetry/matcher.h"

namespace re2 {
class RE2;
}
namespace enclave::observatory::text {
class Template;
}

namespace enclave::observatory::logql {

// |= "a" or "b": a line passes when it has any of the texts; the negative ones when it has none.
struct LineFilter {
  bool negative = false;
  std::vector<std::string> texts{};                        // of |= and !=
  std::vector<std::shared_ptr<const re2::RE2>> regexes{};  // of |~ and !~
};

enum class Comparison : std::uint8_t {
  kEqual,
  kNotEqual,
  kGreater,
  kGreaterOrEqual,
  kLess,
  kLessOrEqual
};
enum class ValueKind : std::uint8_t { kNumber, kDuration, kBytes };

struct LabelFilter {
  enum class Kind : std::uint8_t { kText, kValue, kAnd, kOr };
  Kind kind = Kind::kText;
  std::optional<telemetry::Matcher> matcher{};  // kText
  std::string name{};                           // kValue: `name` compared with `value`
  Comparison comparison = Comparison::kEqual;
  ValueKind value_kind = ValueKind::kNumber;
  double value = 0;
  std::shared_ptr<const LabelFilter> left{};  // kAnd, kOr
  std::shared_ptr<const LabelFilter> right{};
};

// One step of a path into JSON: a key, or an index into an array.
using JsonPath = std::vector<std::variant<std::string, std::size_t>>;

// `<ip> - <_> "<method>`: texts, and what stands between them under a name ("" for <_>).
struct PatternPart {
  bool capture = false;
  std::string text{};  // the literal, or the name
};

// `json`, `logfmt`, `regexp` and `pattern`, which turn what a line says into labels.
struct LineParser {
  enum class Kind : std::uint8_t { kJson, kLogfmt, kRegexp, kPattern };
  struct Wanted {
    std::string label{};
    std::string key{};  // logfmt
    JsonPath path{};    // json
  };
  Kind kind = Kind::kJson;
  std::vector<Wanted> wanted{};  // empty: everything
  bool strict = false;
  bool keep_empty = false;
  std::shared_ptr<const re2::RE2> regex{};  // regexp: its named groups are labels
  std::vector<PatternPart> pattern{};       // pattern: no two captures side by side
};

// line_format "...": the line becomes what the template makes of its labels.
struct LineFormat {
  std::shared_ptr<const text::Template> format{};
};
// label_format a=b, c="...": in this order, a label gets another's value and the other goes, or
// what a template makes.
struct LabelFormat {
  struct One {
    std::string label{};
    std::string from{};                              // another label, or
    std::shared_ptr<const text::Template> format{};  // a template
  };
  std::vector<One> formats{};
};
// drop and keep: labels by name, or only where they have such a value.
struct LabelChoice {
  bool keeps = false;
  std::vector<std::pair<std::string, std::optional<telemetry::Matcher>>> labels{};
};
// Colours of terminals (ANSI) go.
struct Decolorize {};

using Stage = std::variant<LineFilter, LabelFilter, LineParser, LineFormat, LabelFormat,
                           LabelChoice, Decolorize>;

// unwrap label, unwrap duration(label): the label's value is what a metric query works on. A
// duration counts in seconds, a size in bytes.
struct Unwrap {
  std::string label{};
  ValueKind kind = ValueKind::kNumber;
  std::vector<LabelFilter> filters{};  // behind it, mostly of __error__
};

struct LogSelector {
  telemetry::Matchers matchers;
  std::vector<Stage> stages{};
};

enum class RangeOp : std::uint8_t {
  kCountOverTime,
  kRate,  // of lines, or of the sum of values
  kBytesOverTime,
  kBytesRate,
  kRateCounter,  // from here on of values
  kSumOverTime,
  kAvgOverTime,
  kMinOverTime,
  kMaxOverTime,
  kFirstOverTime,
  kLastOverTime,
  kStdvarOverTime,
  kStddevOverTime,
  kQuantileOverTime
};
enum class VectorOp : std::uint8_t { kSum, kAvg, kMin, kMax, kCount, kTopk, kBottomk };
enum class BinaryOp : std::uint8_t {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kModulo,
  kPower,
  kEqual,
  kNotEqual,
  kGreater,
  kGreaterOrEqual,
  kLess,
  kLessOrEqual
};

struct MetricExpr;
using MetricExprPtr = std::shared_ptr<const MetricExpr>;

struct Grouping {
  bool without = false;
  std::vector<std::string> labels{};  // sorted
};
struct RangeAggregation {
  RangeOp op;
  LogSelector selector{};
  std::int64_t range_ns = 0;
  std::int64_t offset_ns = 0;
  std::optional<Unwrap> unwrap{};
  std::optional<Grouping> grouping{};
  double quantile = 0;  // kQuantileOverTime
};
struct VectorAggregation {
  VectorOp op;
  Grouping grouping{};
  std::size_t k = 0;  // topk, bottomk
  MetricExprPtr inner{};
};
struct BinaryExpr {
  BinaryOp op;
  std::size_t at;  // of the operator
  MetricExprPtr left;
  MetricExprPtr right;
};
struct NumberExpr {
  double value;
  bool vector = false;  // vector(5)
};
struct MetricExpr {
  std::variant<RangeAggregation, VectorAggregation, BinaryExpr, NumberExpr> what;
};

using Query = std::variant<LogSelector, MetricExprPtr>;

}  // namespace enclave::observatory::logql
