#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "observatory/logql/engine.h"
#include "observatory/logql/parser.h"
#include "observatory/logql/units.h"

namespace enclave::observatory::logql {
namespace {

using telemetry::Direction;
using telemetry::Labels;
using telemetry::LogRecord;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::int64_t kSecond = 1'000'000'000;

// Records in a list, and what was asked of it.
class ListSource final : public telemetry::LogSource {
 public:
  void Add(Labels labels, std::int64_t second, std::string line, Labels metadata = {}) {
    records_.emplace_back(std::move(labels),
                          LogRecord{second * kSecond, std::move(line), std::move(metadata)});
  }
  void AddOfTrace(Labels labels, std::int64_t second, std::string line, std::string_view trace) {
    Add(std::move(labels), second, std::move(line));
    records_.back().second.trace_id = trace::TraceId::Parse(trace);
  }
  const telemetry::LogQuery& last() const { return last_; }
  std::size_t visited() const { return visited_; }
  void TellWhatIsRead() { tells_ = true; }

  base::Result<> Query(const telemetry::LogQuery& query,
                       const telemetry::LogVisitor& visit) override {
    last_ = query;
    visited_ = 0;
    auto sorted = records_;
    std::ranges::sort(sorted, {}, [](const auto& entry) { return entry.second.time_ns; });
    if (query.direction == Direction::kBackward) std::ranges::reverse(sorted);
    if (tells_ && query.reading && !query.reading(sorted.size(), 100 * sorted.size())) return {};
    for (const auto& [labels, record] : sorted) {
      if (record.time_ns < query.range.from || record.time_ns >= query.range.to) continue;
      if (!telemetry::Matches(query.matchers, labels)) continue;
      ++visited_;
      if (!visit(labels, record)) break;
    }
    return {};
  }
  base::Result<> OfTrace(trace::TraceId, const telemetry::LogVisitor&) override { return {}; }
  base::Result<std::vector<Labels>> Streams(const std::vector<telemetry::Matchers>&,
                                            telemetry::TimeRangeNs, std::size_t) override {
    return std::vector<Labels>();
  }
  base::Result<std::vector<std::string>> StreamLabelNames(telemetry::TimeRangeNs) override {
    return std::vector<std::string>();
  }
  base::Result<std::vector<std::string>> StreamLabelValues(const std::string&,
                                                           telemetry::TimeRangeNs) override {
    return std::vector<std::string>();
  }

 private:
  std::vector<std::pair<Labels, LogRecord>> records_;
  telemetry::LogQuery last_;
  std::size_t visited_ = 0;
  bool tells_ = false;
};

class LogqlTest : public ::testing::Test {
 protected:
  LogqlTest() {
    const Labels web{{"app", "web"}};
    const Labels cart{{"app", "cart"}};
    source_.Add(web, 10, "GET / 200", {{"level", "info"}});
    source_.Add(web, 20, "GET /cart 500 error", {{"level", "error"}});
    source_.Add(cart, 30, R"({"msg":"add","took":"15ms","size":"2KB","user":{"id":7},"app":"x"})");
    source_.Add(cart, 40, R"(msg="put it" took=1.5s code=404 flag)");
    source_.Add(cart, 50, "neither { nor =");
    source_.AddOfTrace(web, 60, "GET /traced 200", "0123456789abcdef0123456789abcdef");
  }

  // Lines that a query gives, or its error.
  std::vector<std::string> Lines(const std::string& query,
                                 Direction direction = Direction::kForward,
                                 std::size_t limit = 100) {
    const auto result = engine_.QueryRange(query, 0, 1000 * kSecond, kSecond, limit, direction);
    if (!result) return {result.error().message()};
    std::vector<std::pair<std::int64_t, std::string>> entries;
    for (const Stream& stream : std::get<Streams>(*result))
      for (const Entry& entry : stream.entries) entries.emplace_back(entry.time_ns, entry.line);
    std::ranges::sort(entries);
    std::vector<std::string> lines;
    for (auto& [time, line] : entries) lines.push_back(line.substr(0, 7));
    return lines;
  }
  // "{labels} value" at one time, or the error.
  std::vector<std::string> At(const std::string& query, std::int64_t second) {
    const auto result = engine_.Query(query, second * kSecond, 100, Direction::kForward);
    if (!result) return {result.error().message()};
    if (const auto* scalar = std::get_if<Scalar>(&*result))
      return {fmt::format("{}", scalar->point.value)};
    std::vector<std::string> values;
    for (const Series& series : std::get<Vector>(*result).series)
      values.push_back(fmt::format("{} {}", series.labels.ToString(), series.points[0].value));
    return values;
  }

  ListSource source_;
  Engine engine_{source_};
};

TEST_F(LogqlTest, LineFilters) {
  EXPECT_THAT(Lines(R"({app="web"})"), ElementsAre("GET / 2", "GET /ca", "GET /tr"));
  EXPECT_THAT(Lines(R"({app="web"} |= "200")"), ElementsAre("GET / 2", "GET /tr"));
  EXPECT_THAT(Lines(R"({app="web"} != "200")"), ElementsAre("GET /ca"));
  EXPECT_THAT(Lines(R"({app="web"} |= "error" or "traced")"), ElementsAre("GET /ca", "GET /tr"));
  EXPECT_THAT(Lines(R"({app="web"} != "error" or "traced")"), ElementsAre("GET / 2"));
  EXPECT_THAT(Lines(R"({app="web"} |~ "[45]\\d\\d" != "x")"), ElementsAre("GET /ca"));
  EXPECT_THAT(Lines(R"({app="web"} !~ `/(cart|traced)`)"), ElementsAre("GET / 2"));
  EXPECT_THAT(Lines(R"(({app=~"w.*"} |= "GET") |= "cart")"), ElementsAre("GET /ca"));
  EXPECT_THAT(Lines(R"({app="web", level="info"})"), ElementsAre());
}

TEST_F(LogqlTest, LiteralTextsAreHandedToTheSource) {
  Lines(R"({app="web"} |= "200" |= "a" or "b" != "c" |~ "d" | json |= "GET")");
  EXPECT_THAT(source_.last().contains, ElementsAre("200", "GET"));
}

TEST_F(LogqlTest, LabelFilters) {
  EXPECT_THAT(Lines(R"({app="web"} | level="error")"), ElementsAre("GET /ca"));
  EXPECT_THAT(Lines(R"({app="web"} | level!="error")"), ElementsAre("GET / 2", "GET /tr"));
  EXPECT_THAT(Lines(R"({app="web"} | level=~"err.*" or app="cart")"), ElementsAre("GET /ca"));
  EXPECT_THAT(Lines(R"({app="web"} | level=~"err")"), ElementsAre());
  EXPECT_THAT(Lines(R"({app="web"} | trace_id="0123456789abcdef0123456789abcdef")"),
              ElementsAre("GET /tr"));
  EXPECT_THAT(Lines(R"({app="cart"} | json | took > 10ms | __error__="")"),
              ElementsAre("{\"msg\":"));
  EXPECT_THAT(Lines(R"({app="cart"} | json | took > 20ms | __error__="")"), ElementsAre());
  EXPECT_THAT(Lines(R"({app="cart"} | json | size >= 2KB, user_id == 7)"),
              ElementsAre("{\"msg\":", "msg=\"pu", "neither"))
      << "with what cannot be read";
  EXPECT_THAT(Lines(R"({app="cart"} | json | __error__="" | size < 2000 or user_id<=7.0)"),
              ElementsAre("{\"msg\":"));
  EXPECT_THAT(
      Lines(R"({app="cart"} | json | __error__="" | (size>2KB or msg="add") and user_id=7)"),
      ElementsAre("{\"msg\":"));
  EXPECT_THAT(Lines(R"({app="cart"} | logfmt | code>=400 and took<2s)"), ElementsAre("msg=\"pu"));
  EXPECT_THAT(Lines(R"({app="cart"} | logfmt | msg="put it")"), ElementsAre("msg=\"pu"));
  EXPECT_THAT(Lines(R"({app="cart"} | logfmt c="code" | c=404)"), ElementsAre("msg=\"pu"));
  EXPECT_THAT(
      Lines(R"({app="cart"} | json who="user.id", m=`["msg"]` | __error__="" | who=7, m="add")"),
      ElementsAre("{\"msg\":"));
}

TEST_F(LogqlTest, LabelsOfTheResultSayWhatWasFound) {
  const auto result = engine_.QueryRange(R"({app="cart"} |= "user" | json)", 0, 1000 * kSecond,
                                         kSecond, 10, Direction::kForward);
  ASSERT_TRUE(result);
  EXPECT_EQ(std::get<Streams>(*result)[0].labels, (Labels{{"app", "cart"},
                                                          {"app_extracted", "x"},
                                                          {"msg", "add"},
                                                          {"took", "15ms"},
                                                          {"size", "2KB"},
                                                          {"user_id", "7"}}));
  const auto bad = engine_.QueryRange(R"({app="cart"} |= "neither" | json)", 0, 1000 * kSecond,
                                      kSecond, 10, Direction::kForward);
  EXPECT_EQ(std::get<Streams>(*bad)[0].labels.Get("__error__"), "JSONParserErr");
  const auto strict = engine_.QueryRange(R"({app="cart"} |= "neither" | logfmt --strict)", 0,
                                         1000 * kSecond, kSecond, 10, Direction::kForward);
  EXPECT_EQ(std::get<Streams>(*strict)[0].labels.Get("__error__"), "LogfmtParserErr");
}

TEST_F(LogqlTest, TheLimitEndsTheQueryEarly) {
  EXPECT_THAT(Lines(R"({app=~".+"})", Direction::kBackward, 2), ElementsAre("neither", "GET /tr"));
  EXPECT_EQ(source_.visited(), 2u);
  EXPECT_THAT(Lines(R"({app="web"})", Direction::kForward, 6000)[0], HasSubstr("5000"));
}

TEST_F(LogqlTest, CountsInSlidingWindows) {
  EXPECT_THAT(At(R"(count_over_time({app="web"}[1m]))", 60),
              ElementsAre(R"({app="web", level="error"} 1)", R"({app="web", level="info"} 1)",
                          R"({app="web", trace_id="0123456789abcdef0123456789abcdef"} 1)"));
  EXPECT_THAT(At(R"(sum by (app) (count_over_time({app=~".+"}[1m])))", 60),
              ElementsAre(R"({app="cart"} 3)", R"({app="web"} 3)"));
  // (T - range, T]
  EXPECT_THAT(At(R"(sum(count_over_time({app="web"}[10s])))", 20), ElementsAre("{} 1"));
  EXPECT_THAT(At(R"(sum(count_over_time({app="web"}[10s])))", 30), ElementsAre());
  EXPECT_THAT(At(R"(sum(count_over_time({app="web"}[11s])))", 30), ElementsAre("{} 1"));
  EXPECT_THAT(At(R"(sum(count_over_time({app="web"}[10s] offset 40s)))", 60), ElementsAre("{} 1"));
  EXPECT_THAT(At(R"(sum(rate({app="web"} |= "GET" [1m])))", 60), ElementsAre("{} 0.05"));
  EXPECT_THAT(At(R"(sum(bytes_over_time({app="web"}[1m] |= "cart")))", 60), ElementsAre("{} 19"));
  EXPECT_THAT(At(R"(sum(bytes_rate({app="web"} |= "cart" [10s])))", 20), ElementsAre("{} 1.9"));
  EXPECT_THAT(At(R"(sum without (level, trace_id) (count_over_time({app="web"}[1m])))", 60),
              ElementsAre(R"({app="web"} 3)"));
}

TEST_F(LogqlTest, Aggregations) {
  const std::string counts = R"((sum by (app, level) (count_over_time({app=~".+"}[1m]))))";
  EXPECT_THAT(At("count" + counts, 60), ElementsAre("{} 4"));
  EXPECT_THAT(At("max" + counts, 60), ElementsAre("{} 3"));
  EXPECT_THAT(At("min by (app)" + counts, 60),
              ElementsAre(R"({app="cart"} 3)", R"({app="web"} 1)"));
  EXPECT_THAT(At("avg" + counts, 60), ElementsAre("{} 1.5"));
  EXPECT_THAT(At("topk(2, " + counts + ")", 60),
              ElementsAre(R"({app="cart"} 3)", R"({app="web"} 1)"));
  EXPECT_THAT(At("bottomk by (app) (1, " + counts + ")", 60),
              ElementsAre(R"({app="cart"} 3)", R"({app="web"} 1)"));
  EXPECT_THAT(At(counts + " > 1", 60), ElementsAre(R"({app="cart"} 3)"));
  EXPECT_THAT(At("2 * " + counts + " + 1 > 4", 60), ElementsAre(R"({app="cart"} 7)"));
  EXPECT_THAT(At(counts + " / " + counts, 60),
              ElementsAre(R"({app="cart"} 1)", R"({app="web"} 1)",
                          R"({app="web", level="error"} 1)", R"({app="web", level="info"} 1)"));
}

TEST_F(LogqlTest, Numbers) {
  EXPECT_THAT(At("vector(1)+vector(1)", 5), ElementsAre("{} 2"));
  EXPECT_THAT(At("1 + 2 * 3 ^ 2 ^ 0", 5), ElementsAre("7"));
  EXPECT_THAT(At("(1 + 2) * -3", 5), ElementsAre("-9"));
}

TEST_F(LogqlTest, RangesGiveEachStepItsOwnWindow) {
  const auto result = engine_.QueryRange(R"(sum(count_over_time({app="web"}[25s])))", 0,
                                         100 * kSecond, 10 * kSecond, 0, Direction::kForward);
  ASSERT_TRUE(result);
  std::vector<std::pair<std::int64_t, double>> points;
  for (const Point& point : std::get<Matrix>(*result).series[0].points)
    points.emplace_back(point.time_ns / kSecond, point.value);
  EXPECT_THAT(points,
              ElementsAre(std::pair(10, 1), std::pair(20, 2), std::pair(30, 2), std::pair(40, 1),
                          std::pair(60, 1), std::pair(70, 1), std::pair(80, 1)));
}

TEST_F(LogqlTest, LinesThatCannotBeReadFailMetricQueriesUnlessLeftOut) {
  EXPECT_THAT(At(R"(sum(count_over_time({app="cart"} | json [1m])))", 60)[0],
              HasSubstr("JSONParserErr"));
  EXPECT_THAT(At(R"(sum(count_over_time({app="cart"} | json | __error__="" [1m])))", 60),
              ElementsAre("{} 1"));
}

TEST_F(LogqlTest, RegexpAndPatternFindLabels) {
  ListSource source;
  source.Add({{"app", "a"}}, 1, R"(10.0.0.1 - - "GET /cart HTTP/1.1" 200 17)");
  source.Add({{"app", "a"}}, 2, "another line");
  const auto labels = [&](const std::string& stages) {
    const auto result = Engine(source).QueryRange("{app=\"a\"} " + stages, 0, 10 * kSecond, kSecond,
                                                  10, Direction::kForward);
    EXPECT_TRUE(result) << result.error().message();
    std::vector<std::string> all;
    if (result)
      for (const Stream& stream : std::get<Streams>(*result))
        all.push_back(stream.labels.ToString());
    return all;
  };
  EXPECT_THAT(labels(R"(| regexp `"(?P<method>\w+) (?P<path>\S+)` | method="GET")"),
              ElementsAre(R"({app="a", method="GET", path="/cart"})"));
  EXPECT_THAT(labels(R"(| pattern `<ip> - - "<method> <path> <_>" <status> <_>` | status >= 200)"),
              ElementsAre(R"({app="a", ip="10.0.0.1", method="GET", path="/cart", status="200"})"));
  // What a line does not have ends it; the capture before takes the rest.
  EXPECT_THAT(labels(R"(|= "another" | pattern `<first> <rest>: <more>`)"),
              ElementsAre(R"({app="a", first="another", rest="line"})"));
  EXPECT_THAT(labels(R"(|= "another" | pattern `begins <rest>`)"), ElementsAre(R"({app="a"})"));
}

TEST_F(LogqlTest, LinesAndLabelsAreFormatted) {
  const auto lines = [&](const std::string& stages) {
    const auto result = engine_.QueryRange("{app=\"cart\"} |= \"user\" " + stages, 0,
                                           1000 * kSecond, kSecond, 10, Direction::kForward);
    if (!result) return result.error().message();
    const Streams& streams = std::get<Streams>(*result);
    if (streams.empty()) return std::string("none");
    return streams[0].labels.ToString() + " " + streams[0].entries[0].line;
  };
  EXPECT_EQ(lines(R"(| json msg, took | line_format "{{.took}} {{.msg | upper}}" |= "ADD")"),
            R"({app="cart", msg="add", took="15ms"} 15ms ADD)");
  EXPECT_EQ(lines(R"(| json msg | line_format "{{.msg}}" |= "took")"), "none")
      << "what follows sees the new line, and the source is not asked for its texts";
  EXPECT_EQ(lines(R"(| json msg | line_format "a={{.msg}} b=2" | logfmt | msg="add" | drop msg)"),
            R"({a="add", app="cart", b="2"} a=add b=2)");
  EXPECT_EQ(lines(R"(| json msg | label_format app=`{{.msg}}-{{.app}}`, what=msg, b=`{{.app}}` )"
                  R"(| keep app, what, b | line_format "x")"),
            R"({app="add-cart", b="cart", what="add"} x)")
      << "templates see the labels of before";
  EXPECT_EQ(lines(R"(| json msg | label_format b=nothing | line_format "x")"),
            R"({app="cart", msg="add"} x)");
  EXPECT_EQ(lines(R"(| json msg, took | drop msg="other", took=~"1.*" | line_format "x")"),
            R"({app="cart", msg="add"} x)");
  EXPECT_EQ(lines(R"(| label_format x="{{div 1 0}}" | drop __error_details__ | line_format "x")"),
            R"({__error__="TemplateFormatErr", app="cart"} x)");
  EXPECT_EQ(
      lines(R"(| logfmt --strict | drop __error__, __error_details__ | keep app)").substr(0, 13),
      R"({app="cart"} )");
  EXPECT_EQ(lines("| line_format \"\\x1b[31mred\\x1b[0m\" | decolorize"), R"({app="cart"} red)");
}

TEST_F(LogqlTest, ValuesAreUnwrapped) {
  ListSource source;
  const Labels a{{"app", "a"}};
  source.Add(a, 10, "took=100ms size=1KB n=4 user=x");
  source.Add(a, 20, "took=300ms size=3KB n=1 user=y");
  source.Add(a, 30, "took=200ms size=2KB n=7 user=x");
  source.Add(a, 40, "nothing to unwrap");
  const auto at = [&](const std::string& query, std::int64_t second = 60) {
    const auto result = Engine(source).Query(query, second * kSecond, 100, Direction::kForward);
    std::vector<std::string> values;
    if (!result) return std::vector<std::string>{result.error().message()};
    for (const Series& series : std::get<Vector>(*result).series)
      values.push_back(fmt::format("{} {:.6g}", series.labels.ToString(), series.points[0].value));
    return values;
  };
  const auto of_n = [&](const std::string& function) {
    return at(function + R"({app="a"} | logfmt n | unwrap n [1m]))");
  };
  EXPECT_THAT(of_n("sum_over_time("), ElementsAre(R"({app="a"} 12)"));
  EXPECT_THAT(of_n("avg_over_time("), ElementsAre(R"({app="a"} 4)"));
  EXPECT_THAT(of_n("min_over_time("), ElementsAre(R"({app="a"} 1)"));
  EXPECT_THAT(of_n("max_over_time("), ElementsAre(R"({app="a"} 7)"));
  EXPECT_THAT(of_n("first_over_time("), ElementsAre(R"({app="a"} 4)"));
  EXPECT_THAT(of_n("last_over_time("), ElementsAre(R"({app="a"} 7)"));
  EXPECT_THAT(of_n("stdvar_over_time("), ElementsAre(R"({app="a"} 6)"));
  EXPECT_THAT(of_n("stddev_over_time("), ElementsAre(R"({app="a"} 2.44949)"));
  EXPECT_THAT(of_n("quantile_over_time(0.75, "), ElementsAre(R"({app="a"} 5.5)"));
  EXPECT_THAT(of_n("quantile_over_time(1, "), ElementsAre(R"({app="a"} 7)"));
  EXPECT_THAT(of_n("rate("), ElementsAre(R"({app="a"} 0.2)"));
  // A new start after the 4: 3 + 4 within 20 s; 10 s more before, half an interval behind.
  EXPECT_THAT(of_n("rate_counter("), ElementsAre(R"({app="a"} 0.204167)"));
  EXPECT_THAT(at(R"(sum_over_time({app="a"} | logfmt | unwrap duration(took) [1m]))"),
              ElementsAre(R"({app="a", n="1", size="3KB", user="y"} 0.3)",
                          R"({app="a", n="4", size="1KB", user="x"} 0.1)",
                          R"({app="a", n="7", size="2KB", user="x"} 0.2)"));
  EXPECT_THAT(at(R"(max_over_time({app="a"} | logfmt | unwrap bytes(size) [1m]) by (user))"),
              ElementsAre(R"({user="x"} 2000)", R"({user="y"} 3000)"));
  EXPECT_THAT(at(R"(sum by (user) (sum_over_time({app="a"} | logfmt | unwrap n [1m])))"),
              ElementsAre(R"({user="x"} 11)", R"({user="y"} 1)"));
  // (T - range, T]
  EXPECT_THAT(at(R"(sum_over_time({app="a"} | logfmt n | unwrap n [20s]))", 30),
              ElementsAre(R"({app="a"} 8)"));
  EXPECT_THAT(at(R"(sum_over_time({app="a"}[20s] | logfmt n | unwrap n offset 10s))", 30),
              ElementsAre(R"({app="a"} 5)"));
  EXPECT_THAT(at(R"(sum_over_time({app="a"} | logfmt | unwrap user [1m]))")[0],
              HasSubstr("SampleExtractionErr"));
  EXPECT_THAT(at(R"(sum_over_time({app="a"} | logfmt | unwrap user | __error__="" [1m]))"),
              ElementsAre());
}

TEST_F(LogqlTest, WhatIsUnwrappedIsBounded) {
  ListSource source;
  for (int i = 0; i < 100; ++i) source.Add({{"app", "a"}}, i, "n=1");
  Limits limits;
  limits.samples = 50;
  const std::string query = R"(sum_over_time({app="a"} | logfmt | unwrap n [50s]))";
  const auto ask = [&] {
    return Engine(source, limits)
        .QueryRange(query, 0, 99 * kSecond, kSecond, 0, Direction::kForward);
  };
  EXPECT_THAT(ask().error().message(), HasSubstr("unwraps more than 50 values"));
  limits.samples = 100;
  limits.window_samples = 3000;  // 50 values in each of the last 50 windows, fewer before
  EXPECT_THAT(ask().error().message(), HasSubstr("looks at more than 3000 values"));
  limits.window_samples = 4000;
  const auto result = ask();
  ASSERT_TRUE(result);
  EXPECT_EQ(std::get<Matrix>(*result).series[0].points.back().value, 50);
}

TEST_F(LogqlTest, WhatAQueryReadsIsBounded) {
  ListSource source;
  for (int i = 0; i < 1000; ++i) source.Add({{"app", "a"}}, i, "a line like others");
  Limits limits;
  limits.scanned_lines = 500;
  const auto ask = [&](const std::string& text, std::stop_token stop = {}) {
    return Engine(source, limits)
        .QueryRange(text, 0, 2000 * kSecond, 1000 * kSecond, 5000, Direction::kForward, stop);
  };
  const auto by_lines = ask("{app=\"a\"}");
  ASSERT_FALSE(by_lines);
  EXPECT_EQ(by_lines.error().kind(), base::ErrorKind::kResourceExhausted);
  EXPECT_THAT(by_lines.error().message(), HasSubstr("500 lines"));
  EXPECT_LE(source.visited(), 501u);
  EXPECT_FALSE(ask("sum(count_over_time({app=\"a\"}[5m]))"));
  limits.scanned_lines = 5000;
  EXPECT_TRUE(ask("{app=\"a\"}"));
  limits.scanned_bytes = 4096;
  EXPECT_FALSE(ask("{app=\"a\"}"));
  limits.scanned_bytes = 90'000;
  EXPECT_TRUE(ask("{app=\"a\"} |= \"nothing like it\""));
  // What the source reads and does not show counts as well.
  source.TellWhatIsRead();
  EXPECT_FALSE(ask("{app=\"a\"} |= \"nothing like it\""));
}

TEST_F(LogqlTest, AQueryEndsWhenItsClientHasGone) {
  ListSource source;
  for (int i = 0; i < 1000; ++i) source.Add({{"app", "a"}}, i, "a line like others");
  std::stop_source gone;
  gone.request_stop();
  for (const char* text : {"{app=\"a\"}", "sum(count_over_time({app=\"a\"}[5m]))"}) {
    const auto result = Engine(source).QueryRange(text, 0, 2000 * kSecond, 1000 * kSecond, 5000,
                                                  Direction::kForward, gone.get_token());
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind(), base::ErrorKind::kCancelled);
    EXPECT_EQ(source.visited(), 0u);
  }
}

TEST_F(LogqlTest, BoundsAreSaid) {
  Limits limits;
  limits.series = 2;
  Engine engine(source_, limits);
  const auto many =
      engine.Query(R"(count_over_time({app=~".+"}[1h]))", 100 * kSecond, 0, Direction::kForward);
  ASSERT_FALSE(many);
  EXPECT_EQ(many.error().kind(), base::ErrorKind::kResourceExhausted);
  EXPECT_THAT(many.error().message(), HasSubstr("more than 2 series"));
  EXPECT_THAT(
      engine.QueryRange("vector(1)", 0, 1'000'000 * kSecond, kSecond, 0, Direction::kForward)
          .error()
          .message(),
      HasSubstr("at most 11000"));
  EXPECT_THAT(At(R"({app="web"})", 5)[0], HasSubstr("query_range"));
}

struct Refused {
  const char* query;
  const char* message;
};
class RefusedTest : public ::testing::TestWithParam<Refused> {};
TEST_P(RefusedTest, WithItsPlaceAndReason) {
  const auto query = Parse(GetParam().query);
  ASSERT_FALSE(query) << GetParam().query;
  EXPECT_THAT(query.error().message(), HasSubstr(GetParam().message)) << GetParam().query;
  EXPECT_EQ(query.error().kind(), base::ErrorKind::kInvalidArgument);
}
INSTANTIATE_TEST_SUITE_P(
    All, RefusedTest,
    ::testing::Values(
        Refused{"", "the query ends"}, Refused{"{}", "at least one matcher"},
        Refused{R"({a=""})", "at least one matcher"},
        Refused{R"({a="b")", "line 1, column 7: the query ends where"},
        Refused{R"({a="b})", "line 1, column 4: this text has no closing quote"},
        Refused{"{a=\"b\"}\n  |= 5", "line 2, column 6: \"5\" stands where a text"},
        Refused{R"({a=~"("})", "not valid"}, Refused{R"({a="b"} |~ "(")", "not valid"},
        Refused{R"({a="b"} |> "x")", "the pattern filter |> is not supported"},
        Refused{R"({a="b"} |= ip("1.2.3.4"))", "ip(...) is not supported"},
        Refused{R"({a="b"} | addr=ip("1.2.3.4"))", "ip(...) is not supported"},
        Refused{R"({a="b"} | regexp "x")", "no named group"},
        Refused{R"({a="b"} | regexp "(?P<x>")", "not valid"},
        Refused{R"({a="b"} | pattern "x <_>")", "no named capture"},
        Refused{R"({a="b"} | pattern "<x><y>")", "side by side"},
        Refused{R"({a="b"} | pattern)", "a text in quotes"},
        Refused{R"({a="b"} | line_format "{{nope}}")", "the function \"nope\" is not supported"},
        Refused{R"({a="b"} | line_format x)", "a template in quotes"},
        Refused{R"({a="b"} | label_format a=b, a="x")", "formatted twice"},
        Refused{R"({a="b"} | label_format a)", "\"=\" was expected"},
        Refused{R"({a="b"} | unpack)", "the stage unpack is not supported"},
        Refused{R"({a="b"} | drop)", "the name of a label"},
        Refused{R"({a="b"} | unwrap x)", "unwrap is of metric queries"},
        Refused{R"(sum_over_time({a="b"}[5m]))", "column 1: sum_over_time needs values"},
        Refused{R"(count_over_time({a="b"} | unwrap x [5m]))", "takes no unwrap"},
        Refused{R"(sum_over_time({a="b"} | unwrap miles(x) [5m]))", "no conversion \"miles\""},
        Refused{R"(sum_over_time({a="b"} | unwrap x [5m] | unwrap y))", "twice"},
        Refused{R"(sum_over_time({a="b"} | unwrap x [5m]) by (y))", "sum by"},
        Refused{R"(absent_over_time({a="b"}[5m]))", "the function absent_over_time is not"},
        Refused{R"(rate({a="b"}))", "where \"[\" was expected"},
        Refused{R"(rate({a="b"}[0s]))", "longer than nothing"},
        Refused{R"(rate({a="b"}[5m]) by (x))", "sum by"},
        Refused{R"(nosuch({a="b"}[5m]))", "there is no function \"nosuch\""},
        Refused{R"(stddev(rate({a="b"}[5m])))", "the function stddev is not supported"},
        Refused{R"(vector(1) and vector(2))", "the operator and between metrics"},
        Refused{R"(vector(1) + on(a) vector(2))", "the modifier on is not supported"},
        Refused{R"(vector(1) > bool 2)", "the modifier bool is not supported"},
        Refused{R"(topk(0, rate({a="b"}[5m])))", "whole number"},
        Refused{R"({a="b"} | json x="a..b")", "no path into JSON"},
        Refused{R"({a="b"} | x > "y")", "a number, a duration or a size"},
        Refused{R"({a="b"} extra)", "the end of the query"},
        Refused{R"(sum({a="b"}))", "not a metric"}, Refused{"{a=\"b\"} \\", "means nothing here"}));

TEST(UnitsTest, AreReadAsLogsWriteThem) {
  EXPECT_EQ(ParseDuration("1h30m"), 5400e9);
  EXPECT_EQ(ParseDuration("1.5s"), 1.5e9);
  EXPECT_EQ(ParseDuration("-20µs"), -20e3);
  EXPECT_EQ(ParseDuration("5"), std::nullopt);
  EXPECT_EQ(ParseDuration("5x"), std::nullopt);
  EXPECT_EQ(ParseBytes("1.5KB"), 1500);
  EXPECT_EQ(ParseBytes("2 MiB"), 2097152);
  EXPECT_EQ(ParseBytes("7"), 7);
  EXPECT_EQ(ParseBytes("7q"), std::nullopt);
  EXPECT_EQ(ParseNumber("1e3"), 1000);
  EXPECT_EQ(ParseNumber("1e3x"), std::nullopt);
}

}  // namespace
}  // namespace enclave::observatory::logql
