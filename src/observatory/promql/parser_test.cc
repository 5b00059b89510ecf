#include "observatory/promql/parser.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace enclave::observatory::promql {
namespace {

std::string Printed(std::string_view query) {
  const auto expr = Parse(query);
  return expr ? Print(**expr) : expr.error().message();
}

TEST(ParserTest, PrintsTheCanonicalSpelling) {
  EXPECT_EQ(Printed("foo"), "foo");
  EXPECT_EQ(Printed(" foo { b = 'x' , a =~ \"y\" , } "), R"(foo{a=~"y",b="x"})");
  EXPECT_EQ(Printed(R"({"foo.bar", "a.b"!="c"})"), R"({"a.b"!="c",__name__="foo.bar"})");
  EXPECT_EQ(Printed("foo[5m] offset -1h @ 10"), "foo[5m] @ 10.000 offset -1h");
  EXPECT_EQ(Printed("foo[90] @ end()"), "foo[1m30s] @ end()");
  EXPECT_EQ(Printed("foo @ -0.5"), "foo @ -0.500");
  EXPECT_EQ(Printed("rate(foo[5m])[1h:] offset 1d"), "rate(foo[5m])[1h:] offset 1d");
  EXPECT_EQ(Printed("sum(foo)by(a,b)"), "sum by (a, b) (foo)");
  EXPECT_EQ(Printed("sum without() (foo)"), "sum without () (foo)");
  EXPECT_EQ(Printed("topk by (a) (5, foo)"), "topk by (a) (5, foo)");
  EXPECT_EQ(Printed("a+b*c^d"), "a + b * c ^ d");
  EXPECT_EQ(Printed("(a+b)*c"), "(a + b) * c");
  EXPECT_EQ(Printed("a/on(x)group_left(y)b"), "a / on (x) group_left (y) b");
  EXPECT_EQ(Printed("a > bool ignoring(x) b"), "a > bool ignoring (x) b");
  EXPECT_EQ(Printed("a and on() b"), "a and on () b");
  EXPECT_EQ(Printed("-a"), "-a");
  EXPECT_EQ(Printed("- 1"), "-1");
  EXPECT_EQ(Printed("1e3"), "1000");
  EXPECT_EQ(Printed("1h"), "1h");
  EXPECT_EQ(Printed(R"(label_replace(a, "b", "\n\"", "c", `\d`))"),
            R"(label_replace(a, "b", "\n\"", "c", "\\d"))");
}

TEST(ParserTest, WhatItPrintsIsTheSame) {
  for (const std::string_view query :
       {"sum by (le) (rate(http_request_duration_seconds_bucket{job=~\"a|b\"}[5m] offset 1w))",
        "a + b - c or d and e unless f == bool g", "-a ^ 2", "2 ^ -3 ^ 2", "- - 1",
        "max_over_time((a + b)[1h:30s] @ start())", "offset offset 5m", "sum", "by + without",
        "{__name__=\"x\"}", "{\"a b\"}", "quantile(0.9, x) by (\"a.b\", c)", "Inf + NaN",
        "count_values without (x) (\"v\", y)", "end @ end()", "foo:bar:baz"}) {
    const std::string once = Printed(query);
    EXPECT_EQ(Printed(once), once) << query;
    EXPECT_FALSE(once.contains("parse error")) << query << ": " << once;
  }
}

TEST(ParserTest, PrettyBreaksLongLinesOnly) {
  EXPECT_EQ(PrintPretty(**Parse("sum(rate(foo[5m]))")), "sum(rate(foo[5m]))");
  const std::string metric(60, 'm');
  const std::string query = "sum by (a) (" + metric + " + " + metric + ")";
  const std::string pretty = PrintPretty(**Parse(query));
  EXPECT_EQ(pretty, "sum by (a) (\n    " + metric + "\n  +\n    " + metric + "\n)");
  EXPECT_EQ(Printed(pretty), Printed(query));
}

TEST(ParserTest, SaysWhereAndWhatIsWrong) {
  EXPECT_EQ(Printed(""), "1:1: parse error: no expression found in input");
  EXPECT_EQ(Printed("# only a comment"), "1:1: parse error: no expression found in input");
  EXPECT_EQ(Printed("foo bar"), "1:5: parse error: unexpected identifier \"bar\"");
  EXPECT_EQ(Printed("foo{a}"),
            "1:6: parse error: unexpected \"}\" in label matching, expected label matching "
            "operator");
  EXPECT_EQ(Printed("foo{a=1}"), "1:7: parse error: unexpected character inside braces: '1'");
  EXPECT_EQ(Printed("foo\n  + [5m]"), "2:5: parse error: unexpected \"[\"");
  EXPECT_EQ(Printed("*1"), "1:1: parse error: unexpected <op:*>");
  EXPECT_EQ(Printed("foo{"), "1:5: parse error: unexpected end of input inside braces");
  EXPECT_EQ(Printed("foo[5m"), "1:7: parse error: unclosed left bracket");
  EXPECT_EQ(Printed("foo offset bar"),
            "1:12: parse error: unexpected identifier \"bar\" in offset, expected number, "
            "duration, step(), or range()");
  EXPECT_EQ(Printed("foo @ bar"),
            "1:7: parse error: unexpected identifier \"bar\" in @, expected timestamp");
  EXPECT_EQ(Printed("a + fill (0) b"),
            "1:1: parse error: binop fill modifiers are experimental and not enabled");
  EXPECT_EQ(Printed("a </ 1"),
            "1:3: parse error: operator \"</\" trims native histograms, which are not supported");
  EXPECT_EQ(Printed("1 +\xff"), "1:4: parse error: unexpected character: '\xEF\xBF\xBD'");
}

TEST(ParserTest, RefusesWhatIsTooDeep) {
  std::string nested = "x";
  std::string chain = "x";
  for (int i = 0; i < 5000; ++i) {
    nested = "(" + nested + ")";
    chain += "+x";
  }
  EXPECT_TRUE(Printed(nested).contains("levels deep"));
  EXPECT_TRUE(Printed(chain).contains("levels deep"));
  EXPECT_TRUE(Printed(std::string(5000, '-') + "x").contains("levels deep"));
}

TEST(ParserTest, SelectorsAlone) {
  const auto matchers = ParseSelector(R"(up{job="a"})");
  ASSERT_TRUE(matchers);
  EXPECT_EQ(matchers->size(), 2U);
  EXPECT_TRUE(telemetry::Matches(*matchers, {{"__name__", "up"}, {"job", "a"}}));
  EXPECT_FALSE(telemetry::Matches(*matchers, {{"__name__", "up"}, {"job", "b"}}));
  EXPECT_FALSE(ParseSelector("sum(up)"));
  EXPECT_FALSE(ParseSelector("up offset 5m"));
  EXPECT_FALSE(ParseSelector("{}"));
  EXPECT_FALSE(ParseSelector("1"));
}

TEST(ParserTest, Unquotes) {
  EXPECT_EQ(Unquote(R"("a\x41\u00e9\101\n")"),
            "aA\xc3\xa9"
            "A\n");
  EXPECT_EQ(Unquote(R"('\U0001F600')"), "\xf0\x9f\x98\x80");
  EXPECT_EQ(Unquote("`\\n`"), "\\n");
  EXPECT_EQ(Unquote("\"a"), std::nullopt);
  EXPECT_EQ(Unquote(R"("\x4")"), std::nullopt);
  EXPECT_EQ(Unquote("abc"), std::nullopt);
}

}  // namespace
}  // namespace enclave::observatory::promql
