#include "observatory/logql/stage_parser.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>

#include "base/quote.h"
#include "observatory/logql/line_parsers.h"
#include "observatory/logql/parser_words.h"
#include "observatory/logql/units.h"
#include "observatory/text/template.h"

namespace enclave::observatory::logql {
namespace {

constexpr std::size_t kMostStages = 100;

std::optional<telemetry::MatchOp> MatchOpOf(const Token& token) {
  if (token.Is("=")) return telemetry::MatchOp::kEqual;
  if (token.Is("!=")) return telemetry::MatchOp::kNotEqual;
  if (token.Is("=~")) return telemetry::MatchOp::kRegex;
  if (token.Is("!~")) return telemetry::MatchOp::kNotRegex;
  return std::nullopt;
}

LabelFilter Both(LabelFilter::Kind kind, LabelFilter left, LabelFilter right) {
  LabelFilter both;
  both.kind = kind;
  both.left = std::make_shared<const LabelFilter>(std::move(left));
  both.right = std::make_shared<const LabelFilter>(std::move(right));
  return both;
}

}  // namespace

const Token& StageParser::Ahead(std::size_t count) const {
  return tokens_[std::min(next_ + count, tokens_.size() - 1)];
}

bool StageParser::Accept(std::string_view symbol) {
  if (!Now().Is(symbol)) return false;
  ++next_;
  return true;
}

std::unexpected<base::Error> StageParser::Refuse(std::size_t at, std::string_view message) const {
  return ErrorAt(query_, at, message);
}

std::unexpected<base::Error> StageParser::Unexpected(std::string_view wanted) const {
  const Token& token = Now();
  if (token.kind == TokenKind::kEnd)
    return Refuse(token.at, fmt::format("the query ends where {} was expected", wanted));
  return Refuse(token.at,
                fmt::format("{} stands where {} was expected", base::Quote(token.text), wanted));
}

base::Result<> StageParser::Expect(std::string_view symbol) {
  if (!Accept(symbol)) return Unexpected(base::Quote(symbol));
  return {};
}

base::Result<std::string> StageParser::Name(std::string_view what) {
  if (Now().kind != TokenKind::kName) return Unexpected(what);
  return tokens_[next_++].text;
}

base::Result<std::string> StageParser::String(std::string_view what) {
  if (Now().IsName("ip") && Ahead(1).Is("(")) return Refuse(Now().at, "ip(...) is not supported");
  if (Now().kind != TokenKind::kString) return Unexpected(what);
  return tokens_[next_++].text;
}

bool StageParser::IsSelectorAhead() const {
  std::size_t ahead = 0;
  while (Ahead(ahead).Is("(")) ++ahead;
  return Ahead(ahead).Is("{");
}

base::Result<LogSelector> StageParser::Selector() {
  std::size_t open = 0;
  while (Accept("(")) ++open;
  LogSelector selector;
  const std::size_t at = Now().at;
  RETURN_IF_ERROR(Expect("{"));
  while (!Now().Is("}")) {
    ASSIGN_OR_RETURN(telemetry::Matcher matcher, StreamMatcher());
    selector.matchers.push_back(std::move(matcher));
    if (!Accept(",") && !Now().Is("}")) return Unexpected("\",\" or \"}\"");
  }
  RETURN_IF_ERROR(Expect("}"));
  if (std::ranges::all_of(selector.matchers, &telemetry::Matcher::MatchesEmpty))
    return Refuse(at,
                  "a selector needs at least one matcher that does not match the empty text: "
                  "{app=\"web\"}, or {app=~\".+\"}");
  RETURN_IF_ERROR(Stages(selector, open));
  if (open > 0) return Unexpected("\")\"");
  return selector;
}

base::Result<> StageParser::Stages(LogSelector& selector, std::size_t& open) {
  while (true) {
    while (open > 0 && Accept(")")) --open;
    const Token& token = Now();
    if (token.Is("|>") || token.Is("!>"))
      return Refuse(token.at, fmt::format("the pattern filter {} is not supported", token.text));
    if (!token.Is("|=") && !token.Is("!=") && !token.Is("|~") && !token.Is("!~") &&
        (!token.Is("|") || IsUnwrapAhead()))
      return {};
    // After a selector in parentheses, != begins a comparison of metrics, which it cannot.
    if (selector.stages.size() >= kMostStages)
      return Refuse(token.at, fmt::format("more than {} stages", kMostStages));
    ASSIGN_OR_RETURN(Stage stage, OneStage());
    selector.stages.push_back(std::move(stage));
  }
}

base::Result<telemetry::Matcher> StageParser::StreamMatcher() {
  ASSIGN_OR_RETURN(std::string name, Name("the name of a label"));
  const Token op = Now();
  const auto kind = MatchOpOf(op);
  if (!kind) return Unexpected("one of = != =~ !~");
  ++next_;
  ASSIGN_OR_RETURN(std::string value, String("a text in quotes"));
  auto matcher = telemetry::Matcher::Create(*kind, std::move(name), std::move(value));
  if (!matcher) return Refuse(op.at, matcher.error().message());
  return matcher;
}

base::Result<Stage> StageParser::OneStage() {
  if (!Accept("|")) {
    ASSIGN_OR_RETURN(LineFilter filter, Lines());
    return filter;
  }
  const Token& token = Now();
  const bool compared = MatchOpOf(Ahead(1)) || Ahead(1).Is("==") || Ahead(1).Is(">") ||
                        Ahead(1).Is(">=") || Ahead(1).Is("<") || Ahead(1).Is("<=");
  if (token.kind == TokenKind::kName && !compared) {
    if (token.text == "json" || token.text == "logfmt") {
      ASSIGN_OR_RETURN(LineParser parser, ParserStage());
      return parser;
    }
    if (token.text == "regexp" || token.text == "pattern") {
      ASSIGN_OR_RETURN(LineParser parser, TextParserStage());
      return parser;
    }
    if (token.text == "line_format") {
      ++next_;
      ASSIGN_OR_RETURN(auto format, Format());
      return LineFormat{std::move(format)};
    }
    if (token.text == "label_format") {
      ASSIGN_OR_RETURN(LabelFormat format, LabelFormatStage());
      return format;
    }
    if (token.text == "drop" || token.text == "keep") {
      ASSIGN_OR_RETURN(LabelChoice choice, LabelChoiceStage());
      return choice;
    }
    if (AcceptName("decolorize")) return Decolorize{};
    if (std::ranges::find(kOtherStages, token.text) != std::end(kOtherStages))
      return Refuse(token.at, fmt::format("the stage {} is not supported", token.text));
  }
  ASSIGN_OR_RETURN(LabelFilter filter, LabelOr());
  return filter;
}

base::Result<LineFilter> StageParser::Lines() {
  const Token op = tokens_[next_++];
  LineFilter filter;
  filter.negative = op.text.starts_with('!');
  do {
    const std::size_t at = Now().at;
    ASSIGN_OR_RETURN(std::string text, String("a text in quotes"));
    if (op.text.ends_with('=')) {
      filter.texts.push_back(std::move(text));
      continue;
    }
    ASSIGN_OR_RETURN(std::shared_ptr<const re2::RE2> regex, Regex(text, at));
    filter.regexes.push_back(std::move(regex));
  } while (AcceptName("or"));
  return filter;
}

base::Result<std::shared_ptr<const re2::RE2>> StageParser::Regex(const std::string& text,
                                                                 std::size_t at) const {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(8 << 20);
  auto regex = std::make_shared<const re2::RE2>(text, options);
  if (!regex->ok())
    return Refuse(at, fmt::format("the regular expression {} is not valid: {}", base::Quote(text),
                                  regex->error()));
  return regex;
}

base::Result<LineParser> StageParser::TextParserStage() {
  LineParser parser;
  const bool regexp = Now().text == "regexp";
  parser.kind = regexp ? LineParser::Kind::kRegexp : LineParser::Kind::kPattern;
  ++next_;
  const std::size_t at = Now().at;
  ASSIGN_OR_RETURN(const std::string text, String("a text in quotes"));
  if (regexp) {
    ASSIGN_OR_RETURN(parser.regex, Regex(text, at));
    if (parser.regex->NamedCapturingGroups().empty())
      return Refuse(at, "the regular expression has no named group, like (?P<method>\\w+)");
  } else if (const std::string wrong = ParsePattern(text, parser.pattern); !wrong.empty()) {
    return Refuse(at, fmt::format("{} is no pattern: {}", base::Quote(text), wrong));
  }
  return parser;
}

bool StageParser::AcceptName(std::string_view name) {
  if (!Now().IsName(name)) return false;
  ++next_;
  return true;
}

base::Result<LabelFilter> StageParser::LabelOr() {
  ASSIGN_OR_RETURN(LabelFilter left, LabelAnd());
  while (AcceptName("or")) {
    ASSIGN_OR_RETURN(LabelFilter right, LabelAnd());
    left = Both(LabelFilter::Kind::kOr, std::move(left), std::move(right));
  }
  return left;
}

base::Result<LabelFilter> StageParser::LabelAnd() {
  ASSIGN_OR_RETURN(LabelFilter left, LabelOne());
  while (AcceptName("and") || Accept(",")) {
    ASSIGN_OR_RETURN(LabelFilter right, LabelOne());
    left = Both(LabelFilter::Kind::kAnd, std::move(left), std::move(right));
  }
  return left;
}

base::Result<LabelFilter> StageParser::LabelOne() {
  // Chains of and, or and commas are as deep as they are long.
  if (++label_filters_ > kMostNesting)
    return Refuse(Now().at, fmt::format("more than {} label filters", kMostNesting));
  if (Accept("(")) {
    ASSIGN_OR_RETURN(LabelFilter filter, LabelOr());
    RETURN_IF_ERROR(Expect(")"));
    return filter;
  }
  ASSIGN_OR_RETURN(std::string name,
                   Name("a stage: json, logfmt, regexp, pattern, or a filter of a label"));
  const Token op = Now();
  LabelFilter filter;
  if (const auto kind = MatchOpOf(op);
      kind && (Ahead(1).kind == TokenKind::kString || Ahead(1).IsName("ip"))) {
    ++next_;
    ASSIGN_OR_RETURN(std::string value, String("a text in quotes"));
    auto matcher = telemetry::Matcher::Create(*kind, std::move(name), std::move(value));
    if (!matcher) return Refuse(op.at, matcher.error().message());
    filter.matcher = std::move(*matcher);
    return filter;
  }
  const auto comparison = FindNamed(kComparisons, op.text);
  if (op.kind != TokenKind::kSymbol || comparison == std::end(kComparisons))
    return Unexpected("one of = == != =~ !~ > >= < <=");
  ++next_;
  filter.kind = LabelFilter::Kind::kValue;
  filter.name = std::move(name);
  filter.comparison = comparison->value;
  const bool negative = Accept("-");
  const Token& value = Now();
  if (value.kind != TokenKind::kNumber) return Unexpected("a number, a duration or a size");
  if (const auto number = ParseNumber(value.text)) {
    filter.value = *number;
  } else if (const auto duration = ParseDuration(value.text)) {
    filter.value_kind = ValueKind::kDuration;
    filter.value = *duration;
  } else if (const auto bytes = ParseBytes(value.text)) {
    filter.value_kind = ValueKind::kBytes;
    filter.value = *bytes;
  } else {
    return Unexpected("a number, a duration or a size");
  }
  if (negative) filter.value = -filter.value;
  ++next_;
  return filter;
}

base::Result<LineParser> StageParser::ParserStage() {
  LineParser parser;
  const bool json = Now().text == "json";
  parser.kind = json ? LineParser::Kind::kJson : LineParser::Kind::kLogfmt;
  ++next_;
  while (Now().kind == TokenKind::kFlag) {
    if (!json && Now().text == "--strict") {
      parser.strict = true;
    } else if (!json && Now().text == "--keep-empty") {
      parser.keep_empty = true;
    } else {
      return Unexpected("a flag of this parser");
    }
    ++next_;
  }
  if (Now().kind != TokenKind::kName) return parser;
  do {
    LineParser::Wanted wanted;
    ASSIGN_OR_RETURN(wanted.label, Name("the name of a label"));
    std::size_t at = Now().at;
    wanted.key = wanted.label;
    if (Accept("=")) {
      at = Now().at;
      ASSIGN_OR_RETURN(wanted.key, String("what to take, in quotes"));
    }
    if (json && !ParseJsonPath(wanted.key, wanted.path))
      return Refuse(at, fmt::format("{} is no path into JSON, like a.b[0][\"c d\"]",
                                    base::Quote(wanted.key)));
    parser.wanted.push_back(std::move(wanted));
  } while (Accept(","));
  return parser;
}

base::Result<std::shared_ptr<const text::Template>> StageParser::Format() {
  const std::size_t at = Now().at;
  ASSIGN_OR_RETURN(const std::string given, String("a template in quotes"));
  auto format = text::Template::Parse(given, text::Dialect::kLine);
  if (!format) return Refuse(at, format.error().message());
  return std::make_shared<const text::Template>(std::move(*format));
}

base::Result<LabelFormat> StageParser::LabelFormatStage() {
  ++next_;
  LabelFormat stage;
  do {
    LabelFormat::One one;
    const std::size_t at = Now().at;
    ASSIGN_OR_RETURN(one.label, Name("the name of a label"));
    if (std::ranges::find(stage.formats, one.label, &LabelFormat::One::label) !=
        stage.formats.end())
      return Refuse(at, fmt::format("the label {} is formatted twice in one stage", one.label));
    RETURN_IF_ERROR(Expect("="));
    if (Now().kind == TokenKind::kName) {
      ASSIGN_OR_RETURN(one.from, Name("the name of a label"));
    } else {
      ASSIGN_OR_RETURN(one.format, Format());
    }
    stage.formats.push_back(std::move(one));
  } while (Accept(","));
  return stage;
}

base::Result<LabelChoice> StageParser::LabelChoiceStage() {
  LabelChoice stage{.keeps = Now().text == "keep"};
  ++next_;
  do {
    if (MatchOpOf(Ahead(1))) {
      ASSIGN_OR_RETURN(telemetry::Matcher matcher, StreamMatcher());
      stage.labels.emplace_back(matcher.name(), std::move(matcher));
    } else {
      ASSIGN_OR_RETURN(std::string name, Name("the name of a label"));
      stage.labels.emplace_back(std::move(name), std::nullopt);
    }
  } while (Accept(","));
  return stage;
}

base::Result<Unwrap> StageParser::UnwrapStage() {
  next_ += 2;
  Unwrap unwrap;
  const std::size_t at = Now().at;
  ASSIGN_OR_RETURN(unwrap.label, Name("the name of a label"));
  if (Accept("(")) {
    if (unwrap.label == "duration" || unwrap.label == "duration_seconds") {
      unwrap.kind = ValueKind::kDuration;
    } else if (unwrap.label == "bytes") {
      unwrap.kind = ValueKind::kBytes;
    } else {
      return Refuse(at, fmt::format("there is no conversion {}; duration(...), "
                                    "duration_seconds(...) and bytes(...) are known",
                                    base::Quote(unwrap.label)));
    }
    ASSIGN_OR_RETURN(unwrap.label, Name("the name of a label"));
    RETURN_IF_ERROR(Expect(")"));
  }
  while (Accept("|")) {
    ASSIGN_OR_RETURN(LabelFilter filter, LabelOr());
    unwrap.filters.push_back(std::move(filter));
  }
  return unwrap;
}

base::Result<Grouping> StageParser::GroupingNames() {
  Grouping grouping{.without = Now().text == "without"};
  ++next_;
  RETURN_IF_ERROR(Expect("("));
  while (!Now().Is(")")) {
    ASSIGN_OR_RETURN(std::string name, Name("the name of a label"));
    grouping.labels.push_back(std::move(name));
    if (!Accept(",") && !Now().Is(")")) return Unexpected("\",\" or \")\"");
  }
  std::ranges::sort(grouping.labels);
  RETURN_IF_ERROR(Expect(")"));
  return grouping;
}

}  // namespace enclave::observatory::logql
