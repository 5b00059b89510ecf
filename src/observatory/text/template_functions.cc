// The functions of templates that need nothing but their arguments: of both dialects, and of
// alerts.
#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "base/quote.h"
#include "observatory/text/humanize.h"
#include "observatory/text/regex.h"
#include "observatory/text/template_ast.h"
#include "telemetry/config_node.h"

namespace enclave::observatory::text {
namespace {

using Args = std::vector<TemplateValue>;
using telemetry::Labels;

template <std::string (*kFormat)(double)>
base::Result<TemplateValue> OnNumber(const Args& args) {
  const auto number = AsNumber(args[0]);
  if (!number) return WrongUse(fmt::format("{} is no number", base::Quote(ToText(args[0]))));
  return TemplateValue{kFormat(*number)};
}

std::string Upper(std::string text) {
  for (char& c : text) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return text;
}
std::string Lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}
std::string Title(std::string text) {
  bool start = true;
  for (char& c : text) {
    if (start && c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    start = !(std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '\'' ||
              (c & 0x80) != 0);
  }
  return text;
}
std::string StripPort(std::string text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return text;
  if (text.starts_with('[')) {
    const std::size_t bracket = text.find(']');
    return bracket == std::string::npos ? text : text.substr(1, bracket - 1);
  }
  return text.find(':') == colon ? text.substr(0, colon) : text;
}

template <std::string (*kChange)(std::string)>
base::Result<TemplateValue> OnText(const Args& args) {
  return TemplateValue{kChange(ToText(args[0]))};
}

base::Result<TemplateValue> First(const Args& args) {
  const auto* list = std::get_if<TemplateList>(&args[0].value);
  if (list == nullptr) return WrongUse("first is of what a query gives");
  if (list->empty()) return WrongUse("first() called on a vector with no elements");
  return TemplateValue{list->front()};
}

base::Result<TemplateValue> Value(const Args& args) {
  const auto* sample = std::get_if<Sample>(&args[0].value);
  if (sample == nullptr) return WrongUse("value is of one sample: use first before it");
  return TemplateValue{sample->value};
}

base::Result<TemplateValue> Label(const Args& args) {
  const auto* sample = std::get_if<Sample>(&args[1].value);
  if (sample == nullptr) return WrongUse("label is of one sample: use first before it");
  return TemplateValue{std::string(sample->labels.Get(ToText(args[0])))};
}

base::Result<TemplateValue> StringValue(const Args& args) {
  const auto* sample = std::get_if<Sample>(&args[0].value);
  if (sample == nullptr) return WrongUse("strvalue is of one sample: use first before it");
  return TemplateValue{std::string(sample->labels.Get("__value__"))};
}

base::Result<TemplateValue> SortByLabel(const Args& args) {
  const auto* list = std::get_if<TemplateList>(&args[1].value);
  if (list == nullptr) return WrongUse("sortByLabel is of what a query gives");
  TemplateList sorted = *list;
  const std::string name = ToText(args[0]);
  std::ranges::sort(sorted, [&](const Sample& a, const Sample& b) {
    const auto key_a = a.labels.Get(name);
    const auto key_b = b.labels.Get(name);
    return key_a != key_b ? key_a < key_b : a.labels < b.labels;
  });
  return TemplateValue{std::move(sorted)};
}

base::Result<TemplateValue> Match(const Args& args) {
  ASSIGN_OR_RETURN(const auto regex, CompiledRegex(ToText(args[0])));
  return TemplateValue{re2::RE2::PartialMatch(ToText(args[1]), *regex)};
}

base::Result<TemplateValue> ParseDuration(const Args& args) {
  ASSIGN_OR_RETURN(const base::Duration duration, telemetry::ParseConfigDuration(ToText(args[0])));
  return TemplateValue{std::chrono::duration<double>(duration).count()};
}

base::Result<TemplateValue> Len(const Args& args) {
  std::size_t length = 0;
  if (const auto* text = std::get_if<std::string>(&args[0].value)) {
    length = text->size();
  } else if (const auto* list = std::get_if<TemplateList>(&args[0].value)) {
    length = list->size();
  } else if (const auto* labels = std::get_if<Labels>(&args[0].value)) {
    length = labels->size();
  } else {
    return WrongUse("len is of a text, a map or a list");
  }
  return TemplateValue{static_cast<std::int64_t>(length)};
}

base::Result<TemplateValue> Index(const Args& args) {
  if (const auto* labels = std::get_if<Labels>(&args[0].value)) {
    return TemplateValue{std::string(labels->Get(ToText(args[1])))};
  }
  const auto* list = std::get_if<TemplateList>(&args[0].value);
  const auto at = AsNumber(args[1]);
  if (list == nullptr || !at) return WrongUse("index is of a map or a list");
  if (!(*at >= 0 && *at < static_cast<double>(list->size()))) {
    return WrongUse("index is out of range");
  }
  return TemplateValue{(*list)[static_cast<std::size_t>(*at)]};
}

base::Result<TemplateValue> Not(const Args& args) {
  return TemplateValue{!IsTrue(args[0])};
}
base::Result<TemplateValue> And(const Args& args) {
  for (const TemplateValue& arg : args)
    if (!IsTrue(arg)) return arg;
  return args.back();
}
base::Result<TemplateValue> Or(const Args& args) {
  for (const TemplateValue& arg : args)
    if (IsTrue(arg)) return arg;
  return args.back();
}

// Less, equal, greater; nullopt for what cannot be compared.
std::optional<std::partial_ordering> Compare(const TemplateValue& a, const TemplateValue& b) {
  const auto* text_a = std::get_if<std::string>(&a.value);
  const auto* text_b = std::get_if<std::string>(&b.value);
  if (text_a != nullptr && text_b != nullptr) return *text_a <=> *text_b;
  if (text_a != nullptr || text_b != nullptr) return std::nullopt;
  const auto* truth_a = std::get_if<bool>(&a.value);
  const auto* truth_b = std::get_if<bool>(&b.value);
  if (truth_a != nullptr && truth_b != nullptr) return *truth_a <=> *truth_b;
  const auto number_a = AsNumber(a);
  const auto number_b = AsNumber(b);
  if (number_a && number_b) return *number_a <=> *number_b;
  return std::nullopt;
}

template <bool (*kHolds)(std::partial_ordering)>
base::Result<TemplateValue> Comparison(const Args& args) {
  const auto order = Compare(args[0], args[1]);
  if (!order) return WrongUse("values of different kinds are compared");
  return TemplateValue{kHolds(*order)};
}

// eq is of one value with any of the others.
base::Result<TemplateValue> Equal(const Args& args) {
  for (std::size_t i = 1; i < args.size(); ++i) {
    const auto order = Compare(args[0], args[i]);
    if (!order) return WrongUse("values of different kinds are compared");
    if (std::is_eq(*order)) return TemplateValue{true};
  }
  return TemplateValue{false};
}

base::Result<TemplateValue> Print(const Args& args) {
  std::string text;
  for (const TemplateValue& arg : args) text += ToText(arg);
  return TemplateValue{std::move(text)};
}

struct Verb {
  bool left = false;
  bool plus = false;
  bool zero = false;
  bool space = false;
  bool sharp = false;
  int width = 0;
  int precision = -1;
  char letter = 0;
};

// One argument by one verb of Go's fmt.
std::string FormatVerb(const Verb& verb, const TemplateValue& arg) {
  std::string body;
  bool numeric = false;
  const auto* whole = std::get_if<std::int64_t>(&arg.value);
  const auto* real = std::get_if<double>(&arg.value);
  switch (verb.letter) {
    case 'v':
    case 's':
      body = ToText(arg);
      if (verb.letter == 's' && verb.precision >= 0) {
        body = body.substr(0, static_cast<std::size_t>(verb.precision));
      }
      numeric = whole != nullptr || real != nullptr;
      break;
    case 'q':
      body = base::Quote(ToText(arg));
      break;
    case 'd':
    case 'x':
    case 'X':
    case 'c':
      if (whole == nullptr) {
        return fmt::format("%!{}({})", verb.letter, ToText(arg));
      }
      numeric = true;
      body = verb.letter == 'x'   ? fmt::format("{:x}", *whole)
             : verb.letter == 'X' ? fmt::format("{:X}", *whole)
                                  : fmt::format("{}", *whole);
      break;
    case 'f':
    case 'F':
    case 'e':
    case 'g': {
      if (real == nullptr) return fmt::format("%!{}({})", verb.letter, ToText(arg));
      numeric = true;
      if (!std::isfinite(*real)) {
        body = FormatGoFloat(*real);
        if (!verb.plus && body == "+Inf") body = "+Inf";
      } else if (verb.letter == 'g' && verb.precision < 0) {
        body = FormatGoFloat(*real);
      } else if (verb.letter == 'g') {
        body = fmt::format("{:.{}g}", *real, verb.precision);
      } else if (verb.letter == 'e') {
        body = fmt::format("{:.{}e}", *real, verb.precision < 0 ? 6 : verb.precision);
      } else {
        body = fmt::format("{:.{}f}", *real, verb.precision < 0 ? 6 : verb.precision);
      }
      break;
    }
    case 't':
      body = ToText(arg);
      break;
    default:
      return fmt::format("%!{}({})", verb.letter, ToText(arg));
  }
  if (numeric && verb.plus && !body.starts_with('-') && !body.starts_with('+')) body.insert(0, "+");
  if (numeric && verb.space && !body.starts_with('-') && !body.starts_with('+')) {
    body.insert(0, " ");
  }
  const auto width = static_cast<std::size_t>(verb.width);
  if (body.size() < width) {
    const std::size_t missing = width - body.size();
    if (verb.left) {
      body.append(missing, ' ');
    } else if (verb.zero && numeric) {
      body.insert(body.starts_with('-') || body.starts_with('+') ? 1 : 0, missing, '0');
    } else {
      body.insert(0, missing, ' ');
    }
  }
  return body;
}

base::Result<TemplateValue> Printf(const Args& args) {
  constexpr int kMostWidth = 1000;
  const std::string format = ToText(args[0]);
  std::string result;
  std::size_t next = 1;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      result += format[i];
      continue;
    }
    Verb verb;
    ++i;
    for (; i < format.size(); ++i) {
      if (format[i] == '-') {
        verb.left = true;
      } else if (format[i] == '+') {
        verb.plus = true;
      } else if (format[i] == '0') {
        verb.zero = true;
      } else if (format[i] == ' ') {
        verb.space = true;
      } else if (format[i] == '#') {
        verb.sharp = true;
      } else {
        break;
      }
    }
    const auto digits = [&] {
      int number = 0;
      for (; i < format.size() && format[i] >= '0' && format[i] <= '9'; ++i) {
        number = std::min(number * 10 + (format[i] - '0'), kMostWidth);
      }
      return number;
    };
    verb.width = digits();
    if (i < format.size() && format[i] == '.') {
      ++i;
      verb.precision = std::min(digits(), 100);
    }
    if (i >= format.size()) {
      result += "%!(NOVERB)";
      break;
    }
    verb.letter = format[i];
    if (verb.letter == '%') {
      result += '%';
    } else if (next >= args.size()) {
      result += fmt::format("%!{}(MISSING)", verb.letter);
    } else {
      result += FormatVerb(verb, args[next++]);
    }
    if (result.size() > kMaxTemplateOutput) return WrongUse("the text is too long");
  }
  if (next < args.size()) {
    result += "%!(EXTRA ";
    for (std::size_t i = next; i < args.size(); ++i) {
      result += (i > next ? ", " : "") + ToText(args[i]);
    }
    result += ")";
  }
  return TemplateValue{std::move(result)};
}

constexpr auto kNotEqual = [](const Args& args) -> base::Result<TemplateValue> {
  const auto order = Compare(args[0], args[1]);
  if (!order) return WrongUse("values of different kinds are compared");
  return TemplateValue{!std::is_eq(*order)};
};
bool IsLess(std::partial_ordering order) {
  return std::is_lt(order);
}
bool IsAtMost(std::partial_ordering order) {
  return std::is_lteq(order);
}
bool IsGreater(std::partial_ordering order) {
  return std::is_gt(order);
}
bool IsAtLeast(std::partial_ordering order) {
  return std::is_gteq(order);
}

TemplateFunctions CommonFunctions() {
  return {
      {"and", {1, -1, And}},
      {"eq", {2, -1, Equal}},
      {"ge", {2, 2, Comparison<IsAtLeast>}},
      {"gt", {2, 2, Comparison<IsGreater>}},
      {"index", {2, 2, Index}},
      {"le", {2, 2, Comparison<IsAtMost>}},
      {"len", {1, 1, Len}},
      {"lt", {2, 2, Comparison<IsLess>}},
      {"ne", {2, 2, kNotEqual}},
      {"not", {1, 1, Not}},
      {"or", {1, -1, Or}},
      {"print", {0, -1, Print}},
      {"printf", {1, -1, Printf}},
      {"title", {1, 1, OnText<Title>}},
  };
}

TemplateFunctions AlertFunctions() {
  return {
      {"externalURL", {0, 0, nullptr}},
      {"first", {1, 1, First}},
      {"humanize", {1, 1, OnNumber<Humanize>}},
      {"humanize1024", {1, 1, OnNumber<Humanize1024>}},
      {"humanizeDuration", {1, 1, OnNumber<HumanizeDuration>}},
      {"humanizePercentage", {1, 1, OnNumber<HumanizePercentage>}},
      {"humanizeTimestamp", {1, 1, OnNumber<HumanizeTimestamp>}},
      {"label", {2, 2, Label}},
      {"match", {2, 2, Match}},
      {"parseDuration", {1, 1, ParseDuration}},
      {"query", {1, 1, nullptr}},
      {"reReplaceAll", {3, 3, ReplaceRegex}},
      {"sortByLabel", {2, 2, SortByLabel}},
      {"stripPort", {1, 1, OnText<StripPort>}},
      {"strvalue", {1, 1, StringValue}},
      {"toLower", {1, 1, OnText<Lower>}},
      {"toUpper", {1, 1, OnText<Upper>}},
      {"value", {1, 1, Value}},
  };
}

TemplateFunctions Joined(TemplateFunctions own) {
  own.merge(CommonFunctions());
  return own;
}

}  // namespace

const TemplateFunctions& FunctionsOf(Dialect dialect) {
  static const TemplateFunctions alert = Joined(AlertFunctions());
  static const TemplateFunctions line = Joined(LineFunctions());
  return dialect == Dialect::kAlert ? alert : line;
}

std::unexpected<base::Error> WrongUse(std::string_view why) {
  return base::Fail(base::ErrorKind::kUnprocessable, std::string(why));
}

std::optional<double> AsNumber(const TemplateValue& value) {
  if (const auto* number = std::get_if<double>(&value.value)) return *number;
  if (const auto* whole = std::get_if<std::int64_t>(&value.value)) {
    return static_cast<double>(*whole);
  }
  if (const auto* text = std::get_if<std::string>(&value.value)) {
    double number = 0;
    std::string_view digits = *text;
    if (digits.starts_with('+')) digits.remove_prefix(1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error == std::errc() && end == digits.data() + digits.size()) return number;
  }
  return std::nullopt;
}

bool IsTrue(const TemplateValue& value) {
  struct Visitor {
    bool operator()(std::monostate) const { return false; }
    bool operator()(bool truth) const { return truth; }
    bool operator()(std::int64_t number) const { return number != 0; }
    bool operator()(double number) const { return number != 0; }
    bool operator()(const std::string& text) const { return !text.empty(); }
    bool operator()(const Labels& labels) const { return !labels.empty(); }
    bool operator()(const Sample&) const { return true; }
    bool operator()(const TemplateList& list) const { return !list.empty(); }
    bool operator()(TemplateRoot) const { return true; }
  };
  return std::visit(Visitor(), value.value);
}

std::string ToText(const TemplateValue& value) {
  struct Visitor {
    std::string operator()(std::monostate) const { return "<no value>"; }
    std::string operator()(bool truth) const { return truth ? "true" : "false"; }
    std::string operator()(std::int64_t number) const { return std::to_string(number); }
    std::string operator()(double number) const { return FormatGoFloat(number); }
    std::string operator()(const std::string& text) const { return text; }
    std::string operator()(const Labels& labels) const {
      std::string text = "map[";
      for (const auto& label : labels) {
        if (text.size() > 4) text += ' ';
        text += label.name + ":" + label.value;
      }
      return text + "]";
    }
    std::string operator()(const Sample& sample) const {
      return sample.labels.ToString() + " " + FormatGoFloat(sample.value);
    }
    std::string operator()(const TemplateList& list) const {
      std::string text;
      for (const Sample& sample : list) {
        if (text.size() > kMaxTemplateOutput) break;
        text += (text.empty() ? "" : " ") + (*this)(sample);
      }
      return "[" + text + "]";
    }
    std::string operator()(TemplateRoot) const { return "<data>"; }
  };
  return std::visit(Visitor(), value.value);
}

}  // namespace enclave::observatory::text
