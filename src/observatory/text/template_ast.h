// The tree of a template, between its parser and its evaluation.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "observatory/text/template.h"
#include "telemetry/labels.h"

namespace enclave::observatory::text {

inline constexpr int kMaxTemplateDepth = 32;
inline constexpr std::size_t kMaxTemplateOutput = 256 << 10;

struct TemplatePipeline;
struct TemplateFunction;

struct TemplateOperand {
  enum class Kind : std::uint8_t {
    kDot,
    kVariable,
    kFunction,
    kText,
    kNumber,
    kBool,
    kNil,
    kParen
  };
  Kind kind = Kind::kDot;
  std::string text{};                          // of a variable (without $), function or text
  const TemplateFunction* function = nullptr;  // of kFunction
  double number = 0;
  bool integer = false;  // a number written without point or exponent
  bool truth = false;
  std::vector<TemplatePipeline> paren;  // one
  std::vector<std::string> fields{};    // .Labels.job
};

struct TemplateCommand {
  std::vector<TemplateOperand> operands;  // a function and its arguments, or one value
};

struct TemplatePipeline {
  std::vector<std::string> variables{};  // those it declares, without $
  bool declares = false;                 // := and not =
  std::vector<TemplateCommand> commands{};
};

struct TemplateNode {
  enum class Kind : std::uint8_t { kText, kAction, kIf, kWith, kRange };
  Kind kind = Kind::kText;
  int line = 1;
  std::string text{};
  TemplatePipeline pipeline{};
  std::vector<TemplateNode> body{};
  std::vector<TemplateNode> otherwise{};
};

base::Result<std::vector<TemplateNode>> ParseTemplate(std::string_view text, Dialect dialect);

// A value while a template is expanded.
struct TemplateValue;
using TemplateList = std::vector<Sample>;
struct TemplateRoot {};  // the data that `.` is at the beginning
struct TemplateValue {
  std::variant<std::monostate, bool, std::int64_t, double, std::string, telemetry::Labels, Sample,
               TemplateList, TemplateRoot>
      value{};
};

// The functions that templates know, by name. `least` and `most` count arguments, the piped one
// included; a negative `most` is any number.
struct TemplateFunction {
  int least;
  int most;
  base::Result<TemplateValue> (*call)(const std::vector<TemplateValue>&);
};
using TemplateFunctions = std::map<std::string, TemplateFunction, std::less<>>;
// Those of both dialects are in each. `query` and what needs the data are known to the evaluation
// itself and have no `call`.
const TemplateFunctions& FunctionsOf(Dialect dialect);
TemplateFunctions LineFunctions();  // of log lines alone

std::unexpected<base::Error> WrongUse(std::string_view why);
std::optional<double> AsNumber(const TemplateValue& value);

bool IsTrue(const TemplateValue& value);
std::string ToText(const TemplateValue& value);

}  // namespace enclave::observatory::text
