#include "observatory/promql/script_runner.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <optional>
#include <sstream>

#include "observatory/promql/column.h"
#include "observatory/promql/duration.h"
#include "observatory/promql/engine.h"
#include "observatory/promql/lexer.h"
#include "observatory/promql/memory_source.h"
#include "observatory/promql/number_text.h"
#include "observatory/promql/parser.h"

namespace enclave::observatory::promql {
namespace {

using telemetry::Labels;
using telemetry::Sample;

// Values of a script: numbers, gaps, staleness markers.
using Values = std::vector<std::optional<double>>;
struct Described {
  Labels labels;
  Values values;
  bool native = false;  // has {{...}}, which is left out
};

std::string_view Trim(std::string_view text) {
  const auto space = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && space(text.front())) text.remove_prefix(1);
  while (!text.empty() && space(text.back())) text.remove_suffix(1);
  return text;
}

std::vector<std::string> Split(std::string_view text) {
  std::vector<std::string> words;
  std::istringstream in{std::string(text)};
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

std::int64_t TimeOf(std::string_view text) {
  text = Trim(text);
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  std::int64_t ms = 0;
  if (const auto duration = ParseDurationMs(text))
    ms = *duration;
  else
    ms = static_cast<std::int64_t>(ParseNumber(text).value_or(0) * 1000);
  return negative ? -ms : ms;
}

// The number at the front, with its sign; moves behind it.
std::optional<double> TakeNumber(std::string_view& text) {
  std::size_t size = 0;
  if (size < text.size() && (text[size] == '+' || text[size] == '-')) ++size;
  const std::string_view rest = text.substr(size);
  if (rest.size() >= 3 && std::isalpha(static_cast<unsigned char>(rest[0])) != 0) {
    size += 3;
  } else {
    bool exponent = false;
    for (; size < text.size(); ++size) {
      const char c = text[size];
      if (c == 'e' || c == 'E') {
        exponent = true;
        if (size + 1 < text.size() && (text[size + 1] == '-' || text[size + 1] == '+')) ++size;
        continue;
      }
      if (c != '.' && c != '_' && (c < '0' || c > '9')) break;
    }
    static_cast<void>(exponent);
  }
  const auto value = ParseBound(text.substr(0, size));
  if (value) text.remove_prefix(size);
  return value;
}

bool AddValues(std::string_view word, Described& described) {
  const auto repeats = [](std::string_view text) -> std::optional<std::size_t> {
    if (!text.starts_with('x')) return std::nullopt;
    const auto count = ParseNumber(text.substr(1));
    if (!count) return std::nullopt;
    return static_cast<std::size_t>(*count);
  };
  Values& values = described.values;
  if (word == "_") {
    values.emplace_back();
    return true;
  }
  if (word.starts_with("_x")) {
    const auto count = repeats(word.substr(1));
    if (!count) return false;
    values.insert(values.end(), *count, std::nullopt);
    return true;
  }
  std::optional<double> value;
  if (word.starts_with("stale")) {
    value = std::bit_cast<double>(telemetry::kStaleBits);
    word.remove_prefix(5);
  } else {
    value = TakeNumber(word);
  }
  if (!value) return false;
  if (word.empty()) {
    values.push_back(value);
    return true;
  }
  double delta = 0;
  const bool growing = !word.starts_with('x');
  if (growing) {
    const auto taken = TakeNumber(word);
    if (!taken) return false;
    delta = *taken;
  }
  const auto count = repeats(word);
  if (!count) return false;
  double next = *value;
  for (std::size_t i = 0; i <= *count; ++i) {
    values.emplace_back(next);
    if (growing) next += delta;
  }
  return true;
}

std::optional<Described> ParseSeries(std::string_view line) {
  line = Trim(line);
  std::size_t end = 0;
  while (end < line.size() && line[end] != '{' && line[end] != ' ' && line[end] != '\t') ++end;
  Described described;
  std::vector<telemetry::Label> labels;
  if (end > 0) labels.push_back({"__name__", std::string(line.substr(0, end))});
  std::string_view rest = Trim(line.substr(end));
  if (rest.starts_with('{') && !rest.starts_with("{{")) {
    char quote = 0;
    std::size_t close = 1;
    for (; close < rest.size(); ++close) {
      if (quote != 0) {
        if (rest[close] == '\\' && quote != '`')
          ++close;
        else if (rest[close] == quote)
          quote = 0;
      } else if (rest[close] == '"' || rest[close] == '\'' || rest[close] == '`') {
        quote = rest[close];
      } else if (rest[close] == '}') {
        break;
      }
    }
    const auto lexemes = Lex(rest.substr(0, close + 1));
    for (std::size_t i = 1; i + 1 < lexemes.size(); ++i) {
      if (lexemes[i].token == Token::kComma || lexemes[i].token == Token::kRightBrace) continue;
      const auto text = [&](const Lexeme& lexeme) {
        return lexeme.token == Token::kString ? Unquote(lexeme.text).value_or("")
                                              : std::string(lexeme.text);
      };
      if (lexemes[i + 1].token == Token::kAssign && i + 2 < lexemes.size()) {
        labels.push_back({text(lexemes[i]), text(lexemes[i + 2])});
        i += 2;
      } else {
        labels.push_back({"__name__", text(lexemes[i])});
      }
    }
    if (lexemes.back().token == Token::kError) return std::nullopt;
    rest = Trim(rest.substr(std::min(close + 1, rest.size())));
  }
  described.labels = Labels::From(std::move(labels));
  if (rest.contains("{{")) {
    described.native = true;
    return described;
  }
  for (const std::string& word : Split(rest))
    if (!AddValues(word, described)) return std::nullopt;
  return described;
}

bool NearlyEqual(double a, double b) {
  constexpr double kTolerance = 1e-6;
  if (telemetry::IsStale(a) || telemetry::IsStale(b))
    return telemetry::IsStale(a) && telemetry::IsStale(b);
  if ((std::isnan(a) && std::isnan(b)) || a == b) return true;
  const double sum = std::abs(a) + std::abs(b);
  const double difference = std::abs(a - b);
  const double least = std::numeric_limits<double>::min();
  if (a == 0 || b == 0 || sum < least) return difference < kTolerance * least;
  return difference / std::min(sum, std::numeric_limits<double>::max()) < kTolerance;
}

// What an `eval` block expects.
struct Expectation {
  enum class Match : std::uint8_t { kAny, kText, kRegex };
  struct Note {
    Match match = Match::kAny;
    std::string text{};
  };
  bool fail = false;
  std::vector<Note> failures{};
  std::vector<Note> warnings{};
  std::vector<Note> infos{};
  bool no_warning = false;
  bool no_info = false;
  bool ordered = false;
  std::optional<std::string> string{};
  std::optional<double> scalar{};
  std::vector<Described> series{};
  std::optional<std::array<std::int64_t, 3>> range_vector{};  // from, to, step
};

bool Matches(const Expectation::Note& note, const std::string& text) {
  switch (note.match) {
    case Expectation::Match::kAny:
      return true;
    case Expectation::Match::kText:
      return text == note.text;
    case Expectation::Match::kRegex:
      return re2::RE2::PartialMatch(text, note.text);
  }
  return false;
}

class ScriptRunner {
 public:
  explicit ScriptRunner(std::string_view script) {
    std::istringstream in{std::string(script)};
    for (std::string line; std::getline(in, line);) {
      const std::string_view text = Trim(line);
      lines_.emplace_back(text.starts_with('#') ? "" : text);
    }
  }

  std::vector<CaseResult> Run() {
    while (at_ < lines_.size()) {
      const std::string line = lines_[at_++];
      if (line.empty()) continue;
      if (line.starts_with("load")) {
        Load(line);
      } else if (line == "clear") {
        source_.Clear();
      } else if (line.starts_with("eval")) {
        Eval(line);
      } else {
        results_.push_back({at_, CaseStatus::kWrong, "not a command: " + line});
      }
    }
    return std::move(results_);
  }

 private:
  void Load(const std::string& head) {
    const std::int64_t step = TimeOf(Split(head).at(1));
    for (; at_ < lines_.size() && !lines_[at_].empty(); ++at_) {
      const auto described = ParseSeries(lines_[at_]);
      if (!described) {
        results_.push_back({at_ + 1, CaseStatus::kWrong, "not a series: " + lines_[at_]});
        continue;
      }
      std::int64_t time = 0;
      for (const auto& value : described->values) {
        if (value) source_.Add(described->labels, time, *value);
        time += step;
      }
    }
  }

  void Eval(const std::string& head) {
    static const re2::RE2 instant(R"(eval(?:_(\w+))?\s+instant\s+(?:at\s+(\S+)\s+)?(.+))");
    static const re2::RE2 range(
        R"(eval(?:_(\w+))?\s+range\s+from\s+(\S+)\s+to\s+(\S+)\s+step\s+(\S+)\s+(.+))");
    const std::size_t line = at_;
    std::string mode;
    std::string at = "0";
    std::string from;
    std::string to;
    std::string step;
    std::string query;
    const bool is_range = re2::RE2::FullMatch(head, range, &mode, &from, &to, &step, &query);
    if (!is_range && !re2::RE2::FullMatch(head, instant, &mode, &at, &query)) {
      results_.push_back({line, CaseStatus::kWrong, "not an eval: " + head});
      return;
    }
    Expectation expected;
    expected.fail = mode == "fail";
    expected.ordered = mode == "ordered";
    if (mode == "warn") expected.warnings.emplace_back();
    if (mode == "info") expected.infos.emplace_back();
    for (; at_ < lines_.size() && !lines_[at_].empty(); ++at_) Expect(lines_[at_], expected);
    std::string detail;
    CaseStatus status = CaseStatus::kPass;
    if (is_range) {
      const Grid grid{TimeOf(from), TimeOf(step), 0};
      const auto result = engine_.Range(query, grid.start_ms, TimeOf(to), grid.step_ms);
      status = Judge(result, expected, detail, [&](const QueryResult& value) {
        return CompareRange(value, expected, grid, detail);
      });
    } else {
      const std::int64_t time = TimeOf(at);
      const auto result = engine_.Instant(query, time);
      status = Judge(result, expected, detail, [&](const QueryResult& value) {
        return CompareInstant(value, expected, detail) && Again(query, time, value, detail);
      });
    }
    results_.push_back({line, status, query + ": " + detail});
  }

  // The same moment amid the steps of a range query has the same values.
  bool Again(const std::string& query, std::int64_t time, const QueryResult& instant,
             std::string& detail) {
    const auto* vector = std::get_if<InstantVector>(&instant.value);
    if (vector == nullptr || query.contains("start()") || query.contains("end()")) return true;
    constexpr std::int64_t kStep = 60'000;
    const auto result = engine_.Range(query, time - kStep, time + kStep, kStep);
    if (!result) {
      // What cannot be answered a minute earlier or later is not this moment's fault.
      return true;
    }
    std::map<Labels, double> found;
    for (const RangeSeries& series : std::get<RangeMatrix>(result->value))
      for (const Sample& sample : series.samples)
        if (sample.time_ms == time) found[series.labels] = sample.value;
    if (found.size() != vector->size()) {
      detail = fmt::format("{} series as a range query, {} at the instant", found.size(),
                           vector->size());
      return false;
    }
    for (const VectorElement& element : *vector) {
      const auto it = found.find(element.labels);
      if (it != found.end() && NearlyEqual(it->second, element.sample.value)) continue;
      detail = fmt::format("{} differs as a range query", element.labels.ToString());
      return false;
    }
    return true;
  }

  static void Expect(const std::string& line, Expectation& expected) {
    static const re2::RE2 note(
        R"(expect\s+(fail|warn|info|no_warn|no_info|ordered)(?:\s+(msg|regex):\s*(.*))?)");
    static const re2::RE2 range_vector(
        R"(expect range vector\s+from\s+(\S+)\s+to\s+(\S+)\s+step\s+(\S+))");
    std::string what;
    std::string match;
    std::string text;
    std::string from;
    std::string to;
    std::string step;
    if (re2::RE2::FullMatch(line, range_vector, &from, &to, &step)) {
      expected.range_vector = {TimeOf(from), TimeOf(to), TimeOf(step)};
    } else if (line.starts_with("expect string")) {
      expected.string = Unquote(Trim(std::string_view(line).substr(13)));
    } else if (re2::RE2::FullMatch(line, note, &what, &match, &text)) {
      const auto how = match == "msg"     ? Expectation::Match::kText
                       : match == "regex" ? Expectation::Match::kRegex
                                          : Expectation::Match::kAny;
      const auto unquoted = Unquote(text);
      const Expectation::Note wanted{how, unquoted ? *unquoted : text};
      if (what == "fail") {
        expected.fail = true;
        expected.failures.push_back(wanted);
      }
      if (what == "warn") expected.warnings.push_back(wanted);
      if (what == "info") expected.infos.push_back(wanted);
      if (what == "no_warn") expected.no_warning = true;
      if (what == "no_info") expected.no_info = true;
      if (what == "ordered") expected.ordered = true;
    } else if (line.starts_with("expected_fail_message")) {
      expected.failures.push_back(
          {Expectation::Match::kText, std::string(Trim(std::string_view(line).substr(21)))});
    } else if (line.starts_with("expected_fail_regexp")) {
      expected.failures.push_back(
          {Expectation::Match::kRegex, std::string(Trim(std::string_view(line).substr(20)))});
    } else if (const auto scalar = ParseBound(line)) {
      expected.scalar = scalar;
    } else if (auto described = ParseSeries(line)) {
      expected.series.push_back(std::move(*described));
    }
  }

  template <typename Compare>
  static CaseStatus Judge(const base::Result<QueryResult>& result, const Expectation& expected,
                          std::string& detail, Compare compare) {
    if (!result) {
      detail = result.error().message();
      if (expected.fail) {
        for (const auto& note : expected.failures)
          if (!Matches(note, detail)) {
            detail += "; expected " + note.text;
            return CaseStatus::kWrong;
          }
        return CaseStatus::kPass;
      }
      const bool refused = detail.contains("experimental") || detail.contains("not enabled") ||
                           detail.contains("not supported") || detail.contains("unknown function");
      return refused ? CaseStatus::kRefused : CaseStatus::kWrong;
    }
    if (expected.fail) {
      detail = "expected to fail";
      return CaseStatus::kWrong;
    }
    if (!compare(*result)) return CaseStatus::kWrong;
    if (!NotesMatch(result->warnings, expected.warnings, expected.no_warning, detail) ||
        !NotesMatch(result->infos, expected.infos, expected.no_info, detail))
      return CaseStatus::kWrong;
    return CaseStatus::kPass;
  }

  static bool NotesMatch(const std::vector<std::string>& notes,
                         const std::vector<Expectation::Note>& expected, bool none,
                         std::string& detail) {
    if (none && !notes.empty()) {
      detail = "unexpected: " + notes.front();
      return false;
    }
    for (const auto& wanted : expected) {
      if (std::ranges::any_of(notes, [&](const auto& note) { return Matches(wanted, note); }))
        continue;
      detail = fmt::format("no note {}, but {}", wanted.text, fmt::join(notes, "; "));
      return false;
    }
    for (const std::string& note : notes) {
      if (expected.empty() ||
          std::ranges::any_of(expected, [&](const auto& want) { return Matches(want, note); }))
        continue;
      detail = "unexpected: " + note;
      return false;
    }
    return true;
  }

  static bool CompareInstant(const QueryResult& result, const Expectation& expected,
                             std::string& detail) {
    if (const auto* text = std::get_if<StringValue>(&result.value)) {
      detail = "string " + text->text;
      return expected.string == text->text;
    }
    if (const auto* scalar = std::get_if<Sample>(&result.value)) {
      detail = "scalar " + FormatFixed(scalar->value);
      return expected.scalar && NearlyEqual(*expected.scalar, scalar->value);
    }
    if (expected.scalar) {
      detail = "expected a scalar";
      return false;
    }
    if (std::holds_alternative<RangeMatrix>(result.value)) {
      if (!expected.range_vector) {
        detail = "a range vector";
        return false;
      }
      return CompareRange(result, expected,
                          {(*expected.range_vector)[0], (*expected.range_vector)[2], 0}, detail);
    }
    const auto& vector = std::get<InstantVector>(result.value);
    for (const VectorElement& element : vector)
      detail +=
          fmt::format("{} {}; ", element.labels.ToString(), FormatFixed(element.sample.value));
    if (vector.size() != expected.series.size()) return false;
    for (std::size_t i = 0; i < expected.series.size(); ++i) {
      const Described& want = expected.series[i];
      const auto found = std::ranges::find(vector, want.labels, &VectorElement::labels);
      if (found == vector.end() || want.values.size() != 1 || !want.values[0] ||
          !NearlyEqual(*want.values[0], found->sample.value))
        return false;
      if (expected.ordered && static_cast<std::size_t>(found - vector.begin()) != i) return false;
    }
    return true;
  }

  static bool CompareRange(const QueryResult& result, const Expectation& expected, const Grid& grid,
                           std::string& detail) {
    const auto& matrix = std::get<RangeMatrix>(result.value);
    for (const RangeSeries& series : matrix) {
      detail += series.labels.ToString();
      for (const Sample& sample : series.samples)
        detail += fmt::format(" {}@{}", FormatFixed(sample.value), sample.time_ms);
      detail += "; ";
    }
    std::size_t wanted = 0;
    for (const Described& want : expected.series) {
      std::vector<Sample> samples;
      for (std::size_t i = 0; i < want.values.size(); ++i)
        if (want.values[i]) samples.push_back({grid.at(i), *want.values[i]});
      if (samples.empty()) continue;
      ++wanted;
      const auto found = std::ranges::find(matrix, want.labels, &RangeSeries::labels);
      if (found == matrix.end() ||
          !std::ranges::equal(found->samples, samples, [](const Sample& a, const Sample& b) {
            return a.time_ms == b.time_ms && NearlyEqual(a.value, b.value);
          }))
        return false;
    }
    return wanted == matrix.size();
  }

  std::vector<std::string> lines_;
  std::size_t at_ = 0;  // the next line
  MemorySource source_;
  Engine engine_{source_};
  std::vector<CaseResult> results_;
};

}  // namespace

std::vector<CaseResult> RunScript(std::string_view script) {
  return ScriptRunner(script).Run();
}

namespace {

TEST(ScriptRunnerTest, TellsRightFromWrong) {
  const auto results = RunScript(R"(
load 1m
  m{a="1"} 1+1x3 _ stale
  m{a="2"} 5x3

eval instant at 3m m
  m{a="1"} 4
  m{a="2"} 5

eval instant at 3m m
  m{a="1"} 4

eval instant at 3m m
  expect fail

eval instant at 3m nothing(m)

eval range from 0 to 5m step 1m m{a="1"}
  m{a="1"} 1 2 3 4 4 _

eval range from 0 to 5m step 1m m{a="1"}
  m{a="1"} 1 2 3 4 4 4
)");
  ASSERT_EQ(results.size(), 6U);
  EXPECT_EQ(results[0].status, CaseStatus::kPass) << results[0].detail;
  EXPECT_EQ(results[1].status, CaseStatus::kWrong);
  EXPECT_EQ(results[2].status, CaseStatus::kWrong);
  EXPECT_EQ(results[3].status, CaseStatus::kRefused);
  EXPECT_EQ(results[4].status, CaseStatus::kPass) << results[4].detail;
  EXPECT_EQ(results[5].status, CaseStatus::kWrong);
  EXPECT_EQ(results[0].line, 6U);
}

}  // namespace
}  // namespace enclave::observatory::promql
